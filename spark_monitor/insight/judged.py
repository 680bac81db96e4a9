"""Questions to the tables of what was judged: checks, incidents and the ledger of runs. Spark, bounded answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from spark_monitor.insight.headline_metrics import LOWER_IS_BETTER
from spark_monitor.insight.rows import SEVERITIES, CheckRow, IncidentRow, RunRow, UndecidedRow, VerdictRow
from spark_monitor.insight.scope import (
    EPOCH,
    MOST_CHECKS,
    MOST_INCIDENTS,
    MOST_RUNS,
    MOST_VERSIONS,
    Scope,
    at_latest,
    column_in,
    cut,
    in_windows,
    instant_of,
    most_rows,
    of_monitor,
    window_in,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row


OPEN = "OPEN"
BAD = ("FAIL", "ERROR", "WARN")
"""Verdicts that are told one by one, worst first."""

CHECK_COLUMNS = (
    *("model_version", "window", "family", "metric", "column_name", "slice_key", "slice_value", "value", "lower", "upper"),
    *("expected", "verdict", "severity", "reason", "owner", "runbook", "check_id"),
)
INCIDENT_COLUMNS = (
    *("incident_id", "model_version", "metric", "column_name", "slice_key", "slice_value", "opened", "last_seen", "resolved"),
    *("occurrences", "severity", "status", "owner", "runbook", "reason"),
)


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


def failing_checks(checks: DataFrame, opened: DataFrame, scope: Scope, latest: Mapping[str | None, datetime]) -> list[CheckRow]:
    """What fails, warns or broke in each version's latest window, worst first: one row per metric and column.

    It is the row of all rows of the window where that one is among them, else the worst slice's.
    """
    rows = of_monitor(checks, scope).where(at_latest(latest) & F.col("verdict").isin(*BAD))
    rank = F.array_position(F.array(*(F.lit(name) for name in BAD)), F.col("verdict"))
    low_is_bad = (F.col("family") == "model") & ~F.col("metric").isin(*sorted(LOWER_IS_BETTER))
    size = F.when(low_is_bad, F.col("value")).otherwise(-F.abs("value")).alias("size")
    order = F.struct(_is_sliced(), rank.alias("rank"), size, "slice_key", "slice_value")
    told = _first_of_group(rows, ("model_version", "window", "metric", "column_name"), order, CHECK_COLUMNS)
    # An open incident is the only one of its check that is open, so no check is doubled.
    open_ones = of_monitor(opened, scope).where(F.col("status") == OPEN).groupBy("check_id")
    begun = open_ones.agg(F.min(F.unix_micros("opened")).alias("_opened"), F.max("occurrences").alias("_occurrences"))
    ordered = told.join(begun, on="check_id", how="left").orderBy(
        rank, _severity(), F.col("value").desc_nulls_last(), "column_name"
    )
    return [_check_row(row) for row in ordered.select("*", *cut()[1:]).limit(MOST_CHECKS).collect()]


def undecided(checks: DataFrame, scope: Scope, latest: Mapping[str | None, datetime]) -> list[UndecidedRow]:
    """What could not be decided in each version's latest window, per metric, with a reason; most checks first."""
    rows = of_monitor(checks, scope).where(at_latest(latest) & F.col("verdict").isin("UNDECIDED", "NO_DATA", "ERROR"))
    # A reason about all rows says more than one about a small slice.
    whole_first = F.min_by("reason", F.struct(F.col("slice_key").isNotNull().alias("sliced"), F.col("reason")))
    grouped = rows.groupBy("model_version", "metric", "verdict").agg(
        F.count(F.lit(1)).alias("checks"), whole_first.alias("reason")
    )
    found = grouped.orderBy(F.col("checks").desc(), "metric").limit(MOST_CHECKS).collect()
    return [UndecidedRow(row.model_version, row.metric, row.verdict, row.checks, row.reason) for row in found]


def incidents(table: DataFrame, scope: Scope) -> list[IncidentRow]:
    """Open incidents, worst first, then those resolved last: one row per metric, column and version."""
    rows = of_monitor(table, scope)
    is_open = F.col("status") == OPEN
    order = F.struct(_is_sliced(), _severity().alias("rank"), (-F.unix_micros("last_seen")).alias("age"), "incident_id")
    told = _first_of_group(rows, ("status", "model_version", "metric", "column_name"), order, INCIDENT_COLUMNS)
    latest = F.coalesce("resolved", "opened").desc()
    sliced = F.when(is_open, _is_sliced())
    ordered = told.orderBy(is_open.desc(), F.when(is_open, _severity()), sliced, latest, "metric", "column_name", "model_version")
    times = [F.unix_micros(name).alias(f"_{name}") for name in ("opened", "last_seen", "resolved")]
    return [_incident_row(row) for row in ordered.select("*", *times).limit(MOST_INCIDENTS).collect()]


def open_incidents(table: DataFrame, scope: Scope) -> dict[str | None, int]:
    """How many incidents are open, per version."""
    grouped = of_monitor(table, scope).where(F.col("status") == OPEN).groupBy("model_version").count()
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


def _first_of_group(rows: DataFrame, group: Sequence[str], order: Column, columns: Sequence[str]) -> DataFrame:
    """The first row of each group, flat, with the number of its other rows that are about slices."""
    first = F.min_by(F.struct(*columns), order).alias("_first")
    counted = rows.groupBy(*group).agg(first, F.count_if(F.col("slice_key").isNotNull()).alias("_slices"))
    others = F.col("_slices") - F.when(F.col("_first.slice_key").isNotNull(), 1).otherwise(0)
    return counted.select("_first.*", others.alias("_also_slices"))


def _is_sliced() -> Column:
    return F.col("slice_key").isNotNull().alias("sliced")


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
        also_slices=row._also_slices,
        since=None if row._opened is None else instant_of(row._opened),
        occurrences=row._occurrences,
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
        also_slices=row._also_slices,
    )
