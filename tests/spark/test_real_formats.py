"""Files as the formats' own programs write them: OpenLineage's client, a bill that FOCUS' validator passes, a model of MLflow.

``tests/formats`` holds the files and what wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from spark_monitor.config.costs import CostsConfig
from spark_monitor.config.pipelines import PipelinesConfig, RunsConfig
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.steps import COMMIT, PIPELINE_DDL, SCHEMA, PipelinePlan, pipeline_measurements
from spark_monitor.session import setting
from spark_monitor.sources.costs import open_costs, sums
from spark_monitor.sources.pipelines import open_runs
from spark_monitor.sources.tables import ANSI, SESSION_ZONE
from spark_monitor.store.history import commits, schemas

FORMATS = Path(__file__).parents[1] / "formats"
MINUTE, DAY = 60_000_000, 86_400_000_000
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.fixture(autouse=True)
def read_as_a_run_does(spark: SparkSession) -> Iterator[None]:
    with setting(spark, ANSI, "false"), setting(spark, SESSION_ZONE, "UTC"):
        yield


def runs_of(spark: SparkSession, **place: str) -> list[dict[str, Any]]:
    runs = open_runs(spark, RunsConfig(format="openlineage", **place))
    empty = spark.createDataFrame([], PIPELINE_DDL)
    return [row.asDict() for row in empty.unionByName(runs.frame.drop("time"), allowMissingColumns=True).collect()]


def test_events_of_openlineages_own_client_are_runs_with_their_rows_and_order(spark: SparkSession) -> None:
    rows = runs_of(spark, path=str(FORMATS / "openlineage.jsonl"))
    told = sorted(
        (
            row["name"].removeprefix("nightly."),
            *((row["started"] - START) // DAY, (row["ended"] - row["started"]) // MINUTE),
            *(row["failed"], row["attempt"], row["rows"], row["bytes"]),
        )
        for row in rows
    )
    assert told == [
        ("features", 0, 20, False, 1, 1000, 80_000),
        ("features", 1, 20, True, 1, None, None),
        ("features", 1, 30, False, 2, 1200, 96_000),
        ("features", 2, 20, True, 1, None, None),
        ("score", 0, 10, False, 1, 500, 40_000),
        ("score", 1, 10, False, 1, 500, 40_000),
    ]


def test_a_step_that_did_not_run_names_the_first_broken_one_by_the_lineage_of_events(spark: SparkSession) -> None:
    windows = tuple(WindowKey("1 day", START + day * DAY, START + (day + 1) * DAY) for day in range(3))
    ticks = tuple(START + day * DAY + 180 * MINUTE for day in range(4))
    has = frozenset({"status", "attempt", "rows", "bytes"})
    plan = PipelinePlan(windows, START + 3 * DAY, 30 * DAY, has=has, ticks=ticks, grace=60 * MINUTE)
    found = {
        (row["column_name"], row["metric"], (row["start"] - START) // DAY): row
        for row in pipeline_measurements(runs_of(spark, path=str(FORMATS / "openlineage.jsonl")), plan)
    }
    features, score = "nightly.features", "nightly.score"
    assert [found[features, "step_failures", day]["value"] for day in range(3)] == [0, 1, 1]
    assert [found[features, "step_retries", day]["value"] for day in range(3)] == [0, 1, 0]
    assert [found[features, "output_rows", day]["value"] for day in range(3)] == [1000, 1200, None]
    assert [found[score, "step_missed_runs", day]["value"] for day in range(3)] == [0, 0, 1]
    assert dict(found[score, "step_missed_runs", 2]["details"])["first_broken_step"] == features
    assert dict(found[features, "step_failures", 2]["details"] or []).get("first_broken_step") is None


def test_events_in_a_table_are_read_as_texts_or_by_their_own_fields(spark: SparkSession) -> None:
    lines = (FORMATS / "openlineage.jsonl").read_text(encoding="utf-8").splitlines()
    spark.createDataFrame([(line,) for line in lines], "event string").createOrReplaceTempView("event_texts")
    spark.read.json(str(FORMATS / "openlineage.jsonl")).createOrReplaceTempView("event_fields")
    by_file = sorted(map(repr, runs_of(spark, path=str(FORMATS / "openlineage.jsonl"))))
    assert sorted(map(repr, runs_of(spark, table="event_texts"))) == by_file
    assert sorted(map(repr, runs_of(spark, table="event_fields"))) == by_file


def test_a_bill_that_focus_validator_passes_is_summed_by_service_and_tag(spark: SparkSession) -> None:
    section = CostsConfig(path=str(FORMATS / "focus.csv"), format="focus", tag="get_json_object(Tags, '$.team')")
    rows = sums(open_costs(spark, section), START, START + 10 * DAY).collect()
    day_4 = {(row["service"], row["tag"], row["currency"]): row["amount"] for row in rows if row["at"] == START + 4 * DAY}
    assert day_4 == {("Virtual Machines", "delays", "EUR"): 7.5, ("Object Storage", "data", "EUR"): 1.25}
    assert sum(row["amount"] for row in rows) == 10 * 12.5 + 10 * 1.25 - 5
    assert sum(row["unread"] for row in rows) == 0


def test_a_bill_whose_tags_hold_commas_and_quotes_keeps_its_columns(spark: SparkSession, tmp_path: Path) -> None:
    tags = json.dumps({"team": 'a "b", c', "env": "x"}).replace('"', '""')
    head = "Tags,BilledCost,BillingCurrency,ChargePeriodStart,ServiceName"
    (tmp_path / "bill.csv").write_text(f'{head}\n"{tags}",2.5,EUR,2024-01-01T00:00:00Z,Compute\n', encoding="utf-8")
    section = CostsConfig(path=str(tmp_path / "bill.csv"), format="focus", tag="get_json_object(Tags, '$.team')")
    [row] = sums(open_costs(spark, section), START, START + DAY).collect()
    assert (row["service"], row["tag"], row["currency"], row["amount"]) == ("Compute", 'a "b", c', "EUR", 2.5)


def test_an_iceberg_table_of_pyiceberg_tells_its_snapshots_and_schemas_without_a_jar(spark: SparkSession) -> None:
    [source] = PipelinesConfig(tables=({"path": str(FORMATS / "iceberg"), "format": "iceberg"},)).tables
    told, fields = commits(spark, source, "ice"), schemas(spark, source, "ice")
    assert told is not None
    assert fields is not None
    rows = [row.asDict() for row in told.withColumnRenamed("at", "ended").collect()]
    newest = json.loads(max((FORMATS / "iceberg" / "metadata").iterdir()).read_text(encoding="utf-8"))
    exact = [
        (one["timestamp-ms"] * 1000, float(one["summary"]["added-records"]), float(one["summary"]["added-files-size"]))
        for one in newest["snapshots"]
    ]
    assert sorted((row["ended"], row["rows"], row["bytes"]) for row in rows if row["writes"]) == exact
    begins, ends = newest["snapshots"][0]["timestamp-ms"] // 60_000, newest["last-updated-ms"] // 60_000 + 1
    window = WindowKey("minutes", begins * MINUTE, ends * MINUTE)
    plan = PipelinePlan((window,), ends * MINUTE, DAY, tables=("ice",), logged_tables=frozenset({"ice"}))
    blank = dict.fromkeys(part.split()[0] for part in PIPELINE_DDL.split(", "))
    kinds = [{**blank, **row, "kind": COMMIT} for row in rows]
    kinds += [{**blank, **row.asDict(), "kind": SCHEMA} for row in fields.collect()]
    found = {row["metric"]: row for row in pipeline_measurements(kinds, plan)}
    assert found["output_rows"]["value"] == 3 + 2 + 1 + 2
    assert found["output_files"]["value"] == 4
    assert found["schema_changes"]["value"] == 1
    assert str(found["schema_changes"]["message"]).startswith("added city (string), ")
