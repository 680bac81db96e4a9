"""Functions of the compiled kernel, called at the ends of what they allow and beyond."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from spark_monitor.errors import StateError
from spark_monitor.kernel.native.library import Library
from spark_monitor.kernel.native.slices import AFFINE, BY_SEARCH, ORDERED
from tests.kernels import compiled_library

KEYS = 1 << 16
SORT_INSTEAD, DONE = 0, 1


@pytest.fixture(scope="module")
def native() -> Library:
    return compiled_library()


@pytest.mark.parametrize("level", [13, 14, 31])
def test_a_step_of_ranks_that_is_longer_than_the_column_wants_every_value(native: Library, level: int) -> None:
    """Most share the first key; as all are wanted, they are to be sorted."""
    random = np.random.default_rng(5)
    values = np.where(np.arange(8191) % (8191 // 512), -1e9 + random.random(8191), random.random(8191))
    size, offset = values.size, (1 << level) - 1
    keys, histogram = np.empty(size, np.uint16), np.empty(KEYS, np.uint32)
    reals, integers, hashes = np.empty(9), np.empty(3, np.int64), np.empty(64, np.uint64)
    assert native.call("sm_scan", values, size, 1, 0, hashes.size, keys, histogram, hashes, reals, integers) == DONE
    assert histogram[0] > size * 7 // 8
    grid, work = (np.ones(1), 1), (np.empty(size // 8), np.empty(3 * KEYS, np.uint32), np.empty(3, np.int64))
    into = (np.empty(size), np.empty(size), np.empty(1), np.empty(1, np.int64), integers)
    assert (
        native.call("sm_ranked", values, keys, histogram, size, *grid, offset, level, size, reals, *work, *into) == SORT_INSTEAD
    )


@pytest.mark.parametrize("edge", [0.0, np.nan, sys.float_info.max, -sys.float_info.max])
@pytest.mark.parametrize("place", [0, 2])
def test_edges_that_do_not_stand_between_infinities_are_refused(native: Library, edge: float, place: int) -> None:
    edges = np.array([-np.inf, 0.0, np.inf])
    edges[place] = edge
    with pytest.raises(StateError, match="a size is out of range"):
        part(native, edges, BY_SEARCH, 0, 1)


@pytest.mark.parametrize("kind", [BY_SEARCH, AFFINE, ORDERED])
@pytest.mark.parametrize(("first", "keys"), [(-(1 << 63), 1), ((1 << 63) - 1, 1), (1 << 31, 1), (0, 0), (0, -1), (0, -(1 << 63))])
def test_a_table_beyond_what_keys_can_be_is_refused(native: Library, kind: int, first: int, keys: int) -> None:
    with pytest.raises(StateError, match="a size is out of range"):
        part(native, np.array([-np.inf, 0.0, np.inf]), kind, first, keys)


@pytest.mark.parametrize("first", [-2, 1, -(1 << 31), (1 << 31) - 2])
def test_keys_that_no_value_has_lead_to_the_tables_ends(native: Library, first: int) -> None:
    """Of 31 bits that are left out two keys remain, -1 and 0; beside the table stands what would be a wrong cell."""
    edges, around = np.array([-np.inf, 0.0, np.inf]), np.array([1, 0, 1], np.uint16)
    cells = np.empty(2, np.uint16)
    part(native, edges, ORDERED, first, 1, around[1:2], cells)
    assert cells.tolist() == [0, 2]


def part(
    native: Library,
    edges: np.ndarray,
    kind: int,
    first: int,
    keys: int,
    below: np.ndarray | None = None,
    cells: np.ndarray | None = None,
) -> int:
    values = np.array([-sys.float_info.max, 1.0])
    below = np.zeros(1, np.uint16) if below is None else below
    into = np.empty(2, np.uint16) if cells is None else cells, np.empty(2, np.int64), np.empty(2, np.uint64)
    return native.call("sm_part", values, None, 2, edges, 1, kind, 0.0, 1.0, 31, first, below, keys, 0, *into)
