"""The slice that a trouble of all rows comes from, where slices have too few rows to be judged one by one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final

from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.groups import FAIL, WHOLE, Group, Slice
from spark_monitor.diagnosis.located import cut_by
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.diagnosis.mixtures import mixture
from spark_monitor.diagnosis.placeholders import placeholder_in
from spark_monitor.diagnosis.problems import OF_COLUMNS
from spark_monitor.diagnosis.steadiness import apart

LEAST_ROWS: Final = 25
"""Of slices of fewer rows nobody knows whether their values have moved."""

LEAST_LOOKED: Final = 8
"""Slices of fewer rows are not looked at; of so few it is seen whether all of them show what a part of all rows does."""

MOST_SLICES: Final = 50
"""So many slices of a window are looked at, those of the most rows first."""

LEAST_KNOWN: Final = 2
CHANCE: Final = 1.5
LITTLE: Final = 0.04
"""Two samples of one distribution are rarely further apart than this times sqrt(1/n + 1/m), and this."""

CLEARLY: Final = 2.0
"""Beyond that the slice must be so many times as far off as any other of its key, and further than all others together are."""

LEFT_ELSEWHERE: Final = 0.25
SURELY: Final = 3.0
"""A fault of some rows is in one slice where the others hold so little of what they would if it were spread evenly, and so many
standard deviations less."""

MOST_ELSEWHERE: Final = 0.5
"""Where the others hold more than so much of it, a fault is not in the one slice whose checks fail."""

Populated = Mapping[tuple[str, int, str | None], Sequence[Slice]]
"""By granularity, window and model version: the slices that have rows enough for a look."""


def openings(groups: Iterable[Group]) -> list[Group]:
    """The first failing windows of columns that fail in all rows: there it is asked where, if checks of slices cannot say."""
    ordered = sorted(groups, key=lambda group: (group.subject, group.start))
    firsts = []
    for _, of_subject in groupby(ordered, key=lambda group: group.subject):
        failed = False
        for group in of_subject:
            is_whole = group.state == FAIL and group.track in OF_COLUMNS and group.column is not None and group.whole
            if is_whole and not failed:
                firsts.append(group)
            failed = group.state == FAIL and (failed or is_whole)
    return firsts


def slices_of(group: Group, populated: Populated) -> list[Slice]:
    """The slices to look at for a group."""
    filled = populated.get((group.granularity, group.start, group.failing[0].version), ())
    return [one for one in filled if not cut_by(one, group.column)][:MOST_SLICES]


def hidden_place(whole: Finding, sliced: Mapping[Slice, tuple[Finding, Evidence]], rows: Evidence | None = None) -> Slice:
    """The one slice of its key that shows what is wrong while its other slices look as they did; WHOLE where there is none.

    A fault of some rows is in the slice in which the largest part of them shows it, while all other rows do not (``rows`` is the
    evidence of all); what all rows show is in no slice.
    """
    best, size = WHOLE, 0.0
    for key in sorted({key for key, _ in sliced if key is not None}):
        of_key = {one: given for one, given in sliced.items() if one[0] == key}
        if len(of_key) < LEAST_KNOWN:
            continue
        place, moved = _of_key(whole, of_key, rows)
        if place != WHOLE and moved > size:
            best, size = place, moved
    return best


def steady_keys(sliced: Mapping[Slice, tuple[Finding, Evidence]]) -> frozenset[str]:
    """The keys of which no slice shows anything: where all rows differ, their mix does."""
    keys = {key for key, _ in sliced if key is not None}
    of_keys = {
        key: [given for (name, _), given in sliced.items() if name == key and _rows(given[1].now) >= LEAST_ROWS] for key in keys
    }
    comparable = {key for key, slices in of_keys.items() if any(_moved(evidence) is not None for _, evidence in slices)}
    return frozenset(key for key in comparable if all(_is_steady(*given) for given in of_keys[key]))


def _is_steady(finding: Finding, evidence: Evidence) -> bool:
    return not finding.is_fault and not _moved(evidence)


def _rows(look: Look | None) -> int:
    return 0 if look is None else look.count


def _of_key(whole: Finding, slices: Mapping[Slice, tuple[Finding, Evidence]], rows: Evidence | None) -> tuple[Slice, float]:
    if whole.is_fault and whole.part >= 1.0:
        return WHOLE, 0.0
    if whole.is_fault:
        parts = {one: part for one, given in slices.items() if (part := _part_of(whole, *given)) > 0}
        if rows is None:
            return next(iter(parts.items())) if len(parts) == 1 else (WHOLE, 0.0)
        holding = [one for one, part in parts.items() if _holds_all(whole, rows, part, slices[one][1])]
        best = max(holding, key=lambda one: parts[one], default=WHOLE)
        return best, parts.get(best, 0.0)
    distances = {one: _moved(evidence) for one, (_, evidence) in slices.items()}
    ranked = sorted(((moved, one) for one, moved in distances.items() if moved is not None), key=lambda entry: -entry[0])
    if len(ranked) < LEAST_KNOWN:
        return WHOLE, 0.0
    (largest, place), (second, _) = ranked[0], ranked[1]
    # That small slices are not surely off says little of them: what they are together must be nearer than the slice surely is.
    others = _moved_together([slices[one][1] for _, one in ranked[1:]])
    return (place, largest) if largest > CLEARLY * second and largest > others else (WHOLE, 0.0)


def _holds_all(whole: Finding, rows: Evidence, part: float, evidence: Evidence) -> bool:
    """Whether the rows beside a slice show, surely, next to nothing of a fault that a part of all rows shows."""
    left, spread, deviation = _elsewhere(whole, rows, part, evidence)
    return spread > 0 and left <= LEFT_ELSEWHERE * spread and spread - left >= SURELY * deviation


def is_elsewhere_too(whole: Finding, rows: Evidence, in_slice: Finding, evidence: Evidence) -> bool:
    """Whether the rows beside a slice show most of what they would if a fault of a part of all rows were spread evenly."""
    left, spread, _ = _elsewhere(whole, rows, in_slice.part, evidence)
    return spread > 0 and left > MOST_ELSEWHERE * spread


def _elsewhere(whole: Finding, rows: Evidence, part: float, evidence: Evidence) -> tuple[float, float, float]:
    """How many rows beside a slice show a fault, how many would if it were spread evenly, and how far chance moves that."""
    is_missing = whole.evidence == "percent_null"
    everywhere, here = _size(rows.now, is_missing), _size(evidence.now, is_missing)
    others = max(everywhere - here, 0)
    excess = whole.part - _usual_part(rows, is_missing)
    left = excess * everywhere - (part - _usual_part(evidence, is_missing)) * here
    return left, excess * others, math.sqrt(whole.part * (1 - whole.part) * others)


def _size(look: Look | None, is_missing: bool) -> int:
    """The rows that a part is of: what is missing is a share of the rows, other faults are of the values."""
    return 0 if look is None else look.count if is_missing else look.filled


def _usual_part(evidence: Evidence, is_missing: bool) -> float:
    return evidence.baseline.percent_null / 100 if is_missing and evidence.baseline is not None else 0.0


def _part_of(whole: Finding, finding: Finding, evidence: Evidence) -> float:
    """The part of a slice's rows that shows the fault of all rows."""
    if finding.kind == whole.kind:
        return finding.part
    held = placeholder_in(whole, evidence) if whole.kind == "sentinel" else None
    return 0.0 if held is None else held.part


def _moved(evidence: Evidence) -> float | None:
    """How far a slice is from its baseline beyond chance; 0 where it is not, None where nobody knows."""
    now, was = evidence.now, evidence.baseline
    if now is None or was is None or min(now.filled, was.filled) < LEAST_ROWS:
        return None
    distance = apart(was, now)
    if distance is None:
        return None
    beyond = distance - LITTLE - CHANCE * math.sqrt(1 / now.filled + 1 / was.filled)
    return max(beyond, 0.0)


def _moved_together(slices: Sequence[Evidence]) -> float:
    """How far some slices together are from their baselines, each by its part of the rows now; chance included."""
    looks = [(one.now, one.baseline) for one in slices if one.now is not None and one.baseline is not None]
    parts = [now.filled for now, _ in looks]
    moved = apart(mixture([was for _, was in looks], parts), mixture([now for now, _ in looks], parts))
    return 0.0 if moved is None else moved
