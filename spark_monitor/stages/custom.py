"""Custom metrics and business KPIs: SQL aggregates over the rows of every window, version and slice, and what is derived of them.

One more pass over the prediction table, made only where the monitor's file has ``metrics``; its rows are shuffled as partial
aggregates. Values travel as one struct per set of dimensions, and become measurements in Arrow batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.measurement import DIMENSIONS, MEASUREMENT_DDL, batch_of_measurements, measurements
from spark_monitor.sources.predictions import Predictions
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.stages.custom_bounds import interval_of, numbers_of
from spark_monitor.stages.custom_references import with_references
from spark_monitor.stages.custom_values import aggregated, aggregates, metric_of, same
from spark_monitor.stages.labelled import answered_rows, spans_of, with_label
from spark_monitor.stages.quality import measured_frame
from spark_monitor.stages.row_dimensions import placed, rows_within
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.metrics import CustomMetricConfig


def custom_step(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> None:
    """Measure the custom metrics of these windows; nothing where the monitor's file has none."""
    if not run.config.metrics or not windows:
        return
    values = values_of(run, predictions, windows)
    derived = [one for one in run.config.metrics if one.derived is not None]
    if derived:
        values = with_references(run, predictions, values, derived, windows)
    rows = measured(values, run.config.metrics)
    lost = [one for one in run.config.metrics if one.labels] if run.no_labels else []
    if lost:
        rows = rows.where(~F.col("metric").isin([one.name for one in lost]))
        run.measured.append(measured_frame(run, _without_labels(windows, lost, run.no_labels)))
    run.measured.append(rows)


def _without_labels(windows: Sequence[DueWindow], lost: Sequence[CustomMetricConfig], why: str) -> list[dict[str, Any]]:
    """For each metric over labels, which cannot be read now, a row with the reason in every window."""
    rest = dict.fromkeys(("model_version", "slice_key", "slice_value"))
    keys = window_keys(windows)
    places = [{**rest, "granularity": key.granularity, "start": key.start, "end": key.end} for key in keys]
    nothing = Interval(np.full(1, np.nan), status=["ERROR"], message=[why])
    return [
        row for place in places for one in lost for row in measurements([place], metric_of(one), nothing, column_name=":table")
    ]


def values_of(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> DataFrame:
    """One row per window, version and slice, with a struct ``m<i>`` for each metric that aggregates rows."""
    values: DataFrame | None = None
    for labels in (False, True):
        metrics = [one for one in aggregates(run.config.metrics) if one.config.labels == labels]
        if not metrics:
            continue
        rows = _labelled(run, predictions, windows) if labels else rows_within(run, predictions, windows)
        grouped = aggregated(placed(rows, run, predictions, windows), metrics)
        values = (
            grouped
            if values is None
            else values.join(grouped, on=same(values, grouped), how="full").select(
                *(F.coalesce(values[name], grouped[name]).alias(name) for name in DIMENSIONS),
                *(one[name] for one in (values, grouped) for name in one.columns if name not in DIMENSIONS),
            )
        )
    if values is None:
        raise ValueError("values_of: no metric of the monitor aggregates rows")
    return values


def _labelled(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> DataFrame:
    return with_label(answered_rows(run, predictions, spans_of(windows)))


def measured(values: DataFrame, metrics: Sequence[CustomMetricConfig]) -> DataFrame:
    """Measurements of the values, in Arrow batches."""

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            where = batch.select(list(DIMENSIONS)).to_pylist()
            rows = [row for place, one in enumerate(metrics) for row in _measurements(where, batch.column(f"m{place}"), one)]
            yield batch_of_measurements(rows)

    names = [f"m{place}" for place in range(len(metrics))]
    return values.select(*DIMENSIONS, *names).mapInArrow(run, MEASUREMENT_DDL)


def _measurements(where: list[dict[str, Any]], structs: pa.StructArray, one: CustomMetricConfig) -> list[dict[str, Any]]:
    numbers = numbers_of(structs)
    rows = numbers["rows"]
    count = None if np.isnan(rows).all() else [None if np.isnan(number) else int(number) for number in rows]
    return measurements(where, metric_of(one), interval_of(numbers, one), count=count, column_name=":table")
