"""What the demo reads from the committed tables, on small tables made by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from spark_monitor.demo.findings import faults_found, opened_incidents, weeks

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

JULY, SEPTEMBER = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 9, 1, tzinfo=UTC)


def incidents(spark: SparkSession) -> DataFrame:
    rows = [
        ("a", "low", "late and low", SEPTEMBER, "OPEN"),
        ("b", "critical", "worst", SEPTEMBER, "OPEN"),
        ("c", "critical", "of before", JULY, "OPEN"),
        ("d", "critical", "resolved", SEPTEMBER, "RESOLVED"),
        *((f"e{number}", "low", "another", SEPTEMBER, "OPEN") for number in range(5)),
    ]
    return spark.createDataFrame(rows, "incident_id string, severity string, diagnosis string, opened timestamp, status string")


def checks(spark: SparkSession) -> DataFrame:
    def row(day: str, metric: str, column: str, value: float | None, verdict: str, **other: str) -> tuple[Any, ...]:
        key, part = ("origin", other["origin"]) if "origin" in other else (None, None)
        granularity, version = other.get("granularity", "1 week"), other.get("version", "1")
        return (day, metric, column, version, key, part, granularity, value, verdict)

    rows = [
        row("2013-09-16", "tv_distance", "wind_speed", 0.7, "FAIL"),
        row("2013-09-09", "tv_distance", "wind_speed", 0.2, "PASS"),
        row("2013-09-09", "tv_distance", "wind_speed", 0.9, "FAIL", origin="JFK"),
        row("2013-09-09", "tv_distance", "wind_speed", 0.9, "FAIL", version="2"),
        row("2013-09-01", "tv_distance", "wind_speed", 0.9, "FAIL", granularity="1 month"),
        row("2013-09-02", "tv_distance", "wind_speed", None, "NO_DATA"),
        row("2013-07-15", "percent_null", "visib", 100.0, "FAIL", origin="JFK"),
        row("2013-07-15", "percent_null", "visib", 33.0, "FAIL"),
        row("2013-07-08", "percent_null", "visib", 0.0, "PASS", origin="JFK"),
    ]
    schema = (
        "day string, metric string, column_name string, model_version string, slice_key string, slice_value string, "
        "granularity string, value double, verdict string"
    )
    window = "named_struct('start', CAST(day AS TIMESTAMP), 'end', CAST(day AS TIMESTAMP) + INTERVAL 7 DAYS) AS window"
    return spark.createDataFrame(rows, schema).selectExpr("*", window)


def test_new_incidents_are_told_worst_first(spark: SparkSession) -> None:
    result = cast(Any, SimpleNamespace(incidents=incidents(spark)))
    assert list(opened_incidents(result, since=JULY)) == [
        "CRITICAL: worst",
        "CRITICAL (over by now): resolved",
        "LOW: late and low",
        *["LOW: another"] * 3,
        "and 2 more incidents, less severe",
    ]


def test_a_run_that_opened_nothing_tells_nothing(spark: SparkSession) -> None:
    result = cast(Any, SimpleNamespace(incidents=incidents(spark)))
    assert list(opened_incidents(result, since=SEPTEMBER)) == []


def test_the_weeks_come_in_their_order_without_other_slices_versions_and_granularities(spark: SparkSession) -> None:
    wind, visibility = weeks(checks(spark))
    assert [(str(week.start.date()), week.value, week.verdict) for week in wind] == [
        ("2013-09-09", 0.2, "PASS"),
        ("2013-09-16", 0.7, "FAIL"),
    ]
    assert [(str(week.start.date()), week.value) for week in visibility] == [("2013-07-08", 0.0), ("2013-07-15", 100.0)]


def test_both_faults_are_told_from_the_checks(spark: SparkSession) -> None:
    wind, visibility = faults_found(checks(spark))
    assert wind.strip() == (
        "wind_speed in km/h: tv_distance 0.700 in 1 week with the fault (1 FAIL), 0.200 in 1 week without (1 PASS)."
    )
    assert visibility.strip() == (
        "visib missing at JFK: percent_null 100 in 1 week with the fault (1 FAIL), 0 in 1 week without (1 PASS)."
    )
