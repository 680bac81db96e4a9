"""The view ``metric_series``: the numbers of every family below each other, one a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from pyspark.sql.types import DataType, StructType

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.store.metric_tables import DRIFT_METRICS

Source = Callable[[str], str]
"""From a table's name to a sub-query of its committed rows, in parentheses."""

PROFILE_SERIES: Final = (
    *("count", "num_nulls", "num_nan", "num_inf", "num_zeros", "num_empty", "distinct_count"),
    *("avg", "stddev", "min", "max", "median"),
    *("percent_null", "percent_nan", "percent_zeros", "percent_distinct"),
)
"""Columns of profile_metrics that are numbers, by their names as metrics."""


def drift_series() -> dict[str, tuple[str, str | None, str | None]]:
    """Metrics that drift_metrics has a column for, as rules name them, with the columns of value, lower and upper.

    >>> drift_series()["wasserstein_distance"], drift_series()["ks"][0]
    (('wasserstein_distance', 'wasserstein_lower', 'wasserstein_upper'), 'ks_test.statistic')
    """
    types = {field.name: field.dataType for field in DRIFT_METRICS.schema.fields}
    series: dict[str, tuple[str, str | None, str | None]] = {}
    for metric in catalogue().of("drift"):
        name = metric.databricks_column
        if name is not None and name in types:
            value = f"{name}.statistic" if isinstance(types[name], StructType) else name
            bounds = {end: _bound(metric.name, end, types) for end in ("lower", "upper")}
            series[metric.name] = (value, bounds["lower"], bounds["upper"])
    return series


def _bound(metric: str, end: str, types: Mapping[str, DataType]) -> str | None:
    """The column of an interval's end; Databricks' names leave out the word distance."""
    names = (f"{metric}_{end}", f"{metric.removesuffix('_distance')}_{end}")
    return next((name for name in names if name in types), None)


_CUT = (
    "`window`.`start` AS time, monitor_id, model_version",
    "CASE WHEN slice_key IS NOT NULL THEN concat(slice_key, ' = ', coalesce(slice_value, 'NULL')) END AS slice",
    "granularity",
)


def metric_series(source: Source) -> str:
    """All metrics below each other, one number a row."""
    series = (_profile_series(source), _drift_series(source), _model_series(source), _other_series(source))
    return " UNION ALL ".join(series)


def _profile_series(source: Source) -> str:
    entries = [f"'{name}', CAST(`{name}` AS double), CAST(NULL AS double), CAST(NULL AS double)" for name in PROFILE_SERIES]
    return _series(f"{source('profile_metrics')} WHERE log_type = 'INPUT'", entries, family="profile", column_sql="column_name")


def _drift_series(source: Source) -> str:
    entries = [
        f"'{name}', CAST({value} AS double), CAST({lower or 'NULL'} AS double), CAST({upper or 'NULL'} AS double)"
        for name, (value, lower, upper) in drift_series().items()
    ]
    return _series(source("drift_metrics"), entries, family="drift", column_sql="column_name", drift_type="drift_type")


def _model_series(source: Source) -> str:
    entries = ["metric, value, lower, upper"]
    return _series(
        f"{source('model_metrics')} WHERE log_type IS DISTINCT FROM 'BASELINE'",
        entries,
        family="model",
        column_sql="CAST(NULL AS string)",
        class_sql="class",
        basis="basis",
    )


def _other_series(source: Source) -> str:
    """What has no column of its own: quality, fairness, custom metrics, system, pipelines and cost."""
    return _series(
        source("metrics"),
        ["metric, value, lower, upper"],
        family=None,
        column_sql="column_name",
        class_sql="class",
        basis="basis",
    )


def _series(
    rows: str,
    entries: list[str],
    *,
    family: str | None,
    column_sql: str,
    class_sql: str = "CAST(NULL AS string)",
    drift_type: str = "CAST(NULL AS string)",
    basis: str = "CAST(NULL AS string)",
) -> str:
    """One family's numbers: ``entries`` are metric, value, lower and upper, stacked below each other."""
    time_and_ids, slice_sql, granularity = _CUT
    stacked = f"stack({len(entries)}, {', '.join(entries)}) AS (metric, value, lower, upper)"
    named = "family" if family is None else f"'{family}'"
    inner = (
        f"SELECT {time_and_ids}, {column_sql} AS column_name, {slice_sql}, {granularity}, {named} AS family, "
        f"{class_sql} AS class, {drift_type} AS drift_type, {basis} AS basis, {stacked} FROM {rows}"
    )
    outer = (
        "time, monitor_id, model_version, metric, column_name, slice, value, lower, upper, granularity, family, class, "
        "drift_type, basis"
    )
    return f"SELECT {outer} FROM ({inner}) WHERE value IS NOT NULL"
