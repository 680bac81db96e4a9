"""Cell counts of every slice value of one column: a table where there are many rows, a list of pairs where there are few.

A table of all slice values and cells would take megabytes for every window that a chunk of rows touches; the pairs take no more
than the rows themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spark_monitor.states.grid import Integers

_CELLS_PER_ROW = 4


class SliceCells:
    """Counts per slice value 0, 1, 2, ... and cell.

    >>> counted = SliceCells(3)
    >>> counted.add(np.array([0, 4, 4]), np.array([2, 1, 1]))
    >>> counted.of(4).tolist(), counted.of(1).tolist()
    ([0, 2, 0], [0, 0, 0])
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._size = self._rows = 0
        self._pairs: list[Integers] = []
        self._table: Integers | None = None
        self._found: tuple[Integers, Integers] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(part.nbytes for part in self._pairs) + (self._table.nbytes if self._table is not None else 0)

    def add(self, codes: Integers, cells: Integers) -> None:
        """Add the slice value and the cell of every row."""
        self._size = max(self._size, int(codes.max(initial=-1)) + 1)
        self._rows += codes.size
        self._pairs.append(codes * self._width + cells)
        self._found = None
        if self._size * self._width <= _CELLS_PER_ROW * self._rows:
            self._tabulate()

    def _tabulate(self) -> None:
        """Count the pairs into the table."""
        counts = np.bincount(np.concatenate(self._pairs), minlength=self._size * self._width)
        if self._table is not None:
            counts[: self._table.size] += self._table
        self._table, self._pairs = counts.astype(np.int64, copy=False), []

    def counted(self) -> tuple[Integers, Integers]:
        """Every cell that holds anything, as slice value * width + cell in increasing order, and its count."""
        positions, many = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *self._pairs]), return_counts=True)
        if self._table is None:
            return (positions, many) if self._found is None else summed([(positions, many), self._found])
        filled = np.flatnonzero(self._table)
        return summed([(filled, self._table[filled]), (positions, many)])

    @classmethod
    def of_counted(cls, width: int, positions: Integers, many: Integers) -> SliceCells:
        """What ``counted`` gave, to be read and merged."""
        cells = cls(width)
        cells._found = (positions, many)
        return cells

    def of(self, code: int) -> Integers:
        """The counts of one slice value, int64[width]."""
        if self._found is None:
            self._found = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *self._pairs]), return_counts=True)
        pairs, many = self._found
        first = code * self._width
        counts = np.zeros(self._width, dtype=np.int64)
        if self._table is not None and first < self._table.size:
            counts += self._table[first : first + self._width]
        low, high = np.searchsorted(pairs, [first, first + self._width])
        counts[pairs[low:high] - first] += many[low:high]
        return counts


def summed(parts: Sequence[tuple[Integers, Integers]]) -> tuple[Integers, Integers]:
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
