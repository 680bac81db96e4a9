"""Tables of other people, with what Delta and Parquet can do: read right, or refused with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark_monitor import Monitor
from spark_monitor.errors import MonitorError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
START = datetime(2024, 1, 1, tzinfo=UTC)
AS_OF = START + timedelta(days=8)
ROWS = 200
WIDE = 2**40
FEATURES = {
    "delta.columnMapping.mode": "name",
    "delta.enableDeletionVectors": "true",
    "delta.enableTypeWidening": "true",
    "delta.enableRowTracking": "true",
}


def monitor(directory: Path, source: str) -> Monitor:
    file = directory / "features.yaml"
    file.write_text(
        f"""
monitor: features
model: {{name: features, task: none}}
predictions: {{{source}, id: id, time: at, model_version: {{literal: "1"}}}}
baseline: {{{source}}}
windows: {{every: 1 week}}
outputs: {{path: "{directory}/out"}}
""",
        encoding="utf-8",
    )
    return Monitor.load(file)


def append(spark: SparkSession, table: str, first: int, amount: str, renamed: str) -> None:
    """Rows a minute apart, of every kind of column."""
    values = [
        "id",
        f"timestamp_micros({int(START.timestamp())}000000L + id * 60000000L)",
        amount,
        "concat('c', id % 3)",
        "concat('name ', id % 7)",
        "id / 2D",
        "parse_json('{\"a\": 1}')",
    ]
    names = f"id, at, amount, code, name, {renamed}, extra"
    spark.sql(f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM range({first}, {first + ROWS})").collect()


def test_a_table_of_many_features_is_read_as_spark_reads_it(spark: SparkSession, tmp_path: Path) -> None:
    table = f"delta.`{tmp_path}/rows`"
    properties = ", ".join(f"'{key}' = '{value}'" for key, value in FEATURES.items())
    spark.sql(
        f"CREATE TABLE {table} (id BIGINT, at TIMESTAMP, amount INT, code CHAR(5), name VARCHAR(20), former DOUBLE, "
        "extra VARIANT, day DATE GENERATED ALWAYS AS (CAST(at AS DATE))) "
        f"USING delta CLUSTER BY (at) TBLPROPERTIES ({properties})"
    ).collect()
    append(spark, table, 0, "CAST(id AS INT)", "former")
    spark.sql(f"ALTER TABLE {table} RENAME COLUMN former TO half").collect()
    spark.sql(f"ALTER TABLE {table} ALTER COLUMN amount TYPE BIGINT").collect()
    append(spark, table, ROWS, f"id + {WIDE}", "half")
    spark.sql(f"DELETE FROM {table} WHERE id % 10 = 0").collect()

    result = monitor(tmp_path, f'path: "{tmp_path}/rows"').run(spark, as_of=AS_OF)
    assert result.status == "COMMITTED"
    profile = DeltaTable(str(tmp_path / "out" / "profile_metrics")).to_pandas().set_index("column_name")
    kept = [number for number in range(2 * ROWS) if number % 10]
    numbers = pd.Series([number if number < ROWS else number + WIDE for number in kept])
    assert (profile["count"] == len(kept)).all()
    assert (profile.loc["amount", "min"], profile.loc["amount", "max"]) == (numbers.min(), numbers.max())
    assert profile.loc["half", "avg"] == pytest.approx(sum(kept) / 2 / len(kept))
    assert {len(one["item"]) for one in profile.loc["code", "frequent_items"]} == {5}, "CHAR(5) is padded, as Spark reads it"
    assert profile.loc["name", "distinct_count"] == 7
    assert profile.loc["day", "num_nulls"] == 0
    assert profile.loc["extra", "status"] != "OK" or profile.loc["extra", "num_nulls"] == 0
    assert profile.loc["extra", "status"] == "OK" or profile.loc["extra", "message"].endswith(".")


def test_nanoseconds_are_read_right_or_refused_with_a_sentence(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    at = pa.array([int(START.timestamp()) * 10**9 + number for number in range(ROWS)], pa.timestamp("ns", "UTC"))
    rows = pa.table({"id": pa.array(range(ROWS)), "at": at, "x": pa.array([0.5] * ROWS)})
    pq.write_table(rows, tmp_path / "rows" / "part.parquet", version="2.6")
    own = monitor(tmp_path, f'path: "{tmp_path}/rows", format: parquet')
    try:
        result = own.run(spark, as_of=AS_OF)
    except MonitorError as error:
        refused = str(error)
    else:
        refused, profile = "", DeltaTable(str(tmp_path / "out" / "profile_metrics")).to_pandas()
        assert result.status == "COMMITTED"
        assert (profile["count"] == ROWS).all()
    assert not refused or "at" in refused
