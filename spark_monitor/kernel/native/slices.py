"""The rows of one group and column, counted for every slice key by the compiled kernel in two passes.

The first pass, for all keys, finds the cell of every value and the few hashes that can matter; the second, key by key, counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spark_monitor.kernel.blocks import KeyedRows, Sums
from spark_monitor.kernel.groups import Mask, Shorts
from spark_monitor.kernel.hashes import Keyed, likely_limits
from spark_monitor.kernel.native.library import Library
from spark_monitor.states.distinct import ALL, Distinct, Hashes
from spark_monitor.states.grid import TABLES_KEPT, AffineLookUp, Floats, Grid, Integers, OrderedLookUp, table_of

SPECIAL = 0xFFFC
"""Cells from here on are those of nulls, NaN and the infinities."""

_SHARED_BIT = 0x8000
_SPREAD_CODES, _COPIES = 64, 4
"""So few slice values are summed in several places each: rows of one value follow each other, and each addition would wait."""

BY_SEARCH, AFFINE, ORDERED = 0, 1, 2
_EVERY = ALL - 1
_NONE = np.uint64(1), np.uint64(0)
"""Bounds that no hash lies between."""


@dataclass(frozen=True, eq=False)
class Table:
    """A grid's look-up table as the compiled kernel reads it."""

    kind: int
    low: float
    scale: float
    shift: int
    first: int
    below: np.ndarray
    bounded: Floats
    """The grid's edges between two infinities."""

    @property
    def arguments(self) -> tuple[np.ndarray, int, int, float, float, int, int, np.ndarray, int]:
        """As a function takes them."""
        table = (self.kind, self.low, self.scale, self.shift, self.first, self.below, self.below.size)
        return self.bounded, self.bounded.size - 2, *table


@lru_cache(maxsize=TABLES_KEPT)
def edges_alone(grid: Grid) -> Table:
    """The grid without a look-up table, for few values."""
    bounded = np.concatenate([[-np.inf], grid.edges, [np.inf]])
    return Table(BY_SEARCH, 0.0, 0.0, 0, 0, np.zeros(1, dtype=np.uint16), bounded)


@lru_cache(maxsize=TABLES_KEPT)
def compact_table(grid: Grid) -> Table:
    """The grid's look-up table in sixteen bits an entry."""
    table = table_of(grid)
    below, shared = table.edges_below()
    entries = (below + _SHARED_BIT * shared).astype(np.uint16)
    bounded = edges_alone(grid).bounded
    if isinstance(table, AffineLookUp):
        return Table(AFFINE, table.low, table.scale, 0, 0, entries, bounded)
    assert isinstance(table, OrderedLookUp)
    return Table(ORDERED, 0.0, 0.0, table.shift, table.first, entries, bounded)


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one group and column: their values (anything where null) and, from the first pass, the cell of each."""

    library: Library
    grid: Grid
    values: Floats
    cells: np.ndarray

    @classmethod
    def of(cls, library: Library, grid: Grid, values: Floats, nulls: Mask | None, most: int) -> tuple[Rows, Integers, Hashes]:
        """The rows; and the positions and hashes of finite values that are no edge and have a hash of at most ``most``."""
        size = values.size
        cells, rows, hashes = np.empty(size, np.uint16), np.empty(size, np.int64), np.empty(size, np.uint64)
        table = edges_alone(grid) if size < grid.edges.size else compact_table(grid)
        many = library.call("sm_part", values, nulls, size, *table.arguments, most, cells, rows, hashes)
        return cls(library, grid, values, cells), rows[:many], hashes[:many]

    def count(self, key: KeyedRows, guess: float) -> None:
        """Count the rows by the values of one slice key."""
        size, codes = key.rows.size, key.codes
        totals = np.zeros((size, 5), dtype=np.int64)
        copies = _COPIES if size <= _SPREAD_CODES else 1
        moments = np.empty((copies * size, 4))
        table = key.block.cells.counters(size, codes.size)
        pairs = np.empty(codes.size if table is None else 0, dtype=np.int64)
        where = (self.values, self.cells, _short(key), codes.size, guess, size, self.grid.cells, copies)
        many = self.library.call("sm_key", *where, table, pairs, moments, totals)
        if table is None:
            key.block.cells.add_pairs(pairs[:many])
        totals[:, 0] = key.rows
        key.block.add_sums(totals, Sums(guess, *moments[:size].T), lambda asked: self._of_codes(codes, asked))

    def _of_codes(self, codes: Integers, asked: Mask) -> tuple[Floats, Integers]:
        """The finite values of some slice values, and the slice value of each."""
        rows = np.flatnonzero(asked.take(codes) & (self.cells < SPECIAL))
        return self.values[rows], codes[rows]

    def hashes_between(self, codes: Shorts, lowest: Hashes, highest: Hashes) -> tuple[Integers, Hashes]:
        """Slice value and hash of finite values off the edges whose hash lies within the bounds of their slice value."""
        slices, hashes = np.empty(codes.size, np.int64), np.empty(codes.size, np.uint64)
        where = (self.values, self.cells, codes, codes.size, lowest.size, lowest, highest)
        size = self.library.call("sm_hashes_between", *where, slices, hashes)
        return slices[:size], hashes[:size]


def add_rows(
    library: Library,
    grid: Grid,
    values: Floats,
    nulls: Mask | None,
    keys: Sequence[KeyedRows],
    *,
    guess: float,
    distinct: Distinct,
    inner: float,
) -> None:
    """Count rows of one group for every slice key.

    ``distinct`` is the distinct count of the whole group, these rows included; about a fraction ``inner`` of them has a value
    that is finite and no edge.
    """
    keyed = [Keyed(key.block.hashes, key.codes, key.rows, key.short) for key in keys]
    if distinct.is_exact:
        rows, positions, hashes = Rows.of(library, grid, values, nulls, _EVERY)
        if hashes.size:
            places = np.searchsorted(distinct.hashes, hashes)
            for key in keyed:
                key.held.add_positions(key.codes.take(positions), places, distinct.hashes)
    else:
        limits, most = likely_limits(keyed, inner)
        rows, positions, hashes = Rows.of(library, grid, values, nulls, int(most))
        for key, limit in zip(keyed, limits, strict=True):
            _add_hashes(rows, key, positions, hashes, limit, most)
    for one in keys:
        rows.count(one, guess)


def _add_hashes(rows: Rows, key: Keyed, positions: Integers, hashes: Hashes, limits: Hashes, most: np.uint64) -> None:
    """What ``hashes.add_hashes`` does for one key: the common hashes, those of rare slice values, and what was missed."""
    key.held.hold(key.codes.take(positions), hashes, limits)
    size = key.rows.size
    rare = limits[:size] > most
    if rare.any():
        key.held.hold(*rows.hashes_between(_short(key), *_bounds(rare, most + np.uint64(1), limits[:size])), limits)
    missed = key.held.missed(limits, key.rows)
    if missed is not None:
        key.held.hold(*rows.hashes_between(_short(key), *_bounds(missed, limits + np.uint64(1), np.uint64(_EVERY))))


def _short(key: Keyed | KeyedRows) -> Shorts:
    return key.codes.astype(np.uint32) if key.short is None else key.short


def _bounds(asked: Mask, lowest: Hashes | np.uint64, highest: Hashes | np.uint64) -> tuple[Hashes, Hashes]:
    return np.where(asked, lowest, _NONE[0]), np.where(asked, highest, _NONE[1])
