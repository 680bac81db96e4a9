"""When stored states may not be merged: another file made them, or slice values are counted together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import days
import pandas as pd
import pyarrow as pa
import pytest
from days import Growing
from pyspark.sql import SparkSession

from spark_monitor import Monitor

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

START = datetime(2024, 1, 1, tzinfo=UTC)
SUNDAY, MONDAY = START + timedelta(days=6), START + timedelta(days=7)
WINDOWS = "every: 1 day, also: [1 week], lookback: 0 days"
ROWS = 60


def grown(spark: SparkSession, directory: days.Path, *, text: str | None = None) -> Growing:
    """A week of rows, a file for every day; with ``text``, its day and a number below 150 become the column ``text``."""
    table = Growing(spark, directory)
    table.write_baseline(days.rows_of(START - timedelta(days=9), START, rows=300, seed=0))
    for number in range(7):
        rows = days.rows_of(START + timedelta(days=number), START + timedelta(days=number + 1), rows=ROWS, seed=number + 1)
        if text is not None:
            values = pa.array([text.format(day=number, row=row % 50) for row in range(ROWS)])
            rows = rows.set_column(rows.schema.get_field_index("text"), "text", values)
        table.append(rows)
    return table


def sunday_again(spark: SparkSession, table: Growing, monitor: Monitor) -> tuple[int, bool]:
    """Rows that a backfill of Sunday reads, for that day and for the week that it cuts, and whether stored states were merged."""
    assert monitor.run(spark, as_of=MONDAY, start=SUNDAY, end=MONDAY).status == "COMMITTED"
    last = table.last_run("out")
    return last["rows_in"], "Stored states of 6 finer windows" in last["reader_reason"]


def week(table: Growing) -> pd.DataFrame:
    """The week's stored numbers of the whole window, in a fixed order."""
    profile = table.read("out", "profile_metrics")
    own = profile[(profile["granularity"] == "1 week") & profile["slice_key"].isna()]
    return own.sort_values(["model_version", "column_name"])[["model_version", "column_name", "count", "num_nulls"]].fillna(-1)


def test_states_that_another_file_made_are_not_merged(spark: SparkSession, tmp_path: days.Path) -> None:
    table = grown(spark, tmp_path)
    monitor = table.monitor("out", windows=WINDOWS, slices="[text]")
    assert monitor.run(spark, as_of=MONDAY).status == "COMMITTED"
    assert table.last_run("out")["rows_in"] == 7 * ROWS
    before = week(table)
    assert sunday_again(spark, table, monitor) == (ROWS, True)
    assert week(table).to_dict("list") == before.to_dict("list")

    ruled = table.monitor("out", windows=WINDOWS, slices="[text]", extra="rules: [{metric: percent_null, fail: 99}]")
    assert sunday_again(spark, table, ruled) == (7 * ROWS, False)
    assert week(table).to_dict("list") == before.to_dict("list")


def test_slice_values_that_are_too_many_together_are_read_again(spark: SparkSession, tmp_path: days.Path) -> None:
    # Fifty values a day are kept, 150 a run; the week has 350, of which 200 are kept and the others counted together.
    table = grown(spark, tmp_path, text="{day} {row}")
    monitor = table.monitor("out", windows=WINDOWS, slices="[text]")
    for number in (3, 6):
        assert monitor.run(spark, as_of=START + timedelta(days=number)).status == "COMMITTED"
    assert monitor.run(spark, as_of=MONDAY).status == "COMMITTED"
    last = table.last_run("out")
    assert (last["rows_in"], "Stored states" in last["reader_reason"]) == (7 * ROWS, False)
    profile = table.read("out", "profile_metrics")
    sliced = profile[(profile["granularity"] == "1 week") & profile["slice_key"].notna() & (profile["column_name"] == "x")]
    assert sliced["slice_value"].nunique() == 201
    assert sliced["count"].sum() == 7 * ROWS
    # Sunday's values were counted among those of a week, and the days before were not: none of it is mixed.
    assert sunday_again(spark, table, monitor) == (7 * ROWS, False)
