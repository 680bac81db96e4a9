"""The windows of one subject to episodes: from the first failing window until it has been well for some time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import FAIL, WELL, Group, Slice

WELL_WINDOWS: Final = 2
"""So many windows that are well, and none between them that fails, resolve an incident."""

STALE_WINDOWS: Final = 12
"""After so many windows without a failure an incident is resolved although nobody can say that it is well.

A season of weeks, half a day of hours: a slice too small to be judged well that fails once more until then is the same problem.
What fails elsewhere meanwhile is not: that nobody can decide is no evidence that a problem goes on. Windows in which the whole
table had no rows do not count: what was open when the rows stopped is open until there are some again.
"""

Windows = Mapping[str, Sequence[tuple[int, int]]]
"""The edges of all windows that were judged, in order, by granularity."""

Silent = frozenset[tuple[str, str, int]]
"""Windows of a dataset and a granularity, by their starts, without any row that could be judged."""

WELL_AGAIN, STALE, SUPERSEDED = "WELL", "STALE", "SUPERSEDED"


@dataclass
class Episode:
    """One subject's trouble: its failing windows, what was found of it, and when and how it ended."""

    finding: Finding
    groups: list[Group] = field(default_factory=list)
    resolved: int | None = None
    ending: str | None = None
    well: set[int] = field(default_factory=set)
    """The starts of the windows that were well before it was resolved."""

    shown: Group | None = None
    """The window that shows what is wrong, where the first one did not."""

    began: tuple[int, int] | None = None
    """The window in which it began, where that is earlier than the first that surely fails."""

    @property
    def first(self) -> Group:
        """The first failing window."""
        return self.groups[0]

    @property
    def last(self) -> Group:
        """The last failing window."""
        return self.groups[-1]

    @property
    def opened(self) -> int:
        """Its beginning."""
        return self.first.start if self.began is None else self.began[0]

    @property
    def is_narrow(self) -> bool:
        """Whether slices alone have failed, never all rows."""
        return not any(group.whole for group in self.groups)

    @property
    def is_lone(self) -> bool:
        """Whether it is one slice in one window: what chance reaches among many checks."""
        return len(self.groups) == 1 and self.is_narrow and len(self.places) == 1

    @property
    def places(self) -> set[Slice]:
        """The slices that have failed."""
        return {one.slice for group in self.groups for one in group.failing}

    def add(self, group: Group, finding: Finding) -> None:
        """One more failing window, which may show what is wrong better than those before."""
        if finding.tells_more_than(self.finding) or _is_rest_of_a_window(self, group, finding):
            self.finding, self.shown = finding, group
        self.groups.append(group)


def episodes(
    groups: Iterable[Group],
    windows: Windows,
    findings: Mapping[tuple[tuple[str, str, str, str], int], Finding],
    begun: Mapping[tuple[tuple[str, str, str, str], int], tuple[int, int]] | None = None,
    silent: Silent = frozenset(),
) -> list[Episode]:
    """The episodes of all subjects; ``findings`` say what is wrong in a subject's failing window, by its start; ``begun``, where
    what such a window begins with began earlier.

    A window that fails in another way than an episode's windows before (values that had drifted are suddenly in another unit)
    opens an episode of its own, and the one before is superseded by it. So does one that fails in all rows, or in other slices,
    while nobody could say that a slice's failure went on: chance in a slice is not the beginning of what comes later.
    """
    episodes: list[Episode] = []
    ordered = sorted(groups, key=lambda group: (group.subject, group.start))
    for subject, of_subject in groupby(ordered, key=lambda group: group.subject):
        named = {start: finding for (about, start), finding in findings.items() if about == subject}
        judged = windows.get(subject[1], ())
        passing = [window for window in judged if (*subject[:2], window[0]) not in silent] if silent else judged
        episodes += _of_subject(list(of_subject), judged, named, passing)
    for one in episodes:
        one.began = (begun or {}).get((one.first.subject, one.first.start))
    return episodes


def _of_subject(
    groups: Sequence[Group],
    windows: Sequence[tuple[int, int]],
    findings: Mapping[int, Finding],
    passing: Sequence[tuple[int, int]],
) -> list[Episode]:
    episodes: list[Episode] = []
    current: Episode | None = None
    wells = 0
    for group in groups:
        if current is not None and _close_if_stale(current, group.start, passing):
            current = None
        if group.state == WELL and current is not None:
            wells += 1
            current.well.add(group.start)
            if wells >= WELL_WINDOWS:
                current.resolved, current.ending = group.end, WELL_AGAIN
                current = None
        if group.state != FAIL:
            continue
        wells, finding = 0, findings.get(group.start, DRIFT)
        if current is not None and _is_another(current, group, finding, quiet=_between(current, group, windows)):
            current.resolved, current.ending = group.start, SUPERSEDED
            current = None
        if current is None:
            current = Episode(finding)
            episodes.append(current)
        current.add(group, finding)
    if current is not None and windows:
        _close_if_stale(current, windows[-1][1], passing)
    return episodes


def _between(episode: Episode, group: Group, windows: Sequence[tuple[int, int]]) -> int:
    """How many windows lie between an episode's last failure and another one; at least one where there is a gap."""
    if group.start <= episode.last.end:
        return 0
    return max(bisect_left(windows, (group.start,)) - bisect_left(windows, (episode.last.end,)), 1)


def _is_another(episode: Episode, group: Group, finding: Finding, *, quiet: int) -> bool:
    """Whether a failing window begins another problem than the one that is open, which was ``quiet`` for so many windows."""
    if _is_rest_of_a_window(episode, group, finding):
        return False
    if finding.is_another_than(episode.finding, paused=quiet > 0):
        return True
    if not episode.is_narrow or not (group.whole or episode.places.isdisjoint(one.slice for one in group.failing)):
        return False
    # The broken rows of a slice move all rows: what is wrong has its name already, and goes on where it began.
    goes_on = episode.finding.is_fault and not finding.is_fault and any(one.slice in episode.places for one in group.failing)
    return quiet >= WELL_WINDOWS or (quiet > 0 and episode.is_lone) or (group.whole and finding.abrupt and not goes_on)


def _is_rest_of_a_window(episode: Episode, group: Group, finding: Finding) -> bool:
    """Whether a fault shows itself right after the one window in which values began to move: it began within that one."""
    if not finding.is_fault or episode.finding.is_fault or len(episode.groups) != 1:
        return False
    first = episode.first
    return episode.finding.abrupt and group.start == first.end and group.whole == first.whole


def _close_if_stale(episode: Episode, now: int, windows: Sequence[tuple[int, int]]) -> bool:
    """End an episode whose last failure lies too many windows before the timestamp ``now``."""
    starts = [start for start, _ in windows]
    later = [window for window in windows[bisect_right(starts, episode.last.start) :] if window[1] <= now]
    if len(later) < STALE_WINDOWS:
        return False
    episode.resolved, episode.ending = later[STALE_WINDOWS - 1][1], STALE
    return True
