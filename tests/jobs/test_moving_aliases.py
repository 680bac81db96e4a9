"""Versions that serve against the aliases of a real registry of MLflow on SQLite, run after run, as the aliases move."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.outputs.mlflow.client import open_client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]  # MLflow's own, of its database

FILE = """
monitor: served
model: {{name: made, task: none}}
predictions: {{path: {0}/predictions, id: id, time: at, model_version: version}}
windows: {{every: 1 day, lookback: 10 days}}
pipelines: {{mlflow_model: true{1}}}
rules:
  - {{metric: served_version_mismatch, fail: "> 0"}}
outputs: {{path: {0}/out, mlflow: {{tracking_uri: "sqlite:///{0}/mlflow.db", experiment: made}}}}
"""
START = datetime(2024, 5, 1, tzinfo=UTC)
ONE_DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def empty_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("registry") / "mlflow.db"
    with open_client(f"sqlite:///{file}") as client:
        client.create_registered_model("made")
        for _ in range(5):
            client.create_model_version("made", source=str(file.parent))
    return file


@pytest.fixture
def directory(empty_registry: Path, tmp_path: Path) -> Path:
    shutil.copy(empty_registry, tmp_path / "mlflow.db")
    return tmp_path


def predict(directory: Path, day: int, *versions: str) -> None:
    at = [START + day * ONE_DAY + timedelta(hours=hour) for hour in range(24)] * len(versions)
    table = pa.table(
        {
            "id": [f"{day}-{place}" for place in range(len(at))],
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "version": [version for version in versions for _ in range(24)],
        }
    )
    deltalake.write_deltalake(str(directory / "predictions"), table, mode="append")


def alias(directory: Path, **names: str | None) -> None:
    with open_client(f"sqlite:///{directory}/mlflow.db") as client:
        for name, version in names.items():
            if version is None:
                client.delete_registered_model_alias("made", name)
            else:
                client.set_registered_model_alias("made", name, version)


def run(spark: SparkSession, directory: Path, day: int, hour: int = 6, key: str = "", **asked: Any) -> pd.DataFrame:
    """A run that pretends to be at an hour of a day."""
    (directory / "served.yaml").write_text(FILE.format(directory, key), encoding="utf-8")
    result = Monitor.load(directory / "served.yaml").run(spark, as_of=START + day * ONE_DAY + timedelta(hours=hour), **asked)
    rows = result.metrics.where("metric = 'served_version_mismatch'").selectExpr("*", "window.start AS start").collect()
    found = pd.DataFrame([row.asDict() for row in rows])
    found["day"] = (pd.to_datetime(found["start"], utc=True) - pd.Timestamp(START)) // pd.Timedelta(days=1)
    return found.set_index(["day", "model_version"]).sort_index()[["value", "status", "message", "details"]]


def judged(found: pd.DataFrame) -> dict[tuple[int, str], float | None]:
    return {place: None if pd.isna(value) else value for place, value in found["value"].items()}


def test_champions_are_remembered_as_aliases_move(spark: SparkSession, directory: Path) -> None:
    key = ", alias: champion"
    for day, versions in enumerate([("1",), ("1", "2"), ("1",), ("1", "2"), ("2", "9"), ("3",)]):
        predict(directory, day, *versions)
    alias(directory, champion="1")
    first = run(spark, directory, 1, key=key)
    assert judged(first) == {(0, "1"): 0}
    second = run(spark, directory, 2, key=key)
    assert judged(second) == {(0, "1"): 0, (1, "1"): 0, (1, "2"): 1}
    assert second.loc[(1, "2"), "message"] == (
        "Version 2 made predictions; champion is version 1. It was first looked up 2024-05-02 06:00:00 UTC, and may be new since."
    )
    run(spark, directory, 3, key=key)
    alias(directory, champion="2")
    run(spark, directory, 4, key=key)
    run(spark, directory, 5, key=key)
    last = run(spark, directory, 6, key=key)
    told = {
        (0, "1"): 0,  # the first look is the morning after
        (1, "1"): 0,
        (1, "2"): 1,  # first looked up in the morning, which its sentence says
        (2, "1"): 0,
        (3, "1"): 0,  # moved about this window
        (3, "2"): 0,
        (4, "2"): 0,
        (4, "9"): 1,  # not registered
        (5, "2"): 1,  # is champion, and made no prediction
        (5, "3"): 1,
    }
    assert judged(last) == told
    assert last.loc[(3, "1"), "message"] == "champion moved about this window, 1 to 2: either is as expected."
    assert last.loc[(5, "3"), "message"] == "Version 3 made predictions; champion is version 2."
    assert last.loc[(5, "2"), "message"] == "Version 2 is champion and made no prediction; version 3 did."
    assert last.loc[(2, "1"), "details"]["alias.champion"] == "1"
    # Another alias today changes nothing of the past, in whatever way its windows are handled again.
    alias(directory, champion="5")
    again = run(spark, directory, 6, hour=8, key=key, start=START, end=START + 6 * ONE_DAY)
    assert judged(again) == {**told, (5, "2"): 1}
    # Nor does it in a run that pretends to be before those that have looked.
    assert judged(run(spark, directory, 4, hour=8, key=key, start=START, end=START + 4 * ONE_DAY)) == judged(again)
    checks = Monitor.load(directory / "served.yaml").run(spark, as_of=START + 6 * ONE_DAY + timedelta(hours=9)).checks
    failed = checks.where("metric = 'served_version_mismatch' AND verdict = 'FAIL'").selectExpr(
        "day(window.start) AS d", "model_version"
    )
    assert sorted((row["d"] - 1, row["model_version"]) for row in failed.collect()) == [(1, "2"), (4, "9"), (5, "2"), (5, "3")]


def test_a_challenger_may_serve_beside_the_champion_where_it_has_an_alias(spark: SparkSession, directory: Path) -> None:
    for day in range(4):
        predict(directory, day, "1", "2", "3")
    alias(directory, champion="1", challenger="2")
    run(spark, directory, 1)
    found = run(spark, directory, 4)
    assert judged(found) == {(day, version): float(version == "3") for day in range(4) for version in "123"}
    assert found.loc[(2, "3"), "message"] == "Version 3 made predictions; champion is version 1, challenger 2."


def test_a_first_run_over_days_long_past_says_so_of_the_last_one(spark: SparkSession, directory: Path) -> None:
    for day in range(3):
        predict(directory, day, "1")
    alias(directory, champion="2")
    found = run(spark, directory, 3, hour=0, key=", alias: champion")
    assert judged(found) == {(0, "1"): None, (1, "1"): None, (2, "1"): 1}
    assert found.loc[(1, "1"), "message"].endswith("champion had not been looked up before this window's end.")
    assert found.loc[(2, "1"), "details"]["alias.champion"] == "2"


def test_a_model_without_aliases_is_asked_for_registration_alone_unless_the_file_names_one(
    spark: SparkSession, directory: Path
) -> None:
    predict(directory, 0, "1", "9")
    found = run(spark, directory, 1)
    assert judged(found) == {(0, "1"): 0, (0, "9"): 1}
    assert found.loc[(0, "1"), "message"].startswith("The model has no alias champion or challenger")
    predict(directory, 1, "1", "9")
    named = run(spark, directory, 2, key=", alias: prod")
    assert judged(named) == {(day, version): (None if version == "1" else 1) for day in (0, 1) for version in "19"}


def test_a_registry_that_does_not_answer_costs_its_own_rows(spark: SparkSession, directory: Path) -> None:
    predict(directory, 0, "1")
    (directory / "mlflow.db").write_bytes(b"no database" * 100)
    found = run(spark, directory, 1)
    assert (found.loc[(0, "1"), "status"], judged(found)) == ("ERROR", {(0, "1"): None})
