"""One run over a made-up table for all tests that only read what it wrote, read back by delta-rs as another program would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import made
import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark_monitor import Monitor, RunResult

AS_OF = datetime(2024, 2, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Finished:
    """A run that has ended."""

    made: made.Made
    result: RunResult
    table: Callable[[str], pd.DataFrame]


def read(source: made.Made, name: str) -> pd.DataFrame:
    """A table as pandas, the window's edges as columns of their own."""
    frame = DeltaTable(str(source.output / name)).to_pandas()
    if "window" in frame:
        edges = frame.pop("window")
        frame["start"] = pd.to_datetime([edge and edge["start"] for edge in edges], utc=True)
        frame["end"] = pd.to_datetime([edge and edge["end"] for edge in edges], utc=True)
    return frame


@pytest.fixture(scope="session")
def finished(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    source = made.make(tmp_path_factory.mktemp("finished"))
    result = Monitor.load(source.monitor_file).run(spark, as_of=AS_OF)
    frames: dict[str, pd.DataFrame] = {}

    def table(name: str) -> pd.DataFrame:
        if name not in frames:
            frames[name] = read(source, name)
        return frames[name]

    return Finished(source, result, table)
