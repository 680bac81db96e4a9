"""Windows are found from the rows: a wrong time, a long silence and an as-of before the data cost nothing and are reported."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from spark_monitor import Monitor, RunResult
from spark_monitor.errors import ConfigError
from tests.logged import logged

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 400


def made(directory: Path, times: list[datetime], *, part: str = "0", baseline: bool = True) -> Monitor:
    random = np.random.default_rng(len(times))
    (directory / "rows").mkdir(parents=True, exist_ok=True)
    table = {"id": np.arange(len(times)), "at": pa.array(times, pa.timestamp("us", "UTC")), "x": random.normal(size=len(times))}
    pq.write_table(pa.table(table), directory / "rows" / f"{part}.parquet")
    own = f"path: {directory}/rows, format: parquet"
    file = directory / "made.yaml"
    frozen = f"baseline: {{{own}, where: \"at >= TIMESTAMP '2024-01-01 00:00:00Z'\"}}\n" if baseline else ""
    file.write_text(
        f"monitor: made\nmodel: {{name: made, task: none}}\npredictions: {{{own}, id: id, time: at}}\n{frozen}"
        f"windows: {{every: 1 day, lookback: 5 days}}\noutputs: {{path: {directory}/out}}\n",
        encoding="utf-8",
    )
    return Monitor.load(file)


def times_of(*days: int) -> list[datetime]:
    return [START + timedelta(days=day, minutes=minute) for day in days for minute in range(0, 1440, 1440 * len(days) // ROWS)]


def table_rows(spark: SparkSession, directory: Path) -> dict[int, str]:
    rows = spark.read.format("delta").load(f"{directory}/out/profile_metrics").where("column_name = ':table'")
    return {
        (row["start"] - START.replace(tzinfo=None)).days: row["status"]
        for row in rows.selectExpr("window.start AS start", "status").collect()
    }


def numbers(result: RunResult) -> list[int]:
    return [(one.window.start - START).days for one in result.windows]


@pytest.mark.slow
def test_a_row_of_1970_and_a_silence_of_years_make_one_statement_each(spark: SparkSession, tmp_path: Path) -> None:
    monitor = made(tmp_path, [datetime(1970, 1, 1, tzinfo=UTC), *times_of(0, 1, 5)])
    with logged() as lines:
        first = monitor.run(spark, as_of=datetime(2032, 1, 1, tzinfo=UTC))
    assert numbers(first) == [0, 1, 2, 3, 4, 5, 6]  # of the days since, the first alone
    expected = {0: "OK", 1: "OK", 2: "EMPTY", 3: "EMPTY", 4: "EMPTY", 5: "OK", 6: "EMPTY"}
    assert table_rows(spark, tmp_path) == expected
    assert "1 row has a time far before all others (1970-01-01 00:00" in first.message
    assert any(line.startswith("warning: 1 row has a time far before") for line in lines)
    again = monitor.run(spark, as_of=datetime(2032, 2, 1, tzinfo=UTC))
    assert (again.status, again.windows) == ("NOTHING_NEW", ())
    assert "No rows since 2024-01-06 23:5" in again.message
    assert "--as-of 2024-01-07T00:00Z" in again.message

    made(tmp_path, times_of(9), part="1")  # the silence is over: its first part is a short pause
    recent = monitor.run(spark, as_of=START + timedelta(days=10))
    assert numbers(recent) == [5, 6, 7, 8, 9]
    assert table_rows(spark, tmp_path) == {**expected, 7: "EMPTY", 8: "EMPTY", 9: "OK"}


def test_check_makes_no_windows_of_rows_of_the_year_1_either(spark: SparkSession, tmp_path: Path) -> None:
    """There would be 700,000 windows of a day, more than can be listed."""
    monitor = made(tmp_path, [datetime(1, 1, 2, tzinfo=UTC), *times_of(0, 1, 5)])
    seen = monitor.overview(spark)
    assert (seen.windows, seen.due) == (6, 6)
    assert "1 row has a time far before all others" in seen.note


@pytest.mark.slow
def test_a_timestamp_before_the_first_row_freezes_nothing_and_says_when_they_begin(spark: SparkSession, tmp_path: Path) -> None:
    monitor = made(tmp_path, times_of(0, 3))
    result = monitor.run(spark, as_of=START - timedelta(days=30))
    assert result.status == "NOTHING_NEW"
    assert "begin at 2024-01-01 00:00 UTC and end at 2024-01-04 23:5" in result.message
    assert spark.read.format("delta").load(f"{tmp_path}/out/baselines").count() == 0
    assert monitor.run(spark, as_of=START + timedelta(days=4)).status == "COMMITTED"


def test_a_baseline_is_frozen_of_rows_before_the_as_of_alone(spark: SparkSession, tmp_path: Path) -> None:
    times = times_of(0, 1, 2)
    monitor = made(tmp_path, times)

    with pytest.raises(ConfigError) as refused:
        monitor.freeze(spark, as_of=START - timedelta(days=1))
    assert f"made: baseline: found {len(times):,} rows of parquet at " in str(refused.value)
    assert "from 2024-01-01T00:00:00+00:00 to 2024-01-03T23:5" in str(refused.value)
    assert "none before --as-of 2023-12-31T00:00:00+00:00" in str(refused.value)
    assert str(refused.value).endswith("Give a later --as-of, or a baseline of an earlier period.")

    with logged() as lines:
        assert monitor.freeze(spark, as_of=START + timedelta(days=1)) == 1
    before = [at for at in times if at < START + timedelta(days=1)]
    frozen = spark.read.format("delta").load(f"{tmp_path}/out/baselines")
    assert {row["count"] for row in frozen.where("column_name IN ('x', ':table')").collect()} == {len(before)}
    assert {row["rows"] for row in frozen.where("slice_key IS NULL").collect()} == {len(before)}
    assert any(f"{len(times) - len(before):,} rows of parquet at " in line and "are left out" in line for line in lines)

    with pytest.raises(ConfigError, match="none before --as-of"):
        monitor.freeze_diff(spark, as_of=START - timedelta(days=1))
    assert monitor.freeze(spark, as_of=START + timedelta(days=9)) == 2
    whole = spark.read.format("delta").load(f"{tmp_path}/out/baselines").where("baseline_version = 2 AND column_name = 'x'")
    assert [row["count"] for row in whole.collect()] == [len(times)]
