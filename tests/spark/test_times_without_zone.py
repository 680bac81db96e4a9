"""Times without a zone: what range a table spans, and which labels have come since the last run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from spark_monitor.errors import ConfigError
from spark_monitor.sources.predictions import time_range
from spark_monitor.stages.plan import has_labels_since

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("kind", "first", "last"),
    [
        ("TIMESTAMP", "2024-03-30T08:00", "2024-03-31T01:15"),
        ("TIMESTAMP_NTZ", "2024-03-30T07:00", "2024-03-31T01:00"),
        ("DATE", "2024-03-29T23:00", "2024-03-30T23:00"),
    ],
)
def test_the_last_time_is_that_of_a_row_before_the_end(spark: SparkSession, kind: str, first: str, last: str) -> None:
    # In Berlin the clock skips from two to three on the 31st: half past two is placed at the first timestamp after, 01:00 UTC.
    second, zone = ("01:15:00", "Z") if kind == "TIMESTAMP" else ("02:30:00", "")
    texts = ["2024-03-30 08:00:00", f"2024-03-31 {second}", "2024-06-01 00:00:00"]
    rows = spark.createDataFrame([(f"{text}{zone}",) for text in texts] + [(None,)], "text string")
    frame = rows.selectExpr(f"CAST(text AS {kind}) AS at")
    found = time_range(frame, "at", BERLIN, datetime(2024, 4, 1, tzinfo=UTC))
    assert found == tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last))
    assert time_range(frame, "at", BERLIN, datetime(2024, 3, 1, tzinfo=UTC)) is None


def test_times_that_no_window_reaches_are_refused_in_words(spark: SparkSession) -> None:
    with pytest.raises(ConfigError, match="holds times from 0001-01-01 on; no window reaches them"):
        time_range(spark.sql("SELECT DATE '0001-01-01' AS at"), "at", BERLIN, datetime(2024, 1, 1, tzinfo=UTC))


def test_a_label_of_a_skipped_hour_comes_when_it_is_joined(spark: SparkSession, tmp_path: Path) -> None:
    path = str(tmp_path / "labels")
    spark.sql("SELECT TIMESTAMP_NTZ '2024-03-31 02:30:00' AS known").write.parquet(path)
    labels = SimpleNamespace(table=None, path=path, format="parquet", time="known")

    def came(after: str, until: str) -> bool:
        start, end = (datetime.fromisoformat(f"2024-03-31T{text}").replace(tzinfo=UTC) for text in (after, until))
        return has_labels_since(spark, cast(Any, labels), BERLIN, start, end)

    # Spark places it half an hour after three, at 01:30 UTC.
    assert [came("01:15", "01:45"), came("01:30", "01:45"), came("01:15", "01:30")] == [True, True, True]
    assert [came("00:30", "01:15"), came("01:31", "02:00")] == [False, False]
