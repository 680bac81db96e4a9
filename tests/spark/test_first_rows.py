"""What `init` sees of doubles that may be names, and of the time that labels take."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from spark_monitor.commands.first_file import first_file
from spark_monitor.commands.first_look import made_from, open_table
from spark_monitor.commands.first_rows import answered_in, calendar_columns, going_together, look
from spark_monitor.commands.label_delays import Answered
from spark_monitor.commands.roles import Roles
from spark_monitor.config.monitor import load_config
from spark_monitor.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CODES = (11.0, 24.0, 32.0, 75.0)
CODES_AS_INTEGERS = (11, 24, 32, 75)


def test_doubles_are_names_where_all_of_them_are_integers(spark: SparkSession) -> None:
    nan, infinite, huge = math.nan, math.inf, 1e300
    odd = zip(
        CODES,
        (*CODES[:3], nan),
        (*CODES[:3], None),
        (*CODES[:3], infinite),
        (*CODES[:3], huge),
        (-0.5, 2.0, nan, 1.0),
        strict=True,
    )
    frame = spark.createDataFrame(list(odd), "code double, nan double, empty double, infinite double, huge double, signed double")

    columns = {column.name: column for column in look(frame)}

    assert [name for name, column in columns.items() if column.is_code] == ["code", "nan", "empty"]
    assert [name for name, column in columns.items() if column.has_both_signs] == ["signed"]
    assert {name: column.infinite for name, column in columns.items() if column.infinite} == {"infinite": 25.0}


def test_integers_beyond_a_long_end_no_look_and_are_no_names(spark: SparkSession) -> None:
    """Unsigned 64-bit integers of Parquet are DECIMAL(20, 0), whose casts to BIGINT fail under ANSI."""
    wide = [2**64 - 1, 2**63, 2**63 + 1, 7]
    rows = [
        (Decimal(unsigned), Decimal(code), Decimal(10**37 + code)) for unsigned, code in zip(wide, CODES_AS_INTEGERS, strict=True)
    ]
    frame = spark.createDataFrame(rows, "unsigned_code decimal(20,0), code decimal(20,0), widest_code decimal(38,0)")

    columns = {column.name: column for column in look(frame)}

    assert [name for name, column in columns.items() if column.is_code] == ["code"]
    assert columns["unsigned_code"].count == 4


def test_the_delay_of_labels_is_the_high_quantile_of_those_that_came(spark: SparkSession) -> None:
    made, hours = datetime(2024, 1, 1, tzinfo=UTC), np.random.default_rng(3).gamma(2.0, 5.0, 4000).round(2).tolist()
    rows = [(made, made + timedelta(hours=delay), place % 4 == 0) for place, delay in enumerate(hours)]
    frame = spark.createDataFrame([*rows, (made, made + timedelta(days=900), None)], "at timestamp, known timestamp, y boolean")

    found = answered_in(frame, Roles("binary", "at", "id", label="y", label_time="known", positive=True), "1 day")
    none = answered_in(
        frame.where("y IS NULL"), Roles("binary", "at", "id", label="y", label_time="known", positive=True), "1 day"
    )

    assert found.classes == (0.25, 0.75)
    assert found.delay is not None
    assert abs(found.delay - float(np.quantile(hours, 0.999, method="inverted_cdf"))) < 0.01
    assert (found.longest, none) == (max(hours), Answered())


def test_labels_of_another_type_than_the_positive_class_end_nothing(spark: SparkSession) -> None:
    rows = [(datetime(2024, 1, 1, tzinfo=UTC), text) for text in ("1", "N", "0", None)]
    frame = spark.createDataFrame(rows, "at timestamp, y string")
    for positive, expected in ((1, 1 / 3), ("N", 1 / 3), ("?", 0.0)):
        found = answered_in(frame, Roles("binary", "at", "id", label="y", positive=positive), "1 day")
        assert found.classes == (pytest.approx(expected), pytest.approx(1 - expected))


def test_columns_go_with_the_scores_as_numpy_correlates_them(spark: SparkSession) -> None:
    random = np.random.default_rng(4)
    score = random.random(400)
    late, outcome = random.random(400) < score, np.where(random.random(400) < score, "default", "repaid")
    held = np.where(random.random(400) < 0.1, math.nan, score + random.normal(size=400))
    rows = list(zip(score.tolist(), late.tolist(), outcome.tolist(), held.tolist(), strict=True))
    frame = spark.createDataFrame(rows, "score double, late boolean, final_outcome string, held double").withColumn(
        "few", F.expr("IF(rand(1) < 0.1, score, NULL)")
    )
    columns = {column.name: column for column in look(frame)}
    assert columns["final_outcome"].values == ("default", "repaid")
    assert columns["score"].repeats == pytest.approx(1.0, abs=0.2)

    found = going_together(frame, [columns[name] for name in ("late", "final_outcome", "held", "few")], columns["score"])

    there = ~np.isnan(held)
    assert found["late"] == pytest.approx(np.corrcoef(late, score)[0, 1], rel=1e-9)
    assert found["final_outcome"] == pytest.approx(np.corrcoef(outcome == "repaid", score)[0, 1], rel=1e-9)
    assert found["held"] == pytest.approx(np.corrcoef(held[there], score[there])[0, 1], rel=1e-9)
    assert found["few"] is None


def test_columns_of_one_value_a_window_are_the_calendars(spark: SparkSession) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + timedelta(hours=place / 4) for place in range(14 * 96)]
    rows = [(at, at.weekday() >= 5, f"{at:%a}", at.isocalendar().week, at.hour, place % 3) for place, at in enumerate(times)]
    frame = spark.createDataFrame(rows, "at timestamp, weekend boolean, day string, week long, hour long, mixed long")
    columns = [column for column in look(frame) if column.name != "at"]

    assert calendar_columns(frame, columns, "at", "1 day") == ("weekend", "day", "week")
    assert calendar_columns(frame, columns, "at", "1 week") == ("week",)
    assert calendar_columns(frame, columns, "at", "1 month") == ()
    assert calendar_columns(frame.limit(90), columns, "at", "1 day") == (), "one window tells nothing"


def test_the_error_of_predicted_numbers_is_that_of_rows_with_both(spark: SparkSession) -> None:
    rows = [
        (datetime(2024, 1, 1, tzinfo=UTC), guess, label)
        for guess, label in ((1.0, 2.0), (5.0, 2.0), (None, 1.0), (math.nan, 1.0))
    ]
    frame = spark.createDataFrame(rows, "at timestamp, g double, y double")
    found = answered_in(frame, Roles("regression", "at", "id", prediction="g", label="y"), "1 day")
    assert found.error == pytest.approx(math.sqrt(5.0))


def test_a_table_that_cannot_be_opened_is_said_with_what_to_do(spark: SparkSession, tmp_path: Path) -> None:
    nanoseconds, broken = tmp_path / "nanoseconds", tmp_path / "broken"
    for place in (nanoseconds, broken):
        place.mkdir()
    pq.write_table(pa.table({"at": pa.array([1], pa.timestamp("ns"))}), nanoseconds / "0.parquet")
    pq.write_table(pa.table({"x": [1]}), broken / "0.parquet")
    (broken / "_delta_log").mkdir()
    with pytest.raises(ConfigError, match="Spark reads no times in nanoseconds: write the files with microseconds"):
        open_table(spark, str(nanoseconds))
    with pytest.raises(ConfigError, match="a Delta table, not Parquet files alone"):
        open_table(spark, str(broken))
    with pytest.raises(ConfigError, match=r"nowhere: cannot be read\. Give a table's name, or the path of"):
        open_table(spark, str(tmp_path / "nowhere"))


def test_labels_of_classes_are_counted_and_the_baselines_farthest_day_is_told_from_chance(spark: SparkSession) -> None:
    random = np.random.default_rng(6)
    days = [[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.3, 0.3, 0.4]]
    labels = [(day, str(one)) for day, shares in enumerate(days) for one in random.choice(3, size=2_000, p=shares)]
    rows = [(datetime(2024, 1, 1 + day, tzinfo=UTC), label) for day, label in labels]
    frame = spark.createDataFrame([*rows, (datetime(2024, 1, 9, tzinfo=UTC), None)], "at timestamp, y string")

    found = answered_in(frame, Roles("multiclass", "at", "id", label="y"), "1 day")

    counts = np.array([[sum(one == (day, str(place)) for one in labels) for place in range(3)] for day in range(3)])
    shares = counts.sum(axis=0) / counts.sum()
    assert sorted(found.classes) == pytest.approx(sorted(shares))
    distance = np.abs(counts[2] / 2_000 - shares).sum() / 2
    deviations = 2**0.5 * math.exp(-0.5) * np.sqrt(shares * (1 - shares)).sum() / 2
    assert found.classes_moved == pytest.approx(distance - (deviations + 1.959964 / 2) * (1 / 2_000 - 1 / 6_000) ** 0.5, abs=1e-6)


def test_a_column_whose_name_begins_a_variable_is_in_no_list_of_the_first_file(spark: SparkSession, tmp_path: Path) -> None:
    table = tmp_path / "visits"
    made_at = "timestamp_seconds(1700000000 + id * 600) AS made_at"
    hostile = "element_at(array('basic', 'plus', 'NaN', '-999'), CAST(1 + id % 4 AS INT)) AS `h${env:HOME}`"
    spark.range(6_000).selectExpr("id AS visit_id", made_at, "rand(3) AS price", hostile).write.parquet(str(table))
    source, frame = open_table(spark, str(table))
    file = tmp_path / "visits.yaml"
    file.write_text(first_file(made_from(frame, source, str(table), file)), encoding="utf-8")
    assert load_config(file).predictions.time == "made_at"
    assert "${" not in file.read_text(encoding="utf-8")


def test_what_was_predicted_is_the_column_that_a_threshold_of_the_score_parts(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    rows = 4000
    score = random.random(rows).round(3)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    columns = {
        "claim_no": [f"c{place}" for place in range(rows)],
        "scored_at": [start + timedelta(minutes=10 * place) for place in range(rows)],
        "model_version": ["1"] * rows,
        "risk_score": score,
        "flag": pa.array(np.where(score >= 0.35, "stop", "go"), mask=(score < 0.01) | (score > 0.99)),
        "insured": random.random(rows) < score,  # goes with the score, but no threshold parts it
        "premium": score >= 0.999,  # of the few rows nothing is told
        "amount": random.normal(size=rows),
    }
    for several, expected in ((False, "flag"), (True, None)):
        more = {"copy": np.where(score >= 0.7, 1, 0)} if several else {}
        path = tmp_path / f"claims{several}"
        path.mkdir()
        pq.write_table(pa.table({**columns, **more}), path / "part.parquet")
        source, frame = open_table(spark, str(path))
        made = made_from(frame, source, str(path), path / "claims.yaml")
        assert made.roles.prediction == expected
        assert made.roles.given == frozenset()
        assert made.looks.threshold == (0.35 if expected else None)


def test_predictions_in_other_words_or_of_another_type_than_the_labels(spark: SparkSession, tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    rows = 3000
    score = random.random(rows).round(3)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    ids = [f"c{place}" for place in range(rows)]
    truth = (random.random(rows) < score).astype(np.int64)
    known = [start + timedelta(days=3, minutes=5 * place) for place in range(rows)]
    labels = {"claim_no": ids, "truth": truth, "known_at": known}
    (tmp_path / "labels").mkdir()
    pq.write_table(pa.table(labels), tmp_path / "labels" / "part.parquet")
    high = score >= 0.35
    for name, predicted, wanted in (
        ("alarm", np.where(high, "Y", "N"), (None, None)),  # equal to no label of 0 and 1
        ("flag", np.where(high, "1", "0"), ("flag", 0.35)),
        ("flag_real", np.where(high, 1.0, 0.0), ("flag_real", 0.35)),
        ("prediction", np.where(high, "Y", "N"), ("prediction", None)),
    ):
        columns = {"claim_no": ids, "scored_at": [start + timedelta(minutes=5 * place) for place in range(rows)]}
        table = pa.table({**columns, "model_version": ["1"] * rows, "risk_score": score, name: predicted})
        path = tmp_path / name
        path.mkdir()
        pq.write_table(table, path / "part.parquet")
        source, frame = open_table(spark, str(path))
        labelled = open_table(spark, str(tmp_path / "labels"))
        made = made_from(frame, source, str(path), path / "claims.yaml", labels=labelled)
        assert (made.roles.label, made.roles.positive) == ("truth", 1)
        assert (made.roles.prediction, made.looks.threshold) == wanted
