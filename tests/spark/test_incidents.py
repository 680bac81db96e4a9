"""Incidents from histories of checks, against a plain loop that walks each history window by window."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

from chispa import assert_df_equality

from spark_monitor.stages.incidents import incidents
from spark_monitor.store.schemas import TABLES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
VERDICTS = {"P": "PASS", "W": "WARN", "F": "FAIL", "U": "UNDECIDED", "N": "NO_DATA", "E": "ERROR"}
SERIES: dict[str, Any] = {
    "monitor_id": "flights",
    "check_id": "c1",
    "granularity": "1 day",
    "model_version": "1",
    "slice_key": None,
    "slice_value": None,
    "column_name": "a",
    "class": None,
    "metric": "ks",
}
SHOWN = ("opened", "last_seen", "resolved", "occurrences", "status")


def day(number: int) -> datetime:
    return FIRST + timedelta(days=number)


def history(letters: str, **series: Any) -> list[dict[str, Any]]:
    """One check per letter and day; "." is a day without a check."""
    rows = []
    for number, letter in enumerate(letters):
        told = {"severity": "high", "owner": f"owner {number}", "runbook": None, "reason": f"{letter} on day {number}"}
        row = {**SERIES, **series, **told, "window": (day(number), day(number + 1)), "verdict": VERDICTS.get(letter)}
        rows.append(row)
    return [row for row in rows if row["verdict"] is not None]


def frame(spark: SparkSession, rows: Iterable[dict[str, Any]], table: str = "checks") -> DataFrame:
    schema = TABLES[table].schema
    return spark.createDataFrame([tuple(row.get(name) for name in schema.names) for row in rows], schema)


def of(spark: SparkSession, *letters: str) -> list[list[tuple[int | None, ...]]]:
    """Per history: opened, last seen, resolved in days since the first, and how often it failed."""
    rows = [row for number, one in enumerate(letters) for row in history(one, check_id=f"c{number}")]
    micros = [f"CAST(unix_micros({name}) AS BIGINT) AS _{name}" for name in ("opened", "last_seen", "resolved")]
    found = incidents(frame(spark, rows), None, run_id="r1").selectExpr("check_id", "occurrences", "status", *micros)
    per_check: dict[str, list[tuple[int | None, ...]]] = {f"c{number}": [] for number in range(len(letters))}
    for row in found.orderBy("_opened").collect():
        assert row.status == ("OPEN" if row._resolved is None else "RESOLVED")
        per_check[row.check_id].append((days(row._opened), days(row._last_seen), days(row._resolved), row.occurrences))
    return list(per_check.values())


def days(micros: int | None) -> int | None:
    if micros is None:
        return None
    elapsed = timedelta(microseconds=micros) - (FIRST - datetime(1970, 1, 1, tzinfo=UTC))
    assert elapsed % timedelta(days=1) == timedelta(0)
    return elapsed // timedelta(days=1)


STORIES: dict[str, list[tuple[int | None, ...]]] = {
    "": [],
    "P": [],
    "PWUNE": [],
    "F": [(0, 1, None, 1)],
    "FP": [(0, 1, 2, 1)],
    "PFFP": [(1, 3, 4, 2)],
    "FW": [(0, 1, 2, 1)],
    "WFWF": [(1, 2, 3, 1), (3, 4, None, 1)],
    "FUNEF": [(0, 5, None, 2)],
    "FUNEP": [(0, 1, 5, 1)],
    "UNEF": [(3, 4, None, 1)],
    "FPPF": [(0, 1, 2, 1), (3, 4, None, 1)],
    "FPNEUPF": [(0, 1, 2, 1), (6, 7, None, 1)],
    "F..P..F": [(0, 1, 4, 1), (6, 7, None, 1)],
    "F..F": [(0, 4, None, 2)],
}


def test_an_incident_opens_once_and_is_resolved_once(spark: SparkSession) -> None:
    assert dict(zip(STORIES, of(spark, *STORIES), strict=True)) == STORIES


def loop(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The incidents of one series, by walking over it."""
    found: list[dict[str, Any]] = []
    is_open = False
    for row in sorted(rows, key=lambda one: one["window"]):
        start, end = row["window"]
        if row["verdict"] == "FAIL":
            if not is_open:
                found.append({**SERIES, "opened": start, "occurrences": 0, "resolved": None, "status": "OPEN"})
                is_open = True
            kept = {name: row[name] for name in (*SERIES, "severity", "owner", "runbook", "reason")}
            found[-1] |= kept | {"last_seen": end, "occurrences": found[-1]["occurrences"] + 1}
        elif row["verdict"] in ("PASS", "WARN") and is_open:
            found[-1] |= {"resolved": end, "status": "RESOLVED"}
            is_open = False
    return found


def test_random_histories_give_what_a_plain_loop_gives(spark: SparkSession) -> None:
    dice = random.Random(7)
    rows, wanted = [], []
    series = product(
        ("c1", "c2"), (None, "", "1"), (None, ("k", None), ("k", ""), ("k", "v")), (None, "late"), ("1 day", "1 week")
    )
    for check, version, slice_, class_name, granularity in series:
        key, value = slice_ or (None, None)
        about = {"check_id": check, "model_version": version, "slice_key": key, "slice_value": value, "granularity": granularity}
        one = history("".join(dice.choices("PWFUNE.", k=12)), **about, **{"class": class_name})
        rows += one
        wanted += loop(one)
    dice.shuffle(rows)
    assert len(wanted) > 100
    names = [name for name in TABLES["incidents"].names if name not in ("incident_id", "notified_at", "run_id")]
    found = incidents(frame(spark, rows), None, run_id="r1")
    expected = frame(spark, wanted, "incidents").select(*names)
    assert_df_equality(found.select(*names), expected, ignore_row_order=True, ignore_nullable=True, ignore_metadata=True)
    assert found.select("incident_id").distinct().count() == len(wanted)


def test_an_incident_has_every_column_of_its_table(spark: SparkSession) -> None:
    found = incidents(frame(spark, history("PFFN", **{"class": "late"})), None, run_id="r9")
    written = {field.name: field.dataType.simpleString() for field in TABLES["incidents"].columns}
    assert {field.name: field.dataType.simpleString() for field in found.schema.fields} == written
    row = found.collect()[0]
    assert (row.monitor_id, row.check_id, row.metric, row.column_name, row.run_id) == ("flights", "c1", "ks", "a", "r9")
    assert (row.severity, row.owner, row.reason, row.notified_at) == ("high", "owner 2", "F on day 2", None)
    assert len(row.incident_id) == 16


def ids(found: DataFrame) -> dict[tuple[str, str | None, int], str]:
    rows = found.selectExpr("check_id", "model_version", "unix_micros(opened) AS _opened", "incident_id").collect()
    return {(row.check_id, row.model_version, row._opened): row.incident_id for row in rows}


def test_an_incident_keeps_its_name_while_its_history_grows(spark: SparkSession) -> None:
    before = ids(incidents(frame(spark, history("PFUF")), None, run_id="r1"))
    rows = history("PFUFPFFW") + history("FF", check_id="c2") + history("PF", model_version=None)
    after = ids(incidents(frame(spark, rows), None, run_id="r2"))
    assert len(before) == 1
    assert len(after) == 4
    assert before.items() <= after.items()
    assert ids(incidents(frame(spark, rows), None, run_id="r3")) == after


def test_the_name_does_not_depend_on_the_sessions_time_zone(spark: SparkSession) -> None:
    zone = spark.conf.get("spark.sql.session.timeZone")
    found = []
    try:
        for name in ("UTC", "Asia/Tokyo", "America/New_York"):
            spark.conf.set("spark.sql.session.timeZone", name)
            found.append(ids(incidents(frame(spark, history("PFUFPF")), None, run_id="r1")))
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone or "UTC")
    assert found[0] == found[1] == found[2]


def test_whoever_was_told_is_not_told_twice(spark: SparkSession) -> None:
    rows = history("FPF") + history("F", check_id="c2", model_version=None)
    first = incidents(frame(spark, rows), None, run_id="r1")
    told = first.where("check_id = 'c2' OR status = 'RESOLVED'").selectExpr("incident_id", "TIMESTAMP_SECONDS(5) AS notified_at")
    again = incidents(frame(spark, rows + history("F", check_id="c3")), told, run_id="r2")
    found = again.selectExpr("check_id", "status", "unix_seconds(notified_at) AS told").collect()
    assert {(row.check_id, row.status, row.told) for row in found} == {
        ("c1", "RESOLVED", 5),
        ("c1", "OPEN", None),
        ("c2", "OPEN", 5),
        ("c3", "OPEN", None),
    }


def test_an_incident_without_its_failure_in_the_history_is_gone(spark: SparkSession) -> None:
    previous = incidents(frame(spark, history("PF")), None, run_id="r1")
    assert incidents(frame(spark, history("PP")), previous, run_id="r2").collect() == []
