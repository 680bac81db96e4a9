"""Runs that are killed, and runs at once: the tables are those of a run that nobody disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import made
import numpy as np
import pandas as pd
import pytest
from finished_run import read
from pyspark.sql import SparkSession

from spark_monitor import Monitor

AS_OF = "2024-01-23"
TABLES = ("profile_states", "profile_metrics", "drift_metrics", "model_metrics", "checks", "incidents", "baselines")
CLOCKS = ["run_id", "notified_at"]
POINTS = [
    *(f"{table}:inside" for table in ("baselines", *TABLES[:6])),
    "profile_states:before",
    "profile_metrics:after",
    "profile_states:unnamed",
    "profile_states:named",
    "metrics:named",
    "checks:before",
    "checks:named",
    "incidents:named",
    "incidents:after",
    "runs:before",
    "runs:inside",
]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
CONNECT_VARIABLES = ("SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_CONNECT_MODE_ENABLED")


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> made.Made:
    source = made.make(tmp_path_factory.mktemp("survival"), rows=2_000, mlflow=False)
    assert Monitor.load(source.monitor_file).run(spark, as_of=datetime(2024, 1, 23, tzinfo=UTC)).status == "COMMITTED"
    return source


def elsewhere(source: made.Made, name: str, monitor: str = "made") -> made.Made:
    """The same monitor, writing to another place."""
    text = source.monitor_file.read_text(encoding="utf-8")
    path = source.directory / f"{name}-{monitor}.yaml"
    text = text.replace(f"{source.directory}/out", f"{source.directory}/{name}/out").replace(
        "monitor: made", f"monitor: {monitor}"
    )
    path.write_text(text, encoding="utf-8")
    return made.Made(source.rows, source.directory / name, path)


def start(source: made.Made, point: str = "") -> subprocess.Popen[str]:
    """A run in a process of its own; in classic mode, since two Connect servers of one machine share a port."""
    script = Path(__file__).with_name("dying_run.py")
    # What a session on Spark Connect leaves in the environment would take the new process to the same server.
    own = {name: value for name, value in os.environ.items() if name not in CONNECT_VARIABLES}
    environment = {**own, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(source.monitor_file), AS_OF, *([point] if point else [])]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)


def plain(value: object) -> str:
    """A value in full; numpy shortens long arrays."""
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)


def assert_same_tables(first: made.Made, second: made.Made, monitor: str = "made") -> None:
    """Every value is the same; a row's checksum too, unless the monitor has another name, which is among what it is made of."""
    apart = [*CLOCKS, "monitor_id", "incident_id", *(["checksum"] if monitor != "made" else [])]
    for name in TABLES:
        frames = []
        for source in (first, second):
            frame = read(source, name)
            own = frame[frame["monitor_id"] == (monitor if source is second else "made")]
            own = own.drop(columns=apart, errors="ignore").map(plain)
            frames.append(own.sort_values(list(own.columns)).reset_index(drop=True))
        pd.testing.assert_frame_equal(*frames)


def test_a_run_killed_at_any_point_and_run_again_gives_the_tables_of_an_undisturbed_one(undisturbed: made.Made) -> None:
    disturbed = elsewhere(undisturbed, "killed")
    for point in POINTS:
        process = start(disturbed, point)
        process.communicate(timeout=600)
        assert process.returncode == -signal.SIGKILL, point
    final = start(disturbed)
    output, _ = final.communicate(timeout=600)
    assert output.split()[-1] in ("COMMITTED", "NOTHING_NEW")
    assert_same_tables(undisturbed, disturbed)


def test_two_runs_of_one_monitor_at_once_both_end_and_write_no_row_twice(undisturbed: made.Made) -> None:
    shared = elsewhere(undisturbed, "twice")
    processes = [start(shared), start(shared)]
    statuses = sorted(process.communicate(timeout=900)[0].split()[-1] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert statuses == ["COMMITTED", "NOTHING_NEW"]
    assert_same_tables(undisturbed, shared)


def test_two_monitors_at_once_in_one_place_are_both_right(undisturbed: made.Made) -> None:
    first, second = elsewhere(undisturbed, "both"), elsewhere(undisturbed, "both", monitor="other")
    processes = [start(first), start(second)]
    for process in processes:
        process.communicate(timeout=900)
    assert [process.returncode for process in processes] == [0, 0]
    assert_same_tables(undisturbed, first)
    assert_same_tables(undisturbed, second, monitor="other")
