"""A column that its monitor's file names goes from the table: the run goes on, and says so as one incident."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from pyspark.sql import DataFrame, Row, SparkSession

from spark_monitor import Monitor

pytestmark = pytest.mark.slow

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, ROWS = 10, 300


def table() -> pd.DataFrame:
    dice = np.random.default_rng(4)
    rows = DAYS * ROWS
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "at": pd.Timestamp(START) + pd.to_timedelta(np.arange(rows) * 86_400 / ROWS, unit="s"),
            "weight": dice.gamma(2.0, 3.0, rows),
            "shelf": dice.choice([110, 205, 402], rows),
            "predicted": dice.integers(0, 2, rows),
        }
    )


def write(frame: pd.DataFrame, directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    frame.to_parquet(directory / "part.parquet", coerce_timestamps="us", allow_truncated_timestamps=True)


def by_column(incidents: DataFrame) -> dict[str, Row]:
    """The incidents by their column, with the second in which each opened."""
    return {row["column_name"]: row for row in incidents.selectExpr("*", "unix_seconds(opened) AS began").collect()}


def test_a_column_that_goes_and_codes_that_become_doubles_are_an_incident_each(spark: SparkSession, tmp_path: Path) -> None:
    source = {"path": f"{tmp_path}/rows", "format": "parquet"}
    content = {
        "monitor": "gone",
        "model": {"name": "gone", "task": "binary"},
        "predictions": {**source, "id": "id", "time": "at", "prediction": "predicted", "model_version": {"literal": "1"}},
        "baseline": {**source, "where": "at < TIMESTAMP '2024-01-05 00:00:00Z'"},
        "windows": {"every": "1 day", "lookback": "5 days"},
        "columns": {"shelf": "categorical"},
        "quality": {"ranges": {"weight": [0, None]}},
        "rules": [
            {"metric": "ks", "columns": ["weight"], "fail": 0.2},
            {"metric": "population_stability_index", "columns": ["shelf"], "fail": 0.3},
            {"metric": "percent_unseen", "columns": ["shelf"], "fail": 2},
        ],
        "outputs": {"path": f"{tmp_path}/out"},
    }
    path = tmp_path / "gone.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    rows = table()
    write(rows, tmp_path / "rows")
    first = Monitor.load(path).run(spark, as_of=START + timedelta(days=8))
    assert not first.incidents.collect()

    write(rows.drop(columns="weight").assign(shelf=rows["shelf"].astype(float)), tmp_path / "rows")
    second = Monitor.load(path).run(spark, as_of=START + timedelta(days=DAYS))

    told = by_column(second.incidents)
    assert {name: row["kind"] for name, row in told.items()} == {"shelf": "schema_change", "weight": "schema_change"}
    assert told["weight"]["title"] == "weight: the column is gone"
    assert "the baseline has it as double" in told["weight"]["diagnosis"]
    assert told["shelf"]["title"] == "shelf: the column has another type"
    assert "bigint in the baseline and is double now" in told["shelf"]["diagnosis"]
    assert all(row["resolved"] is None for row in told.values())
    # The windows of the lookback were handled again without it; when they were handled first, it was there.
    assert {row["began"] for row in told.values()} == {int((START + timedelta(days=8)).timestamp())}

    write(table().drop(columns="weight").assign(shelf=rows["shelf"].astype(float), note="x"), tmp_path / "rows")
    third = Monitor.load(path).run(spark, as_of=START + timedelta(days=DAYS, hours=1))
    again = by_column(third.incidents)
    assert {name: row["began"] for name, row in again.items()} == {name: row["began"] for name, row in told.items()}
    assert {row["incident_id"] for row in again.values()} == {row["incident_id"] for row in told.values()}
