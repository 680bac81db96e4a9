"""Metrics of predicted numbers. The error of a row is prediction - label; all values are exact for these rows."""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.scores.means import mean_of
from spark_monitor.scores.metric import scored
from spark_monitor.scores.metric_value import ALL_NULL, NO_LABELS, MetricValue, metric_value, undefined
from spark_monitor.states.error_powers import ABSOLUTE, CUBED, ERROR, FOURTH, RELATIVE, RELATIVE_SQUARED, SQUARED
from spark_monitor.states.proportions import student
from spark_monitor.states.regression import RegressionState

POSITIVE_RANGE = (0.0, math.inf)
ANY_RANGE = (-math.inf, math.inf)


def refusal(state: RegressionState) -> MetricValue | None:
    if state.usable:
        return None
    if not state.count:
        return undefined(0, "There is no labelled row.", status=NO_LABELS)
    return undefined(0, f"None of the {state.count:,} labelled rows has a finite label and prediction.", status=ALL_NULL)


def _mean(
    state: RegressionState, power: int, squared: int, within: tuple[float, float], message: str | None = None
) -> MetricValue:
    """A mean of powers of the errors, and how far it may be off."""
    cube = float(state.cubes[CUBED.index(power)])
    sums = state.sums[power], state.sums[squared], cube, state.usable
    tail = {ERROR: (state.errors, 1), ABSOLUTE: (state.errors, 1), SQUARED: (state.errors, 2)}.get(power)
    return mean_of(*sums, within=within, message=message, lost=state.lost, tail=tail)


def root_of(mean: MetricValue) -> MetricValue:
    """The square root of a mean and of its bounds."""
    if mean.value is None:
        return mean
    bounds = (0.0 if mean.lower is None else math.sqrt(mean.lower), math.inf if mean.upper is None else math.sqrt(mean.upper))
    return metric_value(math.sqrt(mean.value), bounds, mean.count, within=POSITIVE_RANGE, message=mean.message)


@scored("mean_absolute_error", "regression", state=RegressionState, range=POSITIVE_RANGE, worse="higher", headline=1)
def mean_absolute_error(state: RegressionState) -> MetricValue:
    """Mean of |prediction - label|, with Student's interval, Hall's where errors are lopsided.

    >>> mean_absolute_error(RegressionState.empty().update([1.0, 2.0], [1.5, 1.0])).value
    0.75
    """
    return refusal(state) or _mean(state, ABSOLUTE, SQUARED, POSITIVE_RANGE)


@scored("mean_squared_error", "regression", state=RegressionState, range=POSITIVE_RANGE, worse="higher", headline=2)
def mean_squared_error(state: RegressionState) -> MetricValue:
    """Mean of (prediction - label)^2, with Student's interval, Hall's where errors are lopsided.

    >>> mean_squared_error(RegressionState.empty().update([1.0, 2.0], [1.5, 1.0])).value
    0.625
    """
    return refusal(state) or _mean(state, SQUARED, FOURTH, POSITIVE_RANGE)


@scored("root_mean_squared_error", "regression", state=RegressionState, range=POSITIVE_RANGE, worse="higher", headline=0)
def root_mean_squared_error(state: RegressionState) -> MetricValue:
    """The square root of the mean squared error; its interval is the square root of that one's bounds.

    >>> root_mean_squared_error(RegressionState.empty().update([0.0, 0.0], [3.0, 3.0])).value
    3.0
    """
    return root_of(mean_squared_error(state))


@scored("mean_error", "regression", state=RegressionState, range=ANY_RANGE, worse="both", headline=6, aliases=("bias",))
def mean_error(state: RegressionState) -> MetricValue:
    """Mean of prediction - label (bias): positive where the model predicts too much. Student's or Hall's interval.

    >>> mean_error(RegressionState.empty().update([1.0, 2.0], [1.5, 1.0])).value
    -0.25
    """
    return refusal(state) or _mean(state, ERROR, SQUARED, ANY_RANGE)


@scored("mean_absolute_percentage_error", "regression", state=RegressionState, range=POSITIVE_RANGE, worse="higher", headline=5)
def mean_absolute_percentage_error(state: RegressionState) -> MetricValue:
    """Mean of |prediction - label| / max(|label|, eps), eps = 2^-52, a ratio as in scikit-learn. Student's or Hall's interval.

    >>> mean_absolute_percentage_error(RegressionState.empty().update([1.0, 2.0], [1.5, 1.0])).value
    0.5
    """
    refused = refusal(state)
    if refused:
        return refused
    zeros = state.zero_labels
    message = f"{zeros:,} labels are 0: their errors are divided by 2^-52, as in scikit-learn." if zeros else None
    return _mean(state, RELATIVE, RELATIVE_SQUARED, POSITIVE_RANGE, message)


@scored("r2_score", "regression", state=RegressionState, range=(-math.inf, 1.0), worse="lower", headline=4)
def r2_score(state: RegressionState) -> MetricValue:
    """1 - sum error^2 / sum (label - mean)^2; not defined where all labels are equal.

    The interval is the delta method's for a ratio of means, R = A / B, A = mean error^2, B = mean (label - m)^2:
    Var R = (Var A - 2 R Cov(A, B) + R^2 Var B) / (n B^2), all from stored moments.

    >>> r2_score(RegressionState.empty().update([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])).value
    0.5
    """
    refused = refusal(state)
    if refused:
        return refused
    n, spread = state.usable, state.label_m2
    if state.least_label == state.greatest_label or spread == 0.0:
        return undefined(n, "The labels are all equal, so there is no variance to explain.")
    if not math.isfinite(spread):
        return metric_value(math.inf, ANY_RANGE, n, within=ANY_RANGE)
    value = 1 - state.total(SQUARED) / spread
    low, high = student(value, _r2_variance(state, spread), n)
    ratio = 1 - value
    if ratio > 0 and math.isfinite(low):
        # On the logarithm the ratio is more nearly normal; what is wider of the two is reported.
        factor = math.exp(min((high - value) / ratio, 700.0))
        low, high = min(low, 1 - ratio * factor), max(high, 1 - ratio / factor)
    squares = mean_squared_error(state)
    unknown = squares.upper is None and n > 1
    return metric_value(value, (-math.inf if unknown else low, high), n, within=(-math.inf, 1.0), message=squares.message)


def _r2_variance(state: RegressionState, spread: float) -> float:
    """The variance of one row's part in the ratio, so that dividing by n gives the ratio's."""
    n = state.usable
    errors, labels = state.total(SQUARED) / n, spread / n
    ratio = np.float64(errors / labels)
    _, fourth, _, cross = (float(moment) / n for moment in state.central)
    with np.errstate(over="ignore", invalid="ignore"):
        squares, mixed = state.total(FOURTH) / n - np.square(np.float64(errors)), cross - errors * labels
        variance = squares - 2 * ratio * mixed + np.square(ratio) * (fourth - np.square(np.float64(labels)))
        scaled = float(variance / labels / labels)
    return max(scaled, 0.0) if math.isfinite(scaled) else math.inf
