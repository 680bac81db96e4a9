"""From `init` to incidents on made data: limits that the baseline keeps, a replay of it, and a baseline of an accepted period."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import Result
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.config.monitor import load_config

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
START, DAYS, ROWS = datetime(2024, 1, 1, tzinfo=UTC), 40, 600
BROKEN_FROM = 30


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def loans() -> pd.DataFrame:
    """40 days; from day 30 on a fifth of ``income`` is missing. The rest never changes."""
    random, n = np.random.default_rng(7), DAYS * ROWS
    day = np.repeat(np.arange(DAYS), ROWS)
    at = [
        START + timedelta(days=int(one), seconds=int(second))
        for one, second in zip(day, random.integers(0, 86_000, n), strict=True)
    ]
    score = random.beta(2, 3, size=n)
    income = random.lognormal(10, 0.5, size=n)
    income[(day >= BROKEN_FROM) & (random.random(n) < 0.2)] = np.nan
    region = random.choice(["north", "south", "none"], size=n, p=[0.5, 0.3, 0.2])
    return pd.DataFrame(
        {
            "loan_id": [f"L{number:06d}" for number in range(n)],
            "scored_at": at,
            "model_version": np.where(day < 20, "v1", "v2"),
            "score": score,
            "income": pd.Series(income).astype(object).where(~np.isnan(income), None),
            "wind": pd.Series(random.normal(size=n)).astype(object).where(random.random(n) > 0.6, None),
            "region": pd.Series(region).astype(object).where(region != "none", None),
            "grade": random.choice([f"g{number}" for number in range(35)], size=n),
            "applied_at": [one - timedelta(days=2) for one in at],
            "label": (random.random(n) < score).astype(int),
            "label_time": [one + timedelta(hours=6) for one in at],
        }
    )


@pytest.fixture(scope="module")
def table(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    spark.sql("CREATE DATABASE IF NOT EXISTS limits_demo")
    file = tmp_path_factory.mktemp("loans") / "loans.parquet"
    loans().to_parquet(file, coerce_timestamps="us")
    spark.read.parquet(str(file)).write.format("delta").mode("overwrite").saveAsTable("limits_demo.loans")
    return "limits_demo.loans"


def test_a_first_file_finds_the_missing_column_and_nothing_else(spark: SparkSession, table: str, tmp_path: Path) -> None:
    file = tmp_path / "loans.yaml"
    assert typed("init", table, "--out", file).exit_code == 0
    file.write_text(file.read_text().replace("schema: monitoring", f"path: {tmp_path}/out"))
    config = load_config(file)
    assert "applied_at" in config.predictions.features.exclude
    assert all(rule.min_count for rule in config.rules if rule.family in ("drift", "model"))
    checked = typed("check", file)
    assert checked.exit_code == 0, checked.stdout
    print(checked.stdout)

    before = typed("replay", file, "--shuffle", "--shift", "income=0.3", "--out", tmp_path / "r.svg", "--json")
    assert before.exit_code == 0, before.stderr + str(before.exception)
    rules = {rule["metric"]: rule for rule in json.loads(before.stdout)["replay"]["rules"]}
    assert rules["ks"]["alarms"] == 0
    assert rules["ks"]["shifts"][0]["first"] == 1
    assert (tmp_path / "r.svg").read_text().startswith("<svg")
    assert not (tmp_path / "out" / "baselines").exists()

    ran = typed("run", file, "--as-of", "2024-02-10", "--fail-on", "never")
    assert ran.exit_code == 0, ran.stderr
    incidents = spark.read.format("delta").load(f"{tmp_path}/out/incidents").toPandas()
    print(incidents[["kind", "column_name", "title", "slice_key", "diagnosis"]].to_string())
    assert incidents[["kind", "column_name"]].values.tolist() == [["missing", "income"]]
    assert incidents["slice_key"].isna().all()
    assert incidents["first_window"][0]["start"] == datetime(2024, 1, 31)

    again = typed("replay", file, "--json", "--out", tmp_path / "again.svg")
    assert again.exit_code == 0, again.stderr + str(again.exception)

    diff = typed("freeze", file, "--from", "2024-01-31", "--to", "2024-02-10", "--diff", "--json")
    assert diff.exit_code == 0, diff.stderr + str(diff.exception)
    changes = json.loads(diff.stdout)["diff"]
    income = next(one for one in changes["columns"] if one["column"] == "income")
    assert income["percent_null_delta"] == pytest.approx(20, abs=2)
    assert changes["new_rows"] == 10 * ROWS

    frozen = typed("freeze", file, "--from", "2024-01-31", "--to", "2024-02-10", "--json")
    assert frozen.exit_code == 0, frozen.stderr
    assert json.loads(frozen.stdout)["baseline_version"] == 2
    after = typed("run", file, "--from", "2024-02-08", "--to", "2024-02-09", "--as-of", "2024-02-10", "--fail-on", "fail")
    assert after.exit_code == 0, after.stderr
    moved = (
        spark.read.format("delta")
        .load(f"{tmp_path}/out/drift_metrics")
        .where(
            "column_name = 'income' AND slice_key IS NULL AND drift_type = 'BASELINE' AND window.start = TIMESTAMP '2024-02-08'"
        )
    )
    assert [(row["baseline_version"], abs(row["percent_null_delta"]) < 5) for row in moved.collect()] == [(2, True)]
    none = typed("freeze", file, "--from", "2030-01-31", "--to", "2030-02-10")
    assert none.exit_code == 2
    assert "they are from 2024-01-01" in none.stderr


def test_init_all_writes_a_file_for_each_table_that_has_a_time(spark: SparkSession, table: str, tmp_path: Path) -> None:
    spark.sql("CREATE OR REPLACE TABLE limits_demo.codes USING delta AS SELECT 1 AS code, 'a' AS text")
    done = typed("init", "limits_demo", "--all", "--out", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["loans.yaml"]
    assert "limits_demo.codes: no column is a timestamp or a date" in done.stderr
    assert typed("init", "limits_demo", "--all", "--out", tmp_path / "no").exit_code == 2

    tables, files = tmp_path / "tables", tmp_path / "files"
    files.mkdir()
    (tables / "empty").mkdir(parents=True)
    spark.table("limits_demo.loans").coalesce(1).write.parquet(str(tables / "loans of 2024"))
    done = typed("init", tables, "--all", "--out", files)
    assert done.exit_code == 0, done.stderr
    assert [one.name for one in files.iterdir()] == ["loans_of_2024.yaml"]


def test_init_names_a_column_whatever_it_is_called(tmp_path: Path) -> None:
    hostile = '<b>`x`; DROP "y".z'
    loans().rename(columns={"income": hostile}).to_parquet(tmp_path / "loans.parquet", coerce_timestamps="us")

    done = typed("init", tmp_path / "loans.parquet", "--out", tmp_path / "loans.yaml")

    assert done.exit_code == 0, done.stderr
    assert hostile in yaml.safe_load((tmp_path / "loans.yaml").read_text())["quality"]["ranges"]
