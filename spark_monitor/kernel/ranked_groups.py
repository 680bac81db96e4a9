"""The states of ranked groups by window: a group may lie on both sides of a finer window's end, so segments do not add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from spark_monitor.kernel.labelled_rows import LabelledRows
from spark_monitor.states.grid import Integers
from spark_monitor.states.grouped import GroupedState

Place = tuple[int, int, int, int]
"""A slice key, and the numbers of a version, a window and a value."""
Keyed = tuple[int, int, Integers]
"""A slice key, how many values it has, and each row's version times that and its value."""


class RankedGroups:
    """Gathers the states of whole groups; ``windows`` says which windows hold each segment of time.

    >>> RankedGroups(((0,), (0, 1)), 10).segments
    {0: [0, 1], 1: [1]}
    """

    def __init__(self, windows: Sequence[Sequence[int]], k: int) -> None:
        self._windows, self._k = windows, k
        self.segments: dict[int, list[int]] = {}
        for segment, numbers in enumerate(windows):
            for number in numbers:
                self.segments.setdefault(number, []).append(segment)
        self.states: dict[Place, GroupedState] = {}

    def add(self, segment: Integers, keyed: Sequence[Keyed], scored: LabelledRows) -> None:
        """Add rows of whole groups; places none of whose rows is judged have a state as well, of no group."""
        judged = np.zeros(segment.size, dtype=np.bool_)
        judged[scored.weighed(scored.rows)] = True
        held = {number for one in np.unique(segment).tolist() for number in self._windows[one]}
        for number in sorted(held):
            rows = np.flatnonzero(np.isin(segment, self.segments[number]))
            for key, stride, codes in keyed:
                for code, members in _by_code(rows, codes):
                    state = self._state(members[judged[members]], scored)
                    version, value = divmod(code, stride)
                    place = (key, version, number, value)
                    before = self.states.get(place)
                    self.states[place] = state if before is None else before.merge(state)

    def _state(self, rows: Integers, scored: LabelledRows) -> GroupedState:
        empty = GroupedState.empty(self._k)
        if scored.groups is None or scored.ranked_by is None or scored.relevances is None:
            return empty
        return empty.update(scored.groups[rows], scored.ranked_by[rows], scored.relevances[rows], weights=scored.weights_of(rows))


def _by_code(rows: Integers, codes: Integers) -> Iterator[tuple[int, Integers]]:
    """The rows of each code, in their order."""
    row_codes = codes[rows]
    order = np.argsort(row_codes, kind="stable")
    distinct, starts = np.unique(row_codes[order], return_index=True)
    yield from zip(distinct.tolist(), np.split(rows[order], starts[1:]), strict=True)
