"""The read model's questions through Spark: the same answers as DuckDB gives, and deliveries that are written once."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from example_facts import config, week
from tables_written import write_tables

from spark_monitor.config.outputs import OutputsConfig
from spark_monitor.insight.read_results import read_results
from spark_monitor.insight.tables import SparkTables
from spark_monitor.outputs.alerts.deliveries import SENT, Delivery, deliveries_of, rows_of, standing
from spark_monitor.store import Store
from spark_monitor.store.local import LocalTables

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from test_insight_queries import WEEKS, example_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_tables(tmp_path, example_rows())
    return tmp_path


def test_spark_and_duckdb_answer_alike(spark: SparkSession, directory: Path) -> None:
    store = Store(spark, OutputsConfig(path=str(directory)))
    windows = [week(number) for number in range(1, WEEKS)]

    through_spark = read_results(SparkTables(spark, store), config(), windows, pictures=True)
    without = read_results(LocalTables(str(directory), "flights_delay"), config(), windows, pictures=True)

    for name in through_spark.__dataclass_fields__:
        found, expected = getattr(through_spark, name), getattr(without, name)
        if isinstance(expected, list | tuple):
            assert sorted(map(repr, found)) == sorted(map(repr, expected)), name
        else:
            assert found == expected, name


def test_a_delivery_that_is_written_again_is_there_once(spark: SparkSession, directory: Path) -> None:
    store = Store(spark, OutputsConfig(path=str(directory)))
    at = datetime(2013, 12, 10, 1, 2, 3, 456789, tzinfo=UTC)
    first = Delivery("key", "it's \\ an incident", "oncall", "OPENED", "FAILED", 1, at, severity="high", error="no 'answer'.")
    again = Delivery("key", first.incident_id, "oncall", "OPENED", SENT, 2, at, severity="high", sent=at, message_id="m")
    other = Delivery("other", "b", "team", "OPENED", SENT, 1, at, sent=at)

    store.record_deliveries("flights_delay", rows_of([first]))
    store.record_deliveries("flights_delay", rows_of([again, other]))
    store.record_deliveries("flights_delay", [])

    tables = LocalTables(str(directory), "flights_delay")
    assert deliveries_of(tables, "flights_delay", [first.incident_id, "b"]) == [again, other]
    assert standing(tables, "flights_delay", since=at - timedelta(seconds=1)) == [again, other]
    assert standing(tables, "flights_delay", since=at) == []
    pending = replace(other, status="PENDING", sent=None, message_id="m")
    store.record_deliveries("flights_delay", rows_of([pending]))
    assert standing(LocalTables(str(directory), "flights_delay"), "flights_delay", since=at) == [pending]
