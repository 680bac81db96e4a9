"""Questions to the tables of what was judged: checks, incidents and the ledger of runs. Spark, bounded answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from spark_monitor.publish.rows import SEVERITIES, CheckRow, IncidentRow, RunRow, UndecidedRow, VerdictRow
from spark_monitor.publish.scope import (
    EPOCH,
    MOST_CHECKS,
    MOST_INCIDENTS,
    MOST_RUNS,
    MOST_VERSIONS,
    Scope,
    any_of,
    column_in,
    cut,
    in_windows,
    instant_literal,
    instant_of,
    most_rows,
    of_monitor,
    window_in,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row


def verdicts(checks: DataFrame, scope: Scope) -> list[VerdictRow]:
    """Checks per verdict, version and window, slices included; drifting columns are counted over all rows alone."""
    rows = in_windows(checks, scope)
    of_drift = (F.col("family") == "drift") & F.col("slice_key").isNull()
    drifting = F.when(of_drift & (F.col("verdict") == "FAIL"), F.col("column_name"))
    grouped = rows.groupBy("window", "model_version", "verdict").agg(
        F.count(F.lit(1)).alias("checks"),
        F.count_distinct(drifting).alias("drifting_columns"),
        F.count_if(of_drift).alias("drift_checks"),
    )
    found = grouped.select(*cut(), "verdict", "checks", "drifting_columns", "drift_checks").limit(most_rows(6)).collect()
    return [
        VerdictRow(row.model_version, window_in(row), row.verdict, row.checks, row.drifting_columns, row.drift_checks)
        for row in found
    ]


def failing_checks(checks: DataFrame, scope: Scope, latest: Mapping[str | None, datetime]) -> list[CheckRow]:
    """Checks that fail, warn or broke in each version's latest window: worst first, all rows before slices."""
    rows = _at_latest(of_monitor(checks, scope), latest).where(F.col("verdict").isin("FAIL", "ERROR", "WARN"))
    verdict = F.array_position(F.array(*(F.lit(name) for name in ("FAIL", "ERROR", "WARN"))), F.col("verdict"))
    ordered = rows.orderBy(verdict, _severity(), F.col("slice_key").isNotNull(), F.col("value").desc_nulls_last(), "column_name")
    names = ("slice_key", "slice_value", "family", "metric", "column_name", "value", "lower", "upper", "expected", "verdict")
    found = ordered.select(*cut(), *names, "severity", "reason", "owner", "runbook").limit(MOST_CHECKS).collect()
    return [_check_row(row) for row in found]


def undecided(checks: DataFrame, scope: Scope, latest: Mapping[str | None, datetime]) -> list[UndecidedRow]:
    """What could not be decided in each version's latest window, per metric, with a reason; most checks first."""
    rows = _at_latest(of_monitor(checks, scope), latest).where(F.col("verdict").isin("UNDECIDED", "NO_DATA", "ERROR"))
    # A reason about all rows says more than one about a small slice.
    whole_first = F.min_by("reason", F.struct(F.col("slice_key").isNotNull().alias("sliced"), F.col("reason")))
    grouped = rows.groupBy("model_version", "metric", "verdict").agg(
        F.count(F.lit(1)).alias("checks"), whole_first.alias("reason")
    )
    found = grouped.orderBy(F.col("checks").desc(), "metric").limit(MOST_CHECKS).collect()
    return [UndecidedRow(row.model_version, row.metric, row.verdict, row.checks, row.reason) for row in found]


def incidents(table: DataFrame, scope: Scope) -> list[IncidentRow]:
    """Open incidents, worst and newest first, then those resolved last."""
    rows = of_monitor(table, scope)
    is_open = F.col("status") == "OPEN"
    ordered = rows.orderBy(is_open.desc(), F.when(is_open, _severity()), F.coalesce("resolved", "opened").desc(), "incident_id")
    times = [F.unix_micros(name).alias(f"_{name}") for name in ("opened", "last_seen", "resolved")]
    names = ("incident_id", "model_version", "metric", "column_name", "slice_key", "slice_value", "occurrences", "severity")
    return [
        _incident_row(row)
        for row in ordered.select(*names, "status", "owner", "runbook", "reason", *times).limit(MOST_INCIDENTS).collect()
    ]


def open_incidents(table: DataFrame, scope: Scope) -> dict[str | None, int]:
    """How many incidents are open, per version."""
    grouped = of_monitor(table, scope).where(F.col("status") == "OPEN").groupBy("model_version").count()
    return {row.model_version: row["count"] for row in grouped.limit(MOST_VERSIONS * 10).collect()}


def recent_runs(table: DataFrame, monitor_id: str) -> list[RunRow]:
    """The last runs of a monitor, latest first."""
    rows = table.where(F.col("monitor_id") == monitor_id).orderBy(F.col("started").desc())
    names = ("run_id", "status", "reader", "error", "published", "publish_message", "baseline_version", "null_time_rows")
    return [
        RunRow(
            row.run_id,
            instant_of(row._as_of),
            row.status,
            reader=row.reader,
            error=row.error,
            published=row.published,
            publish_message=row.publish_message,
            baseline_version=row.baseline_version,
            null_time_rows=row.null_time_rows,
        )
        for row in rows.select(*names, F.unix_micros("as_of").alias("_as_of")).limit(MOST_RUNS).collect()
    ]


def _at_latest(frame: DataFrame, latest: Mapping[str | None, datetime]) -> DataFrame:
    same = [
        F.col("model_version").eqNullSafe(F.lit(version)) & (F.col("window.start") == instant_literal(start))
        for version, start in latest.items()
    ]
    return frame.where(any_of(same))


def _severity() -> Column:
    return F.array_position(F.array(*(F.lit(name) for name in SEVERITIES)), F.col("severity"))


def _check_row(row: Row) -> CheckRow:
    return CheckRow(
        row.model_version,
        window_in(row),
        row.family,
        row.metric,
        row.verdict,
        column=column_in(row),
        slice_key=row.slice_key,
        slice_value=row.slice_value,
        value=row.value,
        lower=row.lower,
        upper=row.upper,
        expected=None if row.expected is None else str(row.expected),
        severity=row.severity,
        reason=row.reason,
        owner=row.owner,
        runbook=row.runbook,
    )


def _incident_row(row: Row) -> IncidentRow:
    def instant(count: Any) -> datetime | None:
        return None if count is None else instant_of(count)

    opened = instant(row._opened) or EPOCH
    return IncidentRow(
        row.incident_id,
        row.model_version,
        row.metric,
        column_in(row),
        row.slice_key,
        row.slice_value,
        opened,
        instant(row._last_seen) or opened,
        instant(row._resolved),
        row.occurrences or 1,
        row.severity or "medium",
        row.status,
        owner=row.owner,
        runbook=row.runbook,
        reason=row.reason,
    )
