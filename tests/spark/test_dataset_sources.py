"""Logs, step runs, histories and bills as they come from other programs, read into one shape each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from spark_monitor.config.costs import CostsConfig
from spark_monitor.config.operations import OperationsConfig
from spark_monitor.config.pipelines import RunsConfig
from spark_monitor.config.sources import SourceConfig
from spark_monitor.kernel.requests import COLUMNS
from spark_monitor.session import setting
from spark_monitor.sources.costs import open_costs, sums
from spark_monitor.sources.operations import open_operations
from spark_monitor.sources.pipelines import failed_sql, open_runs
from spark_monitor.sources.tables import ANSI, SESSION_ZONE
from spark_monitor.store.history import commits, schemas

HOUR = 3_600_000_000
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
FIRST_HOUR = [(START, START + HOUR)]


@pytest.fixture(autouse=True)
def read_as_a_run_does(spark: SparkSession) -> Iterator[None]:
    with setting(spark, ANSI, "false"), setting(spark, SESSION_ZONE, "UTC"):
        yield


def rows_of(frame: DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in frame.select(*columns).collect()), key=repr)


def test_a_status_as_text_is_read_where_it_is_a_number_and_unknown_where_not(spark: SparkSession) -> None:
    made = [("2024-01-01 00:10:00", "500"), ("2024-01-01 00:10:00", "OK"), ("2024-01-01 00:10:00", "200")]
    spark.createDataFrame(made, "at string, status string").createOrReplaceTempView("text_status")
    log = open_operations(spark, OperationsConfig(table="text_status", time="at", failed="status >= 500"))
    assert rows_of(log.rows(FIRST_HOUR, "UTC"), "failed") == [(0.0,), (1.0,), (None,)]


def test_requests_with_the_same_id_count_once_and_the_earliest_is_kept(spark: SparkSession) -> None:
    made: list[tuple[str, str | None, float]] = [("2024-01-01 00:00:02", "a", 9.0), ("2024-01-01 00:00:01", "a", 7.0)]
    made += [("2024-01-01 00:00:03", "b", 1.0), ("2024-01-01 00:00:04", None, 2.0), ("2024-01-01 00:00:04", None, 2.0)]
    spark.createDataFrame(made, "at string, id string, lat double").createOrReplaceTempView("repeated")
    log = open_operations(spark, OperationsConfig(table="repeated", time="at", latency_seconds="lat", request_id="id"))
    found = rows_of(log.rows(FIRST_HOUR, "UTC"), "requests", "copies", "latency")
    assert found == [(0.0, 1.0, None), (1.0, 0.0, 1000.0), (1.0, 0.0, 2000.0), (1.0, 0.0, 2000.0), (1.0, 0.0, 7000.0)]


@pytest.mark.slow
def test_whether_a_request_is_a_copy_does_not_depend_on_the_windows_that_are_read_with_it(spark: SparkSession) -> None:
    made = [("2024-01-01 00:59:00", "a"), ("2024-01-01 01:01:00", "a"), ("2024-01-01 09:00:00", "a")]
    spark.createDataFrame(made, "at string, id string").createOrReplaceTempView("repeated_later")
    log = open_operations(spark, OperationsConfig(table="repeated_later", time="at", request_id="id"))
    hours = [(START + hour * HOUR, START + (hour + 1) * HOUR) for hour in range(10)]
    apart = [tuple(row) for hour in hours for row in log.rows([hour], "UTC").where(f"unix_micros(time) >= {hour[0]}").collect()]
    together = [tuple(row) for row in log.rows([(hours[0][0], hours[-1][1])], "UTC").collect()]
    assert sorted(apart, key=repr) == sorted(together, key=repr)
    assert [row[COLUMNS.index("requests")] for row in sorted(apart, key=lambda row: row[0])] == [1, 0, 1]


def test_counters_count_what_they_add_and_start_again_after_a_reset(spark: SparkSession) -> None:
    labels = '{"endpoint": "p", "instance": "h1"}'
    made = [
        (f"2024-01-01 00:{minute}:00", "http_total", value, labels) for minute, value in ((10, 100.0), (20, 150.0), (30, 30.0))
    ]
    made.reverse()  # whatever the order in which the rows lie
    made += [("2024-01-01 00:30:00", "lat", 0.2, '{"endpoint": "p", "instance": "h2"}'), ("2024-01-01 00:31:00", "x", 1.0, "{}")]
    spark.createDataFrame(made, "at string, m string, v double, l string").createOrReplaceTempView("prometheus")
    names = {"http_total": "requests", "lat": "latency_seconds"}
    section = OperationsConfig(table="prometheus", format="long", time="at", metric="m", value="v", labels="l", names=names)
    log = open_operations(spark, section)
    assert log.has == {"endpoint", "host", "version", "cluster", "latency"}
    found = rows_of(log.rows(FIRST_HOUR, "UTC"), "endpoint", "host", "requests", "latency")
    assert found == [("p", "h1", 30.0, None), ("p", "h1", 50.0, None), ("p", "h1", None, None), ("p", "h2", None, 200.0)]


def test_samples_that_are_no_number_or_come_twice_do_not_count_a_counter_again(spark: SparkSession) -> None:
    """By an increment at a time in numpy: from 1,000 to 1,080, whatever lies between."""
    samples = [(1, 1000.0), (2, 1010.0), (3, float("nan")), (4, 1030.0), (5, None), (6, 1050.0), (6, 1060.0), (7, float("inf"))]
    made = [(f"2024-01-01 00:0{minute}:00", "hits_total", value, "{}") for minute, value in (*samples, (8, 1080.0))]
    spark.createDataFrame(made, "at string, m string, v double, l string").createOrReplaceTempView("stale")
    names = {"hits_total": "requests"}
    log = open_operations(spark, OperationsConfig(table="stale", format="long", time="at", metric="m", value="v", names=names))
    found = [row["requests"] for row in log.rows(FIRST_HOUR, "UTC").collect() if row["requests"] is not None]
    known = np.array([value for _, value in (*samples, (8, 1080.0)) if value is not None and np.isfinite(value)])
    assert sorted(found) == sorted(np.diff(known))
    assert sum(found) == 80


def test_an_inference_table_of_databricks_is_known_by_its_columns(spark: SparkSession) -> None:
    made = [("a", "2024-01-01 00:10:00", 200, 12, "e1"), ("b", "2024-01-01 00:10:01", 503, 13, "e1")]
    kinds = (
        "databricks_request_id string, request_time string, status_code int, execution_duration_ms int, served_entity_id string"
    )
    spark.createDataFrame(made, kinds).createOrReplaceTempView("inference")
    log = open_operations(spark, OperationsConfig(table="inference", format="databricks"))
    assert rows_of(log.rows(FIRST_HOUR, "UTC"), "endpoint", "failed", "latency") == [("e1", 0.0, 12.0), ("e1", 1.0, 13.0)]
    older = "databricks_request_id string, timestamp_ms bigint, status_code int, execution_time_ms int, "
    older += "request_metadata map<string, string>"
    spark.createDataFrame([("a", START // 1000, 200, 12, {"model_version": "3"})], older).createOrReplaceTempView(
        "older_inference"
    )
    log = open_operations(spark, OperationsConfig(table="older_inference", format="databricks"))
    assert rows_of(log.rows(FIRST_HOUR, "UTC"), "version", "latency") == [("3", 12.0)]


def event(kind: str, run: str, job: str, at: str, **more: Any) -> str:
    statistics = {"outputStatistics": {"rowCount": 100, "size": 1000}}
    output = {"namespace": "db", "name": "features", "outputFacets": statistics}
    told = {"eventType": kind, "eventTime": at, "run": {"runId": run, "facets": {}}, "job": {"namespace": "air", "name": job}}
    return json.dumps({**told, "inputs": [], "outputs": [output], "producer": "p", "schemaURL": "s", **more})


def test_openlineage_events_are_runs_in_whatever_order_they_lie(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        event("COMPLETE", "r1", "load", "2024-01-01T06:30:00Z"),
        event("START", "r1", "load", "2024-01-01T07:00:00+01:00"),
        event("COMPLETE", "r1", "load", "2024-01-01T06:30:00Z"),
        event("START", "r2", "load", "2024-01-02T06:00:00Z"),
        event("FAIL", "r2", "load", "2024-01-02T06:10:00Z"),
        event("START", "r3", "load", "2024-01-03T06:00:00Z"),
        "{broken",
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(lines), encoding="utf-8")
    runs = open_runs(spark, RunsConfig(path=str(tmp_path / "events.jsonl"), format="openlineage"))
    minutes = "(ended - started) / 60000000 AS minutes"
    found = sorted((tuple(row) for row in runs.frame.selectExpr(minutes, "failed", "rows", "outputs[0]").collect()), key=repr)
    assert found == [(10.0, True, 100.0, "db/features"), (30.0, False, 100.0, "db/features"), (None, None, 100.0, "db/features")]


def test_a_long_run_of_databricks_is_put_together_from_its_slices(spark: SparkSession) -> None:
    made = [
        (1, "a", "train", "2024-01-01 00:00:00", "2024-01-01 01:00:00", None),
        (1, "a", "train", "2024-01-01 01:00:00", "2024-01-01 01:20:00", "SUCCEEDED"),
        (1, "b", "train", "2024-01-02 01:00:00", "2024-01-02 01:20:00", "TIMED_OUT"),
    ]
    kinds = "job_id int, run_id string, task_key string, period_start_time string, period_end_time string, result_state string"
    spark.createDataFrame(made, kinds).createOrReplaceTempView("timeline")
    runs = open_runs(spark, RunsConfig(table="timeline", format="databricks"))
    found = sorted(tuple(row) for row in runs.frame.selectExpr("name", "(ended - started) / 60000000", "failed").collect())
    assert found == [("train", 20.0, True), ("train", 80.0, False)]


def test_a_run_of_a_job_that_was_repaired_is_a_run_for_each_of_its_ends(spark: SparkSession) -> None:
    """``job_run_timeline`` keeps the run's id for a repair, whose slices come after the row of the first end."""
    made = [
        ("w1", "7", "r1", "2024-01-01 00:00:00", "2024-01-01 01:00:00", None),
        ("w1", "7", "r1", "2024-01-01 01:00:00", "2024-01-01 01:20:00", "FAILED"),
        ("w1", "7", "r1", "2024-01-01 01:00:00", "2024-01-01 01:20:00", "FAILED"),  # is there twice
        ("w1", "7", "r1", "2024-01-02 09:30:00", "2024-01-02 10:00:00", None),
        ("w1", "7", "r1", "2024-01-02 10:00:00", "2024-01-02 10:10:00", "SUCCEEDED"),
        ("w1", "7", "r1", "2024-01-02 12:00:00", "2024-01-02 13:00:00", None),  # repaired again, and under way
        ("w2", "7", "r1", "2024-01-01 00:00:00", "2024-01-01 00:05:00", "SUCCEEDED"),  # of another workspace
    ]
    kinds = ", ".join(
        f"{name} string" for name in ("workspace_id", "job_id", "run_id", "period_start_time", "period_end_time", "result_state")
    )
    spark.createDataFrame(made, kinds).createOrReplaceTempView("job_timeline")
    runs = open_runs(spark, RunsConfig(table="job_timeline", format="databricks"))
    minutes = "(ended - started) / 60000000 AS minutes"
    found = sorted((tuple(row) for row in runs.frame.selectExpr("attempt", minutes, "failed").collect()), key=repr)
    assert found == [(1.0, 5.0, False), (1.0, 80.0, True), (2.0, 40.0, False), (3.0, None, None)]


@pytest.mark.parametrize(
    ("status", "failed"),
    [("'SUCCESS'", False), ("'upstream_failed'", True), ("'?'", None), ("0", False), ("2", True), ("true", False)],
)
def test_a_state_is_read_by_its_words_its_exit_code_or_as_a_boolean(
    spark: SparkSession, status: str, failed: bool | None
) -> None:
    frame = spark.range(1)
    assert frame.selectExpr(failed_sql(frame, status)).collect()[0][0] is failed


@pytest.mark.slow
def test_the_history_of_tables_that_spark_and_delta_rs_wrote(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "rust")
    deltalake.write_deltalake(path, pa.table({"a": [1, 2, 3]}))
    deltalake.write_deltalake(path, pa.table({"a": [5], "b": ["x"]}), mode="append", schema_mode="merge")
    sizes = [add["size_bytes"] for add in pa.table(deltalake.DeltaTable(path).get_add_actions(flatten=True)).to_pylist()]
    source = SourceConfig(path=path, format="delta")
    found = commits(spark, source, "rust")
    assert found is not None
    assert rows_of(found, "version", "rows", "files", "writes") == [(0, 3.0, 1.0, True), (1, 1.0, 1.0, True)]
    assert sum(row["bytes"] for row in found.collect()) == sum(sizes)
    told = schemas(spark, source, "rust")
    assert told is not None
    assert sorted(row["version"] for row in told.collect()) == [0, 1]
    own = str(tmp_path / "spark")
    spark.range(10).coalesce(1).write.format("delta").save(own)
    spark.sql(f"DELETE FROM delta.`{own}` WHERE id = 3")
    found = commits(spark, SourceConfig(path=own, format="delta"), "spark")
    assert found is not None
    assert rows_of(found, "version", "rows", "operation") == [(0, 10.0, "WRITE"), (1, 0.0, "DELETE")]


@pytest.mark.slow
def test_a_merge_wrote_what_it_inserted_and_updated_and_not_what_it_copied(spark: SparkSession, tmp_path: Path) -> None:
    for writer in ("rust", "spark"):
        path = str(tmp_path / writer)
        deltalake.write_deltalake(path, pa.table({"id": range(1000), "x": [0.0] * 1000}))
        if writer == "rust":
            news = pa.table({"id": range(990, 1005), "x": [1.0] * 15})
            merge = deltalake.DeltaTable(path).merge(news, "t.id = s.id", source_alias="s", target_alias="t")
            merge.when_matched_update_all().when_not_matched_insert_all().execute()
        else:
            spark.range(990, 1005).selectExpr("id", "1D AS x").createOrReplaceTempView("news")
            spark.sql(
                f"MERGE INTO delta.`{path}` AS t USING news AS s ON t.id = s.id "
                "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
            )
        found = commits(spark, SourceConfig(path=path, format="delta"), writer)
        assert found is not None
        assert rows_of(found, "version", "rows", "writes") == [(0, 1000.0, True), (1, 15.0, True)]
        [(author,)] = rows_of(found.where("version = 1"), "author")
        assert author.startswith("delta-rs" if writer == "rust" else "Apache-Spark")


def test_a_view_has_no_history(spark: SparkSession) -> None:
    spark.range(1).createOrReplaceTempView("no_history")
    assert commits(spark, SourceConfig(table="no_history"), "view") is None


FOCUS = """BilledCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,ServiceName,ChargeCategory
1.25,USD,2024-01-01T00:00:00Z,2024-01-02T00:00:00Z,Compute,Usage
0.75,USD,2024-01-01T00:05:00Z,2024-01-02T00:00:00Z,Compute,Usage
-0.50,USD,2024-01-02T00:00:00Z,2024-01-03T00:00:00Z,Storage,Credit
"""


def test_focus_rows_are_summed_with_their_credits(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "focus.csv").write_text(FOCUS, encoding="utf-8")
    bill = open_costs(spark, CostsConfig(path=str(tmp_path / "focus.csv"), format="focus"))
    found = rows_of(sums(bill, START, START + 72 * HOUR), "service", "currency", "amount", "n")
    assert found == [("Compute", "USD", 2.0, 2), ("Storage", "USD", -0.5, 1)]


def test_usage_is_priced_by_the_list_of_its_time_and_what_has_no_price_is_counted(spark: SparkSession) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS billing_test")
    spark.sql(
        """CREATE TABLE billing_test.usage USING parquet AS SELECT * FROM VALUES
        ('s1', 'AWS', 'DBU', TIMESTAMP'2024-01-01 00:00:00Z', CAST(2 AS DECIMAL(20, 4)), 'JOBS', map('team', 'x')),
        ('s1', 'AWS', 'DBU', TIMESTAMP'2024-01-05 00:00:00Z', CAST(3 AS DECIMAL(20, 4)), 'SQL', map('team', 'y')),
        ('s9', 'AWS', 'DBU', TIMESTAMP'2024-01-05 00:00:00Z', CAST(3 AS DECIMAL(20, 4)), 'SQL', map('team', 'y')),
        ('s1', 'AWS', 'DBU', TIMESTAMP'2024-01-05 00:00:00Z', CAST('0.000000123' AS DECIMAL(38, 18)), 'TOKENS', map('team', 'z'))
        AS t(sku_name, cloud, usage_unit, usage_start_time, usage_quantity, billing_origin_product, custom_tags)"""
    )
    spark.sql(
        """CREATE TABLE billing_test.list_prices USING parquet AS SELECT * FROM VALUES
        ('s1', 'AWS', 'DBU', 'USD', TIMESTAMP'2023-01-01 00:00:00Z', TIMESTAMP'2024-01-03 00:00:00Z',
          named_struct('default', CAST(0.5 AS DECIMAL(20, 4)))),
        ('s1', 'AWS', 'DBU', 'USD', TIMESTAMP'2024-01-03 00:00:00Z', CAST(NULL AS TIMESTAMP),
          named_struct('default', CAST(0.7 AS DECIMAL(20, 4))))
        AS t(sku_name, cloud, usage_unit, currency_code, price_start_time, price_end_time, pricing)"""
    )
    bill = open_costs(spark, CostsConfig(table="billing_test.usage", format="databricks", tag="custom_tags['team']"))
    found = rows_of(sums(bill, START, START + 240 * HOUR), "service", "tag", "currency", "amount", "unread")
    assert found == [
        ("JOBS", "x", "USD", 1.0, 0),
        ("SQL", "y", "USD", 2.1, 0),
        ("SQL", "y", None, None, 1),
        ("TOKENS", "z", "USD", 8.61e-8, 0),
    ]


def test_columns_with_dates_and_a_literal_currency(spark: SparkSession) -> None:
    made = [("2024-01-01", "1.5", "search"), ("2024-01-01", "?", "search")]
    spark.createDataFrame(made, "day string, amount string, what string").createOrReplaceTempView("plain_bill")
    section = CostsConfig(table="plain_bill", time="CAST(day AS DATE)", cost="amount", service="what", currency="'EUR'")
    found = rows_of(sums(open_costs(spark, section), START, START + 24 * HOUR), "service", "currency", "amount", "n", "unread")
    assert found == [("search", "EUR", 1.5, 2, 1)]


def test_charges_are_summed_with_what_falls_in_the_first_and_last_quarter_of_their_periods(spark: SparkSession) -> None:
    made = [
        ("2024-01-01 00:00:00", "2024-02-01 00:00:00", "Usage", "31"),
        ("2024-01-01 00:10:00", "2024-01-01 02:05:00", "Usage", "115"),
        ("2024-01-01 00:01:00", "2024-01-01 00:14:59", "Usage", "1"),  # within a quarter of an hour
        ("2024-01-01 00:00:00", "2025-01-01 00:00:00", "Purchase", "1000"),  # is not amortised in BilledCost
        ("2024-01-01 00:00:00", None, "Tax", "2"),
        ("2024-01-02 00:00:00", "2024-01-01 00:00:00", "Credit", "-3"),  # ends before it begins
        ("2023-12-31 00:00:00", "2024-01-02 00:00:00", None, "48"),
        ("2023-12-31 00:00:00", "2024-01-01 00:00:00", "Usage", "7"),  # is over
        ("2024-01-01 00:00:00", "2024-01-03 00:00:00", "Usage", "?"),
    ]
    kinds = "ChargePeriodStart string, ChargePeriodEnd string, ChargeCategory string, BilledCost string"
    spark.createDataFrame(made, kinds).createOrReplaceTempView("periods")
    bill = open_costs(spark, CostsConfig(table="periods", format="focus"))
    columns = (f"(at - {START}) / {HOUR}", f"(until - {START}) / {HOUR}", "amount", "first", "last", "n", "unread")
    found = sums(bill, START, START + 72 * HOUR).selectExpr(*columns).collect()
    assert sorted((tuple(row) for row in found), key=repr) == sorted(
        [
            (0.0, 744.0, 31.0, 31 / 744 / 4, 31 / 744 / 4, 1, 0),
            (0.0, 2.25, 115.0, 5.0, 5.0, 1, 0),
            (0.0, None, 1003.0, None, None, 3, 0),
            (24.0, None, -3.0, None, None, 1, 0),
            (-24.0, 24.0, 48.0, 0.25, 0.25, 1, 0),
            (0.0, 48.0, None, None, None, 1, 1),
        ],
        key=repr,
    )


EDGES = (0.05, 0.1, 0.5, 1.0, float("inf"))
HISTOGRAM = {"time": "at", "metric": "m", "value": "v", "labels": "l", "format": "long"}


def scrapes(
    random: np.random.Generator, host: str, edges: tuple[float, ...]
) -> tuple[list[tuple[Any, ...]], dict[tuple[float, float], float]]:
    """Samples of a histogram in every five minutes of an hour, with a reset, and how many values fell between edges since."""
    rows: list[tuple[Any, ...]] = []
    total = np.zeros(len(edges))
    gained = dict.fromkeys(zip((0.0, *edges[:-1]), edges, strict=True), 0.0)
    spent = 0.0
    for number, minute in enumerate(range(0, 60, 5)):
        values = random.lognormal(-2, 1, int(random.integers(0, 60)))
        if number == 6:
            total, spent = np.zeros(len(edges)), 0.0  # the process was started again
        fell = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges))
        total, spent = total + fell, spent + values.sum()
        for (low, high), many in zip(gained, fell, strict=True) if number else ():
            gained[low, high] += many
        at = f"2024-01-01 00:{minute:02}:30"
        labels = {"endpoint": "p", "instance": host, "code": "200"}
        for edge, many in zip(edges, total.cumsum(), strict=True):
            name = "+Inf" if np.isinf(edge) else str(edge)
            rows.append((at, "x_seconds_bucket", float(many), json.dumps({**labels, "le": name})))
        rows.append((at, "x_seconds_count", float(total.sum()), json.dumps(labels)))
        rows.append((at, "x_seconds_sum", float(spent), json.dumps(labels)))
    return rows, gained


def test_histograms_of_prometheus_gain_what_fell_into_their_buckets_whatever_order_copies_or_gaps(spark: SparkSession) -> None:
    random = np.random.default_rng(12)
    first, gained = scrapes(random, "h1", EDGES)
    second, more = scrapes(random, "h2", (0.07, 0.5, 2.0, float("inf")))
    rows = first + second + first[:9]  # samples that come twice
    rows += [
        (
            "2024-01-01 00:07:00",
            "x_seconds_bucket",
            float("nan"),
            '{"endpoint": "p", "instance": "h1", "code": "200", "le": "0.1"}',
        )
    ]
    rows += [("2024-01-01 00:08:00", "x_seconds_bucket", 9.0, '{"endpoint": "p", "instance": "h1", "code": "200", "le": "?"}')]
    random.shuffle(rows)  # type: ignore[arg-type]
    spark.createDataFrame(rows, "at string, m string, v double, l string").createOrReplaceTempView("histograms_long")
    log = open_operations(
        spark, OperationsConfig(table="histograms_long", names={"x_seconds_bucket": "latency_seconds"}, **HISTOGRAM)
    )
    assert log.has >= {"latency", "buckets", "endpoint", "host"}
    read = log.rows(FIRST_HOUR, "UTC")
    assert read.count() == len(rows)
    expected: dict[tuple[float, float], float] = {}
    for (low, high), many in [*gained.items(), *more.items()]:
        expected[1000 * low, 1000 * high] = expected.get((1000 * low, 1000 * high), 0.0) + many
    found = {
        (row["low"], row["high"]): row["n"]
        for row in read.where("fell > 0")
        .groupBy("low", "high")
        .agg({"fell": "sum"})
        .withColumnRenamed("sum(fell)", "n")
        .collect()
    }
    assert found == {place: many for place, many in expected.items() if many}
    [together] = read.selectExpr("sum(requests) AS n", "sum(took) AS took").collect()
    assert together["n"] == sum(expected.values())


def test_a_sample_that_lacks_an_edge_changes_no_sum(spark: SparkSession) -> None:
    rows, gained = scrapes(np.random.default_rng(5), "h1", EDGES)
    lacking = [row for row in rows if not (row[0] == "2024-01-01 00:20:30" and '"le": "0.1"' in row[3])]
    spark.createDataFrame(lacking, "at string, m string, v double, l string").createOrReplaceTempView("histogram_gap")
    section = OperationsConfig(table="histogram_gap", names={"x_seconds_bucket": "latency_seconds"}, **HISTOGRAM)
    read = open_operations(spark, section).rows(FIRST_HOUR, "UTC").where("fell > 0")
    found = {(row[0] / 1000, row[1] / 1000): row[2] for row in read.groupBy("low", "high").sum("fell").collect()}
    assert found == {place: many for place, many in gained.items() if many}


def test_an_inference_table_that_holds_a_sample_says_of_how_many_requests(spark: SparkSession) -> None:
    made = [("r1", 1704067200000, 200, 12, 0.25), ("r1", 1704067200500, 200, 12, 0.25), ("r2", 1704067201000, 503, 30, 1.0)]
    kinds = "databricks_request_id string, timestamp_ms long, status_code int, execution_time_ms long, sampling_fraction double"
    spark.createDataFrame(made, kinds).createOrReplaceTempView("sampled_payload")
    log = open_operations(spark, OperationsConfig(table="sampled_payload", format="databricks"))
    assert log.sampled
    found = rows_of(log.rows(FIRST_HOUR, "UTC"), "requests", "copies", "failed", "unlogged")
    assert found == [(0.0, 1.0, None, None), (1.0, 0.0, 0.0, 3.0), (1.0, 0.0, 1.0, 0.0)]
