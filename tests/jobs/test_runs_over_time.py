"""Runs one after the other: nothing new, late labels, MLflow down, a window that is empty."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import made
import numpy as np
import pandas as pd
import pytest
from finished_run import read
from pyspark.sql import SparkSession

from spark_monitor import Monitor

pytestmark = pytest.mark.slow

FIRST = datetime(2024, 1, 23, tzinfo=UTC)
CLOCKS = ["run_id", "as_of"]
TABLES = ("profile_metrics", "drift_metrics", "model_metrics", "checks")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> made.Made:
    return made.make(tmp_path_factory.mktemp("over time"), rows=3_000, mlflow=False)


def rows(source: made.Made, name: str) -> pd.DataFrame:
    frame = read(source, name)
    return frame.astype(str).sort_values(list(frame.columns)).reset_index(drop=True)


def test_a_second_run_writes_nothing_and_a_late_label_changes_only_its_own_window(spark: SparkSession, source: made.Made) -> None:
    monitor = Monitor.load(source.monitor_file)
    assert monitor.run(spark, as_of=FIRST).status == "COMMITTED"
    before = {name: rows(source, name) for name in TABLES}
    again = monitor.run(spark, as_of=FIRST)
    assert again.status == "NOTHING_NEW"
    assert "nothing was written" in again.message
    for name in TABLES:
        pd.testing.assert_frame_equal(before[name], rows(source, name))

    unlabelled = source.rows[~source.rows["labelled"] & (source.rows["at"] < made.START + made.WEEK)].iloc[:5]
    late = pd.Series([pd.Timestamp(FIRST)] * len(unlabelled))
    made.write_labels(source.directory, unlabelled["id"].to_numpy(), np.ones(len(unlabelled)), late, part=1)
    third = monitor.run(spark, as_of=FIRST)
    assert [due.granularity for due in third.windows] == ["1 week"]
    after = {name: rows(source, name) for name in TABLES}
    pd.testing.assert_frame_equal(before["drift_metrics"], after["drift_metrics"])
    for name in ("model_metrics", "checks"):
        own = "2024-01-01 00:00:00+00:00"
        others = [frame[frame["start"] != own].reset_index(drop=True) for frame in (before[name], after[name])]
        pd.testing.assert_frame_equal(*others)
        changed = [
            frame[frame["start"] == own].drop(columns=CLOCKS).reset_index(drop=True) for frame in (before[name], after[name])
        ]
        assert not changed[0].equals(changed[1])


def test_mlflow_that_refuses_does_not_lose_the_run(spark: SparkSession, tmp_path: Path) -> None:
    source = made.make(tmp_path, rows=900, mlflow=False)
    text = source.monitor_file.read_text(encoding="utf-8")
    refused = text.replace("/out}", '/out, mlflow: {tracking_uri: "http://127.0.0.1:9", experiment: made}}')
    source.monitor_file.write_text(refused, encoding="utf-8")
    result = Monitor.load(source.monitor_file).run(spark, as_of=datetime(2024, 1, 9, tzinfo=UTC))
    assert (result.status, result.published.status) == ("COMMITTED", "FAILED")
    assert read(source, "runs")["published"].tolist() == ["PENDING"]

    source.monitor_file.write_text(refused.replace("http://127.0.0.1:9", f"sqlite:///{tmp_path}/mlflow.db"), encoding="utf-8")
    later = Monitor.load(source.monitor_file).run(spark, as_of=datetime(2024, 1, 9, tzinfo=UTC))
    assert later.published.status == "PUBLISHED"
    assert later.published.points > 0
    once_more = Monitor.load(source.monitor_file).run(spark, as_of=datetime(2024, 1, 9, tzinfo=UTC))
    assert once_more.published.points == 0


def test_a_backfill_does_not_hide_what_else_is_due(spark: SparkSession, tmp_path: Path) -> None:
    source = made.make(tmp_path, rows=900, mlflow=False)
    monitor = Monitor.load(source.monitor_file)
    third = datetime(2024, 1, 15, tzinfo=UTC)
    backfilled = monitor.run(spark, as_of=FIRST, start=third, end=datetime(2024, 1, 22, tzinfo=UTC))
    assert [due.window.start for due in backfilled.windows if due.granularity == "1 week"] == [third]
    assert read(source, "runs")["kind"].tolist() == ["BACKFILL"]
    due = monitor.run(spark, as_of=FIRST)
    weeks = [one.window.start.day for one in due.windows if one.granularity == "1 week"]
    assert weeks == [1, 8, 15]
    assert monitor.run(spark, as_of=FIRST).status == "NOTHING_NEW"


def test_a_run_without_news_opens_no_data_file(spark: SparkSession, tmp_path: Path) -> None:
    source = made.make(tmp_path, rows=900, mlflow=False)
    text = source.monitor_file.read_text(encoding="utf-8")
    for name in ("predictions", "labels"):
        rows = spark.read.parquet(f"{tmp_path}/{name}")
        rows.write.format("delta").save(f"{tmp_path}/{name} delta")
        text = text.replace(f"path: {tmp_path}/{name}, format: parquet", f'path: "{tmp_path}/{name} delta", format: delta')
    source.monitor_file.write_text(text, encoding="utf-8")
    monitor = Monitor.load(source.monitor_file)
    later = FIRST + timedelta(days=3)  # the last label has become known by then
    assert monitor.run(spark, as_of=later).status == "COMMITTED"
    spoiled = [path for name in ("predictions", "labels") for path in (tmp_path / f"{name} delta").glob("*.parquet")]
    for path in spoiled:
        path.write_bytes(b"\x00" * path.stat().st_size)
    assert spoiled
    assert monitor.run(spark, as_of=later).status == "NOTHING_NEW"
    # An hour later nothing is over that was not over before, and no label has become known.
    assert monitor.run(spark, as_of=later + timedelta(hours=1)).status == "NOTHING_NEW"
