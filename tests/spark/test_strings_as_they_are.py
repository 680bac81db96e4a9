"""Strings that look alike stay apart in both readers: values of a path, of crossings, of padded columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from test_file_reader import START, both, config_of, decoded, plan_of, refusal

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.sources.predictions import open_predictions
from spark_monitor.sources.readers.rows import read_slice
from spark_monitor.stages.merge import profile
from spark_monitor.text.quoting import crossed


def write(directory: Path, **columns: Any) -> str:
    directory.mkdir(parents=True)
    pq.write_table(pa.table(columns), directory / "part.parquet")
    return str(directory)


def partitioned(directory: Path, name: str, values: list[str]) -> str:
    for place, value in enumerate(values):
        write(directory / f"{name}={value}", id=[place], x=[1.0])
    return str(directory)


def opened(spark: SparkSession, path: str, slices: list[Any], version: str | None = None) -> tuple[DataFrame, Any]:
    own = {"path": path, "format": "parquet", "id": "id", "time": "at", **({"model_version": version} if version else {})}
    config = MonitorConfig.model_validate(
        {
            "monitor": "m",
            "model": {"name": "m", "task": "none"},
            "predictions": own,
            "windows": {"every": "1 day"},
            "slices": slices,
            "outputs": {"path": "unused"},
        }
    )
    predictions = open_predictions(spark, config)
    return predictions.frame, predictions


def test_values_of_a_path_keep_their_text_where_numbers_would_melt_them(spark: SparkSession, tmp_path: Path) -> None:
    for name, values in (("store", ["007", "7", "12"]), ("version", ["1.1", "1.10", "2.0"])):
        frame, predictions = opened(spark, partitioned(tmp_path / name, name, values), [name], version=name)
        found = {row[0] for row in frame.selectExpr(predictions.slices[0].sql).collect()}
        assert found == set(values)
        assert {row[0] for row in frame.selectExpr(f"CAST({predictions.version_sql} AS STRING)").collect()} == set(values)


def test_values_of_a_path_that_numbers_give_back_stay_numbers(spark: SparkSession, tmp_path: Path) -> None:
    frame, _ = opened(spark, partitioned(tmp_path / "rows", "store", ["7", "-12", "__HIVE_DEFAULT_PARTITION__"]), ["store"])
    assert frame.schema["store"].dataType.simpleString() == "int"
    assert {row["store"] for row in frame.collect()} == {7, -12, None}


def test_a_crossing_in_spark_is_written_as_the_files_reader_writes_it(spark: SparkSession, tmp_path: Path) -> None:
    rows: list[tuple[str | None, str | None]] = [
        ("a, b", "c"),
        ("a", "b, c"),
        (None, "x"),
        ("NULL", "x"),
        ('say "x"', ""),
        ("a", "b"),
    ]
    left, right = zip(*rows, strict=True)
    path = write(tmp_path / "rows", id=list(range(len(rows))), **{"l'eft": list(left), "right": list(right)})
    frame = spark.read.parquet(path)
    slice_ = read_slice(frame, ["l'eft", "right"])
    found = pd.DataFrame([row.asDict() for row in frame.selectExpr("id", f"{slice_.sql} AS value").collect()]).sort_values("id")
    assert found["value"].tolist() == [crossed(row) for row in rows]
    assert found["value"].nunique() == len(rows)


@pytest.mark.slow
def test_texts_of_char_columns_are_filled_up_in_both_readers(spark: SparkSession, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    spark.sql(
        f"CREATE TABLE delta.`{path}` (id INT, at TIMESTAMP, code CHAR(4), kind VARCHAR(9)) USING delta "
        "TBLPROPERTIES ('delta.enableDeletionVectors' = 'false')"
    )
    made = "VALUES (1, 'ab', 'x '), (2, 'ab  ', 'x'), (3, NULL, NULL), (4, 'abcd', 'é'), (5, 'é', '') AS t(id, code, kind)"
    spark.sql(f"INSERT INTO delta.`{path}` SELECT id, TIMESTAMP '2024-03-26 00:00:00Z', code, kind FROM {made}")
    config = config_of({"path": str(path), "format": "delta", "model_version": "kind"}, ["code", "kind", ["code", "kind"]])
    assert both(spark, config) > 10
    rows, plan = plan_of(config, open_predictions(spark, config))
    values = {key[3] for key in decoded(profile(rows, plan), plan) if key[2] == "code"}
    assert values == {"ab  ", "abcd", "é   ", None}
    assert "CHAR column" in refusal(spark, config_of({"path": str(path), "format": "delta"}, ["code = 'ab'"]))


@pytest.mark.slow
def test_values_of_paths_that_melt_as_numbers_give_the_same_states_in_both_readers(spark: SparkSession, tmp_path: Path) -> None:
    at = pa.array([START] * 3, pa.timestamp("us", "UTC"))
    for place, value in enumerate(["007", "7", "1.10", "1.1"]):
        write(tmp_path / "rows" / f"store={value}", id=[place] * 3, at=at, x=[1.0, 2.0, 3.0])
    config = config_of(
        {"path": str(tmp_path / "rows"), "format": "parquet", "model_version": "store"}, ["store", ["store", "id"]]
    )
    assert both(spark, config) > 20
