"""What a run costs that does not depend on data: 240,000 rows x 19 columns, three weeks, two versions, a slice key of six values.

Then the same run without news, and one new window of 40 columns without slices beside the seconds of its profile.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.counted import counted, log_settings
from benchmarks.monitors import fresh_session
from spark_monitor import Monitor
from spark_monitor.config.monitor import MonitorConfig

ROWS, COLUMNS, WINDOWS, VALUES = 240_000, 19, 3, 6
WIDE = 40
START = datetime(2024, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
MICROS = timedelta(microseconds=1)


def rows_of(rows: int, columns: int, *, start: datetime, weeks: int, seed: int) -> pa.Table:
    """Predictions of two model versions: features of doubles and two of text, one of six values that slices are cut by."""
    random = np.random.default_rng(seed)
    at = (start - datetime(1970, 1, 1, tzinfo=UTC)) // MICROS + np.sort(random.integers(0, weeks * (WEEK // MICROS), rows))
    arrays = {
        "id": pa.array(np.arange(rows)),
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
        "version": pa.array(np.array(["1", "2"])[random.integers(0, 2, rows)]),
        "region": pa.array(np.array([f"r{value}" for value in range(VALUES)])[random.integers(0, VALUES, rows)]),
        "kind": pa.array(np.array(["a", "b", "c"])[random.integers(0, 3, rows)]),
    }
    arrays |= {f"x{position}": pa.array(random.lognormal(0, 1 + position / 20, rows)) for position in range(columns - 2)}
    return pa.table(arrays)


def monitor_of(place: Path, *, slices: list[str]) -> Monitor:
    """The monitor of the rows at a place."""
    table = {"path": str(place / "rows"), "format": "parquet"}
    sections: dict[str, Any] = {
        "monitor": "small",
        "model": {"name": "small", "task": "none"},
        "predictions": {**table, "id": "id", "time": "at", "model_version": "version"},
        "baseline": {"path": str(place / "baseline"), "format": "parquet"},
        "windows": {"every": "1 week"},
        "slices": slices,
        "rules": [
            {"metric": "ks", "columns": "*", "warn": 0.05, "fail": 0.10, "min_count": 500},
            {"metric": "percent_null", "columns": "*", "fail": 5},
        ],
        "outputs": {"path": str(place / "out")},
    }
    return Monitor(MonitorConfig.model_validate(sections))


def write(table: pa.Table, place: Path, name: str) -> None:
    """Write one file of a table."""
    place.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, place / f"{name}.parquet")


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        log, small, wide = place / "log", place / "small", place / "wide"
        spark = fresh_session(**log_settings(log))
        spark.range(10).selectExpr("sum(id)").collect()  # the session's own beginning
        write(rows_of(ROWS // 3, COLUMNS, start=START - WEEK, weeks=1, seed=1), small / "baseline", "0")
        write(rows_of(ROWS, COLUMNS, start=START, weeks=WINDOWS, seed=2), small / "rows", "0")
        monitor = monitor_of(small, slices=["region"])
        for name in ("first run", "without news"):
            cost = counted(spark, log, small / "out", lambda: monitor.run(spark, as_of=START + WINDOWS * WEEK))
            print(f"{ROWS:,} rows x {COLUMNS} columns, {name}: {cost}", flush=True)
        write(rows_of(ROWS // 3, WIDE, start=START - WEEK, weeks=1, seed=3), wide / "baseline", "0")
        write(rows_of(ROWS // 3, WIDE, start=START, weeks=1, seed=4), wide / "rows", "0")
        monitor = monitor_of(wide, slices=[])
        monitor.run(spark, as_of=START + WEEK)
        write(rows_of(ROWS // 3, WIDE, start=START + WEEK, weeks=1, seed=5), wide / "rows", "1")
        results: list[Any] = []
        cost = counted(spark, log, wide / "out", lambda: results.append(monitor.run(spark, as_of=START + 2 * WEEK)))
        steps = ", ".join(f"{step} {took:.1f}" for step, took in results[0].step_seconds.items())
        print(f"one new window of {WIDE} columns: {cost} (s: {steps})", flush=True)
        spark.stop()
