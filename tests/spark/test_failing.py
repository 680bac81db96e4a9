"""Checks to groups by one query, against plain loops over the same rows."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.diagnosis.groups import FAIL, WELL
from spark_monitor.stages.diagnose import earlier_rows, incident_frame, row_of
from spark_monitor.stages.failing import group_frame, groups_of, judged_windows
from spark_monitor.store.schemas import TABLES
from tests import planted

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DDL = (
    "dataset string, granularity string, start long, end long, model_version string, slice_key string, slice_value string, "
    "check_id string, family string, metric string, column_name string, value double, lower double, upper double, "
    "basis string, expected string, verdict string, severity string, reason string, owner string, runbook string"
)
EXPECTED = ("<= 0.5 (fail > 0.5)", "> 4e-1 (fail <= 0.4)", ">= 0.2 and <= 0.7 (fail < 0.2 or > 0.7)", "(fail: not known)", None)
KINDS = (
    ("ks", "drift", "a", None),
    ("percent_null", "profile", "a", None),
    ("log_loss", "model", TABLE_ROW, "REALISED"),
    ("log_loss", "model", TABLE_ROW, "ESTIMATED"),
)
NAMES = [part.split()[0] for part in DDL.split(", ")]
WINDOW = "named_struct('start', timestamp_micros(start), 'end', timestamp_micros(end)) AS window"


def rows_of(seed: int) -> list[dict[str, Any]]:
    dice = random.Random(seed)
    rows = []
    for metric, family, column, basis in KINDS:
        for version in ("1", None):
            for key, value in ((None, None), ("k", "x"), ("k", "y"), ("k", None), ("other", "z")):
                for week in range(9):
                    verdict = dice.choice(["FAIL", "PASS", "PASS", "UNDECIDED", "NO_DATA", "WARN", "ERROR"])
                    about = {"slice_key": key, "slice_value": value, "model_version": version, "column_name": column}
                    when = {"start": planted.start(week), "end": planted.start(week + 1)}
                    verdict = "ERROR" if (metric, week) == ("percent_null", 0) else verdict  # not there from the beginning
                    value_ = dice.random()
                    interval = {"lower": value_ - 0.2 * dice.random(), "upper": value_ + 0.2 * dice.random()}
                    told = {
                        "expected": dice.choice(EXPECTED),
                        "basis": basis,
                        "metric": metric,
                        "family": family,
                        **({"value": value_, **interval} if verdict != "ERROR" else dict.fromkeys(("value", *interval))),
                        "verdict": verdict,
                    }
                    rows.append(planted._named({**about, **when, **told, "severity": dice.choice(["low", "high"])}))
    return rows


def test_the_groups_are_those_of_plain_loops(spark: SparkSession) -> None:
    rows = rows_of(3)
    frame = spark.createDataFrame([tuple(row.get(name) for name in NAMES) for row in rows], DDL)
    stored = frame.selectExpr(WINDOW, *(name for name in NAMES if name not in ("start", "end")))

    found, more = groups_of(group_frame(stored, since=planted.start(0)))
    expected = planted.groups_of([{**row, "class": None} for row in rows])

    assert not more
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    windows = [(planted.start(week), planted.start(week + 1)) for week in range(9)]
    assert judged_windows(stored) == ({"1 week": windows}, frozenset())


def test_windows_are_silent_where_nothing_but_the_number_of_rows_could_be_judged(spark: SparkSession) -> None:
    def check(week: int, verdict: str, column: str | None = "price", dataset: str = "predictions") -> tuple[object, ...]:
        about = {"dataset": dataset, "granularity": "1 week", "column_name": column, "verdict": verdict}
        return tuple({**about, "start": planted.start(week), "end": planted.start(week + 1)}.get(name) for name in NAMES)

    counts = [check(week, "FAIL", ":table") for week in range(4)]
    other = [check(week, "NO_DATA" if week < 2 else "ERROR", None, "costs") for week in range(4)]
    rows = [*counts, *other, check(0, "PASS"), check(1, "UNDECIDED"), check(2, "NO_DATA"), check(3, "ERROR")]
    frame = spark.createDataFrame(rows, DDL)
    windows, silent = judged_windows(frame.selectExpr(WINDOW, *(name for name in NAMES if name not in ("start", "end"))))
    assert windows == {"1 week": [(planted.start(week), planted.start(week + 1)) for week in range(4)]}
    assert silent == {("predictions", "1 week", planted.start(week)) for week in (2, 3)}  # of costs nothing was ever judged


def test_an_estimate_that_labels_have_overtaken_fails_no_more(spark: SparkSession) -> None:
    """By week: no labels yet; labels that pass; that nobody can decide and that are away from the estimate, or meet it beyond the
    limit; within it of most rows, and of few.
    """
    realised = [("NO_DATA", None, None), ("PASS", 0.78, 0.82), ("UNDECIDED", 0.73, 0.79), ("UNDECIDED", 0.66, 0.78)]
    realised += [("UNDECIDED", 0.705, 0.79), ("UNDECIDED", 0.66, 0.90)]
    rows = []
    for week, (verdict, lower, upper) in enumerate(realised):
        about = {"start": planted.start(week), "end": planted.start(week + 1), "model_version": "1", "slice_key": None}
        about |= {"slice_value": None, "metric": "accuracy_score", "family": "model", "column_name": TABLE_ROW}
        value = None if lower is None else (lower + upper) / 2
        known = {"basis": "REALISED", "value": value, "lower": lower, "upper": upper, "verdict": verdict}
        estimate = {"basis": "ESTIMATED", "value": 0.68, "lower": 0.65, "upper": 0.71, "verdict": "FAIL"}
        rows += [planted._named({**about, "expected": ">= 0.74 (fail < 0.74)", **one}) for one in (known, estimate)]
    frame = spark.createDataFrame([tuple(row.get(name) for name in NAMES) for row in rows], DDL)
    stored = frame.selectExpr(WINDOW, *(name for name in NAMES if name not in ("start", "end")))

    found, _ = groups_of(group_frame(stored, since=planted.start(0)))

    assert {group.start for group in found if group.state == FAIL} == {planted.start(0), planted.start(3), planted.start(5)}
    assert {group.start for group in found if group.state == WELL} == {planted.start(1)}


def test_an_incident_has_every_column_of_its_table_and_is_read_back(spark: SparkSession) -> None:
    rows = planted.table(1)
    rows.loc[rows["week"] >= 6, "price"] *= 100
    incident = planted.diagnosed(rows, ["price"]).only
    table = TABLES["incidents"]
    empty = spark.createDataFrame([], table.schema)

    frame = incident_frame(empty, [row_of(incident, None, as_of=0)])
    written = empty.unionByName(frame, allowMissingColumns=True)

    assert written.columns == list(table.names)
    assert set(frame.columns) == set(table.names) - {"monitor_id", "run_id"}
    (earlier,) = earlier_rows(written)
    assert (earlier.incident_id, earlier.opened, earlier.last_seen) == (incident.incident_id, incident.opened, incident.last_seen)
    assert (earlier.column, earlier.slice, earlier.resolved) == ("price", (None, None), None)
