"""What happens around a run: it is killed at any moment, the disk fills, the clock goes back, the table is replaced under it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import made
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from test_survival import AS_OF, assert_same_tables, elsewhere, start

from spark_monitor import Monitor
from spark_monitor.errors import RunError
from spark_monitor.stages import handle
from spark_monitor.store import tables

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

KILLS = int(os.environ.get("SPARK_MONITOR_KILLS", "6"))
LONGEST_SECONDS = 900
START = datetime(2024, 1, 1, tzinfo=UTC)
END = datetime(2024, 1, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> made.Made:
    source = made.make(tmp_path_factory.mktemp("accidents"), rows=2_000, mlflow=False)
    assert Monitor.load(source.monitor_file).run(spark, as_of=END).status == "COMMITTED"
    return source


def ended(source: made.Made) -> None:
    """Run in a process of its own, to its end."""
    with start(source) as process:
        assert process.wait(LONGEST_SECONDS) == 0


def test_runs_killed_at_random_moments_leave_the_tables_of_an_undisturbed_one(undisturbed: made.Made) -> None:
    clock = time.monotonic()
    ended(elsewhere(undisturbed, "timed"))
    longest, seed = time.monotonic() - clock, time.time_ns()
    disturbed, draw = elsewhere(undisturbed, "random"), random.Random(seed)
    print(f"seed {seed}, a run takes {longest:.0f} s")
    for _ in range(KILLS):
        with start(disturbed) as process:
            try:
                process.wait(draw.uniform(0.1, 1.0) * longest)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
    ended(disturbed)
    assert_same_tables(undisturbed, disturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own, whose size can be set; where none can be mounted the test is skipped."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", directory]).returncode:
        pytest.skip("this machine lets nobody mount a small file system")

    def sized(size: str) -> Path:
        subprocess.run([mount, "-o", f"remount,size={size}", directory], check=True)
        return directory

    yield sized
    subprocess.run(["umount", "-l", str(directory)], check=True)


def test_a_disk_that_fills_ends_the_run_with_a_sentence_and_the_next_one_is_right(
    undisturbed: made.Made, small_disk: Callable[[str], Path]
) -> None:
    file = undisturbed.directory / "full.yaml"
    text = undisturbed.monitor_file.read_text(encoding="utf-8")
    file.write_text(text.replace(f"{undisturbed.directory}/out", f"{small_disk('64k')}/out"), encoding="utf-8")
    command = [sys.executable, "-m", "spark_monitor", "run", str(file), "--as-of", AS_OF, "--master", "local[2]"]
    for size in ("64k", "400k", "1m"):
        small_disk(size)
        run = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS)
        said = run.stdout + run.stderr
        assert run.returncode == 3, said
        assert "No space left on device" in said, size
        assert "Traceback" not in said
    directory = small_disk("200m")
    run = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS)
    assert run.returncode == 0, run.stderr
    assert_same_tables(undisturbed, made.Made(undisturbed.rows, directory, file))


def test_a_clock_that_was_set_back_changes_no_number(
    undisturbed: made.Made, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight, turned_back = elsewhere(undisturbed, "straight"), elsewhere(undisturbed, "clock")
    first = START + timedelta(days=15)
    for source in (straight, turned_back):
        assert Monitor.load(source.monitor_file).run(spark, as_of=first).status == "COMMITTED"
    assert Monitor.load(straight.monitor_file).run(spark, as_of=END).status == "COMMITTED"

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(days=1)

    monkeypatch.setattr(tables, "datetime", Yesterday)
    assert Monitor.load(turned_back.monitor_file).run(spark, as_of=END).status == "COMMITTED"
    monkeypatch.undo()
    assert Monitor.load(turned_back.monitor_file).run(spark, as_of=END).status == "NOTHING_NEW"
    assert_same_tables(straight, turned_back)


def predictions(rows: int) -> pa.Table:
    at = pa.array([START + timedelta(minutes=20 * number) for number in range(rows)], pa.timestamp("us", "UTC"))
    return pa.table({"id": pa.array(range(rows)), "at": at, "x": pa.array([number / 7 for number in range(rows)])})


@pytest.fixture
def replaced(tmp_path: Path) -> Monitor:
    write_deltalake(str(tmp_path / "rows"), predictions(1_500))
    file = tmp_path / "replaced.yaml"
    file.write_text(
        f"""
monitor: replaced
model: {{name: replaced, task: none}}
predictions: {{path: "{tmp_path}/rows", id: id, time: at, model_version: {{literal: "1"}}}}
baseline: {{path: "{tmp_path}/rows", where: "at < TIMESTAMP '2024-01-08 00:00:00Z'"}}
windows: {{every: 1 week}}
outputs: {{path: "{tmp_path}/out"}}
""",
        encoding="utf-8",
    )
    return Monitor.load(file)


def read(directory: Path, table: str) -> pd.DataFrame:
    return DeltaTable(str(directory / "out" / table)).to_pandas()


def counts(directory: Path, column: str) -> list[int]:
    frame = read(directory, "profile_metrics")
    frame = frame[(frame["column_name"] == column) & (frame["log_type"] == "INPUT")]
    order = [edge["start"] for edge in frame["window"]]
    return [int(count) for _, count in sorted(zip(order, frame["count"], strict=True))]


def test_a_table_that_is_replaced_and_vacuumed_under_a_run_is_right_after_the_next_one(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: Monitor
) -> None:
    profile = handle.profile_step

    def replace(*arguments: Any, **options: Any) -> Any:
        write_deltalake(str(tmp_path / "rows"), predictions(1_200), mode="overwrite")
        DeltaTable(str(tmp_path / "rows")).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        return profile(*arguments, **options)

    monkeypatch.setattr(handle, "profile_step", replace)
    as_of = START + timedelta(days=21)
    assert replaced.run(spark, as_of=as_of).status == "COMMITTED"
    assert counts(tmp_path, "x") == counts(tmp_path, ":table") == [504, 504, 192], "one version, and no mixture"
    monkeypatch.undo()
    replaced.run(spark, as_of=as_of)
    assert counts(tmp_path, "x") == counts(tmp_path, ":table") == [504, 504, 192]
    assert read(tmp_path, "runs")["status"].isin(["COMMITTED", "NOTHING_NEW"]).all()


@pytest.mark.parametrize("now", ["retyped", "renamed"])
def test_a_table_that_gets_another_schema_under_a_run_is_right_after_the_next_one(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: Monitor, now: str
) -> None:
    as_of = START + timedelta(days=21)
    assert replaced.run(spark, as_of=START + timedelta(days=14)).status == "COMMITTED"
    profile = handle.profile_step
    new = predictions(1_200)
    texts = pa.array([f"v{number % 7}" for number in range(1_200)])
    new = new.drop_columns("x").append_column("x" if now == "retyped" else "y", texts)

    def replace(*arguments: Any, **options: Any) -> Any:
        write_deltalake(str(tmp_path / "rows"), new, mode="overwrite", schema_mode="overwrite")
        DeltaTable(str(tmp_path / "rows")).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        return profile(*arguments, **options)

    monkeypatch.setattr(handle, "profile_step", replace)
    with pytest.raises(RunError, match=r"^A table was changed while the run read it: .* x\b.* Run again"):
        replaced.run(spark, as_of=as_of)
    monkeypatch.undo()
    replaced.run(spark, as_of=as_of)
    assert counts(tmp_path, ":table")[1:] == [504, 192]
    compared = read(tmp_path, "drift_metrics").query("column_name == 'x' and drift_type == 'BASELINE'")
    last = compared[[edge["start"] == pd.Timestamp(START + timedelta(days=14)) for edge in compared["window"]]]
    assert list(last["status"]) == ["TYPE_CHANGED" if now == "retyped" else "MISSING"]
    # What the column holds now is counted as what it is.
    assert counts(tmp_path, "x" if now == "retyped" else "y")[1:] == [504, 192]
    runs = read(tmp_path, "runs")
    assert not set(last["run_id"]) - set(runs.loc[runs["status"] == "COMMITTED", "run_id"])
