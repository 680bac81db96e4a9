"""Monitors at once in one command: each writes what it writes alone, a broken one stops none, a killed command is made up for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import made
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from test_survival import AS_OF, CONNECT_VARIABLES, assert_same_tables, elsewhere, undisturbed
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.commands.at_once import apart

__all__ = ["undisturbed"]
NAMES = ("one", "two", "three")
LONGEST_SECONDS = 1_200


def fleet(source: made.Made, place: str) -> tuple[Path, dict[str, made.Made]]:
    """A directory of the same monitor under several names with one place of tables, and of one whose table is not there."""
    directory = source.directory / f"files of {place}"
    directory.mkdir()
    monitors = {name: elsewhere(source, place, monitor=name) for name in NAMES}
    for name, monitor in monitors.items():
        shutil.move(monitor.monitor_file, directory / f"{name}.yaml")
    text = (directory / "one.yaml").read_text(encoding="utf-8")
    broken = text.replace("monitor: one", "monitor: broken").replace("/predictions", "/nothing_here")
    (directory / "broken.yaml").write_text(broken, encoding="utf-8")
    return directory, monitors


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_monitors_at_once_write_what_each_writes_alone(undisturbed: made.Made, spark: SparkSession) -> None:
    directory, monitors = fleet(undisturbed, "at once")
    before = {row["key"]: row["value"] for row in spark.sql("SET").collect()}

    done = CliRunner().invoke(app, ["run", str(directory), "--as-of", AS_OF, "--parallel", "2"])

    assert done.exit_code == 2, done.stderr
    assert "Traceback" not in done.stderr
    summary = done.stdout.splitlines()[-1]
    assert summary == f"4 monitors: 3 committed, 1 failed ({directory}/broken.yaml)."
    if apart(spark) is not None:
        assert "4 monitors, 2 at once" in done.stderr
        assert "one: profile" in done.stderr
    for name, monitor in monitors.items():
        assert_same_tables(undisturbed, monitor, name)
    assert {row["key"]: row["value"] for row in spark.sql("SET").collect()} == before


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_monitors_killed_at_once_and_run_again_give_the_tables_of_each_alone(undisturbed: made.Made) -> None:
    directory, monitors = fleet(undisturbed, "killed at once")
    (directory / "broken.yaml").unlink()
    command = [sys.executable, "-m", "spark_monitor", "run", str(directory), "--as-of", AS_OF, "--master", "local[2]"]
    own = {name: value for name, value in os.environ.items() if name not in CONNECT_VARIABLES}
    ledger = next(iter(monitors.values())).directory / "out" / "runs"
    with subprocess.Popen([*command, "--parallel", "2"], env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        until = time.monotonic() + LONGEST_SECONDS
        while time.monotonic() < until and under_way(ledger) < 2:
            time.sleep(0.5)
        time.sleep(15)
        assert under_way(ledger) >= 1
        run.send_signal(signal.SIGKILL)
    again = subprocess.run([*command, "--parallel", "2"], env=own, capture_output=True, text=True, timeout=LONGEST_SECONDS)
    assert again.returncode == 0, again.stderr
    for name, monitor in monitors.items():
        assert_same_tables(undisturbed, monitor, name)


def under_way(ledger: Path) -> int:
    """How many runs the ledger says are under way."""
    if not DeltaTable.is_deltatable(str(ledger)):
        return 0
    return DeltaTable(str(ledger)).to_pyarrow_table(columns=["status"])["status"].to_pylist().count("RUNNING")


def test_a_session_apart_has_the_settings_of_the_other_and_changes_its_own(spark: SparkSession) -> None:
    name, value = "spark.sql.session.timeZone", "Asia/Kathmandu"
    before = spark.conf.get(name)
    spark.conf.set(name, value)
    spark.conf.set("spark.hadoop.made.up", "here")
    try:
        own = apart(spark)
        if own is None:
            pytest.skip("this Spark makes no second session")
        assert (own.conf.get(name), own.conf.get("spark.hadoop.made.up")) == (value, "here")
        assert own.catalog.currentDatabase() == spark.catalog.currentDatabase()
        own.conf.set(name, "Asia/Tokyo")
        assert spark.conf.get(name) == value
    finally:
        spark.conf.set(name, before)
        spark.conf.unset("spark.hadoop.made.up")
