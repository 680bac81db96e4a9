"""Tables that delta-rs commits are those that Spark's own Delta makes of the same changes; each reads what the other wrote."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from written import WEEKS, Writer

from spark_monitor.store import creation, direct_tables
from spark_monitor.store.access import VARIABLE, Access, access_to
from spark_monitor.store.direct_tables import DirectTables
from spark_monitor.store.place import Place
from spark_monitor.store.rows import aligned, of_monitor, of_windows
from spark_monitor.store.schemas import TABLES
from spark_monitor.store.spark_tables import SparkTables

AT = datetime(2024, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
PROFILE, RUNS = TABLES["profile_metrics"], TABLES["runs"]


@pytest.fixture(scope="module")
def both(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[SparkTables, DirectTables]:
    """The same empty tables twice: made by Spark, and by delta-rs."""
    by_spark, direct = (Place(path=str(tmp_path_factory.mktemp(name))) for name in ("spark", "direct"))
    creation.ensure(spark, by_spark)
    tables = direct_access(spark, direct)
    assert tables.ensure()
    return SparkTables(spark, by_spark), tables


def direct_access(spark: SparkSession, place: Place) -> DirectTables:
    """Delta-rs' way to a place; where the session may run elsewhere there is none."""
    tables = access_to(spark, place)
    if not isinstance(tables, DirectTables):
        pytest.skip("this session's tables are Spark's own")
    return tables


def rows_in(access: Access, table: str) -> list[str]:
    """All rows of a table as Spark's own Delta reads them."""
    read = access.spark.read.format("delta").load(access.place.location(table))
    return sorted(map(str, read.select(sorted(read.columns)).collect()))


def rows_written(access: Access, run_id: str) -> int:
    """The rows of a run in PROFILE; the bytes beside them are those of the table's files that hold any."""
    [(name, (rows, size))] = access.written([PROFILE.name], monitor_id="m", run_id=run_id).items()
    read = access.spark.read.format("delta").load(access.place.location(name))
    paths = read.where(f"run_id = '{run_id}'").selectExpr("_metadata.file_path AS path").distinct().collect()
    assert size == sum(Path(unquote(urlparse(one["path"]).path)).stat().st_size for one in paths) > 0
    return rows


def same(both: tuple[SparkTables, DirectTables], table: str, change: Callable[[Access], Any]) -> None:
    """The change gives the same answer and the same rows, which each way of reading sees."""
    by_spark, direct = both
    assert change(by_spark) == change(direct)
    expected = rows_in(by_spark, table)
    assert rows_in(direct, table) == expected
    seen = direct.frame(table)
    assert sorted(map(str, seen.select(sorted(seen.columns)).collect())) == expected


def run(number: int, **values: Any) -> dict[str, Any]:
    return {"run_id": f"run {number}", "monitor_id": "m", "as_of": AT + timedelta(days=number), **values}


@pytest.mark.slow
def test_the_tables_that_are_made_have_the_same_columns_comments_and_partition(both: tuple[SparkTables, DirectTables]) -> None:
    for name in TABLES:
        by_spark, direct = (each.spark.read.format("delta").load(each.place.location(name)).schema for each in both)
        assert direct.json() == by_spark.json()
        details = [each.spark.sql(f"DESCRIBE DETAIL {each.place.relation(name)}").collect()[0] for each in both]
        for one in ("description", "partitionColumns", "minReaderVersion", "minWriterVersion"):
            assert details[0][one] == details[1][one]


@pytest.mark.slow
def test_the_ledger_changes_alike(both: tuple[SparkTables, DirectTables]) -> None:
    free = f"{of_monitor('m')} AND status = 'RUNNING'"
    windows = [{"granularity": "1 week", "start": AT, "end": AT + timedelta(weeks=1), "label_fingerprint": -(2**62)}]
    steps = {"plan": 0.1, "it's \\ a step": 1e-300}
    first = run(1, status="RUNNING", started=AT, heartbeat=AT, source_versions={"a": "1 of 'x'"})
    same(both, "runs", lambda access: access.insert_unless(RUNS, first, taken=free))
    same(both, "runs", lambda access: access.insert_unless(RUNS, run(2, status="RUNNING"), taken=free))
    ended = {"status": "COMMITTED", "ended": AT, "windows": windows, "step_seconds": steps, "error": None, "rows_in": 2**53 + 1}
    same(both, "runs", lambda access: access.change(RUNS, ended, where=f"run_id = 'run 1' AND heartbeat = TIMESTAMP '{AT}'"))
    same(both, "runs", lambda access: access.change(RUNS, {"status": "X"}, where="run_id = 'nobody'"))
    same(both, "runs", lambda access: access.append(RUNS, [run(3, status="FAILED"), run(4, status="COMMITTED", ended=AT)]))
    same(
        both,
        "runs",
        lambda access: access.rows(
            "runs", ["run_id", "ended", "rows_in"], where="status = 'COMMITTED' AND ended IS NOT NULL AND run_id = 'run 1'"
        ),
    )
    same(both, "runs", lambda access: access.delete("runs", where="run_id = 'run 3'"))


@pytest.mark.slow
def test_windows_are_replaced_alike(both: tuple[SparkTables, DirectTables], writer: Writer) -> None:
    def replacing(number: int, avg: float, windows: Any) -> Callable[[Access], None]:
        constants = {"monitor_id": "m", "run_id": f"run {number}"}
        rows = aligned(writer.profile(windows, avg=avg), PROFILE, constants=constants)
        where = of_windows("m", windows)
        return lambda access: access.replace(PROFILE, rows, where=where, monitor_id="m", run_id=f"run {number}")

    same(both, PROFILE.name, replacing(1, 1.0, WEEKS))
    same(both, PROFILE.name, replacing(2, 2.0, WEEKS[1:3]))
    same(both, PROFILE.name, replacing(2, 3.0, WEEKS[2:]))  # the same run again, over some of its own rows
    same(both, PROFILE.name, lambda access: rows_written(access, "run 2"))
    same(both, PROFILE.name, lambda access: access.run_ids(PROFILE.name, "m"))
    rows = aligned(writer.profile(WEEKS), PROFILE, constants={"monitor_id": "m", "run_id": "run 5"})
    for refused in both:
        with pytest.raises(Exception, match="DELTA_REPLACE_WHERE_MISMATCH"):
            refused.replace(PROFILE, rows, where=of_windows("m", WEEKS[:2]), monitor_id="m", run_id="run 5")
    same(both, PROFILE.name, lambda access: access.tidy(["m"]))
    same(both, PROFILE.name, lambda access: access.delete(PROFILE.name, where=of_windows("m", WEEKS[:1])))


def test_a_write_is_one_commit_and_leaves_no_file_that_no_version_names(
    spark: SparkSession, writer: Writer, tmp_path: Path
) -> None:
    tables = direct_access(spark, Place(path=str(tmp_path)))
    tables.ensure()
    location = tmp_path / PROFILE.name
    for version, windows in enumerate((WEEKS, WEEKS[1:3], WEEKS[2:]), start=1):
        rows = aligned(
            writer.profile(windows, avg=float(version)), PROFILE, constants={"monitor_id": "m", "run_id": f"run {version}"}
        )
        tables.replace(PROFILE, rows, where=of_windows("m", windows), monitor_id="m", run_id=f"run {version}")
        assert DeltaTable(str(location)).version() == version
    named = {file.rsplit("/", 1)[1] for number in range(4) for file in DeltaTable(str(location), version=number).file_uris()}
    assert {file.name for file in location.rglob("*.parquet")} == named


@pytest.mark.parametrize("named", [pytest.param(0, marks=pytest.mark.slow), 1_000])
def test_the_rows_that_count_are_alike_whether_runs_are_named_or_joined(
    spark: SparkSession, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: int
) -> None:
    monkeypatch.setattr(direct_tables, "IDS_IN_A_FILTER", named)
    place = Place(path=str(tmp_path))
    direct, by_spark = direct_access(spark, place), SparkTables(spark, place)
    direct.ensure()
    ended = {"status": "COMMITTED", "ended": AT}
    later = {**ended, "ended": AT + timedelta(hours=1)}
    direct.append(RUNS, [run(2, **ended), run(1, **later), run(3, status="FAILED"), run(4, monitor_id="other", **ended)])
    incidents = [("m", "run 1"), ("m", "run 2"), ("m", "run 3"), ("other", "run 4"), ("other", "nobody")]
    for table in (TABLES["incidents"], PROFILE):
        direct.append(table, [{"monitor_id": monitor, "run_id": run_id} for monitor, run_id in incidents])
    expected = {
        "incidents": {("m", "run 1"), ("other", "run 4")},  # of each monitor the last committed run's
        PROFILE.name: {("m", "run 1"), ("m", "run 2"), ("other", "run 4")},
    }
    for name, kept in expected.items():
        for access in (direct, by_spark):
            rows = access.committed(TABLES[name]).select("monitor_id", "run_id").collect()
            assert sorted(map(tuple, rows)) == sorted(kept)


@pytest.mark.slow
def test_messages_are_put_alike_and_twice_are_there_once(both: tuple[SparkTables, DirectTables]) -> None:
    table = TABLES["deliveries"]
    rows = [{"monitor_id": "m", "delivery_id": f"d{i}", "channel": "it's", "sent": AT, "attempts": i} for i in range(3)]
    same(both, table.name, lambda access: access.put(table, rows, key="delivery_id"))
    same(both, table.name, lambda access: access.put(table, [{**rows[1], "attempts": 9}], key="delivery_id"))


def test_a_place_is_spark_s_where_that_is_asked_for_or_it_is_no_directory_of_this_machine(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for place in (Place(schema="main.monitoring"), Place(path="s3://bucket/x"), Place(path="/data/[a]*")):
        assert isinstance(access_to(spark, place), SparkTables)
    monkeypatch.setenv(VARIABLE, "spark")
    assert isinstance(access_to(spark, Place(path=str(tmp_path))), SparkTables)


def test_a_table_with_deletion_vectors_is_left_to_spark(spark: SparkSession, tmp_path: Path) -> None:
    place = Place(path=str(tmp_path))
    creation.ensure(spark, place)
    spark.sql(f"ALTER TABLE {place.relation('checks')} SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
    assert isinstance(access_to(spark, place), SparkTables)


@pytest.mark.slow
def test_checks_are_given_their_incidents_alike(both: tuple[SparkTables, DirectTables]) -> None:
    weeks = [{"start": AT + timedelta(weeks=number), "end": AT + timedelta(weeks=number + 1)} for number in range(3)]
    rows = [
        {"monitor_id": monitor, "check_id": check, "window": week, "run_id": "run 1", "value": float(number)}
        for monitor in ("m", "other")
        for check in ("c1", "c2")
        for number, week in enumerate(weeks)
    ]
    same(both, "checks", lambda access: access.append(TABLES["checks"], rows))
    first, second, _ = (int(week["start"].timestamp()) * 1_000_000 + AT.microsecond for week in weeks)
    same(
        both,
        "checks",
        lambda access: access.name_incidents("m", [("c1", first, "it's"), ("c1", second, "b"), ("c9", first, "c")]),
    )
    same(both, "checks", lambda access: access.name_incidents("m", [("c1", first, None), ("c2", second, "b")]))
    read = both[1].frame("checks").where("incident_id IS NOT NULL").select("monitor_id", "check_id", "value", "incident_id")
    assert sorted(map(tuple, read.collect())) == [("m", "c1", 1.0, "b"), ("m", "c2", 1.0, "b")]
