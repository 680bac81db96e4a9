"""A prediction table that changes while it is watched: columns that come, go and change their type; labels written otherwise."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark_monitor import Monitor

pytestmark = pytest.mark.slow

WEEK = 7 * 86_400
START = datetime(2024, 1, 1, tzinfo=UTC)
CATEGORIES = 100_000


def write(spark: SparkSession, directory: Path, week: int, columns: str, *, rows: int, mode: str, option: str) -> None:
    frame = spark.range(week * CATEGORIES, week * CATEGORIES + rows)
    at = f"timestamp_seconds({int(START.timestamp())} + {week * WEEK} + id % {WEEK}) AS at"
    frame = frame.selectExpr("id", at, "CAST(id % 2 AS INT) AS predicted", *columns.split("; "))
    frame.write.format("delta").mode(mode).option(option, "true").save(f"{directory}/predictions")


@pytest.fixture(scope="module")
def tables(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    directory = tmp_path_factory.mktemp("evolving")
    first = "CAST(id % 10 AS INT) AS amount; concat('kind ', id) AS many; CAST(id AS DOUBLE) AS leaving"
    write(spark, directory, 0, first, rows=CATEGORIES, mode="append", option="mergeSchema")
    labels = spark.range(CATEGORIES).selectExpr("id", "CAST(id % 2 = 1 AS STRING) AS truth", "timestamp_seconds(0) AS known")
    labels.write.format("delta").save(f"{directory}/labels")
    # The training table has the label too, and a column that predictions never had.
    training = (
        spark.read.format("delta").load(f"{directory}/predictions").selectExpr("*", "true AS truth", "id % 7 AS training_only")
    )
    training.write.format("delta").save(f"{directory}/training")
    path = directory / "evolving.yaml"
    path.write_text(
        f"""
monitor: evolving
model: {{name: evolving, task: binary}}
predictions:
  {{path: "{directory}/predictions", format: delta, id: id, time: at, model_version: {{literal: "1"}}, prediction: predicted}}
labels: {{path: "{directory}/labels", format: delta, id: id, label: truth, time: known, horizon: 1 days}}
baseline: {{path: "{directory}/training", format: delta, where: "at < TIMESTAMP '2024-01-08 00:00:00Z'"}}
windows: {{every: 1 week}}
slices: ["amount = 3"]
rules: [{{metric: ks, columns: "*", fail: 0.1}}]
outputs: {{path: "{directory}/out"}}
""",
        encoding="utf-8",
    )
    monitor = Monitor.load(path)
    assert monitor.run(spark, as_of=datetime(2024, 1, 8, tzinfo=UTC)).status == "COMMITTED"
    # The second week lies in files of their own, with another column; then the whole table is written anew with another type.
    write(spark, directory, 1, f"{first}; rand(1) AS coming", rows=2_000, mode="append", option="mergeSchema")
    whole = spark.read.format("delta").load(f"{directory}/predictions")
    changed = whole.selectExpr("* EXCEPT (leaving, amount)", "CAST(amount AS STRING) AS amount")
    changed.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(f"{directory}/predictions")
    assert monitor.run(spark, as_of=datetime(2024, 1, 15, tzinfo=UTC)).status == "COMMITTED"
    names = ("profile_metrics", "drift_metrics", "model_metrics", "runs")
    found = {name: DeltaTable(f"{directory}/out/{name}").to_pandas() for name in names}
    for name in names[:3]:
        found[name]["start"] = pd.to_datetime([window["start"] for window in found[name].pop("window")], utc=True)
    return found


def second_week(frame: pd.DataFrame) -> pd.DataFrame:
    found = frame[(frame["start"] == pd.Timestamp("2024-01-08", tz="UTC")) & frame["slice_key"].isna()]
    return found.set_index("column_name")


def test_a_hundred_thousand_categories_are_counted_and_not_kept(tables: dict[str, pd.DataFrame]) -> None:
    profile = tables["profile_metrics"]
    many = profile[(profile["column_name"] == "many") & (profile["start"] == pd.Timestamp(START)) & profile["slice_key"].isna()]
    (row,) = many.to_dict("records")
    assert row["count"] == CATEGORIES
    assert abs(row["distinct_count"] / CATEGORIES - 1) < 4 / np.sqrt(1022)
    assert len(row["frequent_items"]) <= 20


def test_a_column_that_came_is_profiled_and_said_to_be_new(tables: dict[str, pd.DataFrame]) -> None:
    profile, drift = second_week(tables["profile_metrics"]), second_week(tables["drift_metrics"])
    assert (profile.loc["coming", "count"], profile.loc["coming", "num_nulls"]) == (2_000, 0)
    assert drift[drift["drift_type"] == "BASELINE"].loc["coming", "status"] == "NEW"


def test_a_column_that_left_is_said_to_be_missing(tables: dict[str, pd.DataFrame]) -> None:
    assert second_week(tables["profile_metrics"]).loc["leaving", "status"] == "MISSING"
    drift = second_week(tables["drift_metrics"])
    assert "the prediction table does not" in drift[drift["drift_type"] == "BASELINE"].loc["leaving", "message"]


def test_a_column_that_only_the_training_table_ever_had_is_missing_from_the_first_window_on(
    tables: dict[str, pd.DataFrame],
) -> None:
    for name in ("profile_metrics", "drift_metrics"):
        found = tables[name]
        gone = found[found["column_name"] == "training_only"]
        assert (gone["status"] == "MISSING").all()
        assert sorted(gone["start"].dt.day) == [1, 8]
        assert not (found["column_name"] == "truth").any()
    drift = tables["drift_metrics"]
    whole = drift[(drift["column_name"] == ":table") & drift["slice_key"].isna() & (drift["drift_type"] == "BASELINE")]
    deltas = whole.sort_values("start")["non_null_columns_delta"].tolist()
    # The first week was done again when the whole table was written anew, without the column that left.
    assert deltas == [{"added": 0, "missing": 2}, {"added": 1, "missing": 2}]


def test_a_column_of_another_type_is_profiled_as_it_is_and_not_compared(tables: dict[str, pd.DataFrame]) -> None:
    profile, drift = second_week(tables["profile_metrics"]), second_week(tables["drift_metrics"])
    assert (profile.loc["amount", "data_type"], profile.loc["amount", "status"]) == ("string", "OK")
    compared = drift[drift["drift_type"] == "BASELINE"].loc["amount"]
    assert compared["status"] == "TYPE_CHANGED"
    assert compared["message"] == "The column was int in the baseline and is string now."


def test_columns_that_stayed_are_compared_as_ever(tables: dict[str, pd.DataFrame]) -> None:
    drift = second_week(tables["drift_metrics"])
    assert drift[drift["drift_type"] == "BASELINE"].loc["predicted", "ks_upper"] < 0.01


def test_labels_written_as_words_are_the_classes_that_predictions_write_as_numbers(tables: dict[str, pd.DataFrame]) -> None:
    metrics = tables["model_metrics"]
    first = metrics[(metrics["start"] == pd.Timestamp(START)) & metrics["slice_key"].isna()].set_index("metric")
    assert first.loc["accuracy_score", "value"] == 1.0
    assert first.loc["accuracy_score", "count"] == CATEGORIES


def test_a_condition_on_a_column_of_another_type_is_left_to_spark_with_a_sentence(tables: dict[str, pd.DataFrame]) -> None:
    runs = tables["runs"].sort_values("as_of")
    assert runs["reader"].tolist() == ["files", "spark"]
    assert runs["reader_reason"].iloc[1] == "Read through Spark: the slice amount = 3 compares a string column with 3."
