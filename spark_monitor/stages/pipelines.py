"""Runs of steps and commits of tables to measurements; and this monitor's own runs, watched in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from itertools import takewhile
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, batch_of_measurements
from spark_monitor.kernel.steps import (
    COMMIT,
    FIRST,
    OWN,
    OWN_PREFIX,
    PIPELINE_DDL,
    SCHEMA,
    SKEW,
    PipelinePlan,
    pipeline_measurements,
)
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.pipelines import StepRuns, listed_files, open_runs
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.stages.context import DUE, Run, window_keys
from spark_monitor.store.tables import TELL
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import first_line
from spark_monitor.windowing.cron import due_times
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import parse_duration
from spark_monitor.windowing.timestamps import ONE_MICROSECOND, micros, timestamp_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.pipelines import PipelinesConfig, RunsConfig
    from spark_monitor.config.sources import SourceConfig

log = log_of(__name__)

MOST_TICKS = 200_000
"""Of a schedule that is due more often in the windows of one run, lateness is not measured."""


@dataclass(frozen=True)
class Pipelines:
    """The step runs, the commits of each table that has a history or files, and why others cannot be read now."""

    runs: StepRuns | None
    tables: Sequence[tuple[str, SourceConfig, DataFrame]]
    gone: Mapping[str, str] = field(default_factory=dict)


def open_pipelines(run: Run, section: PipelinesConfig) -> Pipelines:
    """What the section names; a table that cannot be read costs no other, unless none can be."""
    runs, tables, gone = None, [], {}
    errors: list[Exception] = []
    if section.runs is not None:
        try:
            runs = open_runs(run.spark, section.runs)
            _ = runs.frame.columns  # Spark Connect looks no earlier
        except Exception as error:
            errors.append(error)
            runs, gone[TABLE_ROW] = None, f"pipelines.runs could not be measured: {first_line(error)}"
    for source in section.tables:
        try:
            commits = _commits_of(run, source)
        except Exception as error:
            errors.append(error)
            gone[source.name] = f"pipelines.tables: {source.name} could not be measured: {first_line(error)}"
            continue
        if commits is not None:
            tables.append((source.name, source, commits))
    if errors and runs is None and not tables:
        raise errors[0]
    for why in gone.values():
        run.notes.append(why)
        log.warning(why)
    return Pipelines(runs, tables, gone)


def _commits_of(run: Run, source: SourceConfig) -> DataFrame | None:
    """A table's commits; None where nothing tells of them."""
    commits = run.store.source_commits(source, source.name)
    if commits is not None:
        shaped = commits.selectExpr(f"'{COMMIT}' AS kind", "at AS ended", *(one for one in commits.columns if one != "at"))
        _ = shaped.columns
        return shaped
    if source.path is not None:
        listed = listed_files(run.spark, source, source.name)
        _ = listed.columns
        return listed
    _ = read_source(run.spark, source).columns
    run.notes.append(f"pipelines: {source.name} is a view, or a table without a history; nothing is known of its commits.")
    return None


def first_of_pipelines(run: Run, opened: Pipelines) -> datetime | None:
    """When the first known run or commit was; None where there is none before the as-of timestamp."""
    times = [frame.selectExpr("ended AS at") for _, _, frame in opened.tables]
    if opened.runs is not None:
        times.append(opened.runs.frame.selectExpr("coalesce(started, ended) AS at"))
    if not times:
        return None
    every = reduce(lambda one, other: one.unionByName(other), times).where(F.col("at") < micros(run.as_of))
    first = every.agg(F.min("at").alias("at")).collect()[0]["at"]
    return None if first is None else timestamp_of(first)


def pipeline_frame(
    run: Run,
    section: PipelinesConfig,
    opened: Pipelines,
    windows: Sequence[DueWindow],
) -> DataFrame:
    """The measurements of the steps and tables in these windows, by one task: they are few beside the rows of any table."""
    keys, runs, tables = window_keys(windows), opened.runs, opened.tables
    behind = run.schedule.lookback // ONE_MICROSECOND
    start, end = min(key.start for key in keys), max(key.end for key in keys)
    grace = parse_duration(section.runs.grace) // ONE_MICROSECOND if section.runs is not None else 0
    parts, logged = [own_runs(run)], set()
    for name, source, commits in tables:
        parts.append(commits.where(F.col("ended") < micros(run.as_of)))
        schemas = run.store.source_schemas(source, name)
        if schemas is not None:
            logged.add(name)
            parts.append(schemas.selectExpr(f"'{SCHEMA}' AS kind", "*"))
    if runs is not None:
        near = f"coalesce(started, ended) >= {start - behind - grace} AND coalesce(started, ended) < {micros(run.as_of)}"
        reported = runs.frame.where(near).drop("time")
        # A step that the file names is due since the first run of any, be it longer ago than the lookback.
        ever = runs.frame.selectExpr("coalesce(started, ended) AS started").where(f"started < {micros(run.as_of)}")
        parts.append(ever.agg(F.min("started").alias("started")).selectExpr(f"'{FIRST}' AS kind", "started"))
        # A run that ends after the as-of timestamp was still under way then.
        parts.append(reported.withColumn("ended", F.expr(f"CASE WHEN ended < {micros(run.as_of)} THEN ended END")))
    plan = PipelinePlan(
        windows=keys,
        as_of=micros(run.as_of),
        lookback=behind,
        has=runs.has if runs is not None else frozenset(),
        ticks=_ticks(run, section.runs, start - grace, end),
        grace=grace,
        after={one.step: one.after for one in section.runs.steps} if section.runs is not None else {},
        tables=tuple(name for name, _, _ in tables),
        logged_tables=frozenset(logged),
        gone=opened.gone,
    )

    def measure(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = [row for batch in batches for row in batch.to_pylist()]
        yield batch_of_measurements(pipeline_measurements(rows, plan))

    empty = local_frame(run.spark, [], PIPELINE_DDL)
    gathered = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts, empty)
    return gathered.repartition(1).mapInArrow(measure, MEASUREMENT_DDL)


def _ticks(run: Run, section: RunsConfig | None, start: int, end: int) -> tuple[int, ...]:
    """The timestamps at which steps are due in these windows, and one beyond; by the monitor's clock."""
    if section is None or section.schedule is None:
        return ()
    times = due_times(section.schedule, run.schedule.zone, timestamp_of(start - SKEW))
    ticks = []
    for moment in takewhile(lambda moment: micros(moment) < end + 400 * 86_400_000_000, times):
        ticks.append(micros(moment))
        if ticks[-1] >= end:
            break
        if len(ticks) > MOST_TICKS:
            run.notes.append(f"pipelines.runs.schedule: more than {MOST_TICKS:,} timestamps; lateness is not measured.")
            return ()
    return tuple(ticks)


def own_runs(run: Run) -> DataFrame:
    """This monitor's runs that ended: the seconds of each stage; of the whole run whether it failed, was a retry, and its rows.

    A run is a retry where the run before it failed. It is late by the time from a window's end to the as-of timestamp of the run
    that first measured it, of windows that ended after the monitor's first run.
    """
    runs_before = run.store.frame("runs").where((F.col("monitor_id") == run.monitor_id) & (F.col("run_id") != run.run_id))
    # How long messages to people take says nothing of how long a run takes.
    runs = runs_before.where(~F.col("kind").eqNullSafe(TELL))
    ended = runs.where(F.col("status").isin("COMMITTED", "NOTHING_NEW", "FAILED"))
    ended_runs = ended.selectExpr(
        *("unix_micros(as_of) AS ended", "status", "kind", "windows", "rows_in", "started", "ended AS over", "step_seconds"),
        "lag(status) OVER (PARTITION BY monitor_id ORDER BY started) AS status_before",
    )
    named = f"'{OWN}' AS kind", f"'{OWN_PREFIX}run' AS name", "ended"
    whole = ended_runs.selectExpr(
        *named,
        "CAST(unix_micros(over) - unix_micros(started) AS DOUBLE) / 1e6 AS seconds",
        "status = 'FAILED' AS failed",
        "CASE WHEN status_before = 'FAILED' THEN 2D ELSE 1D END AS attempt",
        "CAST(rows_in AS DOUBLE) AS rows",
    )
    stages = ended_runs.selectExpr("ended", "explode(step_seconds) AS (step, seconds)")
    of_stages = stages.selectExpr(f"'{OWN}' AS kind", f"concat('{OWN_PREFIX}', step) AS name", "ended", "seconds")
    late = _late(ended_runs).selectExpr(*named, "late")
    return whole.unionByName(of_stages, allowMissingColumns=True).unionByName(late, allowMissingColumns=True)


def _late(ended_runs: DataFrame) -> DataFrame:
    """For each run of what was due the longest time in seconds that a window had been over when it was first measured."""
    committed = ended_runs.where("status = 'COMMITTED'").selectExpr(
        "ended", "kind", "windows", "min(ended) OVER (PARTITION BY status) AS first_run"
    )
    windows = committed.selectExpr("ended", "kind", "first_run", "explode(windows) AS w")
    first = "min(ended) OVER (PARTITION BY w.granularity, w.start) = ended"
    new = windows.selectExpr("*", f"{first} AS new").where(f"new AND kind = '{DUE}' AND unix_micros(w.end) > first_run")
    return new.groupBy("ended").agg(F.expr("max(ended - unix_micros(w.end)) / 1e6D").alias("late"))
