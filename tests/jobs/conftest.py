"""One run over a made-up table for all tests that only read what it wrote."""

from __future__ import annotations

from datetime import UTC, datetime

import made
import pandas as pd
import pytest
from finished_run import Finished, read
from pyspark.sql import SparkSession

from spark_monitor import Monitor

AS_OF = datetime(2024, 2, 10, tzinfo=UTC)


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
