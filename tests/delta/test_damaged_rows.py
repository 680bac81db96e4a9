"""Stored rows of states that something has changed afterwards: none is read as a state, whatever was changed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from spark_monitor.kernel.state_rows import state_columns
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.columns import DAMAGED_ROW, STATE_COLUMNS
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import profile_column
from spark_monitor.store.checksums import checked, verified
from spark_monitor.store.schemas import TABLES

STATES, SCORED = TABLES["profile_states"], TABLES["model_states"]
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC)
CUT = {"monitor_id": "m", "window": {"start": START, "end": END}, "granularity": "1 week", "log_type": "INPUT"}


def stored(spark: SparkSession, directory: Path, rows: Sequence[dict[str, Any]], name: str = "profile_states") -> DataFrame:
    """Rows as a table of the store holds them."""
    directory.mkdir(exist_ok=True)
    schema = TABLES[name].schema
    kinds = pa.schema([pa.field(field.name, arrow(field.dataType)) for field in schema.fields])
    file = directory / f"{len(list(directory.iterdir()))}.parquet"
    pq.write_table(pa.Table.from_pylist(list(rows), schema=kinds), file)
    return spark.read.schema(schema).parquet(str(file))


def arrow(kind: Any) -> pa.DataType:
    plain = {"string": pa.string(), "bigint": pa.int64(), "int": pa.int32(), "double": pa.float64(), "binary": pa.binary()}
    plain["timestamp"] = pa.timestamp("us", "UTC")
    if kind.simpleString() in plain:
        return plain[kind.simpleString()]
    if hasattr(kind, "elementType"):
        return pa.list_(arrow(kind.elementType))
    if hasattr(kind, "keyType"):
        return pa.map_(arrow(kind.keyType), arrow(kind.valueType))
    return pa.struct([(field.name, arrow(field.dataType)) for field in kind.fields])


def state_rows() -> list[dict[str, Any]]:
    """States of numbers and of strings, of no row and of many."""
    draw, grid, named = np.random.default_rng(3), Grid.of(np.linspace(-3, 3, 40)), Categories(("a", "b", "never"))
    samples = [draw.normal(size=size) for size in (0, 1, 60, 900)] + [np.array([np.nan, np.inf, -np.inf, 0.0, 1.5])]
    texts = [[], [None], ["a", "a", "zz", ""], [f"t{place}" for place in range(90)]]
    groups = [
        ("x", [profile_column(one, grid, nulls=place) for place, one in enumerate(samples)]),
        ("t", [CategoricalState.empty(named).update(pa.array(one, pa.string())) for one in texts]),
    ]
    rows = []
    for name, states in groups:
        batch = pa.RecordBatch.from_pydict(dict(zip(STATE_COLUMNS, state_columns(states), strict=True)))
        place = {**CUT, "column_name": name, "grid_id": f"grid of {name}", "slice_key": "country", "slice_value": "DE"}
        rows += [{**place, **row, "model_version": str(number)} for number, row in enumerate(batch.to_pylist())]
    return rows


def changed(value: Any, draw: random.Random) -> Any:
    """Another value that the column may hold."""
    if isinstance(value, bool | int):
        return draw.choice([value + draw.randint(1, 9), value - draw.randint(1, 9), -1, 0, 2**30, None])
    if isinstance(value, float):
        return draw.choice([value + 1.0, -value, float("nan"), float("inf"), 0.0, None])
    if isinstance(value, bytes):
        place = draw.randrange(len(value)) if value else 0
        flipped = bytes([value[place] ^ draw.randrange(1, 256)]) if value else b"x"
        return draw.choice([value[:place], value + b"\x00", value[:place] + flipped + value[place + 1 :], None])
    if isinstance(value, str):
        return draw.choice(["", value[:-1], value + "0", None])
    if isinstance(value, datetime):
        return draw.choice([START, END, datetime(1970, 1, 1, tzinfo=UTC), None])
    if isinstance(value, dict):
        name = draw.choice(list(value))
        return {**value, name: changed(value[name], draw)}
    if value is None:
        return None
    place = draw.randrange(len(value) + 1)
    inner = [*value[:place], changed(value[place], draw), *value[place + 1 :]] if place < len(value) else [*value, *value[-1:]]
    return draw.choice([inner, value[:-1], [*value[1:], *value[:1]], None])


def is_same(one: Any, other: Any) -> bool:
    return one == other or (one != one and other != other)


def mutations(rows: Sequence[dict[str, Any]], number: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    """Rows with one value changed."""
    while number:
        row = draw.choice(rows)
        name = draw.choice([name for name, value in row.items() if value is not None and name not in ("run_id", "checksum")])
        value = changed(row[name], draw)
        if not is_same(value, row[name]):
            number -= 1
            yield {**row, name: value}


def rows_with_checksums(spark: SparkSession, directory: Path) -> list[dict[str, Any]]:
    written = checked(stored(spark, directory, state_rows()), STATES).collect()
    return [row.asDict(recursive=True) for row in written]


def in_utc(row: dict[str, Any]) -> dict[str, Any]:
    """A collected row with timestamps again, which Spark hands over on the clock of this machine."""
    edges = {name: one.astimezone(UTC) for name, one in row["window"].items()}
    return {**row, "window": edges, "sketch": None if row["sketch"] is None else bytes(row["sketch"])}


def damage_found(spark: SparkSession, directory: Path, number: int) -> tuple[int, int]:
    """How many changed rows are no state and say why, and how many of them all."""
    rows = [in_utc(row) for row in rows_with_checksums(spark, directory)]
    assert verified(stored(spark, directory, rows), STATES).where("message IS NOT NULL OR count IS NULL").count() == 0
    several = list(mutations(rows, number, random.Random(11)))
    seen = verified(stored(spark, directory, several), STATES)
    found = seen.where("count IS NULL AND sketch IS NULL").groupBy("message").count().collect()
    assert {row["message"] for row in found} == {DAMAGED_ROW}
    return sum(row["count"] for row in found), len(several)


def test_any_change_of_a_stored_row_is_found(spark: SparkSession, tmp_path: Path) -> None:
    found, several = damage_found(spark, tmp_path / "rows", 500)
    assert found == several


@pytest.mark.slow
def test_ten_thousand_changes_are_found(spark: SparkSession, tmp_path: Path) -> None:
    found, several = damage_found(spark, tmp_path / "rows", 10_000)
    print(f"{found} of {several} changed rows were found")
    assert found == several


def test_rows_of_releases_that_wrote_no_checksum_are_read_as_they_are(spark: SparkSession, tmp_path: Path) -> None:
    old = stored(spark, tmp_path / "rows", state_rows())
    assert verified(old, STATES).where("message IS NOT NULL OR count IS NULL").count() == 0
    without = old.drop("checksum")
    assert verified(without, STATES).columns == without.columns


def test_damaged_states_of_scores_are_no_states(spark: SparkSession, tmp_path: Path) -> None:
    arrays = {"counts": {"few": [1, 2], "none": []}, "numbers": {"sums": [0.5, -0.0]}}
    row = {**CUT, "kind": "score", "count": 7, "labelled": 5, "properties": "{}", **arrays, "baseline_version": 1}
    frame = checked(stored(spark, tmp_path / "rows", [row], "model_states"), SCORED)
    assert [(one["properties"], one["counts"]) for one in verified(frame, SCORED).collect()] == [("{}", arrays["counts"])]
    changes = {
        "slice_value": "kind",
        "properties": "'[]'",
        "counts": "map('few', array(1L, 3L), 'none', array())",
        "numbers": "map('sum', array(0.5D, -0.0D))",
    }
    damaged = {name: frame.selectExpr("*").withColumn(name, F.expr(value)) for name, value in changes.items()}
    damaged["counts, of none"] = frame.withColumn("counts", F.expr("map('few', array(1L, 2L))"))
    damaged["numbers, missing"] = frame.withColumn("numbers", F.expr("CAST(NULL AS map<string, array<double>>)"))
    found = {name: verified(one, SCORED).collect()[0]["properties"] for name, one in damaged.items()}
    assert found == dict.fromkeys(damaged)
