"""Evidence to findings: one small function for each way in which a column can be broken, asked in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from spark_monitor.diagnosis.absences import emptied, gone, missing
from spark_monitor.diagnosis.categories import encoding_swap, unseen
from spark_monitor.diagnosis.findings import DRIFT, FILLED, NAMED_BY_METRIC, Finding, named_by_metrics
from spark_monitor.diagnosis.looks import Evidence
from spark_monitor.diagnosis.model_outputs import another_unit
from spark_monitor.diagnosis.partly import partly_mirrored
from spark_monitor.diagnosis.placeholders import missing_text, sentinel
from spark_monitor.diagnosis.rounding import rounded
from spark_monitor.diagnosis.scales import exact_unit, unit_change
from spark_monitor.diagnosis.steadiness import is_steady
from spark_monitor.diagnosis.stuck import stuck
from spark_monitor.diagnosis.texts import cut, damaged, respelled, rewritten
from spark_monitor.diagnosis.zones import rotated_hours

Detector = Callable[[Evidence], Finding | None]


def finding_of(evidence: Evidence, metrics: frozenset[str], *, of_output: bool = False) -> Finding:
    """The finding of one column in one window: the first fault that the evidence shows, else drift.

    ``metrics`` are those that fail; the evidence need not have had a rule. Those ``of_output`` are a model's own: they move with
    its inputs, and only by a far factor are they in another unit.

    >>> from spark_monitor.diagnosis.looks import Look
    >>> now, was = Look(count=100, nulls=100), Look(count=100)
    >>> finding_of(Evidence(now, was), frozenset({"percent_null"})).kind
    'missing'
    >>> finding_of(Evidence(was, Look(count=100, nulls=40)), frozenset({"percent_null_delta"})).what
    'fewer of its values are missing than in the baseline'
    """
    for detector in OF_OUTPUTS if of_output else DETECTORS:
        finding = detector(evidence)
        if finding is not None:
            return replace(finding, abrupt=not is_steady(evidence))
    named = named_by_metrics(metrics - OF_INPUTS if of_output else metrics)
    if named == NAMED_BY_METRIC["percent_null"] and _are_fewer_missing(evidence):
        named = FILLED
    if named not in SEEN_IN_VALUES or evidence.now is None or evidence.before is None:
        return _with_part(named, evidence)
    return replace(named, abrupt=not is_steady(evidence))


def _with_part(named: Finding, evidence: Evidence) -> Finding:
    """What a percentage alone shows, of the part of the rows that it says: so one of a slice is not taken for one of all rows.

    >>> from spark_monitor.diagnosis.looks import Measured
    >>> _with_part(NAMED_BY_METRIC["percent_whitespace"], Evidence(quality={"percent_whitespace": Measured(20.0)})).part
    0.2
    """
    metrics = (metric for metric, one in NAMED_BY_METRIC.items() if one == named and metric.startswith("percent_"))
    part = max((evidence.measured(metric) / 100 for metric in metrics), default=0.0)
    return replace(named, part=part) if 0 < part < 1 else named


def _are_fewer_missing(evidence: Evidence) -> bool:
    now, was = evidence.now, evidence.baseline
    return now is not None and was is not None and now.percent_null < was.percent_null


DETECTORS: Final[tuple[Detector, ...]] = (
    *(gone, missing, emptied, rounded, exact_unit, rotated_hours, sentinel, missing_text, unit_change, partly_mirrored),
    *(damaged, cut, stuck, rewritten, respelled, encoding_swap, unseen),
)
"""From the plainest to what takes the most to see; each gives None where it sees nothing."""

SEEN_IN_VALUES: Final = (DRIFT, NAMED_BY_METRIC["unit_factor"])
"""What moves all values: where these lie as in the window before, nothing has begun, whatever a metric reaches by chance."""

OF_INPUTS: Final = frozenset({"unit_factor"})

OF_OUTPUTS: Final[tuple[Detector, ...]] = (gone, missing, stuck, another_unit)
