"""Late labels on Spark, against DuckDB's and Python's answers."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from spark_monitor.errors import ConfigError
from spark_monitor.sources.labels import join_labels, latest_labels, plain_ids
from spark_monitor.stages.measure_plan import answered_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

AS_OF = datetime(2024, 5, 1, tzinfo=UTC)


def config(*ids: str, label: str = "y", time: str = "at") -> Any:
    return SimpleNamespace(id=ids or ("id",), label=label, time=time)


def at(day: int, **more: int) -> datetime:
    return datetime(2024, 4, 1, tzinfo=UTC) + timedelta(days=day - 1, **more)


def table(spark: SparkSession, rows: list[tuple[Any, ...]], ddl: str = "id long, y double, at timestamp") -> DataFrame:
    return spark.createDataFrame(rows, ddl)


def by_id(frame: DataFrame, name: str = "id") -> dict[Any, Any]:
    rows = frame.collect()
    found = {row[name]: row for row in rows}
    assert len(found) == len(rows)
    return found


def newest(rows: list[tuple[Any, ...]], as_of: datetime) -> dict[str, tuple[float, datetime, int, bool]]:
    """Plain Python: the latest usable row of every id, ties by the greatest canonical text."""
    groups: dict[int, list[tuple[datetime, str, float]]] = {}
    for identifier, label, time in rows:
        if identifier is not None and label is not None and label == label and time is not None and time <= as_of:
            groups.setdefault(identifier, []).append((time, str(int(label)), label))
    return {
        str(identifier): (max(group)[2], max(group)[0], len(group), len({text for _, text, _ in group}) > 1)
        for identifier, group in groups.items()
    }


def test_the_latest_usable_label_of_every_id_is_found_whatever_the_order_of_rows(spark: SparkSession) -> None:
    draw = random.Random(4)
    values = [0.0, 1.0, 9.0, 10.0, None, float("nan")]
    rows = [
        (draw.choice([None, *range(40)]), draw.choice(values), draw.choice([None, *(at(day) for day in range(20, 40))]))
        for _ in range(600)
    ]
    shuffled = draw.sample(rows, len(rows))
    expected = newest(rows, AS_OF)
    for given in (rows, shuffled):
        found = by_id(latest_labels(table(spark, given).repartition(3), config(), as_of=AS_OF))
        seen = {
            key: (row.label, row.label_time.astimezone(UTC), row.label_rows, row.label_conflicts) for key, row in found.items()
        }
        assert seen == expected


def test_an_id_of_more_rows_than_a_window_keeps_in_memory_has_its_latest_label(spark: SparkSession) -> None:
    draw = random.Random(5)
    rows = [(draw.choice([1, 1, 1, 2]), float(draw.randrange(12)), at(1, seconds=draw.randrange(40_000))) for _ in range(9_000)]
    found = by_id(latest_labels(table(spark, rows), config(), as_of=AS_OF))
    seen = {key: (row.label, row.label_time.astimezone(UTC), row.label_rows, row.label_conflicts) for key, row in found.items()}
    assert seen == newest(rows, AS_OF)


@pytest.mark.parametrize(("kind", "labels", "latest"), [("string", [" b", "b ", "b"], "b "), ("double", [0.0, -0.0], "0.0")])
def test_of_labels_that_are_one_in_two_writings_the_greatest_plain_text_wins(
    spark: SparkSession, kind: str, labels: list[Any], latest: str
) -> None:
    rows = [(1, label, at(3)) for label in labels]
    for given in (rows, rows[::-1]):
        found = latest_labels(table(spark, given, f"id long, y {kind}, at timestamp"), config(), as_of=AS_OF)
        row = by_id(found.withColumn("label", F.col("label").cast("string")))["1"]
        assert (row.label, row.label_rows, row.label_conflicts) == (latest, len(labels), False)


def test_a_label_of_the_very_timestamp_counts_and_one_a_microsecond_later_does_not(spark: SparkSession) -> None:
    rows = [(1, 1.0, AS_OF), (2, 1.0, AS_OF + timedelta(microseconds=1))]
    assert list(by_id(latest_labels(table(spark, rows), config(), as_of=AS_OF))) == ["1"]


def test_ids_that_are_written_in_two_ways_are_one_id(spark: SparkSession) -> None:
    rows = [("4", "a", at(1)), (" 4.0", "b", at(2)), ("+4.00", "c", at(3)), ("04", "d", at(1)), (None, "e", at(1))]
    found = by_id(latest_labels(table(spark, rows, "id string, y string, at timestamp"), config(), as_of=AS_OF))
    assert {key: (row.label, row.label_rows) for key, row in found.items()} == {"4": ("c", 3), "04": ("d", 1)}


def test_labels_that_differ_only_in_writing_are_no_conflict(spark: SparkSession) -> None:
    rows = [(1, "true", at(1)), (1, "1", at(2)), (2, "yes", at(1)), (2, "no", at(2)), (3, "2.0", at(1)), (3, "2", at(1))]
    found = by_id(latest_labels(table(spark, rows, "id long, y string, at timestamp"), config(), as_of=AS_OF))
    assert {key: row.label_conflicts for key, row in found.items()} == {"1": False, "2": True, "3": False}
    assert found["2"].label == "no"


@pytest.mark.parametrize(
    ("label_type", "label_ids", "prediction_type", "prediction_ids", "matched"),
    [
        ("long", [4, -7, 0, None], "string", ["4", "-7.0", "-0", None], 3),
        ("string", ["4", "x", "007", None], "double", [4.0, 7.0, float("nan"), None], 1),
        ("double", [4.0, 1e15, 1e19, float("nan")], "long", [4, 10**15, 5, 6], 2),
        ("decimal(20,2)", [Decimal("4.00"), Decimal("4.50"), None], "double", [4.0, 4.5, 0.0], 2),
        ("decimal(20,0)", [Decimal(4), Decimal(10**19), None], "string", ["4", str(10**19), "0"], 2),
        ("long", [2**63 - 1, 2**53 + 1], "string", [str(2**63 - 1), str(2**53 + 1)], 2),
        ("string", ["A", "a", "", "1"], "string", ["a", " A ", "", "1.0"], 2),
        ("boolean", [True, False], "string", ["true", "false"], 2),
        ("int", [4, 5], "tinyint", [4, 6], 1),
    ],
)
def test_ids_of_different_types_meet_when_they_name_the_same_thing(
    spark: SparkSession,
    label_type: str,
    label_ids: list[Any],
    prediction_type: str,
    prediction_ids: list[Any],
    matched: int,
) -> None:
    labels = table(spark, [(value, 1.0, at(1)) for value in label_ids], f"id {label_type}, y double, at timestamp")
    predictions = spark.createDataFrame(
        [(value, place) for place, value in enumerate(prediction_ids)], f"key {prediction_type}, n int"
    )
    plain = plain_ids(predictions, ("key",), labels, ("id",))
    latest = latest_labels(labels, config(), as_of=AS_OF, plain=plain)
    rows = join_labels(predictions, latest, prediction_id=("key",), label_id=("id",), plain=plain).collect()
    assert sorted(row.n for row in rows) == list(range(len(prediction_ids)))
    assert sum(row.label is not None for row in rows) == matched


def test_texts_that_are_written_in_two_ways_are_two_ids(spark: SparkSession) -> None:
    ids = ["1", "1.0", "+1", "1 ", "01", "A", "A ", "a", "true", "True", " ", "", "-0", "0"]
    labels = table(spark, [(7, one, one, at(1)) for one in ids], "m long, id string, y string, at timestamp")
    predictions = spark.createDataFrame([("7.0", one) for one in ids], "n string, key string")
    names = ("n", "key"), ("m", "id")
    plain = plain_ids(predictions, names[0], labels, names[1])
    latest = latest_labels(labels, config("m", "id"), as_of=AS_OF, plain=plain)
    rows = join_labels(predictions, latest, prediction_id=names[0], label_id=names[1], plain=plain).collect()
    assert {row.key: (row.label, row.label_rows, row.label_conflicts) for row in rows} == {one: (one, 1, False) for one in ids}


def test_every_prediction_is_kept_exactly_once_among_duplicates_conflicts_and_nulls(spark: SparkSession) -> None:
    draw = random.Random(11)
    labels = [(draw.randrange(50), draw.choice(["a", "b"]), at(draw.randrange(1, 20)), None) for _ in range(400)]
    labels = [(number, f"{number % 3}", label, time) for number, label, time, _ in labels] + [
        (None, "1", "a", at(1)),
        (1, None, "a", at(1)),
    ]
    ids = [(draw.choice([None, *range(80)]), draw.choice([None, "0", "1", "2"])) for _ in range(500)]
    predictions = spark.createDataFrame([(*pair, place) for place, pair in enumerate(ids)], "a long, `b.c` string, n int")
    latest = latest_labels(table(spark, labels, "x int, z string, y string, at timestamp"), config("x", "z"), as_of=AS_OF)
    rows = join_labels(predictions, latest, prediction_id=("a", "b.c"), label_id=("x", "z")).collect()
    assert sorted(row.n for row in rows) == list(range(500))
    expected: dict[tuple[int, str], tuple[datetime, str]] = {}
    for number, text, label, time in labels:
        if number is not None and text is not None:
            expected[number, text] = max(expected.get((number, text), (at(0), "")), (time, label))
    for row in rows:
        wanted = expected.get((row.a, row["b.c"]))
        assert (row.label, row.label_time and row.label_time.astimezone(UTC)) == (
            (wanted[1], wanted[0]) if wanted else (None, None)
        )


def test_names_with_spaces_quotes_and_other_letters_work(spark: SparkSession) -> None:
    names = ("id `one`", "köpfe.zwei", 'it\'s "at"')
    labels = spark.createDataFrame([(1, 1.0, at(1))], "a long, b double, c timestamp").toDF(*names)
    predictions = spark.createDataFrame([(1, 7), (2, 8)], "a long, n int").toDF("the id", "n")
    latest = latest_labels(labels, config(names[0], label=names[1], time=names[2]), as_of=AS_OF)
    rows = join_labels(predictions, latest, prediction_id=("the id",), label_id=(names[0],), prefix="true ").collect()
    assert {row.n: row["true label"] for row in rows} == {7: 1.0, 8: None}


def test_a_column_that_would_be_hidden_by_a_label_column_is_refused_with_the_next_step(spark: SparkSession) -> None:
    latest = latest_labels(table(spark, [(1, 1.0, at(1))]), config(), as_of=AS_OF)
    predictions = spark.createDataFrame([(1, 0.0)], "id long, Label double")
    with pytest.raises(ConfigError, match="Join the labels under another prefix"):
        join_labels(predictions, latest, prediction_id=("id",), label_id=("id",))
    with pytest.raises(ConfigError, match="Name as many"):
        join_labels(predictions, latest, prediction_id=("id", "Label"), label_id=("id",), prefix="_")


@pytest.mark.parametrize("kind", ["timestamp_ntz", "date"])
def test_local_label_times_are_read_in_the_monitors_zone(spark: SparkSession, kind: str) -> None:
    labels = spark.sql(f"SELECT 1L AS id, 1.0D AS y, CAST('2024-05-01' AS {kind}) AS at")
    midnight_in_berlin = datetime(2024, 4, 30, 22, tzinfo=UTC)
    found = latest_labels(labels, config(), as_of=midnight_in_berlin, zone="Europe/Berlin").collect()
    assert [row.label_time.astimezone(UTC) for row in found] == [midnight_in_berlin]
    assert latest_labels(labels, config(), as_of=midnight_in_berlin, zone="UTC").collect() == []


def test_a_text_is_no_label_time(spark: SparkSession) -> None:
    labels = spark.createDataFrame([(1, 1.0, "2024-04-01")], "id long, y double, at string")
    with pytest.raises(ConfigError, match=r'labels.time: column "at" is of type string, a timestamp or a date is needed'):
        latest_labels(labels, config(), as_of=AS_OF)
    with pytest.raises(ConfigError, match="has no time zone"):
        latest_labels(table(spark, [(1, 1.0, at(1))]), config(), as_of=datetime(2024, 5, 1))


def test_an_empty_label_table_leaves_every_prediction_without_a_label(spark: SparkSession) -> None:
    labels = table(spark, [])
    latest = latest_labels(labels, config(), as_of=AS_OF)
    predictions = spark.createDataFrame([(1, 0), (2, 0)], "id long, w int")
    joined = join_labels(predictions, latest, prediction_id=("id",), label_id=("id",))
    assert [row.label for row in joined.collect()] == [None, None]


def test_a_row_without_a_score_or_a_finite_number_is_not_answered(spark: SparkSession) -> None:
    values = "(1, 0.5), (2, CAST(NULL AS DOUBLE)), (3, double('NaN')), (4, double('Infinity')), (5, -2.0)"
    rows = spark.sql(f"SELECT * FROM VALUES {values} AS rows(id, score)")

    def answered(sql: str) -> list[int]:
        return sorted(row["id"] for row in rows.where(sql).collect())

    assert answered(answered_sql(None, "score", (), number=False)) == [1, 4, 5], "an infinite score still ranks a row"
    assert answered(answered_sql("score", None, (), number=True)) == [1, 5]
    assert answered(answered_sql("id", None, ("score",), number=False)) == [1, 5]
    assert answered(answered_sql("CAST(NULL AS STRING)", None, (), number=False)) == []
