"""Requests to measurements: tallies of the rows of due windows, summed up by window, then held against the windows before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, batch_of_measurements
from spark_monitor.kernel.plan import plan_segments, wanted_spans
from spark_monitor.kernel.requests import NUMBERS, RequestPlan, RequestTask
from spark_monitor.kernel.serving import STORED, SUMMARY_DDL, ServingPlan, summaries
from spark_monitor.kernel.serving_messages import GAP, QUANTILES
from spark_monitor.kernel.serving_series import series_measurements
from spark_monitor.kernel.tallies import TALLY_DDL
from spark_monitor.sources.log_files import log_files, require_rows
from spark_monitor.sources.operations import RequestLog
from spark_monitor.sources.readers.rows import OnlySpark
from spark_monitor.sources.tables import stored_source
from spark_monitor.stages.context import SPARK, Run, window_keys
from spark_monitor.stages.lost_predictions import predictions_beside, predictions_by_version
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import parse_timestamp
from spark_monitor.windowing.timestamps import ONE_MICROSECOND, micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LONGEST_BY_SECOND = 62 * 86_400_000_000
"""Microseconds: of longer windows single seconds are not kept."""
_ROWS_OUT = 4096
_SERIES = ("granularity", "column_name", "model_version")


def serving_measurements(run: Run, log: RequestLog, windows: Sequence[DueWindow], *, by_files: bool = True) -> DataFrame:
    """The measurements of these windows: rows are read once, whatever the endpoints, versions and granularities.

    ``by_files`` lets tasks read the log's files themselves where that gives the same numbers.
    """
    keys = window_keys(windows)
    edges, members = plan_segments(keys)
    by_second = not log.counts_apart and max(key.end - key.start for key in keys) <= LONGEST_BY_SECOND
    request_plan = RequestPlan(edges, members, log.has, run.schedule.zone, by_second)
    predictions, without = predictions_beside(run, windows)
    plan = ServingPlan(
        windows=keys,
        has=log.has | ({"predictions"} if predictions is not None else set()),
        most_endpoints=run.config.max_slice_values,
        lookback=run.schedule.lookback // ONE_MICROSECOND,
        unit=log.unit,
        counts_apart=log.counts_apart,
        baseline=_baseline(run),
        without_predictions=without,
    )
    tallied = _tallied(run, log, request_plan, by_files=by_files)
    sorted_tallies = tallied.repartition("window").sortWithinPartitions("window", "endpoint", "version")
    fresh = sorted_tallies.mapInArrow(lambda batches: summaries(batches, plan), SUMMARY_DDL)
    if predictions is not None and "version" in log.has and isinstance(run.config.predictions.model_version, str):
        named = F.broadcast(predictions_by_version(predictions))
        fresh = fresh.join(named, on=["granularity", "start"], how="left")
    parts = [fresh, *([predictions] if predictions is not None else []), _stored(run, windows, plan), _seeds(run, windows)]
    gathered = parts[0]
    for part in parts[1:]:
        gathered = gathered.unionByName(part, allowMissingColumns=True)
    series = gathered.repartition(*_SERIES).sortWithinPartitions(*_SERIES, "start", "kind")
    return series.mapInArrow(_measure(plan), MEASUREMENT_DDL)


def _baseline(run: Run) -> tuple[int, int] | None:
    """The period that the file holds latencies and loads against."""
    section = run.config.operations
    if section is None or section.baseline_from is None or section.baseline_to is None:
        return None
    return micros(parse_timestamp(section.baseline_from)), micros(parse_timestamp(section.baseline_to))


def _tallied(run: Run, log: RequestLog, plan: RequestPlan, *, by_files: bool) -> DataFrame:
    """The tallies of the windows' rows, from files where they can be read so, else through Spark."""
    spans, zone = wanted_spans(plan.edges, plan.members), run.schedule.zone
    if by_files and run.wanted_reader != SPARK and run.config.operations is not None:
        try:
            require_rows(run.config.operations)
            source = stored_source(run.spark, run.config.operations)
            in_paths = run.store.columns_in_paths(source)
            return log_files(log.stored, run.config.operations, in_paths, spans, zone).tallies(run.spark, plan)
        except OnlySpark as refusal:
            logging.getLogger(__name__).debug("The request log is read through Spark: %s.", refusal)
        except PySparkException as refusal:  # a platform that does not tell where its files are may still hand out rows
            logging.getLogger(__name__).debug("The request log's files cannot be listed: %s", refusal)
    return log.rows(spans, zone).mapInArrow(lambda batches: RequestTask(plan).run(batches), TALLY_DDL)


def _measure(plan: ServingPlan) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def measure(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        waiting: list[dict[str, Any]] = []
        for row in series_measurements((row for batch in batches for row in batch.to_pylist()), plan):
            waiting.append(row)
            if len(waiting) >= _ROWS_OUT:
                yield batch_of_measurements(waiting)
                waiting = []
        yield batch_of_measurements(waiting)

    return measure


def _stored(run: Run, windows: Sequence[DueWindow], plan: ServingPlan) -> DataFrame:
    """What is stored of the windows before: that a series had requests, and its latencies' quantiles."""
    first = min(micros(one.window.start) for one in windows)
    last = max(micros(one.window.end) for one in windows)
    measured = run.store.committed("metrics").where((F.col("monitor_id") == run.monitor_id) & (F.col("dataset") == "operations"))
    labels = sorted({one.granularity for one in windows})
    kept_of = ", ".join(f"'{name}', try_element_at(details, '{QUANTILES}{name}')" for name in NUMBERS)
    near = f"unix_micros(window.start) >= {first - plan.lookback} AND unix_micros(window.start) < {last}"
    if plan.baseline is not None:
        near = f"{near} OR (unix_micros(window.start) >= {plan.baseline[0]} AND unix_micros(window.end) <= {plan.baseline[1]})"
    kept = measured.where(F.col("metric") == "requests").where(near).where(F.col("granularity").isin(*labels)).where("value > 0")
    return kept.selectExpr(
        f"'{STORED}' AS kind",
        "granularity",
        "unix_micros(window.start) AS start",
        "unix_micros(window.end) AS end",
        "column_name",
        "model_version",
        "CAST(count AS DOUBLE) AS requests",
        "CAST(count AS DOUBLE) AS rows",
        f"map_filter(map({kept_of}), (name, text) -> text IS NOT NULL) AS quantiles",
        f"map_filter(details, (name, text) -> name = '{GAP}') AS details",
    )


def _seeds(run: Run, windows: Sequence[DueWindow]) -> DataFrame:
    """A row for all endpoints together of each granularity, so that windows are there in which nothing was asked."""
    labels = ", ".join(f"'{label}'" for label in sorted({one.granularity for one in windows}))
    return run.spark.sql(
        f"SELECT 'seed' AS kind, granularity, -1L AS start, '{TABLE_ROW}' AS column_name, CAST(NULL AS STRING) AS model_version "
        f"FROM (SELECT explode(array({labels})) AS granularity)"
    )
