"""Wasserstein-1 in standard deviations of the baseline, so that columns of different units can be held against one limit."""

from __future__ import annotations

import numpy as np

from spark_monitor.catalogue.metric import NOT_NEGATIVE, drift_metric
from spark_monitor.distances.result import Distance
from spark_monitor.distances.wasserstein import Bounds, wasserstein_of
from spark_monitor.states.numeric_block import NumericBlock


def per_deviation(distances: Bounds, deviation: np.ndarray) -> Bounds:
    """The distances over the deviations; nan where these are not positive numbers.

    >>> bounds = tuple(np.array([[1.0, 1.0], [0.5, 0.5], [2.0, 2.0]]))
    >>> [bound.tolist() for bound in per_deviation(bounds, np.array([2.0, 0.0]))]
    [[0.5, nan], [0.25, nan], [1.0, nan]]
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        unit = np.where(np.isfinite(deviation) & (deviation > 0), deviation, np.nan)
        value, lower, upper = (bound / unit for bound in distances)
    return value, lower, upper


@drift_metric(
    "wasserstein_per_deviation",
    columns=("numeric",),
    range=NOT_NEGATIVE,
    unit="standard deviations",
    databricks_column="wasserstein_per_deviation",
)
def standardised(baseline: NumericBlock, current: NumericBlock) -> Distance:
    """Wasserstein-1 distance in standard deviations of the baseline."""
    bounds = wasserstein_of(baseline, current)
    value, lower, upper = per_deviation(bounds, baseline.stddev)
    error = np.maximum(upper - value, value - lower)
    return Distance(value, lower, upper, error, columns={"wasserstein_per_deviation": value})
