"""Predictions that part the scores in another place: the threshold has moved, whatever the scores do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.groups import WHOLE, Group
from spark_monitor.diagnosis.looks import LEAST_ROWS, EvidenceKey, Look
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.text.formatting import harmless, number, percent
from spark_monitor.text.words import number_in

SURELY: Final = 4.0
RANK_ERROR: Final = 0.01
"""Percentiles tell the rate at a threshold to this."""

ANOTHER_THRESHOLD: Final = "another threshold"


def score_keys(groups: Iterable[Group], prediction: str | None, score: str | None) -> list[EvidenceKey]:
    """What the score looks like wherever the predicted class fails in all rows."""
    if prediction is None or score is None:
        return []
    failing = [group for group in groups if group.column == prediction and group.whole]
    return [(score, group.start, version, WHOLE) for group in failing for version in group.versions_failing]


def rate_of(look: Look, positive: Any) -> float | None:
    """The share of the rows whose prediction is the positive class; None where the frequent values do not tell.

    >>> rate_of(Look(count=8, items={"0": 6, "1": 2}), 1), rate_of(Look(count=8, items={"true": 6, "false": 2}), True)
    (0.25, 0.75)
    """
    if not look.filled or sum(look.items.values()) < look.filled:
        return None
    wanted, as_number = str(positive).lower(), number_in(str(positive))
    rows = sum(
        count
        for item, count in look.items.items()
        if item.lower() == wanted or (as_number is not None and number_in(item) == as_number)
    )
    return rows / look.filled


def another_threshold(
    predictions: tuple[Look, Look], scores: tuple[Look, Look], positive: Any, score: str
) -> tuple[Finding, Cause] | None:
    """Whether predictions are not those that the scores make at the baseline's threshold; looks are now's and the baseline's.

    The threshold is read from the scores: above it lie as many as were predicted. Held against chance of so many rows and
    against the percentiles' own steps.
    """
    now, was = (rate_of(look, positive) for look in predictions)
    levels = [np.asarray(look.quantiles, dtype=np.float64) for look in scores]
    rows = min(predictions[0].filled, scores[0].filled)
    if now is None or was is None or rows < LEAST_ROWS or any(one.size < 2 for one in levels):
        return None
    before = _at_rate(levels[1], was)
    expected = 1 - float(np.interp(before, levels[0], np.linspace(0.0, 1.0, levels[0].size)))
    noise = math.sqrt(max(expected * (1 - expected), 1 / rows) / rows)
    if not 0 < was < 1 or abs(now - expected) < SURELY * noise + RANK_ERROR:
        return None
    reads = f"as if the threshold of {harmless(score)} were {number(_at_rate(levels[0], now))}, before {number(before)}"
    rates = f"{percent(now)} of the predictions are {harmless(str(positive))}, {percent(was)} in the baseline"
    finding = Finding("drift", f"{rates}, though its scores make one expect {percent(expected)}", ANOTHER_THRESHOLD)
    return finding, Cause("threshold", f"the threshold of {harmless(score)}", None, f"{rates}, {reads}.")


def _at_rate(levels: np.ndarray, rate: float) -> float:
    """The score above which so large a part lies."""
    return float(np.interp(1 - rate, np.linspace(0.0, 1.0, levels.size), levels))


def name_threshold(problem: Problem, prediction: str, finding: Finding) -> None:
    """Make a problem that is about the predicted class the one of its threshold."""
    moved = next((one for one in problem.episodes if one.first.column == prediction), None)
    if moved is not None and problem.kind == "drift":
        problem.episodes.sort(key=lambda one: one is not moved)
        moved.finding = finding
