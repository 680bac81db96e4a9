"""The number of the tables' schema: noted once, and a newer release's tables are refused before anything is changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark_monitor.errors import RunError
from spark_monitor.store import Store, schema_version
from spark_monitor.store.creation import ensure_table
from spark_monitor.store.place import Place
from spark_monitor.store.schemas import TABLES


def version_of(place: Place) -> int:
    return DeltaTable(place.location("runs")).version()


def test_tables_carry_the_version_of_their_schema(spark: SparkSession, tmp_path: Path) -> None:
    place = Place(path=str(tmp_path))
    ensure_table(spark, place, TABLES["runs"])
    assert schema_version.stored_version(spark, place) is None
    schema_version.bring_up_to_date(spark, place, None)
    found = schema_version.stored_version(spark, place)
    assert found == schema_version.CURRENT
    assert DeltaTable(place.location("runs")).metadata().configuration[schema_version.PROPERTY] == str(found)
    before = version_of(place)
    schema_version.bring_up_to_date(spark, place, found)
    assert version_of(place) == before, "what is up to date costs no commit"


def test_steps_are_taken_one_by_one_and_noted(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, taken = Place(path=str(tmp_path)), []
    ensure_table(spark, place, TABLES["runs"])
    schema_version.bring_up_to_date(spark, place, None)
    monkeypatch.setattr(schema_version, "CURRENT", 3)
    monkeypatch.setattr(schema_version, "STEPS", {n: lambda _, __, n=n: taken.append(n) for n in (2, 3)})
    schema_version.bring_up_to_date(spark, place, 1)
    assert taken == [2, 3]
    assert schema_version.stored_version(spark, place) == 3
    monkeypatch.setattr(schema_version, "CURRENT", 1)
    with pytest.raises(RunError, match="schema version 3, this release knows versions up to 1"):
        schema_version.refuse_newer(3, place)


def test_a_run_that_took_no_turn_writes_no_row_into_tables_of_a_newer_release(spark: SparkSession, tmp_path: Path) -> None:
    place = Place(path=str(tmp_path))
    ensure_table(spark, place, TABLES["runs"])
    spark.sql(f"ALTER TABLE {place.relation('runs')} SET TBLPROPERTIES ('{schema_version.PROPERTY}' = '99')").collect()
    before = version_of(place)
    with pytest.raises(RunError, match="schema version 99"):
        Store(spark, place).append_runs([{"monitor_id": "quiet", "run_id": "r", "status": "NOTHING_NEW"}])
    assert version_of(place) == before


def test_a_number_that_is_none_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    place = Place(path=str(tmp_path))
    ensure_table(spark, place, TABLES["runs"])
    spark.sql(f"ALTER TABLE {place.relation('runs')} SET TBLPROPERTIES ('{schema_version.PROPERTY}' = 'two')").collect()
    with pytest.raises(RunError, match="'two'"):
        schema_version.stored_version(spark, place)
