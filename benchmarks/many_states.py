"""A whole run over many states: hourly windows of few rows, then many slices of two versions, by what each stage took.

400,000 rows x 40 columns in 840 hourly windows are 33,600 states; 24 windows of two versions and 60 slices are 115,200 more.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.monitors import fresh_session
from spark_monitor import Monitor
from spark_monitor.config.monitor import MonitorConfig

ROWS, COLUMNS, WEEKS = 400_000, 40, 5
HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
START = datetime(2024, 1, 1, tzinfo=UTC)
MICROS = timedelta(microseconds=1)
AFTER_THE_STATES = ("present", "compare", "quality", "judge", "diagnose")


@dataclass(frozen=True)
class Case:
    """How the same number of rows is divided."""

    name: str
    span: timedelta
    versions: int
    values: int

    @property
    def states(self) -> int:
        """Windows x versions x (the whole window and its slices) x columns."""
        return (self.span // HOUR) * self.versions * max(self.values, 1) * COLUMNS


CASES = (
    Case("hours", WEEKS * WEEK, versions=1, values=0),
    Case("slices", timedelta(days=1), versions=2, values=60),
)


def rows_of(case: Case, *, start: datetime, span: timedelta, rows: int, seed: int) -> pa.Table:
    """Lognormal features, in the order of time."""
    random = np.random.default_rng(seed)
    at = (start - datetime(1970, 1, 1, tzinfo=UTC)) // MICROS + np.sort(random.integers(0, span // MICROS, rows))
    arrays = {
        "id": pa.array(np.arange(rows)),
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
        "version": pa.array(random.integers(1, case.versions + 1, rows).astype("U1")),
        "region": pa.array(np.char.add("r", random.integers(0, max(case.values, 1), rows).astype("U2"))),
    }
    arrays |= {f"x{position}": pa.array(random.lognormal(0, 1 + position / 40, rows)) for position in range(COLUMNS)}
    return pa.table(arrays)


def monitor_of(case: Case, place: Path) -> Monitor:
    """The monitor of a case, its baseline the week before."""
    features = {"include": [f"x{position}" for position in range(COLUMNS)]}
    table = {"path": str(place / "rows"), "format": "parquet"}
    sections: dict[str, Any] = {
        "monitor": "states",
        "model": {"name": "states", "task": "none"},
        "predictions": {**table, "id": "id", "time": "at", "model_version": "version", "features": features},
        "baseline": {"path": str(place / "baseline"), "format": "parquet"},
        "windows": {"every": "1 hour"},
        "slices": ["region"] if case.values else [],
        "rules": [
            {"metric": "ks", "columns": "*", "warn": 0.05, "fail": 0.10, "min_count": 500},
            {"metric": "percent_null", "columns": "*", "fail": 5},
        ],
        "outputs": {"path": str(place / "out")},
    }
    return Monitor(MonitorConfig.model_validate(sections))


def main(arguments: argparse.Namespace) -> None:
    """Freeze first, then measure one run over all windows and print its stages."""
    spark = fresh_session()
    for case in CASES:
        if arguments.only and case.name not in arguments.only:
            continue
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            for name, start, span, rows in (
                ("baseline", START - WEEK, WEEK, ROWS // 4),
                ("rows", START, case.span, ROWS),
            ):
                (place / name).mkdir()
                pq.write_table(rows_of(case, start=start, span=span, rows=rows, seed=rows), place / name / "0.parquet")
            monitor = monitor_of(case, place)
            monitor.freeze(spark)
            began = time.perf_counter()
            result = monitor.run(spark, as_of=START + case.span)
            wall = time.perf_counter() - began
            steps = {step: took for step, took in result.step_seconds.items() if took >= 0.05}
            after = sum(result.step_seconds.get(step, 0.0) for step in AFTER_THE_STATES)
            print(f"{case.name}, {case.states:,} states: {wall:.1f} s in all, after the profile {after:.1f} s,", end=" ")
            print(
                f"{1e6 * wall / case.states:.0f} us a state; s:", ", ".join(f"{step} {took:.1f}" for step, took in steps.items())
            )
    spark.stop()
