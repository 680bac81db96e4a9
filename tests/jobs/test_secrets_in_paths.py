"""A secret in the path of every table that a run reads: none of its tables, files or messages holds it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import made
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.insight.read_results import facts
from spark_monitor.outputs.report.page import report_html
from spark_monitor.store.local import LocalTables
from tests.logged import logged

CANARY = "c4n4ry9f3b7e"
AS_OF = datetime(2024, 1, 23, tzinfo=UTC)
MONITOR = """
monitor: hidden
model: {{name: hidden, task: none}}
predictions: {{path: "{0}/predictions", format: parquet, id: id, time: at, model_version: {{literal: "1"}}}}
baseline: {{path: "{0}/predictions", format: parquet, where: "at < TIMESTAMP '2024-01-08 00:00:00Z' AND 'password={1}' <> ''"}}
baselines: [{{name: first, path: "{0}/predictions", format: parquet, where: "at < TIMESTAMP '2024-01-05 00:00:00Z'"}}]
windows: {{every: 1 week, lookback: 30 days}}
rules: [{{metric: count, fail: 5}}, {{metric: hours_since_commit, fail: 1}}]
pipelines: {{tables: [{{path: "{0}/predictions", format: parquet}}]}}
outputs: {{path: "{2}/out"}}
"""


def held(directory: Path) -> dict[str, str]:
    """Everything below a directory as text, rows of Parquet files too."""
    found = {}
    for file in directory.rglob("*"):
        if file.is_file():
            text = file.read_bytes().decode("latin-1")
            rows = pq.ParquetFile(file).read().to_pylist() if file.suffix == ".parquet" else []
            found[str(file.relative_to(directory))] = text + json.dumps(rows, default=str)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_secret_in_the_paths_of_all_tables_is_in_none_of_the_results(spark: SparkSession, tmp_path: Path) -> None:
    directory = tmp_path / f"token={CANARY}"
    (directory / "predictions").mkdir(parents=True)
    random = np.random.default_rng(7)
    seconds = np.sort(random.integers(0, 21 * 86_400, 600))
    times = pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(seconds, unit="s"))
    rows = pa.table({"id": np.arange(600), "at": made.timestamps(times), "x": random.normal(size=600)})
    pq.write_table(rows, directory / "predictions" / "part-0.parquet")
    file = tmp_path / "hidden.yaml"
    file.write_text(MONITOR.format(directory, CANARY, tmp_path), encoding="utf-8")
    monitor = Monitor.load(file)

    with logged() as lines:
        assert monitor.run(spark, as_of=AS_OF).status == "COMMITTED"

    results = held(tmp_path / "out")
    assert len(results) > 20
    assert {name for name, text in results.items() if CANARY in text} == set()
    assert CANARY not in str(lines)
    tables = LocalTables(str(tmp_path / "out"), "hidden")
    masked = f"{tmp_path}/token=***"
    assert tables.ask("SELECT DISTINCT source FROM baselines") == [{"source": masked}]
    assert CANARY not in report_html(facts(tables, monitor.config), monitor.config)
