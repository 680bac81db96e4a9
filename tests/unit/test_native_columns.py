"""Both kernels on columns at the limits of chunks, windows, grids and types: the same states, whole and merged across kernels."""

from __future__ import annotations

import decimal
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_monitor.kernel.columns import Rows
from spark_monitor.kernel.groups import numbers_of
from spark_monitor.kernel.native.library import Library
from spark_monitor.states.grid import MAX_EDGES, Grid, Integers
from tests.kernels import assert_same, assert_same_states, compiled_library, gathered, grid_for, rows_of, states_of

Random = np.random.Generator


@pytest.fixture(scope="module")
def native() -> Library:
    return compiled_library()


def decimals(random: Random, size: int) -> pa.Array:
    digits = random.integers(-(2**62), 2**62, size).tolist()
    return pa.array([decimal.Decimal(one) * 10**12 + decimal.Decimal(one).scaleb(-2) for one in digits], pa.decimal128(38, 2))


COLUMNS: dict[str, Callable[[Random, int], pa.Array]] = {
    "doubles": lambda random, size: pa.array(random.normal(size=size)),
    "floats": lambda random, size: pa.array(random.normal(size=size).astype(np.float32) * np.float32(1e30)),
    "discrete": lambda random, size: pa.array(random.choice([-3.25, -1.0, 0.1, 0.3, 2.0, 1e6], size)),
    "one value": lambda random, size: pa.array(np.full(size, random.choice([0.1, -0.0, 5e-324, 1e308]))),
    "zeros of two signs": lambda random, size: pa.array(random.choice([0.0, -0.0, 5e-324, -5e-324], size)),
    "near 2^53": lambda random, size: pa.array(2**53 + random.integers(-4, 5, size), pa.int64()),
    "int64": lambda random, size: pa.array(random.integers(-(2**63), 2**63 - 1, size, endpoint=True), pa.int64()),
    "ends of int64": lambda random, size: pa.array(random.choice([-(2**63), -(2**63) + 1, 2**63 - 1, 0], size), pa.int64()),
    "uint64": lambda random, size: pa.array(random.integers(0, 2**64 - 1, size, dtype=np.uint64, endpoint=True)),
    "int8": lambda random, size: pa.array(random.integers(-128, 128, size), pa.int8()),
    "decimals": decimals,
    "booleans": lambda random, size: pa.array(random.random(size) < random.random()),
    "timestamps": lambda random, size: pa.array(random.integers(-(2**50), 2**52, size), pa.timestamp("us", tz="UTC")),
    "nanoseconds": lambda random, size: pa.array(random.integers(-(2**60), 2**62, size), pa.timestamp("ns")),
    "dates": lambda random, size: pa.array(random.integers(-800_000, 3_000_000, size).astype(np.int32), pa.date32()),
    "not finite": lambda random, size: pa.array(random.choice([np.nan, np.inf, -np.inf], size)),
    "NaN of any bits": lambda random, size: pa.array(random.integers(0x7FF0 << 48, 0x7FFF << 48, size).view(np.float64)),
}


def adjacent(random: Random, values: np.ndarray, edges: int) -> Grid:
    """Edges of which each is the next double after another, around a value and around zero."""
    around = values[:1] if values.size else np.ones(1)
    bits = np.abs(around).view(np.int64) + np.arange(edges) - edges // 2
    found = np.maximum(bits, 0).view(np.float64)
    return Grid.of(np.concatenate([found, -found, np.arange(-2, 3) * 5e-324]))


def between(values: np.ndarray) -> Grid:
    """An edge between each two of different values, on none of them."""
    return Grid.of(values[:-1] / 2 + values[1:] / 2)


GRIDS: dict[str, Callable[[Random, np.ndarray], Grid]] = {
    "zero alone": lambda random, values: Grid.trivial(),
    "quantiles": lambda random, values: grid_for(random, values, 60),
    "many quantiles": lambda random, values: grid_for(random, values, 1023),
    "adjacent doubles": lambda random, values: adjacent(random, values, 9),
    "many adjacent doubles": lambda random, values: adjacent(random, values, 2000),
    "as many as there may be": lambda random, values: Grid.of(np.append(random.normal(size=MAX_EDGES - 1), 0.0)),
    "all below": lambda random, values: Grid.of(float(values.min(initial=0.0)) / 2 - 1e300 - np.arange(5) * 1e290),
    "all above": lambda random, values: Grid.of(float(values.max(initial=0.0)) / 2 + 1e300 + np.arange(300) * 1e290),
    "both ends": lambda random, values: Grid.of(random.choice([-1.0, 1.0], 40) * np.finfo(float).max * random.random(40)),
    "between the values": lambda random, values: between(np.unique(values)[: MAX_EDGES - 1]),
}


def grid_of(random: Random, kind: str, values: pa.Array) -> Grid:
    numbers = numbers_of(values)[0]
    finite = numbers[np.isfinite(numbers)]
    return GRIDS[kind](random, finite)


def grouped(random: Random, kind: str, size: int) -> Integers:
    """The group of every row."""
    made = {
        "one": lambda: np.zeros(size, dtype=np.int64),
        "a row each": lambda: random.permutation(size).astype(np.int64),
        "a row each in order": lambda: np.arange(size) * 3,
        "most of one row": lambda: np.where(random.random(size) < 0.3, np.arange(size), 7),
        "far apart": lambda: random.choice([0, 5, 1 << 20], size),
    }
    return np.sort(made[kind]()) if random.random() < 0.5 else made[kind]()


def chunk(random: Random, column: str, groups: str, size: int, keys: int) -> tuple[pa.Array, Rows]:
    values = COLUMNS[column](random, size)
    nulls = random.random(size) < random.choice([0.0, 0.0, 0.05, 0.9, 1.0])
    most = [1, 2, 65, 400] if groups in ("one", "far apart") else [1, 3]
    slices = [random.integers(0, int(random.choice(most)), size) for _ in range(keys)]
    masked = pa.array([None] * size, values.type) if nulls.all() and size else pa.compute.if_else(pa.array(~nulls), values, None)
    return masked, rows_of(grouped(random, groups, size), slices)


def test_a_signalling_nan_in_a_sliced_column_is_counted_without_a_warning(native: Library) -> None:
    values = np.array([0x7FF0000000000001, 0xFFF4000000000000, 0x7FF8000000000000], dtype=np.uint64).view(np.float64)
    rows = rows_of(np.zeros(3, dtype=np.int64), [np.array([0, 1, 0])])
    for kernel in (native, None):
        states = states_of(gathered([(pa.array(values), rows)], Grid.trivial(), kernel))
        assert [(state.count, state.nans, state.finite) for state in states.values()] == [(3, 3, 0), (2, 2, 0), (1, 1, 0)]


seeds = st.integers(0, 2**32)
columns, grids = st.sampled_from(list(COLUMNS)), st.sampled_from(list(GRIDS))
groupings = st.sampled_from(["one", "a row each", "a row each in order", "most of one row", "far apart"])


@given(seeds, columns, grids, groupings, st.sampled_from([0, 1, 2, 31, 32, 33, 700, 1023, 1024, 1025]), st.integers(0, 2))
@settings(max_examples=100)
def test_columns_of_any_type_on_any_grid_are_the_same_by_both_kernels(
    native: Library, seed: int, column: str, kind: str, groups: str, size: int, keys: int
) -> None:
    random = np.random.default_rng(seed)
    size = size if groups in ("one", "far apart") else min(size, 150)
    chunks = [chunk(random, column, groups, size, keys) for _ in range(int(random.choice([1, 2, 3])))]
    grid = grid_of(random, kind, chunks[0][0])
    assert_same_states(gathered(chunks, grid, native), gathered(chunks, grid, None))


@given(seeds, columns, grids, st.sampled_from([(1 << 15) - 1, 1 << 15, (1 << 15) + 1, (1 << 15) + 1024]), st.integers(0, 2))
@settings(max_examples=40)
def test_segments_at_the_limits_of_sorting_and_of_blocks_are_the_same_by_both_kernels(
    native: Library, seed: int, column: str, kind: str, size: int, keys: int
) -> None:
    random = np.random.default_rng(seed)
    values, rows = chunk(random, column, "one", size, keys)
    grid = grid_of(random, kind, values)
    assert_same_states(gathered([(values, rows)], grid, native), gathered([(values, rows)], grid, None))


@given(seeds, columns, st.sampled_from(["zero alone", "quantiles", "many adjacent doubles"]), st.booleans())
@settings(max_examples=40)
def test_windows_that_hold_just_as_many_rows_as_are_kept_are_the_same_by_both_kernels(
    native: Library, seed: int, column: str, kind: str, shuffled: bool
) -> None:
    """Windows of 1,022 to 1,026 rows beside those of none and one, with nulls or without; some have rows in later chunks."""
    random = np.random.default_rng(seed)
    sizes = random.permutation([1022, 1023, 1024, 1025, 1026, 1, 1, 2])
    groups = np.repeat(np.arange(sizes.size) * 2, sizes)
    groups = random.permutation(groups) if shuffled else groups
    chunks = []
    for rows in (groups, random.integers(0, 2 * sizes.size, 5), np.arange(2)):
        values = COLUMNS[column](random, rows.size)
        nulls = random.random(rows.size) < random.choice([0.0, 0.001, 1.0])
        chunks.append((pa.compute.if_else(pa.array(~nulls), values, pa.scalar(None, values.type)), rows_of(rows, [])))
    grid = grid_of(random, kind, chunks[0][0])
    for several in (chunks[:1], chunks):
        assert_same_states(gathered(several, grid, native), gathered(several, grid, None))


@given(seeds, columns, columns, grids, groupings, st.sampled_from([1, 40, 1024, 1025]))
@settings(max_examples=40)
def test_states_of_any_column_merge_across_the_kernels(
    native: Library, seed: int, first: str, second: str, kind: str, groups: str, size: int
) -> None:
    random = np.random.default_rng(seed)
    size = size if groups in ("one", "far apart") else min(size, 150)
    chunks = [chunk(random, column, groups, size, 1) for column in (first, second)]
    grid = grid_of(random, kind, chunks[0][0])
    compiled, plain = ([states_of(gathered([one], grid, kernel)) for one in chunks] for kernel in (native, None))
    for place in plain[0].keys() & plain[1].keys():
        expected = plain[0][place].merge(plain[1][place])
        for one, other in ((compiled[0], plain[1]), (plain[0], compiled[1]), (compiled[0], compiled[1])):
            assert_same(one[place].merge(other[place]), expected)
