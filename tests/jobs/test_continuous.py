"""Runs that go on: a stream wakes them, and the tables are those of runs that a schedule made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import made
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from finished_run import read
from pyspark.sql import SparkSession
from test_survival import CONNECT_VARIABLES, TABLES, assert_same_tables

from spark_monitor import ConfigError, Monitor, RunResult
from spark_monitor.stages.news import Look
from spark_monitor.text.logs import heard_by
from tests.logged import Lines

FIRST, SECOND = datetime(2024, 1, 16, tzinfo=UTC), datetime(2024, 1, 23, tzinfo=UTC)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

START = pd.Timestamp("2024-01-01", tz="UTC")
ROWS_A_WEEK = 150
LONGEST_SECONDS = 600
FILE = """
monitor: made
model: {{name: made, task: binary}}
predictions: {{path: "{root}/predictions", id: id, time: at, score: score}}
labels: {{path: "{root}/labels", id: id, label: truth, time: known, horizon: 7 days}}
baseline: {{path: "{root}/predictions", where: "at < TIMESTAMP '2024-01-08 00:00:00Z'", labels: true}}
windows: {{every: 1 week, lookback: 30 days}}
slices: [side]
rules:
  - {{metric: ks, columns: "*", fail: 0.10, min_count: 50}}
  - {{metric: label_coverage, fail: "< 0.99"}}
outputs: {{path: "{root}/{name}"}}
"""


@dataclass(frozen=True)
class Watched:
    """Delta tables of predictions and labels, to which weeks are added, and monitors that read them."""

    root: Path

    def add_week(self, week: int, *, labelled: bool = True) -> None:
        """Append the predictions of a week, each in one commit, and the labels that came a day later."""
        random = np.random.default_rng(week)
        micros = np.sort(random.uniform(week, week + 1, ROWS_A_WEEK) * 7 * 86_400 * 1e6).astype("timedelta64[us]")
        at = START.as_unit("us") + pd.TimedeltaIndex(micros)
        score = np.clip(random.normal(0.4 + 0.1 * week, 0.2, ROWS_A_WEEK), 0, 1)
        ids = pa.array([f"{week}-{row}" for row in range(ROWS_A_WEEK)])
        columns = {
            "id": ids,
            "at": made.timestamps(pd.Series(at)),
            "score": pa.array(score),
            "amount": pa.array(random.normal(week, 1, ROWS_A_WEEK)),
            "side": pa.array(random.choice(["left", "right"], ROWS_A_WEEK).tolist()),
        }
        write_deltalake(str(self.root / "predictions"), pa.table(columns), mode="append")
        if labelled:
            self.add_labels(ids, score > random.random(ROWS_A_WEEK), pd.Series(at + pd.Timedelta(days=1)))

    def add_labels(self, ids: pa.Array, truth: np.ndarray, known: pd.Series) -> None:
        """Append labels."""
        columns = {"id": ids, "truth": pa.array(truth.astype(float)), "known": made.timestamps(known)}
        write_deltalake(str(self.root / "labels"), pa.table(columns), mode="append")

    def monitor(self, name: str) -> Monitor:
        """A monitor that writes to a place of this name."""
        path = self.root / f"{name}.yaml"
        path.write_text(FILE.format(root=self.root, name=name), encoding="utf-8")
        return Monitor.load(path)

    def written(self, name: str) -> made.Made:
        """What a monitor wrote, as the comparison of tables expects it."""
        return _Written(pd.DataFrame(), self.root, self.root / f"{name}.yaml", name)

    def versions(self, name: str) -> dict[str, int]:
        """The number of the last commit to each table, the ledger aside."""
        return {table: DeltaTable(str(self.root / name / table)).version() for table in TABLES}

    def commits(self, name: str) -> list[Path]:
        """The batches that the stream's checkpoint holds as ended."""
        found = (self.root / name / "_checkpoints").glob("made/*/commits/*")
        return sorted((path for path in found if path.name.isdigit()), key=lambda path: int(path.name))


@dataclass(frozen=True)
class _Written(made.Made):
    name: str

    @property
    def output(self) -> Path:
        return self.directory / self.name


@pytest.fixture(scope="module")
def weekly(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Two weeks that an available-now job has handled."""
    watched = Watched(tmp_path_factory.mktemp("weekly"))
    watched.add_week(0)
    watched.add_week(1)
    assert statuses(spark, watched, FIRST) == ["COMMITTED"]
    return watched


@pytest.fixture(scope="module")
def twice(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Two weeks, handled by a batch run and by an available-now job, then a third week, handled by both once more."""
    watched = Watched(tmp_path_factory.mktemp("twice"))
    watched.add_week(0)
    for week, as_of in ((1, FIRST), (2, SECOND)):
        watched.add_week(week)
        assert watched.monitor("batch").run(spark, as_of=as_of).status == "COMMITTED"
        assert statuses(spark, watched, as_of) == ["COMMITTED"]
    return watched


def statuses(spark: SparkSession, watched: Watched, as_of: datetime, name: str = "stream") -> list[str]:
    """What an available-now job's runs end with."""
    return [result.status for result in watched.monitor(name).watch(spark, trigger="available-now", as_of=as_of)]


def watch_two_runs(
    spark: SparkSession,
    watched: Watched,
    as_of: datetime,
    between: Callable[[], None],
    also: Callable[[], bool] = lambda: True,
    **asked: Any,
) -> list[RunResult]:
    """A job that looks every two seconds, until a second run has ended and ``also`` holds; between them it is disturbed."""
    results: list[RunResult] = []
    deadline = time.monotonic() + LONGEST_SECONDS
    monitor = watched.monitor("stream")

    def stop() -> bool:
        return (len(results) >= 2 and also()) or time.monotonic() > deadline

    for result in monitor.watch(spark, trigger="2 seconds", as_of=as_of, stop=stop, **asked):
        results.append(result)
        if len(results) == 1:
            between()
    return results


def counts(watched: Watched, name: str = "stream") -> list[int]:
    """How many rows each window holds."""
    profile = read(watched.written(name), "profile_metrics")
    whole = profile[(profile["column_name"] == ":table") & profile["slice_key"].isna() & (profile["log_type"] == "INPUT")]
    return whole.sort_values("start")["count"].tolist()


def forget_last_batch(watched: Watched) -> None:
    """The stream's checkpoint as a crash leaves it that comes after the run's commit and before the stream's own."""
    last = watched.commits("stream")[-1]
    last.unlink()
    last.with_name(f".{last.name}.crc").unlink(missing_ok=True)


def test_a_call_without_news_writes_no_table_and_opens_no_batch(spark: SparkSession, weekly: Watched) -> None:
    before, batches = weekly.versions("stream"), weekly.commits("stream")
    assert counts(weekly) == [ROWS_A_WEEK] * 2
    assert statuses(spark, weekly, FIRST) == ["NOTHING_NEW"]
    assert (weekly.versions("stream"), weekly.commits("stream")) == (before, batches)


def test_a_batch_that_is_repeated_after_a_crash_writes_no_table(spark: SparkSession, weekly: Watched) -> None:
    before, batches = weekly.versions("stream"), weekly.commits("stream")
    forget_last_batch(weekly)
    assert statuses(spark, weekly, FIRST) == ["NOTHING_NEW"]
    assert (weekly.versions("stream"), weekly.commits("stream")) == (before, batches)


def test_a_look_finds_a_window_that_ended_and_writes_nothing(spark: SparkSession, weekly: Watched) -> None:
    monitor = weekly.monitor("stream")
    now = [FIRST]
    look = Look(monitor.config, monitor.store(spark), lambda: now[0], lambda: True)
    before = DeltaTable(str(weekly.root / "stream" / "runs")).version()
    assert not look()
    now[0] = FIRST + timedelta(days=1)
    assert not look(), "on this day no label becomes known and none final"
    now[0] = SECOND
    assert look(), "the third week is over"
    assert DeltaTable(str(weekly.root / "stream" / "runs")).version() == before


def test_a_view_is_refused_with_what_to_do_instead(spark: SparkSession, weekly: Watched) -> None:
    spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW watched_view AS SELECT * FROM delta.`{weekly.root}/predictions`")
    path = weekly.root / "view.yaml"
    text = FILE.format(root=weekly.root, name="view")
    path.write_text(text.replace(f'predictions: {{path: "{weekly.root}/predictions"', "predictions: {table: watched_view"))
    with pytest.raises(ConfigError, match=r"watched_view is a view.*Schedule `spark-monitor run FILE` without --continuous"):
        Monitor.load(path).watch(spark)
    assert not (weekly.root / "view").exists(), "refused before anything was made"


def test_available_now_gives_the_tables_of_the_batch(twice: Watched) -> None:
    assert_same_tables(twice.written("batch"), twice.written("stream"))


def test_rows_that_came_between_two_calls_are_handled_once(twice: Watched) -> None:
    assert counts(twice) == [ROWS_A_WEEK] * 3
    assert len(twice.commits("stream")) == 2, "a batch a call: the newest commit, and the one that came between"


def test_a_crash_between_a_runs_commit_and_the_streams_gives_the_same_tables(spark: SparkSession, twice: Watched) -> None:
    forget_last_batch(twice)
    assert statuses(spark, twice, SECOND) == ["NOTHING_NEW"]
    assert_same_tables(twice.written("batch"), twice.written("stream"))


def test_an_interval_handles_rows_that_come_meanwhile_and_stops_when_asked(spark: SparkSession, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.add_week(0)
    watched.add_week(1)
    results = watch_two_runs(spark, watched, SECOND, lambda: watched.add_week(2))
    assert [result.status for result in results] == ["COMMITTED", "COMMITTED"]
    assert counts(watched) == [ROWS_A_WEEK] * 3
    assert not [query for query in spark.streams.active if query.name == "made"]


def test_labels_that_come_alone_are_found_by_a_look_and_measured(spark: SparkSession, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.add_week(0)
    watched.add_week(1, labelled=False)
    ids = pa.array([f"1-{row}" for row in range(ROWS_A_WEEK)])
    known = pd.Series([pd.Timestamp(FIRST) - pd.Timedelta(hours=1)] * ROWS_A_WEEK)
    results = watch_two_runs(spark, watched, FIRST, lambda: watched.add_labels(ids, np.ones(ROWS_A_WEEK), known))
    assert [len(result.windows) for result in results] == [2, 1]
    metrics = read(watched.written("stream"), "model_metrics")
    own = metrics[(metrics["start"] == pd.Timestamp("2024-01-08", tz="UTC")) & metrics["slice_key"].isna()]
    assert (own["label_coverage"] == 1.0).all()


def test_a_table_that_gets_a_column_is_watched_on(spark: SparkSession, tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.add_week(0)
    watched.add_week(1)

    def widen() -> None:
        rows = spark.read.format("delta").load(f"{tmp_path}/predictions").limit(20)
        wider = rows.selectExpr("* EXCEPT (id)", "concat('again ', id) AS id", "1.5D AS added")
        wider.write.format("delta").mode("append").option("mergeSchema", "true").save(f"{tmp_path}/predictions")

    lines: list[str] = []

    def opened_again() -> bool:
        return any("It is opened again." in text for text in lines)

    with heard_by(Lines(lines.append)):
        results = watch_two_runs(spark, watched, SECOND, widen, opened_again)
    assert [result.status for result in results] == ["COMMITTED", "COMMITTED"]
    assert opened_again()
    profile = read(watched.written("stream"), "profile_metrics")
    assert profile[(profile["column_name"] == "added") & profile["slice_key"].isna()]["num_nulls"].sum() > 0


def test_a_directory_of_parquet_files_is_watched_and_a_schemas_checkpoint_stands_beside_its_ledger(
    spark: SparkSession, tmp_path: Path
) -> None:
    source = made.make(tmp_path, rows=600, mlflow=False)
    text = source.monitor_file.read_text(encoding="utf-8")
    source.monitor_file.write_text(text.replace(f"{{path: {tmp_path}/out}}", "{schema: watched_files}"), encoding="utf-8")
    last = tmp_path / "predictions" / "part-2.parquet"
    kept = last.read_bytes()
    last.unlink()
    monitor = Monitor.load(source.monitor_file)
    found = [result.status for result in monitor.watch(spark, trigger="available-now", as_of=SECOND)]
    last.write_bytes(kept)
    for _ in range(2):
        found += [result.status for result in monitor.watch(spark, trigger="available-now", as_of=SECOND)]
    assert found == ["COMMITTED", "COMMITTED", "NOTHING_NEW"]
    ledger = spark.sql("DESCRIBE DETAIL watched_files.runs").collect()[0]["location"]
    checkpoints = Path(ledger.removeprefix("file:")).parent / "_checkpoints" / "made"
    assert sorted(path.name for path in checkpoints.glob("*/commits/[0-9]*")) == ["0", "1"]


def test_sigterm_ends_the_command_between_two_runs_with_exit_code_0(weekly: Watched) -> None:
    """In a process of its own, in classic mode: two Connect servers of one machine share a port."""
    weekly.monitor("ended")
    own = {name: value for name, value in os.environ.items() if name not in CONNECT_VARIABLES}
    typed = ["run", str(weekly.root / "ended.yaml"), "--continuous", "--trigger", "2 seconds", "--as-of", "2024-01-16", "--json"]
    command = [sys.executable, "-m", "spark_monitor", *typed, "--master", "local[2]"]
    environment = {**own, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["status"] == "COMMITTED"
    process.send_signal(signal.SIGTERM)
    rest, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert "SIGTERM: ending as soon as no run is under way." in told
    assert all(json.loads(line)["status"] == "NOTHING_NEW" for line in rest.splitlines())
