"""Metrics of predicted numbers. The error of a row is prediction - label; all values are exact for these rows."""

from __future__ import annotations

import math
from collections.abc import Callable

from spark_monitor.scores.interval import ALL_NULL, NO_LABELS, Interval, interval, undefined
from spark_monitor.scores.metric import Metric, single
from spark_monitor.states.proportions import student
from spark_monitor.states.regression import (
    ABSOLUTE,
    ERROR,
    FOURTH,
    RELATIVE,
    RELATIVE_SQUARED,
    SQUARED,
    RegressionState,
)
from spark_monitor.states.sums import squared_deviations

POSITIVE_RANGE = (0.0, math.inf)
ANY_RANGE = (-math.inf, math.inf)


def _refusal(state: RegressionState) -> Interval | None:
    if state.usable:
        return None
    if not state.count:
        return undefined(0, "There is no labelled row.", status=NO_LABELS)
    return undefined(0, f"None of the {state.count:,} labelled rows has a finite label and prediction.", status=ALL_NULL)


def _mean(state: RegressionState, power: int, squared: int) -> tuple[float, tuple[float, float]]:
    """A mean of powers of the errors and Student's interval around it."""
    n = state.usable
    value = state.total(power) / n
    deviations = squared_deviations(state.sums[power], state.sums[squared], n)
    return value, student(value, deviations / (n - 1) if n > 1 else math.inf, n)


def mean_absolute_error(state: RegressionState) -> Interval:
    """Mean of |prediction - label|, with Student's interval.

    >>> mean_absolute_error(RegressionState.empty().update([1.0, 2.0], [1.5, 1.0])).value
    0.75
    """
    return _refusal(state) or interval(*_mean(state, ABSOLUTE, SQUARED), state.usable, within=POSITIVE_RANGE)


def mean_squared_error(state: RegressionState) -> Interval:
    """Mean of (prediction - label)^2, with Student's interval.

    >>> mean_squared_error(RegressionState.empty().update([1.0, 2.0], [1.5, 1.0])).value
    0.625
    """
    return _refusal(state) or interval(*_mean(state, SQUARED, FOURTH), state.usable, within=POSITIVE_RANGE)


def root_mean_squared_error(state: RegressionState) -> Interval:
    """The square root of the mean squared error; its interval is the square root of that one's bounds.

    >>> root_mean_squared_error(RegressionState.empty().update([0.0, 0.0], [3.0, 3.0])).value
    3.0
    """
    refused = _refusal(state)
    if refused:
        return refused
    value, (lower, upper) = _mean(state, SQUARED, FOURTH)
    bounds = math.sqrt(max(lower, 0.0)), math.sqrt(max(upper, 0.0))
    return interval(math.sqrt(value), bounds, state.usable, within=POSITIVE_RANGE)


def mean_error(state: RegressionState) -> Interval:
    """Mean of prediction - label (bias): positive where the model predicts too much. Student's interval.

    >>> mean_error(RegressionState.empty().update([1.0, 2.0], [1.5, 1.0])).value
    -0.25
    """
    return _refusal(state) or interval(*_mean(state, ERROR, SQUARED), state.usable, within=ANY_RANGE)


def mean_absolute_percentage_error(state: RegressionState) -> Interval:
    """Mean of |prediction - label| / max(|label|, eps), eps = 2^-52, a ratio as in scikit-learn. Student's interval.

    >>> mean_absolute_percentage_error(RegressionState.empty().update([1.0, 2.0], [1.5, 1.0])).value
    0.5
    """
    refused = _refusal(state)
    if refused:
        return refused
    zeros = state.zero_labels
    message = f"{zeros:,} labels are 0: their errors are divided by 2^-52, as in scikit-learn." if zeros else None
    value, bounds = _mean(state, RELATIVE, RELATIVE_SQUARED)
    return interval(value, bounds, state.usable, within=POSITIVE_RANGE, message=message)


def r2_score(state: RegressionState) -> Interval:
    """1 - sum error^2 / sum (label - mean)^2; not defined where all labels are equal.

    The interval is the delta method's for a ratio of means, R = A / B, A = mean error^2, B = mean (label - m)^2:
    Var R = (Var A - 2 R Cov(A, B) + R^2 Var B) / (n B^2), all from stored moments.

    >>> r2_score(RegressionState.empty().update([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])).value
    0.5
    """
    refused = _refusal(state)
    if refused:
        return refused
    n, spread = state.usable, state.label_m2
    if state.least_label == state.greatest_label or spread == 0.0:
        return undefined(n, "The labels are all equal, so there is no variance to explain.")
    if not math.isfinite(spread):
        return interval(math.inf, ANY_RANGE, n, within=ANY_RANGE)
    value = 1 - state.total(SQUARED) / spread
    return interval(value, student(value, _r2_variance(state, spread), n), n, within=(-math.inf, 1.0))


def _r2_variance(state: RegressionState, spread: float) -> float:
    """The variance of one row's share in the ratio, so that dividing by n gives the ratio's."""
    n = state.usable
    errors, labels = state.total(SQUARED) / n, spread / n
    ratio = errors / labels
    _, fourth, _, cross = (float(moment) / n for moment in state.central)
    variance = state.total(FOURTH) / n - errors**2 - 2 * ratio * (cross - errors * labels) + ratio**2 * (fourth - labels**2)
    scaled = variance / labels / labels
    return max(scaled, 0.0) if math.isfinite(scaled) else math.inf


def _metric(
    name: str, description: str, function: Callable[[RegressionState], Interval], lowest: float = 0.0, highest: float = math.inf
) -> Metric[RegressionState]:
    return Metric(name, "regression", RegressionState, description, lowest, highest, single(function))


METRICS = (
    _metric("mean_absolute_error", "Mean of |prediction - label|.", mean_absolute_error),
    _metric("mean_squared_error", "Mean of (prediction - label)^2.", mean_squared_error),
    _metric("root_mean_squared_error", "Square root of the mean squared error.", root_mean_squared_error),
    _metric("r2_score", "Share of the labels' variance that the predictions explain.", r2_score, -math.inf, 1.0),
    _metric("mean_absolute_percentage_error", "Mean of |error| / |label|, a ratio.", mean_absolute_percentage_error),
    _metric("mean_error", "Mean of prediction - label: positive where too much is predicted.", mean_error, -math.inf),
)
