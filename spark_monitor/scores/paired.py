"""Differences between versions on the rows that both scored: the interval is that of the difference, not of two alone.

Rows are cut into parts by their ids, alike for both versions. With d the difference on all rows, d_j the same without part j,
m_j of n rows in it and h_j = n / m_j, the pseudo-values are h_j d - (h_j - 1) d_j, and the variance of d is the mean over parts
of their squared deviations divided by h_j - 1: the delete-a-group jackknife for parts of unequal size (Busing, Meijer and van
der Leeden 1999). What both versions share, hard rows and easy ones, falls out of d_j.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from spark_monitor.catalogue.metric import DECORATED
from spark_monitor.scores.metric import ENTRIES, Settings, TaskMetric
from spark_monitor.states.paired import Answered, PairedState, merged_all, merged_but_one
from spark_monitor.states.proportions import CONFIDENCE

FEWEST_PAIRS = 50
UNSEEN = 3.7
"""-log(0.025): in n pairs a difference of probability up to 3.7 / n may well not have been seen."""
SUFFIX = "_difference"


@dataclass(frozen=True)
class Difference:
    """One version's metric minus another's on ``rows`` labelled rows that both scored, and its 95 % interval.

    ``error`` is by how much the value may be off for these very rows: both metrics' own errors.
    """

    value: float
    lower: float
    upper: float
    rows: int
    error: float = 0.0


def paired_differences(
    one: PairedState, other: PairedState, versions: tuple[str, str], task: str, settings: Settings | None = None
) -> dict[str, Difference]:
    """The differences one - other of every headline metric, by its name; none where too few rows were scored by both.

    >>> from spark_monitor.states.scores import RegressionState
    >>> parts = [[float(n), n + 1.0, n + 3.0, n - 2.0] for n in range(20)]
    >>> states = [PairedState.empty(), PairedState.empty()]
    >>> for number, labels in enumerate(parts):
    ...     for place, error in enumerate((0.5, 1.0)):
    ...         part = RegressionState.empty().update(labels, [label + error for label in labels])
    ...         states[place] = states[place].update('["1","2"]', number, [part])
    >>> found = paired_differences(*states, ("1", "2"), "regression")
    >>> round(found["mean_absolute_error"].value, 9), found["mean_absolute_error"].rows
    (-0.5, 80)
    """
    shared = [name for name in {name for name, _ in one.parts} if set(versions) <= set(json.loads(name))]
    sides = [state.by_part(shared) for state in (one, other)]
    parts = sorted(set(sides[0]) & set(sides[1]))
    if len(parts) < 2:
        return {}
    first, second = ([side[part] for part in parts] for side in sides)
    sizes = np.array([max(int(state.count) for state in states) for states in first], dtype=float)
    if sizes.sum() < FEWEST_PAIRS or (sizes == 0).any():
        return {}
    names = headline_names(task, first[0])
    whole, errors = _difference(merged_all(first), merged_all(second), names, task, settings)
    pairs = zip(merged_but_one(first), merged_but_one(second), strict=True)
    without = np.stack([_difference(left, right, names, task, settings)[0] for left, right in pairs])
    halves = np.maximum(_half_widths(whole, without, sizes, names), errors)
    rows = int(sizes.sum())
    return {
        name: Difference(float(value), float(value - half), float(value + half), rows, float(error))
        for name, value, half, error in zip(names, whole, halves, errors, strict=True)
        if math.isfinite(value) and math.isfinite(half)
    }


def headline_names(task: str, states: Sequence[Answered]) -> list[str]:
    """The headline metrics that these states give."""
    return [name for name in _metrics(task, states) if f"{name}{SUFFIX}" in DECORATED]


def _metrics(task: str, states: Sequence[Answered]) -> dict[str, tuple[TaskMetric, Answered]]:
    """The metrics of a task that these states give; where two entries give the same, the first that was defined."""
    by_kind = {type(state): state for state in states}
    by_name: dict[str, tuple[TaskMetric, Answered]] = {}
    for metric in ENTRIES:
        if metric.task == task and metric.state in by_kind:
            by_name.setdefault(metric.name, (metric, by_kind[metric.state]))
    return by_name


def _difference(
    first: Sequence[Answered], second: Sequence[Answered], names: Sequence[str], task: str, settings: Settings | None
) -> tuple[np.ndarray, np.ndarray]:
    """The differences of the metrics' values, NaN where one is not defined, and both values' errors together."""
    (one, error), (other, more) = (_values(states, names, task, settings) for states in (first, second))
    return one - other, error + more


def _values(
    states: Sequence[Answered], names: Sequence[str], task: str, settings: Settings | None
) -> tuple[np.ndarray, np.ndarray]:
    """The metrics' values, NaN where one is not defined, and by how much each may be off."""
    by_name = _metrics(task, states)
    values = []
    for name in names:
        metric, state = by_name[name]
        interval = metric.of(state.effective() if hasattr(state, "effective") else state, settings).get(None)
        value = None if interval is None else interval.value
        values.append((math.nan, 0.0) if interval is None or value is None else (value, interval.value_error or 0.0))
    numbers = np.array(values, dtype=float).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def _half_widths(whole: np.ndarray, without: np.ndarray, sizes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Student's half-widths from the jackknife's variance; of a metric with bounds no less than what n rows may not show."""
    ratios = (sizes.sum() / sizes)[:, None]
    pseudo = ratios * whole - (ratios - 1) * without
    centre = sizes.size * whole - ((1 - 1 / ratios) * without).sum(axis=0)
    variance = (np.square(pseudo - centre) / (ratios - 1)).mean(axis=0)
    half = float(stdtrit(sizes.size - 1, (1 + CONFIDENCE) / 2)) * np.sqrt(variance)
    widths = np.array([DECORATED[name].range[1] - DECORATED[name].range[0] for name in names])
    least = np.where(np.isfinite(widths), UNSEEN / sizes.sum() * np.where(np.isfinite(widths), widths, 0.0), 0.0)
    return np.asarray(np.maximum(half, least))
