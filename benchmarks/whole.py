"""Whole runs of a monitor over a Delta table: the first, one without news, and one after a file with a new window's rows came."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.data import DONE, FILES, Made
from benchmarks.monitors import session, whole_monitor
from benchmarks.timing import ratio, timed
from spark_monitor import Monitor

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.outputs.result import RunResult

FIRST, AGAIN, NEWS = "first run", "run without news", "run after a new file"
WINDOWS = {"every": "1 week", "lookback": "7 days"}
# Mondays: the table ends on the day after the first, and the new file brings the rest of that week and more.
AS_OF = datetime(2023, 12, 11, tzinfo=UTC)
LATER = AS_OF + timedelta(days=7)


class Place:
    """A monitored Delta table and the monitor's own tables, as new at the beginning of every turn."""

    def __init__(self, spark: SparkSession, made: Made, directory: Path) -> None:
        self._spark, self._made, self._directory = spark, made, directory
        self._kept = directory / f"{made.name}-delta"
        if not (self._kept / DONE).exists():
            rows = spark.read.parquet(str(made.write(directory)))
            rows.write.format("delta").mode("overwrite").save(str(self._kept))
            (self._kept / DONE).touch()
        self._news = directory / f"{made.name}-news.parquet"
        if not self._news.exists():
            pq.write_table(made.part(FILES), self._news)
        self._turn: Path | None = None
        self.results: dict[str, RunResult] = {}

    def renew(self) -> None:
        """The table as it was before the first run; its bytes are not copied, since no file of a Delta table is written twice."""
        self.remove()
        self._turn = Path(tempfile.mkdtemp(prefix="turn-", dir=self._directory))
        shutil.copytree(self._kept, self._turn / "predictions", copy_function=os.link)
        table, outputs = self._turn / "predictions", self._turn / "out"
        self._monitor = Monitor(whole_monitor(table, [], self._made.columns, outputs=outputs, windows=WINDOWS, kind="delta"))

    def append(self) -> None:
        """One more file."""
        assert self._turn is not None
        rows = self._spark.read.parquet(str(self._news)).coalesce(1)
        rows.write.format("delta").mode("append").save(str(self._turn / "predictions"))

    def run(self, name: str, as_of: datetime) -> None:
        """A whole run."""
        self.results[name] = self._monitor.run(self._spark, as_of=as_of)

    def remove(self) -> None:
        """Leave nothing of the last turn."""
        if self._turn is not None:
            shutil.rmtree(self._turn)
            self._turn = None


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    place = Place(session(), Made(arguments.rows, arguments.columns), arguments.dir)
    cases: dict[str, Callable[[], object]] = {
        FIRST: lambda: place.run(FIRST, AS_OF),
        AGAIN: lambda: place.run(AGAIN, AS_OF),
        "append": place.append,
        NEWS: lambda: place.run(NEWS, LATER),
    }
    try:
        times = timed(cases, arguments.repeats, before=place.renew)
    finally:
        place.remove()
    for name, result in place.results.items():
        steps = ", ".join(f"{step} {took:.1f}" for step, took in result.step_seconds.items())
        seconds = statistics.median(times[name])
        print(f"{name}: {seconds:.2f} s, {len(result.windows)} windows, {result.status} (last turn, s: {steps})")
    print(ratio(times, AGAIN, FIRST))
    print(ratio(times, NEWS, FIRST))
