"""The monitor's own runs as steps of a pipeline, from a ledger written by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
from pyspark.sql import SparkSession

from spark_monitor.stages.context import Run
from spark_monitor.stages.pipelines import own_runs

DAY = timedelta(days=1)
FIRST = datetime(2024, 1, 2, 6, tzinfo=UTC)
KINDS = (
    "monitor_id string, run_id string, kind string, status string, as_of timestamp, started timestamp, ended timestamp, "
    "rows_in bigint, step_seconds map<string, double>, "
    "windows array<struct<granularity: string, start: timestamp, end: timestamp>>"
)


def ran(number: int, status: str, *windows: int, days: float = 0, kind: str = "DUE", monitor: str = "m") -> tuple[Any, ...]:
    """A run of ten seconds, a minute after the one before; windows are the days of January that it handled."""
    midnight = datetime(2024, 1, 1, tzinfo=UTC)
    handled = [("1 day", midnight + (day - 1) * DAY, midnight + day * DAY) for day in windows]
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    times = (FIRST + days * DAY, began, began + timedelta(seconds=10))
    return (monitor, f"r{number}", kind, status, *times, 100 * number, {"profile": 2.0 * number}, handled)


def told(spark: SparkSession, rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    ledger = spark.createDataFrame(rows, KINDS)
    run = SimpleNamespace(store=SimpleNamespace(frame=lambda name: ledger), monitor_id="m", run_id="now")
    return own_runs(cast(Run, run)).toPandas()


def test_a_run_after_a_failed_one_is_a_retry_and_lateness_is_from_a_windows_end_to_its_first_run(spark: SparkSession) -> None:
    rows = [
        ran(1, "COMMITTED", *range(-29, 2)),  # the first run takes what there is: none of it is late
        ran(2, "FAILED", days=1),
        ran(3, "COMMITTED", 2, days=1.25),  # a retry, twelve hours after the second of January was over
        ran(4, "NOTHING_NEW", days=2),
        ran(5, "COMMITTED", 2, 3, 4, days=4),  # the second again; the third had been over for two days and six hours
        ran(6, "COMMITTED", 1, 2, days=5, kind="BACKFILL"),
        ran(7, "FAILED", days=5),
        ran(8, "COMMITTED", 5, days=4, monitor="another"),
        ran(9, "COMMITTED", kind="TELL"),
    ]
    found = told(spark, rows)
    whole = found[(found["name"] == "spark_monitor.run") & found["seconds"].notna()].sort_values("rows")
    assert whole["rows"].tolist() == [100, 200, 300, 400, 500, 600, 700]
    assert whole["attempt"].tolist() == [1, 1, 2, 1, 1, 1, 1]
    assert whole["failed"].tolist() == [False, True, False, False, False, False, True]
    assert set(whole["seconds"]) == {10.0}
    late = found[found["late"].notna()].set_index("ended")["late"] / 3600
    assert late.to_dict() == {
        int((FIRST + days * DAY).timestamp() * 1e6): hours for days, hours in ((1.25, 12.0), (4, 78.0 - 24))
    }
    stages = found[found["name"] == "spark_monitor.profile"]
    assert sorted(stages["seconds"]) == [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]
