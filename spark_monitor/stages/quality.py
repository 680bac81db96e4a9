"""The step that measures whether data is sound: columns against declarations and baseline, rows against earlier windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.interval import Floats
from spark_monitor.catalogue.measurement import DIMENSIONS, MEASUREMENT_DDL, MEASUREMENT_SCHEMA, measurements
from spark_monitor.catalogue.metric import Metric
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.covariances import COVARIANCE_ROW
from spark_monitor.kernel.quality_rows import CONTENTS_ROW
from spark_monitor.quality.arrivals import ArrivalBlock
from spark_monitor.quality.column_block import NOT_MEANT
from spark_monitor.quality.version_share import VersionBlock
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.labels import timestamp_micros
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.predictions import Predictions, time_range
from spark_monitor.sources.readers.rows import Kind, read_source, within
from spark_monitor.stages.context import INPUT, Run, states_of
from spark_monitor.stages.correlation import correlation_measurements
from spark_monitor.stages.frames import frames_of
from spark_monitor.stages.present import PresentPlan, profile_rows
from spark_monitor.stages.quality_columns import ColumnPlan, column_measurements
from spark_monitor.stages.quality_plan import key_names, known_codes, quality_plan
from spark_monitor.stages.quality_rows import ArrivalHistory, arrival_block, key_block, key_of, place_of, summaries
from spark_monitor.stages.schema_changes import schema_rows
from spark_monitor.stages.slice_shares import share_measurements
from spark_monitor.stages.window_rows import Place, WindowRows, version_counts, window_rows
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import first_line
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow, Handled
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.quality import ExpectedRowsConfig

log = log_of(__name__)

REACH = timedelta(days=56)
REACH_WINDOWS = 24
"""How far back windows tell what is usual: eight weeks, or two dozen windows where these are longer."""

ARRIVALS = (
    *("row_count_ratio", "freshness_hours", "largest_gap_hours", "missing_hours", "duplicated_window", "late_rows_percent"),
)


def quality_step(
    run: Run, predictions: Predictions, baseline: Baseline, due: Sequence[DueWindow], handled: Mapping[DueWindow, Handled]
) -> None:
    """Measure the quality of the due windows; `record` writes it with what other steps measured."""
    run.measured += [*column_quality(run, predictions, baseline, due), *correlation_measurements(run, baseline, due)]
    rows = [*row_quality(run, predictions, due, handled), *schema_rows(run, predictions, baseline, due)]
    if rows:
        run.measured.append(measured_frame(run, rows))


def measured_frame(run: Run, rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Measurements that were worked out on the driver as a frame."""
    plain = [{**row, "details": dict(row["details"]) if row["details"] is not None else None} for row in rows]
    names = MEASUREMENT_SCHEMA.names
    return local_frame(run.spark, [tuple(row[name] for name in names) for row in plain], MEASUREMENT_DDL)


def arrival_rows(run: Run, name: str, one: DueWindow, value: Floats, details: dict[str, str]) -> list[dict[str, Any]]:
    """One measurement of a window's arrivals."""
    block = ArrivalBlock(np.zeros(1, dtype=np.int64), {name: value}, details={name: [details]})
    return [{**row, "count": None} for row in _rows(name, block, [_dimensions(run, one)])]


def column_quality(run: Run, predictions: Predictions, baseline: Baseline, due: Sequence[DueWindow]) -> list[DataFrame]:
    """The quality of every column and the fraction of every slice, in every window and version."""
    frames = frames_of(predictions, baseline)
    in_windows = run.store.in_windows(run.monitor_id, due)
    edges = {edge: F.unix_micros(f"window.{edge}") for edge in ("start", "end")}
    profile = run.store.frame("profile_metrics").where(in_windows).where(F.col("log_type") == INPUT).withColumns(edges)
    present = PresentPlan(
        columns={name: frozen.kernel for name, frozen in baseline.columns.items()},
        data_types={name: frozen.data_type for name, frozen in baseline.columns.items()},
        names=tuple(baseline.columns),
        sizes=frozenset(name for name, frozen in baseline.columns.items() if frozen.kind is Kind.SIZE),
    )
    absent = {"granularity": "string", "start": "long", "end": "long", "model_version": "string"}
    frozen_rows = profile_rows(
        baseline.states.withColumns({name: F.lit(None).cast(kind) for name, kind in absent.items()}), present
    )
    plan = ColumnPlan(
        names=tuple(frame.name for frame in frames),
        checks=quality_plan(run.config, predictions, baseline, frames).checks,
        texts=frozenset(frame.name for frame in frames if frame.kind is Kind.CATEGORICAL and frame.data_type != "binary"),
        numeric=frozenset(frame.name for frame in frames if frame.kind is Kind.NUMERIC and frame.data_type != "boolean"),
        codes=frozenset(frame.name for frame in frames if known_codes(run.config, frame) is not None),
    )
    frames_measured = [column_measurements(profile, frozen_rows, states_of(run, due, quality=True), plan)]
    return [*frames_measured, share_measurements(profile, frozen_rows)] if predictions.slice_keys else frames_measured


def row_quality(
    run: Run, predictions: Predictions, due: Sequence[DueWindow], handled: Mapping[DueWindow, Handled]
) -> list[dict[str, Any]]:
    """The quality of the rows of whole windows."""
    earlier = earlier_windows(run, due, handled)
    summaries = _summaries(run, due, earlier)
    windows = window_rows(summaries)
    history = ArrivalHistory(
        windows=windows,
        handled=frozenset({*earlier, *due}),
        zone=run.schedule.zone,
        manifest=expected_by_manifest(run, due),
        first_counts=first_counts(run, [one for one in due if one in handled]),
        newest=newest_of(run, due),
        newest_micros=newest_row(run, predictions, due, windows),
        as_of_micros=micros(run.as_of),
    )
    places = [_dimensions(run, one) for one in due]
    block = arrival_block(due, history)
    rows = [row for name in ARRIVALS for row in _rows(name, block, places)]
    return [*rows, *_version_shares(run, summaries, due), *_repeated(run, predictions, summaries, due)]


def _version_shares(run: Run, summaries: Sequence[Any], due: Sequence[DueWindow]) -> list[dict[str, Any]]:
    """How the rows of each window are divided among versions, where a column tells them."""
    if not isinstance(run.config.predictions.model_version, str):
        return []
    by_place = {place_of(one): one for one in due}
    counted = [(*place, version, *counts) for place, version, counts in version_counts(summaries) if place in by_place]
    dimensions = [{**_dimensions(run, by_place[name, start]), "model_version": version} for name, start, version, *_ in counted]
    counts, wholes = (np.array([row[place] for row in counted], dtype=np.int64) for place in (3, 4))
    return _rows("version_share", VersionBlock(counts, wholes), dimensions) if counted else []


def _rows(name: str, block: Any, places: Sequence[Mapping[str, Any]], **common: Any) -> list[dict[str, Any]]:
    metric: Metric = catalogue().metrics[name]
    rows = measurements(places, metric, metric.compute(block, None), **{"column_name": TABLE_ROW, **common})
    return [row for row in rows if row["status"] != NOT_MEANT]


def _dimensions(run: Run, one: DueWindow, version: str | None = None) -> dict[str, Any]:
    """What a window's number is about: all versions together, unless one version is declared for the whole table."""
    literal = getattr(run.config.predictions.model_version, "literal", None)
    window = {"granularity": one.granularity, "start": micros(one.window.start), "end": micros(one.window.end)}
    return {**dict.fromkeys(DIMENSIONS), **window, "model_version": literal if version is None else version}


def earlier_windows(run: Run, due: Sequence[DueWindow], handled: Mapping[DueWindow, Handled]) -> list[DueWindow]:
    """The windows handled before, none of them due, that tell what is usual."""
    earlier = []
    for granularity in run.schedule.granularities:
        windows = [one.window for one in due if one.granularity == granularity.label]
        if windows:
            reach = max(REACH, REACH_WINDOWS * timedelta(hours=granularity.nominal_hours))
            first, last = min(windows).start - reach, max(windows).start
            earlier += [one for one in handled if one.granularity == granularity.label and first <= one.window.start < last]
    return sorted(set(earlier) - set(due))


def _summaries(run: Run, due: Sequence[DueWindow], earlier: Sequence[DueWindow]) -> list[Any]:
    """The numbers of whole windows; of earlier ones without those of repeated keys. One job."""
    every = [*due, *earlier]
    repeats = F.col("column_name").startswith(":repeats")
    of_rows = states_of(run, due, quality=True).unionByName(states_of(run, earlier, quality=True).where(~repeats))
    of_rows = of_rows.where(F.col("column_name") != COVARIANCE_ROW)
    tables = states_of(run, every).where(F.col("column_name") == TABLE_ROW)
    return summaries(of_rows.unionByName(tables)).collect()


def _repeated(run: Run, predictions: Predictions, summaries: Sequence[Any], due: Sequence[DueWindow]) -> list[dict[str, Any]]:
    """Duplicate ids, rows and values of unique columns, by window and version."""
    by_place = {place_of(one): one for one in due}
    names = key_names(run.config, predictions)
    there = {name for name in run.config.predictions.id if name in predictions.frame.columns}
    rows: list[dict[str, Any]] = []
    repeated = [
        row for row in summaries if row["column_name"].startswith(":repeats") and (row["granularity"], row["start"]) in by_place
    ]
    for key in sorted({row["column_name"] for row in repeated}):
        of_key = sorted(
            (row for row in repeated if row["column_name"] == key), key=lambda row: (row["start"], str(row["model_version"]))
        )
        dimensions = [
            {**_dimensions(run, by_place[row["granularity"], row["start"]]), "model_version": row["model_version"]}
            for row in of_key
        ]
        block, number = key_block(of_key), key_of(key)
        if number is None:
            rows += _rows("percent_copied_rows" if key == CONTENTS_ROW else "percent_duplicate_rows", block, dimensions)
            continue
        if number == 0 and there:
            rows += _rows("percent_duplicate_ids", block, dimensions)
        if len(names[number]) == 1 and names[number][0] in run.config.quality.unique:
            rows += _rows("percent_duplicated_values", block, dimensions, column_name=names[number][0])
    return rows


def expected_by_manifest(run: Run, due: Sequence[DueWindow]) -> dict[Place, float] | str | None:
    """The rows that the manifest expects of each due window, or why it cannot be read; None where none is declared."""
    config = run.config.quality.expected_rows
    if config is None:
        return None
    try:
        return _manifest_counts(run, config, due)
    except Exception as error:
        why = f"quality.expected_rows could not be read: {first_line(error)}"
        run.notes.append(why)
        log.warning(why)
        return why


def _manifest_counts(run: Run, config: ExpectedRowsConfig, due: Sequence[DueWindow]) -> dict[Place, float]:
    """The rows that the manifest expects of each due window. One job."""
    manifest = read_source(run.spark, config)
    first, last = min(micros(one.window.start) for one in due), max(micros(one.window.end) for one in due)
    inside = manifest.where(within(manifest, config.time, first, last, zone=run.schedule.zone, with_null=False))
    counted = inside.select(
        timestamp_micros(manifest, config.time, run.schedule.zone).alias("at"),
        F.expr(f"CAST({quote(config.count)} AS DOUBLE)").alias("expected"),
    )
    places = [(*place_of(one), micros(one.window.end)) for one in due]
    windows = local_frame(run.spark, places, "granularity string, start long, end long")
    joined = counted.join(F.broadcast(windows), on=(F.col("at") >= F.col("start")) & (F.col("at") < F.col("end")), how="inner")
    counts = joined.groupBy("granularity", "start").agg(F.sum("expected").alias("expected")).collect()
    return {(row["granularity"], row["start"]): row["expected"] for row in counts if row["expected"] is not None}


def first_counts(run: Run, again: Sequence[DueWindow]) -> dict[Place, int]:
    """How many rows windows that are reprocessed had when they were first profiled."""
    if not again:
        return {}
    stored = run.store.frame("metrics").where(run.store.in_windows(run.monitor_id, again))
    late = stored.where("metric = 'late_rows_percent' AND dataset = 'predictions'")
    rows = late.selectExpr("granularity", "unix_micros(window.start) AS start", "details['first'] AS first").collect()
    return {(row["granularity"], row["start"]): int(row["first"]) for row in rows if row["first"] is not None}


def newest_of(run: Run, due: Sequence[DueWindow]) -> DueWindow | None:
    """The newest window of the finest granularity, if it is due: the one that the as-of timestamp follows."""
    finest = [one for one in due if one.granularity == run.schedule.granularities[0].label]
    last = max(finest, default=None)
    if last is None or last.window.end + (last.window.end - last.window.start) <= run.as_of:
        return None
    return last


def newest_row(run: Run, predictions: Predictions, due: Sequence[DueWindow], windows: Mapping[Place, WindowRows]) -> int | None:
    """The newest row's timestamp before as-of; the table is asked only for rows after the newest window."""
    newest = newest_of(run, due)
    if newest is None:
        return None
    time, zone = run.config.predictions.time, run.schedule.zone
    if run.as_of > newest.window.end:
        since = within(predictions.frame, time, micros(newest.window.end), micros(run.as_of), zone=zone, with_null=False)
        extremes = time_range(predictions.frame.where(since), time, zone, run.as_of)
        if extremes is not None:
            return micros(extremes[1])
    last_times = [int(one.hours.last[-1]) for one in windows.values() if one.hours is not None and one.hours.last.size]
    if last_times:
        return max(last_times)
    whole = time_range(predictions.frame, time, zone, run.as_of)
    return None if whole is None else micros(whole[1])
