"""More metrics of predicted numbers: of the middle and the tail of the errors, of ratios, and of predicted intervals."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import bdtrik

from spark_monitor.scores.means import mean_of
from spark_monitor.scores.metric import scored
from spark_monitor.scores.metric_value import MetricValue, metric_value, undefined
from spark_monitor.scores.regression import POSITIVE_RANGE, refusal, root_of
from spark_monitor.states.error_powers import CUBED, LOGARITHMIC, LOGARITHMIC_SQUARED, SYMMETRIC, SYMMETRIC_SQUARED
from spark_monitor.states.proportions import CONFIDENCE, wilson
from spark_monitor.states.regression import RegressionState

OUTER = 0.9


def quantile_of_errors(state: RegressionState, q: float) -> MetricValue:
    """A quantile of |error| within half a per cent of itself; the interval is that of the order statistics around it."""
    low, high = state.errors.quantile(q)
    rows = max(math.floor(state.errors.total), 1)  # what weights are worth is no integer
    tail = (1 - CONFIDENCE) / 2
    first, last = (math.ceil(np.nan_to_num(rank)) for rank in bdtrik([tail, 1 - tail], rows, q))
    below, above = state.errors.at_rank(first - 1)[0], state.errors.at_rank(last)[1]
    unseen = " The upper bound is the largest error seen: there are too few rows for a better one." if last >= rows else ""
    bounds = (0.0 if first < 1 else min(below, low), math.inf if unseen else max(above, high))
    message = f"Counted in cells that grow by 1 per cent.{unseen}" if unseen else None
    return metric_value(
        (low + high) / 2, bounds, state.usable, within=POSITIVE_RANGE, value_error=(high - low) / 2, message=message
    )


@scored("median_absolute_error", "regression", state=RegressionState, range=POSITIVE_RANGE, worse="higher")
def median_absolute_error(state: RegressionState) -> MetricValue:
    """The median of |prediction - label|, counted in cells that grow by 1 per cent.

    >>> found = median_absolute_error(RegressionState.empty().update([1.0, 2.0, 3.0], [1.5, 3.0, 7.0]))
    >>> abs(found.value - 1.0) <= found.value_error < 0.01
    True
    """
    return refusal(state) or quantile_of_errors(state, 0.5)


@scored("quantile_error_90", "regression", state=RegressionState, range=POSITIVE_RANGE, worse="higher")
def quantile_error_90(state: RegressionState) -> MetricValue:
    """The 0.9-quantile of |prediction - label|: nine rows of ten err less."""
    return refusal(state) or quantile_of_errors(state, OUTER)


@scored("root_mean_squared_log_error", "regression", state=RegressionState, range=POSITIVE_RANGE, worse="higher")
def root_mean_squared_log_error(state: RegressionState) -> MetricValue:
    """The square root of the mean of (log(1 + prediction) - log(1 + label))^2; not defined at -1 or below.

    >>> found = root_mean_squared_log_error(RegressionState.empty().update([1.0], [3.0]))
    >>> abs(found.value - math.log(2)) < 1e-12
    True
    """
    refused = refusal(state)
    if refused:
        return refused
    if state.below:
        return undefined(state.usable, f"{state.below:,} rows have a label or prediction of -1 or less, which has no logarithm.")
    cube = float(state.cubes[CUBED.index(LOGARITHMIC)])
    sums = state.sums[LOGARITHMIC], state.sums[LOGARITHMIC_SQUARED], cube, state.usable
    return root_of(mean_of(*sums, within=POSITIVE_RANGE, tail=(state.logs, 2)))


@scored("symmetric_mape", "regression", state=RegressionState, range=(0.0, 2.0), worse="higher")
def symmetric_mape(state: RegressionState) -> MetricValue:
    """The mean of 2 |prediction - label| / (|prediction| + |label|), a ratio from 0 to 2; 0 where both are 0.

    >>> symmetric_mape(RegressionState.empty().update([1.0, 0.0], [3.0, 0.0])).value
    0.5
    """
    refused = refusal(state)
    if refused:
        return refused
    cube = float(state.cubes[CUBED.index(SYMMETRIC)])
    return mean_of(state.sums[SYMMETRIC], state.sums[SYMMETRIC_SQUARED], cube, state.usable, within=(0.0, 2.0))


@scored("interval_coverage", "regression", state=RegressionState, needs=("interval", "label"))
def interval_coverage(state: RegressionState) -> MetricValue | None:
    """The fraction of labels that lie in the interval that the model predicts; Wilson's interval.

    >>> state = RegressionState.empty().update([1.0, 2.0], [1.0, 1.0], lower=np.array([0.0, 0.0]), upper=np.array([1.5, 1.5]))
    >>> interval_coverage(state).value
    0.5
    """
    given, inside = state.ranges.tolist()
    if not given:
        return None
    lower, upper = wilson(inside, given)
    return metric_value(inside / given, (float(lower), float(upper)), state.usable, within=(0.0, 1.0))
