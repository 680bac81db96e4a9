"""Cell counts of every slice value of one column: a table where there are many rows, a list of pairs where there are few.

A table of all slice values and cells would take megabytes for every window that a chunk of rows touches; the pairs take no more
than the rows themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from spark_monitor.states.grid import Integers

_CELLS_PER_ROW = 4
_MOST_IN_FOUR_BYTES = (1 << 32) - 1
Counts = tuple[Integers, Integers]
"""Positions (slice value * width + cell) in increasing order, and how often each is counted."""


class SliceCells:
    """Counts per slice value 0, 1, 2, ... and cell: the sum of a table, of pairs to be counted and of counted positions.

    >>> counted = SliceCells(3)
    >>> counted.add(np.array([0, 4, 4]), np.array([2, 1, 1]))
    >>> counted.of(4).tolist(), counted.of(1).tolist()
    ([0, 2, 0], [0, 0, 0])
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._size = self._rows = 0
        self._pairs: list[Integers] = []
        self._counts: Counts | None = None
        self._table: npt.NDArray[np.integer] = np.zeros((0, width), dtype=np.uint32)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        counted = sum(part.nbytes for part in self._counts) if self._counts is not None else 0
        return counted + sum(part.nbytes for part in self._pairs) + self._table.nbytes

    def add(self, codes: Integers, cells: Integers) -> None:
        """Add the slice value and the cell of every row."""
        self._size = max(self._size, int(codes.max(initial=-1)) + 1)
        self._rows += codes.size
        self.add_pairs(codes * self._width + cells)

    def add_pairs(self, pairs: Integers) -> None:
        """Add the position of every row, whose number is counted already."""
        self._pairs.append(pairs)
        if self._is_dense:
            self._count_pairs()

    @property
    def _is_dense(self) -> bool:
        return self._size * self._width <= _CELLS_PER_ROW * self._rows

    def _count_pairs(self) -> None:
        if not self._pairs:
            return
        pairs = self._pairs[0] if len(self._pairs) == 1 else np.concatenate(self._pairs)
        table = self._grown(self._size)
        counts = np.bincount(pairs, minlength=table.size).reshape(table.shape)
        np.add(table, counts, out=table, casting="unsafe")
        self._pairs = []

    def counters(self, size: int, rows: int) -> npt.NDArray[np.uint32] | None:
        """The table to count so many more rows of the slice values below ``size`` in; None where pairs are to be added."""
        self._size = max(self._size, size)
        self._rows += rows
        if not self._is_dense:
            return None
        self._count_pairs()
        table = self._grown(self._size)
        return cast(npt.NDArray[np.uint32], table) if table.dtype == np.uint32 else None

    def _grown(self, size: int) -> npt.NDArray[np.integer]:
        """The table with so many slice values at least; its numbers are short while no count can be too large for them."""
        kind = np.uint32 if self._rows <= _MOST_IN_FOUR_BYTES else np.int64
        if len(self._table) < size or self._table.dtype != kind:
            table = np.zeros((max(size, len(self._table)), self._width), dtype=kind)
            table[: len(self._table)] = self._table
            self._table = table
        return self._table

    def add_counted(self, positions: Integers, many: Integers) -> None:
        """Add what ``counted`` gave."""
        if not positions.size:
            return
        self._size = max(self._size, int(positions[-1]) // self._width + 1)
        self._rows += int(many.sum())
        if positions.size * _CELLS_PER_ROW < self._size * self._width:
            self._counts = (positions, many) if self._counts is None else summed([self._counts, (positions, many)])
            return
        table = self._grown(self._size).reshape(-1)
        table[positions] += many.astype(table.dtype)

    def absorb(self, other: SliceCells, places: Integers) -> None:
        """Add others, whose slice value i is value ``places[i]`` here."""
        filled = len(other._table)
        size, rows = max(self._size, int(places[:filled].max(initial=-1)) + 1), self._rows + int(other._table.sum())
        if size * self._width > _CELLS_PER_ROW * rows:
            self._absorb_counts(other.counted(), places)
            return
        self._size, self._rows = size, rows
        table = self._grown(size)
        table[places[:filled]] += other._table.astype(table.dtype, copy=False)
        self._absorb_counts(other._beside(), places)

    def _absorb_counts(self, counts: Counts | None, places: Integers) -> None:
        if counts is not None:
            positions = places[counts[0] // self._width] * self._width + counts[0] % self._width
            order = np.argsort(positions, kind="stable")
            self.add_counted(positions[order], counts[1][order])

    def _beside(self) -> Counts | None:
        """What is not in the table."""
        if self._pairs:
            counts = np.unique(np.concatenate(self._pairs), return_counts=True)
            self._counts = counts if self._counts is None else summed([self._counts, counts])
            self._pairs = []
        return self._counts

    def counted(self) -> Counts:
        """Every cell that holds anything."""
        filled = np.flatnonzero(self._table)
        table = filled, self._table.take(filled).astype(np.int64)
        rest = self._beside()
        return table if rest is None else summed([table, rest])

    def of(self, code: int) -> Integers:
        """The counts of one slice value, int64[width]."""
        rest = self._beside()
        counts = self._table[code].astype(np.int64) if code < len(self._table) else np.zeros(self._width, dtype=np.int64)
        if rest is not None:
            first = code * self._width
            low, high = np.searchsorted(rest[0], [first, first + self._width])
            counts[rest[0][low:high] - first] += rest[1][low:high]
        return counts


def summed(parts: Sequence[Counts]) -> Counts:
    """Positions and counts of several parts as one, each position once.

    >>> positions, many = summed([(np.array([1, 5]), np.array([2, 1])), (np.array([5]), np.array([3]))])
    >>> positions.tolist(), many.tolist()
    ([1, 5], [2, 4])
    """
    positions = np.concatenate([part[0] for part in parts])
    many = np.concatenate([part[1] for part in parts])
    order = np.argsort(positions, kind="stable")
    positions, many = positions[order], many[order]
    if not positions.size:
        return positions, many
    first = np.flatnonzero(np.append(True, positions[1:] != positions[:-1]))
    return positions[first], np.add.reduceat(many, first)
