"""What a run makes Spark do: seconds, processor seconds, jobs and queries by Spark's event log, Delta commits by its files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JOB, QUERY = "SparkListenerJobStart", "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart"
COMMITS = "*/_delta_log/*.json"
SETTLE_SECONDS = 1.0
"""The log is written by a thread of its own: its end is waited for until nothing came for so long."""


@dataclass(frozen=True)
class Cost:
    """What one run took; ``processor`` are the seconds of this process and of all that it started."""

    wall: float
    processor: float
    jobs: int
    queries: int
    commits: int

    def __str__(self) -> str:
        counts = f"{self.jobs} jobs, {self.queries} queries, {self.commits} commits"
        return f"{self.wall:.1f} s, {self.processor:.1f} processor seconds, {counts}"


def log_settings(directory: Path) -> dict[str, str]:
    """The settings of a session that writes an event log."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = {"enabled": "true", "dir": directory.as_uri(), "compress": "false", "rolling.enabled": "false"}
    return {f"spark.eventLog.{name}": value for name, value in settings.items()} | {"spark.eventLog.buffer.kb": "1"}


def counted(spark: SparkSession, log: Path, outputs: Path, work: Callable[[], Any]) -> Cost:
    """Do the work and count it; the session writes its log to ``log``, the run its tables to ``outputs``."""
    before, commits = _settled(log), len(list(outputs.glob(COMMITS)))
    began, processor = time.perf_counter(), processor_seconds()
    work()
    wall, used = time.perf_counter() - began, processor_seconds() - processor
    after = _settled(log)[len(before) :]
    return Cost(wall, used, after.count(JOB), after.count(QUERY), len(list(outputs.glob(COMMITS))) - commits)


def processor_seconds() -> float:
    """Processor seconds of this process and everything it started, whatever has ended included."""
    parent = psutil.Process()
    return sum(_seconds(process) for process in (parent, *parent.children(recursive=True)))


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def _settled(log: Path) -> list[str]:
    """The names of the events in a log, once nothing more comes."""
    size = -1
    while size != (size := sum(path.stat().st_size for path in log.iterdir() if path.is_file())):
        time.sleep(SETTLE_SECONDS)
    return [event["Event"] for event in events_in(log)]


def events_in(directory: Path) -> Iterator[dict[str, Any]]:
    """The events of the log that a session left in a directory, or is writing."""
    for file in sorted(path for path in directory.rglob("*") if path.is_file() and not path.name.startswith((".", "appstatus"))):
        with file.open(encoding="utf-8") as lines:
            yield from (json.loads(line) for line in lines if line.endswith("}\n"))
