"""What the plain numbers of a column are more than those of the baseline: current minus baseline."""

from __future__ import annotations

from typing import Any

import numpy as np

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import ANY_NUMBER, drift_metric
from spark_monitor.distances.bins import Block
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.proportions import Z, score_interval

PERCENT_DELTA = (-100.0, 100.0)


def percent_delta(before: Any, n: Any, now: Any, m: Any) -> Interval:
    """100 (now / m - before / n) with the 95 % interval from both Wilson intervals.

    Source: Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.

    >>> change = percent_delta(np.array([48]), np.array([80]), np.array([56]), np.array([70]))  # Newcombe's table II (a)
    >>> [round(float(bound[0]), 2) for bound in (change.value, change.lower, change.upper)]
    [20.0, 5.24, 33.39]
    """
    before, n, now, m = (np.asarray(part, dtype=np.float64) for part in (before, n, now, m))
    empty = (n == 0) | (m == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = before / n, now / m
    (p_low, p_high), (q_low, q_high) = score_interval(before, n), score_interval(now, m)
    down = np.sqrt(np.square(q - q_low) + np.square(p_high - p))
    up = np.sqrt(np.square(q_high - q) + np.square(p - p_low))
    lower, upper = np.maximum(q - p - down, -1.0), np.minimum(q - p + up, 1.0)
    value, lower, upper = (np.where(empty, np.nan, 100.0 * part) for part in (q - p, lower, upper))
    return Interval(value, lower, upper, np.zeros(value.shape))


@drift_metric("count_delta", range=ANY_NUMBER, worse="both", unit="rows", databricks_column="count_delta")
def count_delta(baseline: Block, current: Block) -> Floats:
    """Rows more than the baseline has."""
    return np.asarray(current.count - baseline.count, dtype=np.float64)


@drift_metric("avg_delta", columns=("numeric",), range=ANY_NUMBER, worse="both", databricks_column="avg_delta")
def avg_delta(baseline: NumericBlock, current: NumericBlock) -> Interval:
    """Mean more than the baseline's, with the interval of Welch's two samples."""
    value = current.mean - baseline.mean
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        half = Z * np.sqrt(np.square(baseline.stddev) / baseline.finite + np.square(current.stddev) / current.finite)
    return Interval(value, value - half, value + half, np.zeros(value.shape))


@drift_metric("percent_null_delta", range=PERCENT_DELTA, worse="both", unit="percent", databricks_column="percent_null_delta")
def percent_null_delta(baseline: Block, current: Block) -> Interval:
    """Percent of NULL more than the baseline has, with Newcombe's interval."""
    return percent_delta(baseline.nulls, baseline.count, current.nulls, current.count)


@drift_metric(
    "percent_zeros_delta",
    columns=("numeric",),
    range=PERCENT_DELTA,
    worse="both",
    unit="percent",
    databricks_column="percent_zeros_delta",
)
def percent_zeros_delta(baseline: NumericBlock, current: NumericBlock) -> Interval:
    """Percent of zeros more than the baseline has, with Newcombe's interval."""
    return percent_delta(baseline.zeros, baseline.count, current.zeros, current.count)


@drift_metric(
    "percent_distinct_delta", range=PERCENT_DELTA, worse="both", unit="percent", databricks_column="percent_distinct_delta"
)
def percent_distinct_delta(baseline: Block, current: Block) -> Interval:
    """Percent of distinct values more than the baseline has, with the intervals of both distinct counts."""
    (p, p_low, p_high), (q, q_low, q_high) = _percent_distinct(baseline), _percent_distinct(current)
    return Interval(q - p, q_low - p_high, q_high - p_low, np.zeros(p.shape))


def _percent_distinct(block: Block) -> tuple[Floats, Floats, Floats]:
    error = block.distinct_error
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(block.count > 0, 100.0 * block.distinct_count / block.count, np.nan)
    return value, value / (1 + error), np.minimum(value / (1 - np.minimum(error, 0.5)), 100.0)
