"""The windows of one subject to episodes: from the first failing window until it has been well for some time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import FAIL, WELL, Group

WELL_WINDOWS: Final = 2
"""So many windows that are well, and none between them that fails, resolve an incident."""

STALE_WINDOWS: Final = 12
"""After so many windows without a failure an incident is resolved although nobody can say that it is well.

A season of weeks, half a day of hours: a slice too small to be judged well that fails once more until then is the same problem.
"""

Windows = Mapping[str, Sequence[tuple[int, int]]]
"""The edges of all windows that were judged, in order, by granularity."""

WELL_AGAIN, STALE, SUPERSEDED = "WELL", "STALE", "SUPERSEDED"


@dataclass
class Episode:
    """One subject's trouble: its failing windows, what was found of it, and when and how it ended."""

    finding: Finding
    groups: list[Group] = field(default_factory=list)
    resolved: int | None = None
    ending: str | None = None

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
        return self.first.start


def episodes(
    groups: Iterable[Group], windows: Windows, findings: Mapping[tuple[tuple[str, str, str, str], int], Finding]
) -> list[Episode]:
    """The episodes of all subjects; ``findings`` say what is wrong in a subject's failing window, by its start.

    A window that fails in another way than an episode's windows before (values that had drifted are suddenly in another unit)
    opens an episode of its own, and the one before is superseded by it.
    """
    found: list[Episode] = []
    ordered = sorted(groups, key=lambda group: (group.subject, group.start))
    for subject, of_subject in groupby(ordered, key=lambda group: group.subject):
        named = {start: finding for (about, start), finding in findings.items() if about == subject}
        found += _of_subject(list(of_subject), windows.get(subject[1], ()), named)
    return found


def _of_subject(groups: Sequence[Group], windows: Sequence[tuple[int, int]], findings: Mapping[int, Finding]) -> list[Episode]:
    found: list[Episode] = []
    current: Episode | None = None
    wells = 0
    for group in groups:
        if current is not None and _close_if_stale(current, group.start, windows):
            current = None
        if group.state == WELL and current is not None:
            wells += 1
            if wells >= WELL_WINDOWS:
                current.resolved, current.ending = group.end, WELL_AGAIN
                current = None
        if group.state != FAIL:
            continue
        wells, finding = 0, findings.get(group.start, DRIFT)
        if current is not None and finding.is_another_than(current.finding, paused=group.start > current.last.end):
            current.resolved, current.ending = group.start, SUPERSEDED
            current = None
        if current is None:
            current = Episode(finding)
            found.append(current)
        current.groups.append(group)
    if current is not None and windows:
        _close_if_stale(current, windows[-1][1], windows)
    return found


def _close_if_stale(episode: Episode, now: int, windows: Sequence[tuple[int, int]]) -> bool:
    """End an episode whose last failure lies too many windows before the timestamp ``now``."""
    starts = [start for start, _ in windows]
    later = [window for window in windows[bisect_right(starts, episode.last.start) :] if window[1] <= now]
    if len(later) < STALE_WINDOWS:
        return False
    episode.resolved, episode.ending = later[STALE_WINDOWS - 1][1], STALE
    return True
