"""Two runs of one monitor take turns, in one process and in two, and a killed one gives up its turn."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from pyspark.sql import functions as F
from written import WEEKS, Writer

from spark_monitor.errors import RunError
from spark_monitor.store import Store
from spark_monitor.store.lease import DIED
from spark_monitor.store.place import Place

pytestmark = pytest.mark.slow

CONNECT_VARIABLES = ("SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_CONNECT_MODE_ENABLED")
RACER = Path(__file__).with_name("racing_run.py")


def start(path: Path, run_id: str, mode: str) -> subprocess.Popen[str]:
    """A run in a process of its own; in classic mode, since two Connect servers of one machine share a port."""
    # What a session on Spark Connect leaves in the environment would take the new process to the same server.
    own = {name: value for name, value in os.environ.items() if name not in CONNECT_VARIABLES}
    environment = {**own, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(RACER), str(path), run_id, mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@pytest.mark.timeout(900)
def test_a_run_waits_for_another_process_and_goes_on_when_that_is_killed(writer: Writer, tmp_path: Path) -> None:
    store = Store(writer.spark, Place(path=str(tmp_path)))
    store.ensure()
    dying, living = start(tmp_path, "dying", "die"), start(tmp_path, "living", "live")
    (_, dying_log), (told, living_log) = (process.communicate(timeout=800) for process in (dying, living))
    assert dying.returncode == -9, dying_log
    assert living.returncode == 0, living_log
    assert "monitor raced: waiting for run dying to end. It runs on" in told
    assert "monitor raced: run dying ended without reporting" in told
    runs = store.frame("runs").select("run_id", "status", "error").orderBy("run_id").collect()
    assert [tuple(row) for row in runs] == [("dying", "FAILED", DIED), ("living", "COMMITTED", None)]
    assert {(row["column_name"], row["run_id"]) for row in store.frame("profile_metrics").collect()} == {
        (f"column {i}", "living") for i in range(3)
    }
    assert store.frame("profile_metrics").count() == 3


def test_of_runs_that_begin_at_the_same_moment_each_has_the_monitor_for_itself(writer: Writer) -> None:
    barrier, inside, most = Barrier(3), [], []

    def run(number: int) -> str:
        store, row = writer.another(), writer.row("contended")
        barrier.wait()
        with store.run(row) as run_id:
            inside.append(run_id)
            most.append(len(inside))
            rows = writer.profile(avg=float(number))
            store.replace_windows("profile_metrics", rows, monitor_id="contended", windows=WEEKS)
            inside.remove(run_id)
            store.finish_run(run_id, status="COMMITTED")
        return run_id

    with ThreadPoolExecutor(3) as threads:
        runs = list(threads.map(run, range(3)))
    assert most == [1, 1, 1]
    written = {run for (run,) in writer.stored("profile_metrics", "contended", "run_id")}
    assert len(written) == 1
    assert written <= set(runs)
    assert len(writer.stored("profile_metrics", "contended", "run_id")) == 12
    assert sorted(writer.stored("runs", "contended", "run_id", "status")) == sorted((run, "COMMITTED") for run in runs)


def test_nothing_is_written_without_a_turn(writer: Writer) -> None:
    store = writer.another()
    with pytest.raises(RunError, match="monitor free has no run under way here"):
        store.replace_windows("profile_metrics", writer.profile(), monitor_id="free", windows=WEEKS)
    with store.run(writer.row("taken")) as run_id:
        with pytest.raises(RunError, match="monitor free has no run under way here"):
            store.replace_windows("profile_metrics", writer.profile(), monitor_id="free", windows=WEEKS)
        store.finish_run(run_id, status="NOTHING_NEW")
    assert writer.stored("profile_metrics", "free", "run_id") == []


def test_a_run_that_was_silent_too_long_loses_its_turn_and_writes_nothing_more(writer: Writer) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    silent = Store(writer.spark, writer.store.place, clock=lambda: past)
    row = writer.row("silent")
    silent.begin_run(row)
    successor = writer.commit_profile("silent")
    with pytest.raises(RunError, match=f"run {row['run_id']} has lost its turn: the ledger says FAILED"):
        silent.replace_windows("profile_metrics", writer.profile(avg=9.0), monitor_id="silent", windows=WEEKS)
    with pytest.raises(RunError, match="has lost its turn"):
        silent.finish_run(row["run_id"], status="COMMITTED")
    assert {run for (run,) in writer.stored("profile_metrics", "silent", "run_id")} == {successor}
    assert set(writer.stored("runs", "silent", "run_id", "status")) == {(row["run_id"], "FAILED"), (successor, "COMMITTED")}


def test_a_heartbeat_is_written_when_the_last_is_old(writer: Writer) -> None:
    now = [datetime.now(UTC)]
    store, row = Store(writer.spark, writer.store.place, clock=lambda: now[0]), writer.row("beating")

    def written() -> list[tuple[object, ...]]:
        return writer.stored("runs", "beating", "unix_micros(heartbeat)")

    store.begin_run(row)
    first = written()
    now[0] += timedelta(seconds=1)
    store.heartbeat(row["run_id"])
    assert written() == first
    now[0] += timedelta(seconds=60)
    store.heartbeat(row["run_id"])
    assert written() == [(first[0][0] + 61_000_000,)]  # type: ignore[operator]
    store.finish_run(row["run_id"], status="NOTHING_NEW")


def test_a_run_that_is_left_by_an_error_is_failed_and_the_error_is_the_ledgers(writer: Writer) -> None:
    row = writer.row("raising")
    with pytest.raises(ValueError, match="a column is gone"), writer.another().run(row):
        raise ValueError("a column is gone")
    found = writer.store.frame("runs").where(F.col("run_id") == row["run_id"]).select("status", "error", "ended").collect()[0]
    assert (found["status"], found["error"]) == ("FAILED", "ValueError: a column is gone")
    assert found["ended"] is not None
