"""Requests against predictions where a serving log has windows of its own: by the windows that others make up, no row read again.

A log of finer windows is held against predictions in the monitor's windows, from the stored requests of the finer ones. A log of
coarser windows takes the stored predictions of the monitor's windows, which are a part of the log's own measurements.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, batch_of_measurements
from spark_monitor.kernel.lost_predictions import Composed, lost_in_windows
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving import PREDICTIONS
from spark_monitor.stages.context import INPUT, Run, window_keys
from spark_monitor.stages.datasets import OPERATIONS, schedule_for
from spark_monitor.stages.record import record_step
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import Granularity
from spark_monitor.windowing.windows import Window, parts_of, windows_between

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_REQUESTS = ("requests", "failed_requests")


def prediction_counts(run: Run, windows: Sequence[DueWindow]) -> DataFrame:
    """How many predictions the windows hold, of each version (where the table has versions) and together."""
    stored = run.store.frame("profile_metrics").where(run.store.in_windows(run.monitor_id, windows))
    whole = stored.where(F.col("log_type") == INPUT).where((F.col("column_name") == TABLE_ROW) & F.col("slice_key").isNull())
    counted = whole.selectExpr(
        *("granularity", "unix_micros(window.start) AS start", "unix_micros(window.end) AS end", "model_version"),
        "CAST(count AS DOUBLE) AS predictions",
    )
    together = counted.groupBy("granularity", "start", "end").agg(F.sum("predictions").alias("predictions"))
    versions = counted.where("model_version IS NOT NULL")
    every = versions.unionByName(together.withColumn("model_version", F.lit(None).cast("string")))
    return every.selectExpr("*", f"'{PREDICTIONS}' AS kind", f"'{TABLE_ROW}' AS column_name")


def predictions_by_version(predictions: DataFrame) -> DataFrame:
    """One row for each window: its predictions by version, and those of all versions together."""
    return predictions.groupBy("granularity", "start").agg(
        F.expr(
            "map_from_entries(collect_list(struct(model_version, predictions)) FILTER (WHERE model_version IS NOT NULL))"
        ).alias("predicted"),
        F.expr("max(predictions) FILTER (WHERE model_version IS NULL)").alias("total"),
    )


def predictions_beside(run: Run, windows: Sequence[DueWindow]) -> tuple[DataFrame | None, dict[WindowKey, str]]:
    """The predictions in the log's windows, and why there may be none; neither where the log's windows are the finer ones."""
    labels = {one.label for one in run.schedule.granularities}
    if all(one.granularity in labels for one in windows):
        return prediction_counts(run, windows), {}
    finest, [log_granularity] = run.schedule.granularities[0], schedule_for(run, OPERATIONS).granularities
    if not log_granularity.is_coarser_than(finest):
        return None, {}
    parts = {one: parts_of(one.window, finest, run.schedule.zone) for one in windows}
    keys = dict(zip(windows, window_keys(windows), strict=True))
    lost = f"Predictions are not known of every window of {finest.label} in this one."
    apart = f"Windows of {finest.label}, in which predictions are counted, do not make up one of {log_granularity.label}."
    return _summed_up(run, parts, finest), {keys[one]: lost if made_of else apart for one, made_of in parts.items()}


def _summed_up(run: Run, parts: Mapping[DueWindow, Sequence[Window]], finest: Granularity) -> DataFrame:
    """The predictions of windows that are made up of finer ones, where every finer one is known."""
    finer = [DueWindow(finest.label, window) for made_of in parts.values() for window in made_of]
    wholes = sorted(window_keys(one for one, made_of in parts.items() if made_of), key=lambda key: key.start)
    many = {key.start: len(parts[one]) for one, key in zip(parts, window_keys(parts), strict=True)}
    starts, ends = (np.array([getattr(key, edge) for key in wholes], dtype=np.int64) for edge in ("start", "end"))
    needed = np.array([many[key.start] for key in wholes], dtype=np.int64)

    def placed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            place = np.searchsorted(starts, batch.column("start").to_numpy(), side="right") - 1
            columns = {"start": pa.array(starts[place]), "end": pa.array(ends[place]), "needed": pa.array(needed[place])}
            counts = {name: batch.column(name) for name in ("model_version", "predictions")}
            yield pa.RecordBatch.from_pydict({**columns, **counts})

    counted = prediction_counts(run, finer).select("start", "model_version", "predictions")
    rows = counted.mapInArrow(placed, "start long, end long, needed long, model_version string, predictions double")
    summed = rows.groupBy("start", "end", "needed", "model_version").agg(
        F.sum("predictions").alias("predictions"), F.count("*").alias("windows")
    )
    # Only of all versions together is there a row for every finer window.
    counted_windows = "max(CASE WHEN model_version IS NULL THEN windows END) OVER (PARTITION BY start)"
    whole = summed.withColumn("known", F.expr(counted_windows)).where("known = needed")
    label = schedule_for(run, OPERATIONS).granularities[0].label
    return whole.selectExpr(
        f"'{label}' AS granularity",
        *("start", "end", "model_version", "predictions"),
        f"'{PREDICTIONS}' AS kind",
        f"'{TABLE_ROW}' AS column_name",
    )


def lost_predictions_step(
    run: Run, due: Sequence[DueWindow], handled: Collection[DueWindow], predictions: Sequence[DueWindow]
) -> tuple[DueWindow, ...]:
    """Measure the monitor's windows that are longer than the log's own; the windows that were written.

    They are those with a window of the log that is ``due``, and those whose ``predictions`` were counted again and in which the
    log has been ``handled``.
    """
    [*log_granularities] = schedule_for(run, OPERATIONS).granularities
    if log_granularities == list(run.schedule.granularities):
        return ()
    windows = [
        window
        for granularity in run.schedule.granularities
        if granularity.is_coarser_than(log_granularities[0])
        for window in _concerned(run, granularity, due, handled, predictions)
    ]
    if not windows:
        return ()
    zone = run.schedule.zone
    finer = [parts_of(one.window, log_granularities[0], zone) for one in windows]
    named = isinstance(run.config.predictions.model_version, str)
    composed = Composed(window_keys(windows), log_granularities[0].label, tuple(map(len, finer)), named)
    requests = _requests(run, [DueWindow(log_granularities[0].label, part) for parts in finer for part in parts])
    counted = prediction_counts(run, windows).selectExpr(
        *("kind", "granularity", "start", "model_version", "'predictions' AS metric", "predictions AS value")
    )
    rows = counted.unionByName(requests, allowMissingColumns=True).repartition(1)

    def measure(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield batch_of_measurements(lost_in_windows((row for batch in batches for row in batch.to_pylist()), composed))

    record_step(run, windows, dataset=OPERATIONS, frames=[rows.mapInArrow(measure, MEASUREMENT_DDL)])
    return tuple(windows)


def _requests(run: Run, windows: Sequence[DueWindow]) -> DataFrame:
    """What is stored of the requests of these windows, those of this run among them."""
    stored = run.store.frame("metrics").where(run.store.in_windows(run.monitor_id, windows))
    of_log = stored.where(
        (F.col("dataset") == OPERATIONS) & (F.col("column_name") == TABLE_ROW) & F.col("metric").isin(*_REQUESTS)
    )
    return of_log.selectExpr(
        *("'requests' AS kind", "granularity", "unix_micros(window.start) AS start", "model_version", "metric", "value"),
        "try_cast(try_element_at(details, 'unlogged') AS DOUBLE) AS unlogged",
    )


def _concerned(
    run: Run,
    granularity: Granularity,
    due: Sequence[DueWindow],
    handled: Collection[DueWindow],
    predictions: Sequence[DueWindow],
) -> list[DueWindow]:
    """The windows of a granularity that are over and have something new, in order."""
    zone, finer = run.schedule.zone, schedule_for(run, OPERATIONS).granularities[0].label
    starts = sorted(one.window.start for one in {*due, *handled} if one.granularity == finer)
    again = [one.window for one in predictions if one.granularity == granularity.label]
    concerned = {window for window in again if bisect_left(starts, window.start) < bisect_left(starts, window.end)}
    spans = [(one.window.start, one.window.end) for one in due]
    concerned |= {window for start, end in spans for window in windows_between(start, end, granularity, zone)}
    return [DueWindow(granularity.label, window) for window in sorted(concerned) if window.end <= run.as_of]
