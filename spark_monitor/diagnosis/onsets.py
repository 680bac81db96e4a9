"""Since when: windows of which nobody could say that they fail, though they already look as the first failing one does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final, NamedTuple

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.groups import FAIL, WHOLE, Group, Slice
from spark_monitor.diagnosis.looks import Evidence, EvidenceKey, Look
from spark_monitor.diagnosis.mixtures import NOISE, pool
from spark_monitor.diagnosis.problems import OF_COLUMNS
from spark_monitor.diagnosis.steadiness import STEADY, apart

DOUBTED: Final = 6
"""So many windows just before the first failing one may be part of it."""

VERSIONS: Final = 4
"""So many model versions of such a window are looked at, one by one and together."""

MUCH_NEARER: Final = 0.5
"""A window belongs to the failing one if it lies so much nearer to that than to what was before, or to the baseline."""

Subject = tuple[str, str, str, str]


class Onset(NamedTuple):
    """Where something began before it surely failed, and what is wrong, where that window shows it."""

    window: tuple[int, int]
    finding: Finding | None


def doubted(groups: Iterable[Group]) -> list[tuple[Group, list[Group]]]:
    """Each column's first failing windows, with those just before in which a value lay beyond its limit, the latest first."""
    ordered = sorted(groups, key=lambda group: (group.subject, group.start))
    pairs = []
    for _, of_subject in groupby(ordered, key=lambda group: group.subject):
        before: list[Group] = []
        failed = False
        for group in of_subject:
            if before and before[0].end != group.start:
                before = []
            if group.state == FAIL and not failed and before and group.track in OF_COLUMNS and group.column is not None:
                pairs.append((group, before[:DOUBTED]))
            failed = group.state == FAIL
            before = [group, *before] if group.doubtful and not failed else []
    return pairs


def keys_of(group: Group, before: Sequence[Group]) -> list[EvidenceKey]:
    """What must be looked at."""
    return [key for one in before for key in _keys(group, one)]


def onsets(
    groups: Iterable[Group], evidence: Mapping[EvidenceKey, Evidence], named: Mapping[tuple[Subject, int], Finding]
) -> dict[tuple[Subject, int], Onset]:
    """By subject and start of a first failing window: where it began, if that is earlier."""
    by_start = {}
    for group, before in doubted(groups):
        onset = _onset(group, before, evidence, named.get((group.subject, group.start)))
        if onset is not None:
            by_start[group.subject, group.start] = onset
    return by_start


def _keys(group: Group, one: Group) -> list[EvidenceKey]:
    return keys_of_versions(group, one.start, one.doubtful)


def keys_of_versions(group: Group, start: int, versions: Sequence[str | None], place: Slice = WHOLE) -> list[EvidenceKey]:
    """All rows of a window, or a slice, by model version."""
    return [(group.column or "", start, version, place) for version in versions[:VERSIONS]]


def _onset(
    group: Group, before: Sequence[Group], evidence: Mapping[EvidenceKey, Evidence], finding: Finding | None
) -> Onset | None:
    failing = evidence.get((group.column or "", group.start, group.failing[0].version, WHOLE))
    onset = None
    for one in before:
        looks = [evidence[key] for key in _keys(group, one) if key in evidence]
        shown = [(finding_of(look, frozenset()), look) for look in looks]
        if failing is None or not any(_is_part(window_finding, look, failing, finding) for window_finding, look in shown):
            break
        if any(_has_begun(window_finding, look) for window_finding, look in shown):
            pooled = finding_of(together(looks), frozenset())
            onset = Onset((one.start, one.end), pooled if pooled.is_fault else None)
    return onset


def together(looks: Sequence[Evidence]) -> Evidence:
    """What several versions show together: of twice the rows a shape tells more, and fits fewer changes by chance."""

    def pooled(name: str) -> Look | None:
        parts = [part for look in looks if (part := getattr(look, name)) is not None]
        return pool(parts) if len(parts) == len(looks) else None

    return replace(
        looks[0],
        now=pooled("now"),
        before=pooled("before"),
        season=pooled("season"),
        season_before=pooled("season_before"),
        season_earlier=pooled("season_earlier"),
        quality={},
    )


def _is_part(window_finding: Finding, look: Evidence, failing: Evidence, finding: Finding | None) -> bool:
    """Whether a window shows the fault of the failing one, or values like those."""
    if finding is not None and finding.is_fault and window_finding.is_fault:
        return window_finding.kind == finding.kind and not window_finding.is_another_than(finding, paused=True)
    return any(_is_nearer(look.now, failing.now, other) for other in (look.baseline, look.before))


def _is_nearer(now: Look | None, failing: Look | None, other: Look | None) -> bool:
    if now is None or failing is None or other is None:
        return False
    here, there = apart(now, failing), apart(now, other)
    return here is not None and there is not None and here <= MUCH_NEARER * there


def _has_begun(finding: Finding, look: Evidence) -> bool:
    """Whether the window before looked otherwise, beyond chance."""
    if look.now is None or look.before is None or (finding.is_fault and finding.abrupt):
        return finding.is_fault and finding.abrupt
    moved = apart(look.before, look.now)
    noise = NOISE * math.sqrt(1 / max(look.now.filled, 1) + 1 / max(look.before.filled, 1))
    return moved is not None and moved > max(STEADY, noise)
