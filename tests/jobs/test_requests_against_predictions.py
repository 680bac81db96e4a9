"""Requests against predictions where the log's windows are not the model's: finer, coarser, and not made of each other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from tests.jobs.test_operate import START, log_of, stored, write

pytestmark = pytest.mark.slow

FILE = """
monitor: serving
model: {{name: serving, task: none}}
predictions: {{path: {0}/predictions, id: id, time: at, model_version: version}}
windows: {{every: {1}, lookback: 10 days}}
operations: {{path: {0}/log, time: at, endpoint: endpoint, latency_ms: ms, failed: "status >= 500", every: {2}}}
rules:
  - {{metric: lost_predictions_percent, fail: "> 50"}}
outputs: {{path: {0}/out}}
"""
DAYS = 4


def lost_by(spark: SparkSession, directory: Path, model: str, log: str, as_of: datetime) -> pd.DataFrame:
    (directory / "serving.yaml").write_text(FILE.format(directory, model, log), encoding="utf-8")
    found = stored(Monitor.load(directory / "serving.yaml").run(spark, as_of=as_of), "operations")
    return found[found["metric"] == "lost_predictions_percent"]


def made(directory: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(23)
    log = log_of(random, 3_000, (0, DAYS))
    at = START + pd.to_timedelta(np.sort(random.uniform(0, DAYS, 1_000)), unit="D").round("us")
    predictions = pd.DataFrame({"id": range(1_000), "at": at, "version": "1"})
    write(directory / "log", log)
    write(directory / "predictions", predictions)
    return log, predictions


def expected(log: pd.DataFrame, predictions: pd.DataFrame) -> dict[int, float]:
    each = pd.Timedelta(days=1)
    well = log[log["status"] < 500].groupby((log["at"] - START) // each).size()
    known = predictions.groupby((predictions["at"] - START) // each).size()
    return {int(day): 100 * (1 - known[day] / well[day]) for day in well.index}


@pytest.mark.parametrize(
    ("model", "log"), [("1 day", "1 hour"), ("1 day", "5 minutes"), ("1 hour", "1 day"), ("6 hours", "1 day")]
)
def test_a_day_is_held_against_whatever_the_finer_windows_are(spark: SparkSession, tmp_path: Path, model: str, log: str) -> None:
    rows, predictions = made(tmp_path)
    found = lost_by(spark, tmp_path, model, log, datetime(2024, 3, 5, tzinfo=UTC))
    whole = found[found["model_version"].isna()]
    assert set(whole["granularity"]) == {"1 day"}
    assert whole.set_index("day")["value"].to_dict() == pytest.approx(expected(rows, predictions))


def test_late_requests_and_late_predictions_are_counted_and_judged(spark: SparkSession, tmp_path: Path) -> None:
    log, predictions = made(tmp_path)
    now = datetime(2024, 3, 5, tzinfo=UTC)
    before = lost_by(spark, tmp_path, "1 day", "1 hour", now).set_index("day")
    late = log_of(np.random.default_rng(5), 4_000, (1.1, 1.9))
    write(tmp_path / "log", late)
    more = pd.DataFrame({"id": range(2_000, 2_100), "at": START + pd.Timedelta(days=2.5), "version": "1"})
    write(tmp_path / "predictions", more)
    after = lost_by(spark, tmp_path, "1 day", "1 hour", now).set_index("day")
    log, predictions = pd.concat([log, late], ignore_index=True), pd.concat([predictions, more], ignore_index=True)
    assert after["value"].to_dict() == pytest.approx(expected(log, predictions))
    assert after["value"].drop([1, 2]).to_dict() == before["value"].drop([1, 2]).to_dict()
    checks = Monitor.load(tmp_path / "serving.yaml").run(spark, as_of=now).checks
    judged = checks.where("metric = 'lost_predictions_percent'").selectExpr("day(window.start) AS day", "verdict").collect()
    assert {row["day"] - 1: row["verdict"] for row in judged} == {
        day: "FAIL" if value > 50 else "PASS" for day, value in after["value"].items()
    }


@pytest.mark.parametrize(("model", "log"), [("1 month", "1 week"), ("1 week", "1 month")])
def test_windows_that_do_not_make_each_other_up_are_a_status(spark: SparkSession, tmp_path: Path, model: str, log: str) -> None:
    made(tmp_path)
    found = lost_by(spark, tmp_path, model, log, datetime(2024, 4, 3, tzinfo=UTC))
    row = found[found["model_version"].isna() & (found["granularity"] == "1 month")].iloc[0]
    assert (row["status"], row["value"] is None or np.isnan(row["value"])) == ("UNDEFINED", True)
    assert row["message"].startswith("Windows of 1 week, in which ")
    assert row["message"].endswith("do not make up one of 1 month.")


@pytest.mark.parametrize("every", ["1 day", "1 hour"])
def test_a_version_that_answers_and_writes_no_prediction_has_lost_all(spark: SparkSession, tmp_path: Path, every: str) -> None:
    random = np.random.default_rng(31)
    log = log_of(random, 1_500, (0, DAYS)).assign(version=random.choice(["1", "2"], 1_500, p=[0.8, 0.2]))
    write(tmp_path / "log", log)
    kept = log[(log["version"] == "1") & (log["status"] < 500)].iloc[::2]
    write(tmp_path / "predictions", pd.DataFrame({"id": range(len(kept)), "at": kept["at"].to_numpy(), "version": "1"}))
    text = FILE.format(tmp_path, "1 day", every).replace("endpoint: endpoint,", "endpoint: endpoint, model_version: version,")
    (tmp_path / "serving.yaml").write_text(text, encoding="utf-8")
    result = Monitor.load(tmp_path / "serving.yaml").run(spark, as_of=datetime(2024, 3, 5, tzinfo=UTC))
    found = stored(result, "operations")
    found = found[(found["metric"] == "lost_predictions_percent") & (found["column_name"] == ":table")]
    found = found[found["granularity"] == "1 day"].set_index(["day", "model_version"])
    well = log[log["status"] < 500].assign(day=lambda rows: (rows["at"] - START) // pd.Timedelta(days=1))
    for day in range(DAYS):
        answered = well[well["day"] == day]["version"].value_counts()
        many = ((kept["at"] - START) // pd.Timedelta(days=1) == day).sum()
        assert found.loc[(day, "1"), "value"] == pytest.approx(100 * (1 - many / answered["1"]))
        of_second = found.loc[(day, "2")]
        assert (of_second["value"], of_second["status"], of_second["lower"]) == (100.0, "OK", 100.0)
        assert of_second["message"].endswith("has no prediction of this one.")
    verdicts = result.checks.where("metric = 'lost_predictions_percent' AND model_version = '2'").select("verdict").distinct()
    assert [row["verdict"] for row in verdicts.collect()] == ["FAIL"]
