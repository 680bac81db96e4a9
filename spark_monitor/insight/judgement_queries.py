"""SQL over what was judged: checks, incidents and the ledger of runs. Every answer is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.insight.rows import SEVERITIES, Cause, CheckRow, IncidentRow, Judged, RunRow, UndecidedRow, VerdictRow
from spark_monitor.insight.runbook import followed
from spark_monitor.insight.scope import (
    HISTORY_WINDOWS,
    INCIDENTS_A_PAGE,
    MOST_CHECKS,
    MOST_INCIDENTS,
    MOST_PICTURES,
    MOST_RUNS,
    Scope,
    at_latest,
    column_in,
    in_windows,
    most_rows,
    of_monitor,
    one_of,
    timestamp_in,
    window_in,
)
from spark_monitor.insight.tables import Tables
from spark_monitor.windowing.timestamps import EPOCH, timestamp_of

RESOLVED = "RESOLVED"
IDS_LISTED = 6
_ID = re.compile(r"[\w-]+", re.ASCII)
BAD = ("FAIL", "ERROR", "WARN")
"""Verdicts that are listed one by one, worst first."""

CHECK_COLUMNS = (
    "check_id, model_version, window_start, window_end, family, metric, column_name, slice_key, slice_value, value, lower, "
    "upper, expected, verdict, severity, reason, owner, runbook"
)
INCIDENT_COLUMNS = (
    "incident_id, kind, title, diagnosis, dataset, column_name, slice_key, slice_value, model_versions, opened, last_seen, "
    "resolved, occurrences, checks, causes, severity, status, owner, runbook, acknowledged_by, "
    "muted_until, notified_at, monitor_id, first_window_end"
)


def verdicts(tables: Tables, scope: Scope) -> list[VerdictRow]:
    """Checks per verdict, version and window, slices included; drifting columns are counted over all rows alone."""
    of_drift = "family = 'drift' AND slice_key IS NULL"
    rows = tables.ask(
        "SELECT model_version, window_start, window_end, verdict, count(*) AS checks, "
        f"count(DISTINCT CASE WHEN {of_drift} AND verdict = 'FAIL' THEN column_name END) AS drifting_columns, "
        f"sum(CASE WHEN {of_drift} THEN 1 ELSE 0 END) AS drift_checks FROM {tables.relation('checks')} "
        f"WHERE {in_windows(tables, scope)} GROUP BY model_version, window_start, window_end, verdict LIMIT {most_rows(6)}"
    )
    return [
        VerdictRow(
            row["model_version"],
            window_in(row),
            row["verdict"],
            int(row["checks"]),
            int(row["drifting_columns"]),
            int(row["drift_checks"]),
        )
        for row in rows
    ]


def failing_checks(tables: Tables, scope: Scope, latest: Mapping[str | None, datetime]) -> list[CheckRow]:
    """What fails, warns or broke in each version's latest window, worst first: one row per metric and column.

    It is the row of all rows of the window where that one is among them, else the worst slice's.
    """
    sliced = "CASE WHEN slice_key IS NULL THEN 0 ELSE 1 END"
    low_is_bad = f"family = 'model' AND NOT {one_of(tables, 'metric', _lower_is_better())}"
    size = f"CASE WHEN {low_is_bad} THEN value ELSE -abs(value) END"
    group = "PARTITION BY model_version, metric, column_name"
    order = f"{sliced}, {_rank(BAD, 'verdict')}, {size} NULLS FIRST, slice_key NULLS FIRST, slice_value NULLS FIRST"
    ranked = (
        f"SELECT {CHECK_COLUMNS}, row_number() OVER ({group} ORDER BY {order}) AS place, "
        f"sum({sliced}) OVER ({group}) AS slices FROM {tables.relation('checks')} "
        f"WHERE {of_monitor(tables, scope)} AND {at_latest(tables, latest)} AND {one_of(tables, 'verdict', BAD)}"
    )
    by_severity = f"{_rank(BAD, 'verdict')}, {_rank(SEVERITIES, 'severity')}, value DESC NULLS LAST, column_name"
    rows = tables.ask(f"SELECT * FROM ({ranked}) q WHERE place = 1 ORDER BY {by_severity} LIMIT {MOST_CHECKS}")
    return _with_onset(tables, scope, [_check_row(row) for row in rows])


def _with_onset(tables: Tables, scope: Scope, failing: Sequence[CheckRow]) -> list[CheckRow]:
    """Checks with the first window that failed since each was last well: each version's own, so that none is misdated."""
    named = [check.check_id for check in failing if check.check_id is not None and check.verdict == "FAIL"]
    if not named:
        return list(failing)
    condition = f"{of_monitor(tables, scope)} AND {one_of(tables, 'check_id', named)}"
    well = "max(CASE WHEN verdict IN ('PASS', 'WARN') THEN window_start END) OVER (PARTITION BY check_id) AS well"
    rows = f"SELECT check_id, verdict, window_start, {well} FROM {tables.relation('checks')} WHERE {condition}"
    streak = "verdict = 'FAIL' AND (well IS NULL OR window_start > well)"
    streaks = tables.ask(
        f"SELECT check_id, min(window_start) AS since, count(*) AS times FROM ({rows}) q WHERE {streak} GROUP BY check_id"
    )
    begun = {row["check_id"]: (timestamp_of(row["since"]), int(row["times"])) for row in streaks}
    return [
        replace(check, since=begun[check.check_id][0], occurrences=begun[check.check_id][1]) if check.check_id in begun else check
        for check in failing
    ]


def undecided(tables: Tables, scope: Scope, latest: Mapping[str | None, datetime]) -> list[UndecidedRow]:
    """What could not be decided in each version's latest window, per metric, with a reason; most checks first."""
    group = "PARTITION BY model_version, metric, verdict"
    # A reason about all rows says more than one about a small slice.
    order = "CASE WHEN slice_key IS NULL THEN 0 ELSE 1 END, reason"
    ranked = (
        f"SELECT model_version, metric, verdict, reason, row_number() OVER ({group} ORDER BY {order}) AS place, "
        f"count(*) OVER ({group}) AS checks FROM {tables.relation('checks')} WHERE {of_monitor(tables, scope)} "
        f"AND {at_latest(tables, latest)} AND verdict IN ('UNDECIDED', 'NO_DATA', 'ERROR')"
    )
    rows = tables.ask(f"SELECT * FROM ({ranked}) q WHERE place = 1 ORDER BY checks DESC, metric LIMIT {MOST_CHECKS}")
    return [UndecidedRow(row["model_version"], row["metric"], row["verdict"], int(row["checks"]), row["reason"]) for row in rows]


def incidents(tables: Tables, monitor_id: str) -> list[IncidentRow]:
    """Incidents that are not resolved, worst first, then those resolved last; the first have the series of their first check."""
    return with_series(tables, monitor_id, _incidents(tables, monitor_id, most=MOST_INCIDENTS))


def all_incidents(tables: Tables, monitor_id: str) -> Iterator[list[IncidentRow]]:
    """Every incident, however many there are, in the same order and without series: a bounded page at a time."""
    first = 0
    while page := _incidents(tables, monitor_id, most=INCIDENTS_A_PAGE, first=first):
        yield page
        if len(page) < INCIDENTS_A_PAGE:
            return
        first += len(page)


def incidents_named(tables: Tables, monitor_id: str, incident_ids: Iterable[str]) -> list[IncidentRow]:
    """The incidents with these ids, as far as they are there."""
    ids = sorted(set(incident_ids))
    pages = [ids[first : first + INCIDENTS_A_PAGE] for first in range(0, len(ids), INCIDENTS_A_PAGE)]
    named = (one_of(tables, "incident_id", page) for page in pages)
    return [row for page in named for row in _incidents(tables, monitor_id, most=INCIDENTS_A_PAGE, wanted=page)]


def incidents_beginning(tables: Tables, monitor_id: str, named: str) -> list[IncidentRow]:
    """The incidents whose ids begin so, with their series; where none does, a few of those there are.

    All incidents are asked, however many there are and however long ago they were resolved.
    """
    begins = f"substr(incident_id, 1, {len(named)}) = {tables.literal(named)}" if _ID.fullmatch(named) else "1 = 0"
    matching = _incidents(tables, monitor_id, most=IDS_LISTED, wanted=begins)
    return with_series(tables, monitor_id, matching) if matching else _incidents(tables, monitor_id, most=IDS_LISTED)


def _incidents(tables: Tables, monitor_id: str, *, most: int, first: int = 0, wanted: str = "true") -> list[IncidentRow]:
    if not tables.has("incidents", "diagnosis"):
        return []
    is_open = f"CASE WHEN status = '{RESOLVED}' THEN 1 ELSE 0 END"
    order = f"{is_open}, CASE WHEN status = '{RESOLVED}' THEN 0 ELSE {_rank(SEVERITIES, 'severity')} END, "
    order += "coalesce(resolved, opened) DESC, incident_id"
    detection = ", detected, undetected_until" if tables.has("incidents", "undetected_until") else ""
    member = ", ".join(f"{tables.first('members', name)} AS first_{name}" for name in ("metric", "check_id"))
    rows = tables.ask(
        f"SELECT {INCIDENT_COLUMNS}{detection}, {member} FROM {tables.relation('incidents')} WHERE monitor_id = "
        f"{tables.literal(monitor_id)} AND {wanted} ORDER BY {order} LIMIT {most} OFFSET {first}"
    )
    return [_incident_row(row) for row in rows]


def with_series(tables: Tables, monitor_id: str, rows: Sequence[IncidentRow]) -> list[IncidentRow]:
    """Open incidents with the verdicts of their first check, window by window: what a picture is drawn from."""
    open_rows = [row for row in rows if row.is_open and row.check_id is not None and not row.series]
    named = [row.check_id for row in open_rows if row.check_id is not None][:MOST_PICTURES]
    if not named:
        return list(rows)
    recency = "row_number() OVER (PARTITION BY check_id ORDER BY window_start DESC) AS age"
    inner = (
        f"SELECT check_id, model_version, window_start, window_end, value, lower, upper, verdict, expected, {recency} "
        f"FROM {tables.relation('checks')} WHERE monitor_id = {tables.literal(monitor_id)} "
        f"AND {one_of(tables, 'check_id', named)}"
    )
    points: dict[str, list[Judged]] = {}
    for row in tables.ask(f"SELECT * FROM ({inner}) q WHERE age <= {HISTORY_WINDOWS} ORDER BY window_start"):
        points.setdefault(row["check_id"], []).append(
            Judged(
                row["model_version"],
                window_in(row),
                row["value"],
                row["lower"],
                row["upper"],
                row["verdict"],
                _text(row["expected"]),
            )
        )
    return [row if row.series else replace(row, series=tuple(points.get(row.check_id or "", ()))) for row in rows]


def open_total(tables: Tables, monitor_id: str) -> int:
    """How many incidents are not resolved."""
    if not tables.has("incidents", "diagnosis"):
        return 0
    condition = f"monitor_id = {tables.literal(monitor_id)} AND status <> '{RESOLVED}'"
    return int(tables.ask(f"SELECT count(*) AS many FROM {tables.relation('incidents')} WHERE {condition}")[0]["many"])


def recent_runs(tables: Tables, monitor_id: str) -> list[RunRow]:
    """The last runs of a monitor, latest first."""
    names = "run_id, status, reader, error, published, publish_message, baseline_version, null_time_rows, as_of"
    rows = tables.ask(
        f"SELECT {names} FROM {tables.relation('runs')} WHERE monitor_id = {tables.literal(monitor_id)} "
        f"ORDER BY started DESC NULLS LAST LIMIT {MOST_RUNS}"
    )
    return [
        RunRow(
            row["run_id"],
            timestamp_in(row, "as_of") or EPOCH,
            row["status"],
            reader=row["reader"],
            error=row["error"],
            published=row["published"],
            publish_message=row["publish_message"],
            baseline_version=row["baseline_version"],
            null_time_rows=row["null_time_rows"],
        )
        for row in rows
    ]


def _lower_is_better() -> list[str]:
    return sorted(metric.name for metric in catalogue().of("model") if metric.worse == "higher")


def _rank(names: Iterable[str], column: str) -> str:
    """The place of a value in a list of our own words; behind it where it is none of them."""
    listed = list(names)
    cases = " ".join(f"WHEN '{name}' THEN {place}" for place, name in enumerate(listed))
    return f"CASE {column} {cases} ELSE {len(listed)} END"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _check_row(row: Mapping[str, Any]) -> CheckRow:
    same = ("family", "metric", "verdict", "slice_key", "slice_value", "value", "lower", "upper", "severity", "reason")
    return CheckRow(
        row["model_version"],
        window_in(row),
        **{name: row[name] for name in (*same, "owner", "runbook", "check_id")},
        column=column_in(row),
        expected=_text(row["expected"]),
        also_slices=int(row["slices"]) - (row["slice_key"] is not None),
    )


def _incident_row(row: Mapping[str, Any]) -> IncidentRow:
    opened = timestamp_in(row, "opened") or EPOCH
    same, kind = ("slice_key", "slice_value", "owner", "acknowledged_by"), row["kind"] or "drift"
    return IncidentRow(
        row["incident_id"],
        kind,
        row["title"] or row["kind"] or row["incident_id"],
        row["diagnosis"] or "",
        opened,
        timestamp_in(row, "last_seen") or opened,
        dataset=row["dataset"] or "predictions",
        column=column_in(row),
        versions=tuple(row["model_versions"] or ()),
        first_end=timestamp_in(row, "first_window_end"),
        detected=timestamp_in(row, "detected"),
        undetected_until=timestamp_in(row, "undetected_until"),
        resolved=timestamp_in(row, "resolved"),
        occurrences=int(row["occurrences"] or 1),
        checks=int(row["checks"] or 1),
        causes=tuple(_cause(cause) for cause in row["causes"] or ()),
        severity=row["severity"] or "medium",
        status=row["status"],
        muted_until=timestamp_in(row, "muted_until"),
        notified_at=timestamp_in(row, "notified_at"),
        metric=row["first_metric"],
        check_id=row["first_check_id"],
        runbook=followed(row["runbook"], kind),
        monitor=row["monitor_id"],
        **{name: row[name] for name in same},
    )


def _cause(cause: Mapping[str, Any]) -> Cause:
    return Cause(cause["kind"] or "", cause["what"] or "", cause["share"], cause["sentence"])
