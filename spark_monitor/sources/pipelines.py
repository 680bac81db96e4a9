"""Step runs as rows of one shape: a table of them, OpenLineage events, Databricks' timelines; and files by listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.kernel.steps import COMMIT, RUN
from spark_monitor.sources.tables import (
    filled,
    first_of,
    number_sql,
    open_table,
    sql_of,
    stored_source,
    text_sql,
    time_sql,
    type_of,
)
from spark_monitor.text.quoting import literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.config.pipelines import RunsConfig
    from spark_monitor.config.sources import SourceConfig

OPENLINEAGE, DATABRICKS = "openlineage", "databricks"
FAILED = "FAIL|ERROR|ABORT|TIMED.?OUT|CANCEL|KILL|CRASH|BLOCKED"
WELL = "SUCC|COMPLETE|FINISH|DONE|SKIPPED|^OK$|PASS"
"""States by the words they hold, whatever the case of their letters; a failure is looked for first."""

EVENT_DDL = (
    "eventType string, eventTime string, run struct<runId: string, facets: struct<parent: struct<run: struct<runId: string>>>>, "
    "job struct<namespace: string, name: string>, inputs array<struct<namespace: string, name: string>>, "
    "outputs array<struct<namespace: string, name: string, outputFacets: struct<outputStatistics: "
    "struct<rowCount: bigint, size: bigint>>>>"
)
_EVENT_COLUMNS = ("value", "event", "payload", "event_json", "body")


@dataclass(frozen=True)
class StepRuns:
    """A row for each run (``time`` is when it ended, or else began), and what they tell."""

    frame: DataFrame
    has: frozenset[str]


def open_runs(spark: SparkSession, section: RunsConfig) -> StepRuns:
    """The runs as the section describes them; a run that was written twice is one."""
    if section.format == OPENLINEAGE:
        return _events(spark, section)
    if section.format == DATABRICKS:
        return _timelines(open_table(spark, section), section)
    return _table(open_table(spark, section), section)


def _table(frame: DataFrame, section: RunsConfig) -> StepRuns:
    ended = time_sql(frame, sql_of(frame, section.time))
    started = time_sql(frame, sql_of(frame, section.started)) if section.started is not None else "NULL"
    status = sql_of(frame, section.status)
    failed = failed_sql(frame, status) if section.status is not None else "CAST(NULL AS BOOLEAN)"
    selected = [
        f"{text_sql(sql_of(frame, section.step))} AS name",
        f"CAST({started} AS TIMESTAMP) AS started",
        f"CAST({ended} AS TIMESTAMP) AS ended",
        f"{failed} AS failed",
        f"{number_sql(sql_of(frame, section.attempt))} AS attempt",
        f"{number_sql(sql_of(frame, section.rows))} AS rows",
        "CAST(NULL AS DOUBLE) AS bytes",
    ]
    has = {name for name in ("status", "attempt", "rows") if getattr(section, name) is not None}
    return StepRuns(_shaped(frame.selectExpr(*selected).distinct()), frozenset(has))


def failed_sql(frame: DataFrame, status: str) -> str:
    """Whether a run failed: by a boolean that says it went well, an exit code, or the words of a state; NULL of any other."""
    kind = type_of(frame, status)
    if isinstance(kind, T.BooleanType):
        return f"NOT {status}"
    if isinstance(kind, T.NumericType):
        return f"{status} <> 0"
    state = f"upper(trim({text_sql(status)}))"
    return (
        f"CASE WHEN {state} RLIKE {literal(FAILED)} THEN true WHEN {state} RLIKE {literal(WELL)} THEN false "
        f"ELSE CAST(NULL AS BOOLEAN) END"
    )


def _shaped(runs: DataFrame) -> DataFrame:
    """The columns of a run with its times in microseconds; those of events that tables do not have are NULL."""
    names = set(runs.columns)
    rest = [
        name if name in names else f"CAST(NULL AS {kind}) AS {name}"
        for name, kind in (("inputs", "array<string>"), ("outputs", "array<string>"))
    ]
    return runs.where("name IS NOT NULL AND coalesce(ended, started) IS NOT NULL").selectExpr(
        f"'{RUN}' AS kind",
        "name",
        "unix_micros(started) AS started",
        "unix_micros(ended) AS ended",
        *("failed", "attempt", "rows", "bytes"),
        *rest,
        "coalesce(ended, started) AS time",
    )


def _events(spark: SparkSession, section: RunsConfig) -> StepRuns:
    """OpenLineage run events: a run ends with COMPLETE, FAIL or ABORT, in whatever order its events lie."""
    source = stored_source(spark, section, otherwise="json")
    if str(source.format) == "json":
        lines = spark.read.text(str(source.path)).selectExpr("value AS event")
    else:
        frame = open_table(spark, section)
        column = next((name for name in _EVENT_COLUMNS if name in frame.columns), None)
        typed = "eventType" in frame.columns
        lines = frame.selectExpr(
            "to_json(struct(*)) AS event" if typed or column is None else f"CAST(`{column}` AS STRING) AS event"
        )
    events = lines.select(F.from_json("event", EVENT_DDL).alias("e")).where("e.run.runId IS NOT NULL AND e.job.name IS NOT NULL")
    parsed = events.selectExpr(
        "e.job.name AS name",
        "e.run.runId AS id",
        "e.run.facets.parent.run.runId AS parent",
        "upper(e.eventType) AS type",
        "try_to_timestamp(e.eventTime) AS at",
        "transform(e.inputs, one -> concat_ws('/', one.namespace, one.name)) AS inputs",
        "transform(e.outputs, one -> concat_ws('/', one.namespace, one.name)) AS outputs",
        *(
            f"aggregate(filter(transform(e.outputs, one -> one.outputFacets.outputStatistics.{field}), one -> one IS NOT NULL), "
            f"CAST(NULL AS BIGINT), (total, one) -> coalesce(total, 0L) + one) AS {column}"
            for field, column in (("rowCount", "rows"), ("size", "bytes"))
        ),
    )
    ended = "type IN ('COMPLETE', 'FAIL', 'ABORT')"
    runs = parsed.groupBy("name", "id").agg(
        F.expr("min(at) FILTER (WHERE type IN ('START', 'RUNNING'))").alias("began"),
        F.expr(f"max(at) FILTER (WHERE {ended})").alias("ended"),
        F.expr(f"max_by(type, at) FILTER (WHERE {ended})").alias("state"),
        F.max("parent").alias("parent"),
        F.expr("CAST(max(rows) AS DOUBLE)").alias("rows"),
        F.expr("CAST(max(bytes) AS DOUBLE)").alias("bytes"),
        F.expr("array_distinct(flatten(collect_list(inputs)))").alias("inputs"),
        F.expr("array_distinct(flatten(collect_list(outputs)))").alias("outputs"),
    )
    tried = "row_number() OVER (PARTITION BY name, parent ORDER BY coalesce(began, ended), id)"
    shaped = runs.selectExpr(
        *("name", "began AS started", "ended", "rows", "bytes", "inputs", "outputs"),
        "CASE WHEN state IS NOT NULL THEN state <> 'COMPLETE' END AS failed",
        f"CAST(CASE WHEN parent IS NULL THEN 1 ELSE {tried} END AS DOUBLE) AS attempt",
    )
    return StepRuns(_shaped(shaped), frozenset({"status", "attempt", "rows", "bytes"}))


def _timelines(frame: DataFrame, section: RunsConfig) -> StepRuns:
    """``system.lakeflow.job_task_run_timeline`` and ``job_run_timeline``: a long run lies there in slices of an hour.

    A state stands in the last slice of a run alone. A job's run that was repaired keeps its id: each state ends a try of it.
    """
    # Rows of older versions of these tables have no value in columns that came later: of every row what it has.
    step = sql_of(frame, section.step) if section.step else filled(frame, "task_key", "run_name", "job_id")
    state = first_of(frame, "result_state") or "NULL"
    selected = frame.selectExpr(
        f"{text_sql(step)} AS name",
        f"{filled(frame, 'workspace_id')} AS workspace",
        f"{filled(frame, 'run_id')} AS id",
        f"{filled(frame, 'job_run_id', 'run_id')} AS job",
        f"CAST({time_sql(frame, first_of(frame, 'period_start_time') or 'NULL')} AS TIMESTAMP) AS began",
        f"CAST({time_sql(frame, first_of(frame, 'period_end_time') or 'NULL')} AS TIMESTAMP) AS until",
        f"{text_sql(state)} AS state",
    )
    # Ids are unique within a workspace alone. A slice that is there twice ends no other try.
    run = ("name", "workspace", "id", "job")
    before = f"PARTITION BY {', '.join(run)} ORDER BY until, began ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"
    slices = selected.distinct().withColumn("ended_before", F.expr(f"count(state) OVER ({before})"))
    runs = slices.groupBy(*run, "ended_before").agg(
        F.min("began").alias("started"),
        F.expr("max(until) FILTER (WHERE state IS NOT NULL)").alias("ended"),
        F.expr("max_by(state, until) FILTER (WHERE state IS NOT NULL)").alias("state"),
    )
    tried = "row_number() OVER (PARTITION BY name, workspace, job ORDER BY started, id)"
    shaped = runs.selectExpr(
        *("name", "started", "ended", f"{failed_sql(runs, 'state')} AS failed", f"CAST({tried} AS DOUBLE) AS attempt"),
        *(f"CAST(NULL AS DOUBLE) AS {name}" for name in ("rows", "bytes")),
    )
    return StepRuns(_shaped(shaped), frozenset({"status", "attempt"}))


def listed_files(spark: SparkSession, source: SourceConfig, name: str) -> DataFrame:
    """The files at a path as commits, one a file, by names, sizes and times; none of them is opened."""
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(str(source.path))
    return files.selectExpr(
        f"'{COMMIT}' AS kind",
        f"{literal(name)} AS name",
        "unix_micros(modificationTime) AS ended",
        "'FILE' AS operation",
        "CAST(length AS DOUBLE) AS bytes",
        "1D AS files",
        "true AS writes",
    )
