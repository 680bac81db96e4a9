"""How numeric features move together: which are multiplied in the pass, and what their products say against the baseline's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import DIMENSIONS, MEASUREMENT_DDL
from spark_monitor.kernel.covariances import COVARIANCE_ROW, CovariancePlan
from spark_monitor.kernel.measured_correlation import CorrelationPlan, correlation_batches
from spark_monitor.sources.baseline import Baseline, FrozenColumn
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import Kind
from spark_monitor.stages.context import Run, states_of
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import MonitorConfig

SLICES_BYTES = 8 << 20
"""The states of the slices of one window take about so much at most: the slices with most rows in the baseline have one."""

NOT_NUMBERS = ("boolean", "date", "timestamp", "timestamp_ntz")
_DEFINED = {"granularity": "string", "start": "long", "end": "long", "model_version": "string"}


def correlated(config: MonitorConfig, frozen: Sequence[FrozenColumn]) -> list[FrozenColumn]:
    """The numeric features whose values differ in the baseline, in the table's order, as many as the monitor's file allows."""
    varying = [column for column in numeric_features(config, frozen) if column.facts.get("deviation", 0.0) > 0.0]
    return varying[: config.max_correlated_columns]


def numeric_features(config: MonitorConfig, frozen: Iterable[FrozenColumn]) -> list[FrozenColumn]:
    """The columns of numbers that are no answer of the model."""
    roles = {config.predictions.prediction, config.predictions.score}
    numbers = [column for column in frozen if column.kind is Kind.NUMERIC and column.data_type not in NOT_NUMBERS]
    return [column for column in numbers if column.name not in roles]


def covariance_plan(
    config: MonitorConfig,
    columns: Sequence[FrozenColumn],
    frozen: Sequence[FrozenColumn],
    slices: Sequence[frozenset[str] | None] = (),
) -> CovariancePlan | None:
    """The plan for ``columns``, as they are read, of those that ``frozen`` ones are multiplied with; None for fewer than two."""
    places = {column.name: place for place, column in enumerate(columns) if column.kind is Kind.NUMERIC}
    chosen = [column for column in correlated(config, frozen) if column.name in places]
    if len(chosen) < 2:
        return None
    return CovariancePlan(
        names=tuple(column.name for column in chosen),
        positions=tuple(places[column.name] for column in chosen),
        centre=tuple(column.facts["mean"] for column in chosen),
        scale=tuple(column.facts["deviation"] for column in chosen),
        slices=tuple(slices),
    )


def profiled_covariance(
    config: MonitorConfig, predictions: Predictions, baseline: Baseline, columns: Sequence[FrozenColumn]
) -> CovariancePlan | None:
    """What a profile multiplies: the baseline's columns, whole and of the slices that the baseline has states of."""
    plan = covariance_plan(config, columns, list(baseline.columns.values()), [frozenset() for _ in predictions.slice_keys])
    if plan is None or not baseline.covariance_slices:
        return plan
    each = 4 * len(plan.names) * (len(plan.names) + 1)
    most = max(SLICES_BYTES // each, 1)
    largest = sorted(baseline.covariance_slices, key=lambda one: (-one[2], one[0], one[1]))[:most]
    slices = tuple(frozenset(value for key, value, _ in largest if key == name) for name in predictions.slice_keys)
    return CovariancePlan(plan.names, plan.positions, plan.centre, plan.scale, slices)


def limited_columns(config: MonitorConfig, baseline: Baseline) -> str | None:
    """The sentence of features beyond those that are multiplied, or of a baseline that was frozen without any; None without."""
    most = config.max_correlated_columns
    numbers = numeric_features(config, baseline.columns.values())
    if most == 0 or len(numbers) < 2:
        return None
    if baseline.covariance is None:
        # An older baseline knows the ends of its columns and not their means; a newer one has no two columns that vary.
        if not any("least" in one.facts and "mean" not in one.facts for one in numbers):
            return None
        return (
            "The baseline was frozen without correlations, so none are measured; `spark-monitor freeze` makes one that has them."
        )
    if len(numbers) > most:
        return f"Correlations are of the first {most} numeric columns; `max_correlated_columns` sets how many."
    return None


def correlation_measurements(run: Run, baseline: Baseline, due: Sequence[DueWindow]) -> list[DataFrame]:
    """Measurements of family correlation, and reconstruction errors, of the due windows."""
    if baseline.covariance is None or run.config.max_correlated_columns == 0:
        return []
    rules = [rule for rule in run.config.rules if rule.metric == "correlation_shift" and not isinstance(rule.columns, str)]
    plan = CorrelationPlan(frozenset(name for rule in rules for name in rule.columns))
    covariances = states_of(run, due, quality=True).where(F.col("column_name") == COVARIANCE_ROW)
    current = covariances.where("sketch IS NOT NULL").select(*DIMENSIONS, "sketch", F.lit(True).alias("is_current"))
    absent = {name: F.lit(None).cast(kind) for name, kind in _DEFINED.items()}
    frozen = baseline.covariance.withColumns(absent).select(*DIMENSIONS, "sketch", F.lit(False).alias("is_current"))

    def measured(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from correlation_batches(batches, plan)

    rows = frozen.unionByName(current).repartition("slice_key", "slice_value")
    ordered = rows.sortWithinPartitions("slice_key", "slice_value", "is_current", "model_version", "granularity", "start")
    return [ordered.mapInArrow(measured, MEASUREMENT_DDL)]
