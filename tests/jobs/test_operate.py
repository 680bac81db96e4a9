"""A service, a pipeline and a bill beside predictions, run after run: what is due, what is written, what the views show."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.outputs.result import RunResult

pytestmark = pytest.mark.slow

START = pd.Timestamp("2024-03-01", tz="UTC")
AS_OF = datetime(2024, 3, 5, tzinfo=UTC)
DAYS = 4
FILE = """
monitor: serving
model: {{name: serving, task: none}}
predictions: {{path: {0}/predictions, id: id, time: at, model_version: version}}
windows: {{every: 1 day, lookback: 10 days}}
operations: {{path: {0}/log, time: at, endpoint: endpoint, latency_ms: ms, failed: "status >= 500", host: host}}
pipelines:
  tables: [{{path: {0}/log}}]
  runs: {{path: {0}/runs, time: ended, started: began, step: step, status: state, schedule: "0 6 * * *"}}
costs: {{path: {0}/bill, time: day, cost: amount, service: service, currency: EUR, budget: {{amount: 100, currency: EUR}}}}
rules:
  - {{metric: failure_rate, fail: 0.2}}
  - {{metric: step_missed_runs, fail: "> 0"}}
outputs: {{path: {0}/out}}
"""


def timestamps(times: pd.Series | pd.DatetimeIndex) -> pa.Array:
    return pa.array(pd.DatetimeIndex(times).as_unit("us"), pa.timestamp("us", "UTC"))


def log_of(random: np.random.Generator, rows: int, days: tuple[float, float]) -> pd.DataFrame:
    at = START + pd.to_timedelta(np.sort(random.uniform(*days, rows)), unit="D").round("us")
    return pd.DataFrame(
        {
            "at": at,
            "endpoint": random.choice(["predict", "explain"], rows),
            "ms": random.lognormal(3, 1, rows),
            "status": random.choice([200, 500], rows, p=[0.9, 0.1]),
            "host": random.choice(["a", "b", "c"], rows),
        }
    )


def write(path: Path, frame: pd.DataFrame) -> None:
    arrays = {
        name: timestamps(frame[name]) if str(frame[name].dtype).startswith("datetime") else pa.array(frame[name])
        for name in frame
    }
    deltalake.write_deltalake(str(path), pa.table(arrays), mode="append")


def stored(result: RunResult, dataset: str) -> pd.DataFrame:
    rows = result.metrics.where(f"dataset = '{dataset}'").selectExpr("*", "unix_micros(window.start) AS start").collect()
    found = pd.DataFrame([row.asDict() for row in rows])
    found["day"] = (pd.to_datetime(found["start"], unit="us", utc=True) - START) // pd.Timedelta(days=1)
    return found


def monitor_of(place: Path, log: pd.DataFrame) -> Monitor:
    """The tables of four days, and the monitor of them."""
    write(place / "log", log)
    predictions = pd.DataFrame({"id": range(400), "at": START + pd.to_timedelta(np.arange(400) / 100, unit="D"), "version": "1"})
    write(place / "predictions", predictions)
    began = pd.DatetimeIndex([START + pd.Timedelta(days=day, hours=6) for day in (0, 1, 3)])
    runs = pd.DataFrame({"began": began, "ended": began + pd.Timedelta(minutes=20), "step": "features", "state": "SUCCESS"})
    write(place / "runs", runs)
    bill = pd.DataFrame({"day": [START + pd.Timedelta(days=day) for day in range(4)], "amount": 2.5, "service": "search"})
    write(place / "bill", bill)
    (place / "serving.yaml").write_text(FILE.format(place), encoding="utf-8")
    return Monitor.load(place / "serving.yaml")


def test_each_dataset_is_due_by_its_own_time_and_nothing_is_measured_twice(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(17)
    log = log_of(random, 2_000, (0, DAYS))
    monitor = monitor_of(tmp_path, log)
    assert [str(finding) for finding in monitor.check(spark) if finding.level == "error"] == []

    first = monitor.run(spark, as_of=AS_OF)
    assert first.status == "COMMITTED"
    served = stored(first, "operations")
    whole = served[(served["column_name"] == ":table") & (served["metric"] == "requests")].set_index("day")["value"]
    days = ((log["at"] - START) // pd.Timedelta(days=1)).value_counts()
    assert {day: int(value) for day, value in whole.items()} == {day: int(days[day]) for day in range(DAYS)}
    rate = served[(served["column_name"] == "predict") & (served["metric"] == "failure_rate")].set_index("day")["value"]
    predict = log[log["endpoint"] == "predict"]
    expected = (predict["status"] >= 500).groupby((predict["at"] - START) // pd.Timedelta(days=1)).mean()
    assert rate.to_dict() == pytest.approx(expected.to_dict())
    lost = served[(served["metric"] == "lost_predictions_percent") & served["model_version"].isna()].set_index("day")["value"]
    well = (log["status"] < 500).groupby((log["at"] - START) // pd.Timedelta(days=1)).sum()
    assert lost.to_dict() == pytest.approx({day: 100 * (1 - 100 / well[day]) for day in range(DAYS)})

    steps = stored(first, "pipelines")
    missed = steps[(steps["column_name"] == "features") & (steps["metric"] == "step_missed_runs")].set_index("day")
    assert missed["value"].to_dict() == {0: 0, 1: 0, 2: 1, 3: 0}
    costs = stored(first, "costs")
    per_thousand = costs[costs["metric"] == "cost_per_1000_predictions"].set_index("day")["value"]
    assert per_thousand.to_dict() == dict.fromkeys(range(DAYS), 25.0)
    used = costs[costs["metric"] == "budget_used_percent"].set_index("day")["value"]
    assert used.to_dict() == {0: 2.5, 1: 5.0, 2: 7.5, 3: 10.0}

    first.store.register()
    service = {row["endpoint"]: row.asDict() for row in spark.table("service_status").collect()}
    assert service[":table"]["requests"] == days[3]
    [budget] = spark.table("budget_status").collect()
    assert (budget["cost"], budget["currency"], budget["budget_used_percent"]) == (2.5, "EUR", 10.0)

    again = monitor.run(spark, as_of=AS_OF)
    assert again.status == "NOTHING_NEW"

    write(tmp_path / "log", log_of(random, 50, (1, 2)))
    third = monitor.run(spark, as_of=AS_OF)
    assert third.status == "COMMITTED"
    after = stored(third, "operations")
    assert set(after[after["run_id"] == third.run_id]["day"]) == {1}
    late = after[(after["column_name"] == ":table") & (after["metric"] == "requests")].set_index("day")["value"]
    assert late.to_dict() == {**whole.to_dict(), 1: whole[1] + 50}


@pytest.mark.parametrize(
    ("gone", "dataset", "kind"),
    [
        ("runs", "pipelines", "delta"),
        ("runs", "pipelines", "parquet"),
        ("bill", "costs", "parquet"),
        ("log", "operations", "delta"),
    ],
)
def test_a_table_that_is_gone_costs_no_other_dataset_and_is_measured_when_it_is_back(
    spark: SparkSession, tmp_path: Path, gone: str, dataset: str, kind: str
) -> None:
    monitor = monitor_of(tmp_path, log_of(np.random.default_rng(18), 200, (0, DAYS)))
    if kind == "parquet":
        shutil.rmtree(tmp_path / gone / "_delta_log")
    before = monitor.run(spark, as_of=AS_OF)
    assert before.status == "COMMITTED"
    (tmp_path / gone).rename(tmp_path / "aside")

    without = monitor.run(spark, as_of=AS_OF + timedelta(days=1))
    assert without.status == "COMMITTED"
    lacking = {"operations", "pipelines"} if gone == "log" else {dataset}
    for one in ("operations", "pipelines", "costs"):
        failed = stored(without, one).query("status == 'ERROR'").to_dict("records")
        assert [row["day"] for row in failed] == [DAYS] * (one in lacking), one
        assert all("could not be measured" in row["message"] for row in failed)
    steps = stored(without, "pipelines").query(f"day == {DAYS} and status != 'ERROR'")
    # Of pipelines what is still there is measured: the steps without the log, whose commits are watched, and the other way round.
    named = set(steps["column_name"])
    assert ("features" in named) == (gone != "runs")
    assert (str(tmp_path / "log") in named) == (gone != "log")

    (tmp_path / "aside").rename(tmp_path / gone)
    back = monitor.run(spark, as_of=AS_OF + timedelta(days=1))
    rows = stored(back, dataset)
    assert back.status == "COMMITTED"
    assert "ERROR" not in set(rows["status"])
    old = stored(before, dataset).query(f"day < {DAYS} and status == 'OK'")
    key = ["day", "metric", "column_name", "slice_key", "slice_value"]
    merged = old.merge(rows, on=key, suffixes=("", "_back"))
    assert len(merged) >= len(old) > 0
    assert merged["value_back"].notna().all()
