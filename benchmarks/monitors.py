"""The monitors that the benchmarks run over the made tables, and the sessions that they run in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import data
from spark_monitor.config.monitor import MonitorConfig, Slice
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.session import open_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CORES = 2
MICROS = 1_000_000


def config_of(path: Path, slices: Sequence[Slice], columns: int, *, kind: str = "parquet", **more: Any) -> MonitorConfig:
    """A monitor of a made table; ``more`` are keys of its file, such as ``windows``."""
    return MonitorConfig.model_validate(
        {
            "monitor": "bench",
            "model": {"name": "bench", "task": "none"},
            "predictions": {
                "path": str(path),
                "format": kind,
                "id": "id",
                "time": "at",
                "model_version": {"literal": "1"},
                "features": {"include": [f"x{position}" for position in range(columns)]},
            },
            "windows": {"every": "1 week"},
            "slices": [one if isinstance(one, str) else list(one) for one in slices],
            "outputs": {"path": "unused"},
            **more,
        }
    )


def whole_monitor(
    path: Path,
    slices: Sequence[Slice],
    columns: int,
    *,
    outputs: Path,
    windows: dict[str, str],
    kind: str = "parquet",
    reference: Path | None = None,
) -> MonitorConfig:
    """A monitor for whole runs: a baseline (the first week, of another table where one is given), rules, and tables to write."""
    return config_of(
        path,
        slices,
        columns,
        kind=kind,
        windows=windows,
        baseline={
            "path": str(reference or path),
            "format": kind,
            "where": f"at < timestamp_seconds({data.START + 7 * data.DAY})",
        },
        rules=[
            {"metric": "ks", "columns": "*", "warn": 0.05, "fail": 0.10, "min_count": 500},
            {"metric": "percent_null", "columns": "*", "fail": 5},
        ],
        outputs={"path": str(outputs)},
    )


def windows_of(count: int, days: int = data.DAYS) -> tuple[WindowKey, ...]:
    """So many windows of equal length over a made table's time."""
    start, length = data.START * MICROS, days * data.DAY * MICROS // count
    return tuple(WindowKey("bench", start + number * length, start + (number + 1) * length) for number in range(count))


def session(**conf: str) -> SparkSession:
    """A session on two cores."""
    return open_session(master=f"local[{CORES}]", conf={"spark.driver.memory": "4g", **conf})


def fresh_session(**conf: str) -> SparkSession:
    """A session with Python workers of its own: whatever session there is ends first."""
    session().stop()
    return session(**conf)
