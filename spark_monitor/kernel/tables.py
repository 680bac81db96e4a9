"""The rows ``:table``: rows, rows without an id and values per column, of every window, version and slice value side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from spark_monitor.kernel.columns import Rows
from spark_monitor.kernel.groups import Mask, Segments
from spark_monitor.states.grid import Integers
from spark_monitor.states.table import TableState

WHOLE = -1
Place = tuple[int, int, int]
"""A slice key (WHOLE for none), a group and a slice value."""


@dataclass(frozen=True)
class Counted:
    """A way to cut a piece's rows, and the line of the table that each of its segments is counted on."""

    segments: Segments
    lines: Integers


class TableRows:
    """Counts on one line per place."""

    def __init__(self, columns: int) -> None:
        self._lines: dict[Place, int] = {}
        self._totals = np.zeros((0, 2), dtype=np.int64)
        self._present = np.zeros((0, columns), dtype=np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._totals.nbytes + self._present.nbytes

    @property
    def places(self) -> Sequence[Place]:
        """Every place that was met."""
        return tuple(self._lines)

    def add_rows(self, rows: Rows, null_id: Mask) -> list[Counted]:
        """Count rows; the result says where their columns' values are counted."""
        counted = [self._counted(WHOLE, rows.groups, 1, null_id)]
        for key, sliced in enumerate(rows.slices):
            counted.append(self._counted(key, sliced.segments, sliced.stride, null_id))
        return counted

    def _counted(self, key: int, segments: Segments, stride: int, null_id: Mask) -> Counted:
        places = [(key, *divmod(code, stride)) for code in segments.codes.tolist()]
        lines = np.array([self._lines.setdefault(place, len(self._lines)) for place in places], dtype=np.int64)
        self._grow()
        self._totals[lines, 0] += segments.sizes
        if null_id.any():
            self._totals[lines, 1] += segments.totals(segments.arranged(null_id))
        return Counted(segments, lines)

    def _grow(self) -> None:
        more = len(self._lines) - len(self._totals)
        if more > 0:
            more = max(more, len(self._totals))
            self._totals = np.pad(self._totals, ((0, more), (0, 0)))
            self._present = np.pad(self._present, ((0, more), (0, 0)))

    def add_column(self, position: int, counted: Sequence[Counted], nulls: Mask | None) -> None:
        """Count a column's values that are not null."""
        for one in counted:
            absent = one.segments.totals(one.segments.arranged(nulls)) if nulls is not None else 0
            self._present[one.lines, position] += one.segments.sizes - absent

    def states(self) -> Iterator[tuple[Place, TableState]]:
        """Every place with its state."""
        for place, line in self._lines.items():
            rows, null_ids = self._totals[line].tolist()
            yield place, TableState(rows, null_ids, self._present[line])
