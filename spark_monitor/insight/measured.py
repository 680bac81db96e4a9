"""Questions to the tables of what was measured: predictions, drift, and the model's metrics. Spark, bounded answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.insight.rows import CountRow, DriftRow, ModelRow
from spark_monitor.insight.scope import (
    HISTORY_WINDOWS,
    MOST_CHECKS,
    MOST_VERSIONS,
    MOST_WINDOWS,
    MOVERS,
    SHIFTS,
    WORST_SLICES,
    Scope,
    any_of,
    at_latest,
    cut,
    in_windows,
    is_in_windows,
    most_rows,
    of_monitor,
    whole,
    window_in,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row


def recent_counts(profile: DataFrame, scope: Scope) -> list[CountRow]:
    """Predictions per version in its latest windows, and in the windows of the scope; latest first."""
    rows = whole(of_monitor(profile, scope)).where((F.col("column_name") == TABLE_ROW) & (F.col("log_type") == "INPUT"))
    recency = F.row_number().over(Over.partitionBy("model_version").orderBy(F.col("window.start").desc()))
    numbered = rows.withColumn("_recency", recency)
    kept = numbered.where((F.col("_recency") <= HISTORY_WINDOWS) | is_in_windows(scope))
    ordered = kept.orderBy(F.col("window.start").desc(), "model_version")
    found = ordered.select(*cut(), F.col("count")).limit(MOST_VERSIONS * (HISTORY_WINDOWS + MOST_WINDOWS)).collect()
    return [CountRow(row.model_version, window_in(row), row["count"] or 0) for row in found]


def model_series(model: DataFrame, scope: Scope, metrics: Sequence[str]) -> list[ModelRow]:
    """Realised metrics of all rows, by their names: at most one row per metric, version and window."""
    rows = whole(_realised(in_windows(model, scope))).where(F.col("metric").isin(list(metrics)))
    return [_model_row(row) for row in _model_columns(rows).limit(most_rows(len(metrics))).collect()]


def worst_slices(
    model: DataFrame, scope: Scope, metric: str, *, higher_is_better: bool, most: int = WORST_SLICES
) -> list[ModelRow]:
    """The slices that are surely worst: per version and window those whose interval's better end is worst."""
    rows = _realised(in_windows(model, scope)).where(
        (F.col("metric") == metric) & F.col("slice_key").isNotNull() & F.col("value").isNotNull()
    )
    order = F.col("upper").asc_nulls_last() if higher_is_better else F.col("lower").desc_nulls_last()
    by_window = Over.partitionBy("model_version", "window").orderBy(order, "slice_key", "slice_value")
    ranked = rows.withColumn("_rank", F.row_number().over(by_window)).where(F.col("_rank") <= most)
    found = _model_columns(ranked, "_rank").limit(most_rows(most)).collect()
    return [_model_row(row) for row in sorted(found, key=lambda row: row._rank)]


def slice_series(model: DataFrame, scope: Scope, metric: str, slices: Iterable[tuple[str, str | None]]) -> list[ModelRow]:
    """A metric of a few slices in all windows of the scope."""
    wanted = sorted(set(slices), key=repr)
    if not wanted:
        return []
    same = [(F.col("slice_key") == key) & F.col("slice_value").eqNullSafe(F.lit(value)) for key, value in wanted]
    rows = _realised(in_windows(model, scope)).where((F.col("metric") == metric) & any_of(same))
    return [_model_row(row) for row in _model_columns(rows).limit(most_rows(len(wanted))).collect()]


def moved_columns(
    drift: DataFrame, scope: Scope, latest: Mapping[str | None, datetime], also: Iterable[str], *, most: int = MOVERS
) -> list[DriftRow]:
    """KS in all windows of the scope, of the columns that moved farthest in any of them or in the latest, and of some more."""
    rows = whole(_numeric_drift(in_windows(drift, scope)))
    ks, of_column = F.col("ks_test.statistic"), Over.partitionBy("model_version", "column_name")
    farthest = rows.withColumns(
        {
            "_ever": F.max(ks).over(of_column),
            "_now": F.max(F.when(at_latest(latest), ks)).over(of_column),
            "_greatest": F.max(ks).over(Over.partitionBy("model_version", "window")),
        }
    )
    ranked = farthest.withColumns({"_ever": _rank_of("_ever"), "_now": F.when(F.col("_now").isNotNull(), _rank_of("_now"))})
    chosen = (F.col("_ever") <= most) | (F.col("_now") <= SHIFTS) | F.col("column_name").isin(sorted(set(also)))
    kept = ranked.where(F.coalesce(chosen, F.col("_ever") <= most))
    found = _drift_columns(kept, "_ever", "_greatest").limit(most_rows(most + SHIFTS + MOST_CHECKS)).collect()
    return [replace(_drift_row(row), greatest=row._greatest) for row in sorted(found, key=lambda row: row._ever)]


def drifted_slices(drift: DataFrame, scope: Scope, *, most: int = WORST_SLICES) -> list[DriftRow]:
    """The slices and columns whose distance is surely greatest: by the interval's lower end, per version and window."""
    rows = _numeric_drift(in_windows(drift, scope)).where(F.col("slice_key").isNotNull())
    surely = F.coalesce(F.col("ks_population_lower"), F.lit(0.0)).desc()
    order = Over.partitionBy("model_version", "window").orderBy(surely, F.col("ks_test.statistic").desc(), "column_name")
    ranked = rows.withColumn("_rank", F.row_number().over(order)).where(F.col("_rank") <= most)
    found = _drift_columns(ranked, "_rank").limit(most_rows(most)).collect()
    return [_drift_row(row) for row in sorted(found, key=lambda row: row._rank)]


def _realised(frame: DataFrame) -> DataFrame:
    """Metrics from labels, of all classes together."""
    return frame.where((F.col("basis") == "REALISED") & F.col("class").isNull())


def _rank_of(name: str) -> Column:
    return F.dense_rank().over(Over.partitionBy("model_version").orderBy(F.col(name).desc_nulls_last(), "column_name"))


def _numeric_drift(frame: DataFrame) -> DataFrame:
    return frame.where((F.col("drift_type") == "BASELINE") & F.col("ks_test.statistic").isNotNull())


def _model_columns(frame: DataFrame, *also: str) -> DataFrame:
    names = (
        "slice_key",
        "slice_value",
        "metric",
        "value",
        "lower",
        "upper",
        "label_coverage",
        "label_status",
        "status",
        "message",
    )
    return frame.select(*cut(), *names, F.col("count").alias("_count"), *also)


def _model_row(row: Row) -> ModelRow:
    return ModelRow(
        row.model_version,
        window_in(row),
        row.metric,
        row.value,
        lower=row.lower,
        upper=row.upper,
        count=row._count,
        label_coverage=row.label_coverage,
        label_status=row.label_status,
        status=row.status,
        message=row.message,
        slice_key=row.slice_key,
        slice_value=row.slice_value,
    )


def _drift_columns(frame: DataFrame, *also: str) -> DataFrame:
    bounds = ("slice_key", "slice_value", "column_name", "ks_population_lower", "ks_population_upper")
    return frame.select(*cut(), *bounds, F.col("ks_test.statistic").alias("_ks"), *also)


def _drift_row(row: Row) -> DriftRow:
    return DriftRow(
        row.model_version,
        window_in(row),
        row.column_name,
        row._ks,
        lower=row.ks_population_lower,
        upper=row.ks_population_upper,
        slice_key=row.slice_key,
        slice_value=row.slice_value,
    )
