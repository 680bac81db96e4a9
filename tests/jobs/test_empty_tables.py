"""A log, step runs and a bill that have no row yet: they say so, and what comes later is measured in all its windows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import deltalake
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.outputs.result import RunResult

pytestmark = pytest.mark.slow

START = pd.Timestamp("2024-03-01", tz="UTC")
FILE = """
monitor: empty
model: {{name: empty, task: none}}
predictions: {{path: {0}/predictions, id: id, time: at}}
windows: {{every: 1 day, lookback: 10 days}}
operations: {{path: {0}/log, time: at, latency_ms: ms, failed: "status >= 500"}}
pipelines: {{runs: {{path: {0}/runs, time: at, step: step, status: state}}}}
costs: {{path: {0}/bill, time: at, cost: amount, service: service, currency: EUR}}
outputs: {{path: {0}/out}}
"""


def write(path: Path, frame: pd.DataFrame, rows: int | None = None) -> None:
    times = pa.array(pd.DatetimeIndex(frame["at"]).as_unit("us"), pa.timestamp("us", "UTC"))
    arrays = {name: times if name == "at" else pa.array(frame[name]) for name in frame}
    deltalake.write_deltalake(str(path), pa.table(arrays).slice(0, rows), mode="append")


def rows_of(result: RunResult) -> list[tuple[str, int, str, str | None]]:
    rows = result.metrics.where("dataset <> 'predictions' AND coalesce(column_name, '') NOT LIKE 'spark_monitor%'").collect()
    return [(row["dataset"], row["window"]["start"].day, row["status"], row["message"]) for row in rows]


def test_tables_without_rows_say_so_and_later_rows_are_measured(spark: SparkSession, tmp_path: Path) -> None:
    days = [START + pd.Timedelta(days=day) for day in range(4)]
    tables = {
        "log": pd.DataFrame({"at": days, "ms": 5.0, "status": 200}),
        "runs": pd.DataFrame({"at": days, "step": "load", "state": "SUCCESS"}),
        "bill": pd.DataFrame({"at": days, "amount": 2.0, "service": "gpu"}),
    }
    write(tmp_path / "predictions", pd.DataFrame({"id": range(4), "at": days}))
    for name, frame in tables.items():
        write(tmp_path / name, frame, rows=0)
    (tmp_path / "m.yaml").write_text(FILE.format(tmp_path), encoding="utf-8")
    monitor = Monitor.load(tmp_path / "m.yaml")

    first = monitor.run(spark, as_of=datetime(2024, 3, 5, tzinfo=UTC))

    sentence = "no table that is named here has a row in a window that is over at 2024-03-05 00:00 UTC."
    empty = [row for row in rows_of(first) if row[0] != "pipelines"]
    assert sorted(empty) == [(name, 4, "EMPTY", f"{name}: {sentence}") for name in ("costs", "operations")]

    for name, frame in tables.items():
        write(tmp_path / name, frame)
    second = monitor.run(spark, as_of=datetime(2024, 3, 5, tzinfo=UTC))

    assert second.status == "COMMITTED"
    found = {(dataset, day) for dataset, day, status, _ in rows_of(second) if status == "OK"}
    assert found >= {(dataset, day) for dataset in ("operations", "pipelines", "costs") for day in (1, 2, 3, 4)}
