"""How many Spark jobs a whole run takes and how many bytes it shuffles, from Spark's own event log."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.data import Made
from benchmarks.monitors import fresh_session, whole_monitor
from spark_monitor import Monitor

FEWER_ROWS = 200
WIDER = 50
WINDOWS = (1, 100)
DAYS = 110
"""More than the most windows, which are days; the first of them begins after the table does."""


GROUP, GROUP_PROPERTY = "the run", "spark.jobGroup.id"


@dataclass(frozen=True)
class Work:
    """What one run made Spark do: its own jobs, those of other threads (such as heartbeats), all tasks and shuffled bytes."""

    jobs: int
    beside: int
    tasks: int
    shuffled: int


def work_of(events: Iterable[Mapping[str, Any]]) -> Work:
    """The work that an event log tells of.

    >>> metrics = {"Shuffle Write Metrics": {"Shuffle Bytes Written": 7}}
    >>> work_of([{"Event": "SparkListenerJobStart"}, {"Event": "SparkListenerTaskEnd", "Task Metrics": metrics}])
    Work(jobs=0, beside=1, tasks=1, shuffled=7)
    """
    jobs = beside = tasks = shuffled = 0
    for event in events:
        if event["Event"] == "SparkListenerJobStart":
            is_ours = (event.get("Properties") or {}).get(GROUP_PROPERTY) == GROUP
            jobs, beside = jobs + is_ours, beside + (not is_ours)
        if event["Event"] == "SparkListenerTaskEnd":
            tasks += 1
            shuffled += (event.get("Task Metrics") or {}).get("Shuffle Write Metrics", {}).get("Shuffle Bytes Written", 0)
    return Work(jobs, beside, tasks, shuffled)


def events_in(directory: Path) -> Iterator[dict[str, Any]]:
    """The events of the log that a session left in a directory."""
    for file in sorted(path for path in directory.rglob("*") if path.is_file() and not path.name.startswith((".", "appstatus"))):
        with file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def measured(path: Path, columns: int, windows: int) -> Work:
    """One whole run, the baseline included, in a session that writes a log."""
    with tempfile.TemporaryDirectory() as place:
        log, outputs = Path(place) / "log", Path(place) / "out"
        log.mkdir()
        settings = {"enabled": "true", "dir": log.as_uri(), "compress": "false", "rolling.enabled": "false"}
        spark = fresh_session(**{f"spark.eventLog.{name}": value for name, value in settings.items()})
        monitor = Monitor(whole_monitor(path, [], columns, outputs=outputs, windows={"every": "1 day"}))
        start = datetime.fromtimestamp(data.START // data.DAY * data.DAY + data.DAY, UTC)
        end = start + timedelta(days=windows)
        spark.sparkContext.setJobGroup(GROUP, "a whole run")  # of this thread alone, so that heartbeats are told apart
        monitor.run(spark, as_of=start + timedelta(days=DAYS), start=start, end=end)
        spark.stop()
        return work_of(events_in(log))


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    rows = max(arguments.rows // FEWER_ROWS, 1)
    shapes = [(columns, windows) for columns in (arguments.columns, WIDER * arguments.columns) for windows in WINDOWS]
    work_of_shape = {}
    for columns, windows in shapes:
        path = Made(rows, columns, days=DAYS).write(arguments.dir)
        work = work_of_shape[columns, windows] = measured(path, columns, windows)
        name = f"{columns:,} columns, {windows} window{'s' if windows > 1 else ''}"
        amounts = (
            f"{work.jobs} jobs ({work.beside} more of other threads), {work.tasks} tasks, {work.shuffled / 1e6:.2f} MB shuffled"
        )
        print(f"{name}: {amounts}", flush=True)
    fewest, most = min(work.jobs for work in work_of_shape.values()), max(work.jobs for work in work_of_shape.values())
    grows = "does not grow" if most == work_of_shape[shapes[0]].jobs else "GROWS"
    print(f"from {fewest} to {most} jobs: their number {grows} with columns and windows")
