"""What is known of a window's labels: how many rows have one, how clean they are, and how long they took."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from spark_monitor.scores.metric import Function, Task, scored
from spark_monitor.scores.metric_value import MetricValue, metric_value, undefined
from spark_monitor.states.coverage import CoverageState

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
SECONDS = (0.0, math.inf)


def _of_labels(name: str, **about: Any) -> Callable[[Function], Function]:
    return scored(name, *TASKS, state=CoverageState, **about)


@_of_labels("label_coverage")
def label_coverage(state: CoverageState) -> MetricValue:
    """The fraction of a window's rows that have a label by now; exact."""
    if state.coverage is None:
        return undefined(0, "There is no row.")
    return metric_value(state.coverage, (state.coverage, state.coverage), state.count, within=(0.0, 1.0))


@_of_labels("label_duplicates", range=SECONDS, worse="higher", unit="rows")
def label_duplicates(state: CoverageState) -> MetricValue:
    """Rows of the label table beyond the first of their id."""
    return metric_value(float(state.duplicates), (float(state.duplicates),) * 2, state.count, within=SECONDS)


@_of_labels("label_conflicts", range=SECONDS, worse="higher", unit="rows")
def label_conflicts(state: CoverageState) -> MetricValue:
    """Rows whose id has labels that contradict each other."""
    return metric_value(float(state.conflicts), (float(state.conflicts),) * 2, state.count, within=SECONDS)


def _delay(state: CoverageState, q: float) -> MetricValue:
    if not state.delays.cells.size:
        return undefined(state.count, "No label has come yet.")
    low, high = state.delays.quantile(q)
    return metric_value((low + high) / 2, (low, high), state.labelled, within=SECONDS, value_error=(high - low) / 2)


@_of_labels("label_delay_p50", range=SECONDS, worse="higher", unit="seconds")
def label_delay_p50(state: CoverageState) -> MetricValue:
    """Seconds from a prediction to its label, the median of the labels that have come."""
    return _delay(state, 0.5)


@_of_labels("label_delay_p95", range=SECONDS, worse="higher", unit="seconds")
def label_delay_p95(state: CoverageState) -> MetricValue:
    """Seconds from a prediction to its label, the 0.95-quantile of the labels that have come."""
    return _delay(state, 0.95)
