"""The demo's tables as Delta: what is written is what was scored, and a second writing takes its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from deltalake import DeltaTable

from spark_monitor.demo import tables

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def label_rows(days: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "flight_id": [f"UA{index}" for index in range(len(days))],
            "arrived_late": [index % 2 for index in range(len(days))],
            "labelled_at": pd.to_datetime(days, utc=True),
        }
    )


def read(path: Path) -> pd.DataFrame:
    """By delta-rs, which knows nothing of Spark."""
    return DeltaTable(str(path)).to_pandas().sort_values("flight_id", ignore_index=True)


def test_timestamps_and_numbers_arrive_unchanged_and_a_second_writing_replaces_them(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "data" / "labels"
    for days in (
        ["2013-03-10 06:59:59", "2013-03-10 07:00:00"],
        ["2013-11-03 05:30:00", "2013-11-03 06:30:00", "2013-12-31 23:59:59"],
    ):
        rows = label_rows(days)
        tables.write_delta(spark, tables.labels(rows), path)
        written = read(path)
        assert list(written["flight_id"]) == list(rows["flight_id"])
        assert list(written["arrived_late"]) == list(rows["arrived_late"])
        assert list(written["labelled_at"]) == list(rows["labelled_at"])
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["labels"]
