"""The number of the tables' schema: noted once, and a newer release's tables are refused before anything is changed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable, Schema
from pyspark.sql import SparkSession
from pyspark.sql.types import BinaryType, StructField, StructType

from spark_monitor.errors import RunError
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.named_arrays import bytes_of_row
from spark_monitor.store import Store, schema_number, schema_version
from spark_monitor.store.access import access_to
from spark_monitor.store.creation import ensure_table
from spark_monitor.store.described import PARTITION
from spark_monitor.store.direct_tables import DirectTables
from spark_monitor.store.place import Place
from spark_monitor.store.schemas import TABLES


def version_of(place: Place) -> int:
    return DeltaTable(place.location("runs")).version()


def test_tables_carry_the_version_of_their_schema(spark: SparkSession, tmp_path: Path) -> None:
    place = Place(path=str(tmp_path))
    ensure_table(spark, place, TABLES["runs"])
    found = schema_version.stored_version(spark, place)
    assert found == schema_number.CURRENT
    assert DeltaTable(place.location("runs")).metadata().configuration[schema_number.PROPERTY] == str(found)
    before = version_of(place)
    schema_version.bring_up_to_date(spark, place, found)
    assert version_of(place) == before, "what is up to date costs no commit"


def test_steps_are_taken_one_by_one_and_noted(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, taken = Place(path=str(tmp_path)), []
    ensure_table(spark, place, TABLES["runs"])
    monkeypatch.setattr(schema_version, "CURRENT", 3)
    monkeypatch.setattr(schema_version, "STEPS", {n: lambda _, __, n=n: taken.append(n) for n in (2, 3)})
    schema_version.bring_up_to_date(spark, place, 1)
    assert taken == [2, 3]
    assert schema_version.stored_version(spark, place) == 3
    monkeypatch.setattr(schema_number, "CURRENT", 1)
    with pytest.raises(RunError, match="schema version 3, this release knows versions up to 1"):
        schema_number.refuse_newer(3, place.text)


def test_a_run_that_took_no_turn_writes_no_row_into_tables_of_a_newer_release(spark: SparkSession, tmp_path: Path) -> None:
    place = Place(path=str(tmp_path))
    ensure_table(spark, place, TABLES["runs"])
    spark.sql(f"ALTER TABLE {place.relation('runs')} SET TBLPROPERTIES ('{schema_number.PROPERTY}' = '99')").collect()
    before = version_of(place)
    with pytest.raises(RunError, match="schema version 99"):
        Store(spark, place).append_runs([{"monitor_id": "quiet", "run_id": "r", "status": "NOTHING_NEW"}])
    assert version_of(place) == before


def test_a_number_that_is_none_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    place = Place(path=str(tmp_path))
    ensure_table(spark, place, TABLES["runs"])
    spark.sql(f"ALTER TABLE {place.relation('runs')} SET TBLPROPERTIES ('{schema_number.PROPERTY}' = 'two')").collect()
    with pytest.raises(RunError, match="'two'"):
        schema_version.stored_version(spark, place)


@pytest.mark.slow
def test_states_that_were_bytes_become_arrays_by_name(spark: SparkSession, tmp_path: Path) -> None:
    place, random = Place(path=str(tmp_path)), np.random.default_rng(3)
    state = ScoreState.empty().update(random.random(900) < 0.4, random.random(900))
    table = TABLES["model_states"]
    old = [field for field in table.schema.fields if field.name not in ("properties", "counts", "numbers")]
    day = {"start": datetime(2024, 1, 1, tzinfo=UTC), "end": datetime(2024, 1, 2, tzinfo=UTC)}
    given = {"monitor_id": "m", "window": day, "kind": "score", "log_type": "INPUT", "count": 900, "run_id": "r"}
    rows = [
        (*({**given, "model_version": version}.get(field.name) for field in old), data)
        for version, data in (("1", state.to_bytes()), ("2", state.to_bytes()[:-1]))
    ]
    frame = spark.createDataFrame(rows, StructType([*old, StructField("state", BinaryType())]))
    frame.write.format("delta").partitionBy(PARTITION).save(place.location("model_states"))
    DeltaTable.create(place.location("runs"), Schema.from_json(TABLES["runs"].schema.json()))
    Store(spark, place).ensure()
    assert schema_version.stored_version(spark, place) == schema_number.CURRENT
    assert DeltaTable(place.location("model_states")).metadata().partition_columns == [PARTITION]
    read = {row["model_version"]: row for row in Store(spark, place).frame("model_states").collect()}
    assert set(Store(spark, place).frame("model_states").columns) == set(table.names)
    assert bytes_of_row(read["1"].asDict(recursive=True)) == state.to_bytes()
    assert read["1"]["window"]["start"].timestamp() == day["start"].timestamp()
    assert read["2"]["properties"] is None
    before = DeltaTable(place.location("model_states")).version()
    Store(spark, place).ensure()
    assert DeltaTable(place.location("model_states")).version() == before


def test_tables_that_delta_rs_makes_carry_the_version_from_the_start(spark: SparkSession, tmp_path: Path) -> None:
    tables = access_to(spark, Place(path=str(tmp_path)))
    if not isinstance(tables, DirectTables):
        pytest.skip("this session's tables are Spark's own")
    assert tables.ensure()
    assert schema_version.stored_version(spark, tables.place) == schema_number.CURRENT
    assert version_of(tables.place) == 0
