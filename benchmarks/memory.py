"""The most memory that a Python worker takes in a whole run, for tables that are long, wide, sliced or in no order.

Every run has a session of its own, so that no worker remembers the run before.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import data, plots
from benchmarks.data import Made
from benchmarks.monitors import fresh_session, whole_monitor
from benchmarks.watch import Watch, can_watch
from spark_monitor import Monitor
from spark_monitor.stages.context import FILES, SPARK

LIMIT = 1 << 30
MEBI = 1 << 20
YEAR = 365
LENGTHS = {"10 million rows": 10**7, "1,000 million rows": 10**9}
LENGTH_COLUMNS = 4
NO_PROC = "memory: this system has no /proc that tells the peak of a process, so no worker can be watched."


@dataclass(frozen=True)
class Case:
    """A table, and how its monitor cuts it."""

    name: str
    made: Made
    every: str = "1 week"
    slices: Sequence[str] = ()
    readers: Sequence[str] = (FILES, SPARK)


def cases(rows: int, columns: int) -> list[Case]:
    """The tables whose memory is measured; wide ones have a two-hundredth of the rows."""
    few = max(rows // 200, 1)
    return [
        Case("long", Made(rows, columns)),
        Case("2,000 columns", Made(few, 50 * columns)),
        Case("5,000 columns", Made(few, 125 * columns)),
        Case("one key of 50", Made(rows, columns), slices=["g0"]),
        Case("8,760 windows in no order", Made(rows, columns, days=YEAR, ordered=False), every="1 hour"),
        Case("row groups of 1,000,000", Made(rows, columns, row_group=1_000_000)),
        *(_of_length(name, rows, many) for name, many in LENGTHS.items()),
    ]


def _of_length(name: str, rows: int, many: int) -> Case:
    """A table of about so many rows, read by files alone: Spark takes several times as long, in batches of the same size."""
    return Case(name, Made(rows, LENGTH_COLUMNS, copies=max(many // rows, 1)), readers=(FILES,))


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    if not can_watch():
        print(NO_PROC)
        return
    sizes: dict[str, float] = {}
    for case in cases(arguments.rows, arguments.columns):
        if arguments.only and case.name not in arguments.only:
            continue
        path = case.made.write(arguments.dir)
        for reader in [reader for reader in case.readers if reader == FILES or not arguments.files_only]:
            name = f"{case.name}, {reader}"
            reference = replace(case.made, copies=1).write(arguments.dir)
            sizes[name] = largest_worker(case, path, reader, reference) / MEBI
            below = "below" if sizes[name] * MEBI < LIMIT else "NOT below"
            shape = f"{case.made.all_rows:,} rows x {case.made.columns:,} columns"
            print(f"{name} ({shape}): the largest Python worker took {sizes[name]:.0f} MiB, {below} 1 GiB", flush=True)
    plots.bars("memory", sizes, {name: (size, size) for name, size in sizes.items()}, "largest Python worker", "MiB", arguments)


def largest_worker(case: Case, path: Path, reader: str, reference: Path) -> int:
    """The peak of the largest worker in one whole run, in bytes; the baseline is the first week of ``reference``."""
    spark = fresh_session()
    outputs = Path(tempfile.mkdtemp(prefix="spark_monitor_bench_"))
    try:
        windows = {"every": case.every, "lookback": f"{case.made.days + 1} days"}
        config = whole_monitor(path, case.slices, case.made.columns, outputs=outputs, windows=windows, reference=reference)
        monitor = Monitor(config)
        as_of = datetime.fromtimestamp(data.START, UTC) + timedelta(days=case.made.days + 7)
        with Watch() as watch:
            monitor.run(spark, as_of=as_of, reader=reader)
        return watch.largest
    finally:
        shutil.rmtree(outputs, ignore_errors=True)
