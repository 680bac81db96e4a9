"""The numbers of ``profile_metrics`` as metrics: what every column has, whatever is declared of it.

A block's attributes are arrays of length S: rows, nulls, NaN, infinities, zeros, moments, extremes, distinct values.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import ANY_NUMBER, NOT_NEGATIVE, PERCENT, quality_metric
from spark_monitor.states.proportions import wilson

FAMILY = "profile"


def percent(part: Any, whole: Any) -> Interval:
    """100 part / whole with Wilson's 95 % interval; undefined without rows.

    >>> found = percent(np.array([1, 0]), np.array([4, 0]))
    >>> found.value.tolist(), [round(float(bound), 1) for bound in (found.lower[0], found.upper[0])]
    ([25.0, nan], [1.3, 79.6])
    """
    successes, trials = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        value: Floats = np.where(trials > 0, 100.0 * successes / trials, np.nan)
    lower, upper = wilson(successes, trials)
    absent = trials == 0
    return Interval(value, np.where(absent, np.nan, 100 * lower), np.where(absent, np.nan, 100 * upper), np.zeros(value.shape))


@quality_metric(
    "count", family=FAMILY, columns=("any", ":table"), range=NOT_NEGATIVE, worse="both", unit="rows", databricks_column="count"
)
def count(current: Any, baseline: Any = None) -> Any:
    """Rows, nulls included."""
    return current.count


@quality_metric("num_nulls", family=FAMILY, range=NOT_NEGATIVE, unit="rows", databricks_column="num_nulls")
def num_nulls(current: Any, baseline: Any = None) -> Any:
    """Rows where the column is NULL."""
    return current.nulls


@quality_metric("num_nan", family=FAMILY, columns=("numeric",), range=NOT_NEGATIVE, unit="rows", databricks_column="num_nan")
def num_nan(current: Any, baseline: Any = None) -> Any:
    """Rows where the column is NaN."""
    return current.nan


@quality_metric("num_inf", family=FAMILY, columns=("numeric",), range=NOT_NEGATIVE, unit="rows", databricks_column="num_inf")
def num_inf(current: Any, baseline: Any = None) -> Any:
    """Rows where the column is plus or minus infinity."""
    return current.infinities


@quality_metric("percent_null", family=FAMILY, range=PERCENT, unit="percent", databricks_column="percent_null")
def percent_null(current: Any, baseline: Any = None) -> Interval:
    """Rows where the column is NULL, in percent of the rows, with Wilson's interval."""
    return percent(current.nulls, current.count)


@quality_metric(
    "percent_nan", family=FAMILY, columns=("numeric",), range=PERCENT, unit="percent", databricks_column="percent_nan"
)
def percent_nan(current: Any, baseline: Any = None) -> Interval:
    """Rows where the column is NaN, in percent of the rows, with Wilson's interval."""
    return percent(current.nan, current.count)


@quality_metric(
    "percent_zeros", family=FAMILY, columns=("numeric",), range=PERCENT, unit="percent", databricks_column="percent_zeros"
)
def percent_zeros(current: Any, baseline: Any = None) -> Interval:
    """Rows where the column is zero, in percent of the rows, with Wilson's interval."""
    return percent(current.zeros, current.count)


@quality_metric(
    "distinct_count", family=FAMILY, range=NOT_NEGATIVE, worse="both", unit="values", databricks_column="distinct_count"
)
def distinct_count(current: Any, baseline: Any = None) -> Interval:
    """Distinct values other than NULL, of numbers the finite ones: exact while few, else estimated, with a 95 % interval.

    Up to 1,024 of a whole window and 128 of a slice are counted; of more the smallest hashes tell how many there are.
    """
    value = np.asarray(current.distinct_count, dtype=np.float64)
    error = np.asarray(current.distinct_error, dtype=np.float64)
    return Interval(value, value / (1 + error), value / (1 - error), np.zeros(value.shape))


@quality_metric(
    "percent_distinct", family=FAMILY, range=PERCENT, worse="both", unit="percent", databricks_column="percent_distinct"
)
def percent_distinct(current: Any, baseline: Any = None) -> Interval:
    """Distinct values in percent of the rows, with the distinct count's interval."""
    distinct = distinct_count(current)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(np.asarray(current.count) > 0, 100.0 / np.asarray(current.count, dtype=np.float64), np.nan)
    low, high = distinct.lower, distinct.upper
    assert low is not None
    assert high is not None
    return Interval(distinct.value * scale, low * scale, np.minimum(high * scale, 100.0), np.zeros(scale.shape))


@quality_metric("avg", family=FAMILY, columns=("numeric",), range=ANY_NUMBER, worse="both", databricks_column="avg")
def avg(current: Any, baseline: Any = None) -> Any:
    """Mean of the finite values."""
    return current.mean


@quality_metric("stddev", family=FAMILY, columns=("numeric",), range=NOT_NEGATIVE, worse="both", databricks_column="stddev")
def stddev(current: Any, baseline: Any = None) -> Any:
    """Sample standard deviation (n - 1) of the finite values."""
    return current.stddev


@quality_metric("min", family=FAMILY, columns=("numeric",), range=ANY_NUMBER, worse="both", databricks_column="min")
def least(current: Any, baseline: Any = None) -> Any:
    """Smallest finite value."""
    return current.min


@quality_metric("max", family=FAMILY, columns=("numeric",), range=ANY_NUMBER, worse="both", databricks_column="max")
def greatest(current: Any, baseline: Any = None) -> Any:
    """Largest finite value."""
    return current.max


@quality_metric("median", family=FAMILY, columns=("numeric",), range=ANY_NUMBER, worse="both", databricks_column="median")
def median(current: Any, baseline: Any = None) -> Any:
    """The smallest value x with F(x) >= 1/2, within the state's rank error."""
    return current.median


@quality_metric(
    "max_length", family=FAMILY, columns=("categorical",), range=NOT_NEGATIVE, worse="both", databricks_column="max_length"
)
def max_length(current: Any, baseline: Any = None) -> Any:
    """Longest string in characters, of binary values in bytes; it falls where strings were cut."""
    return current.max_length
