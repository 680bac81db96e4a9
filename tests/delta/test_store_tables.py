"""What the store writes is there once, seen only when committed, and readable by everybody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StructType
from written import START, WEEKS, Writer

from spark_monitor.errors import RunError
from spark_monitor.store import Store
from spark_monitor.store.creation import create_sql, ensure_table
from spark_monitor.store.described import Table
from spark_monitor.store.place import Place
from spark_monitor.store.schema_version import PROPERTY
from spark_monitor.store.schemas import TABLES

pytestmark = pytest.mark.slow


def without_comment(kind: DataType, path: str = "") -> list[str]:
    if isinstance(kind, ArrayType):
        return without_comment(kind.elementType, path)
    if not isinstance(kind, StructType):
        return []
    silent = [f"{path}.{field.name}" for field in kind.fields if not field.metadata.get("comment")]
    return silent + [name for field in kind.fields for name in without_comment(field.dataType, f"{path}.{field.name}")]


def test_every_stored_column_has_its_comment_and_type(writer: Writer) -> None:
    for table in TABLES.values():
        schema = writer.store.frame(table.name).schema
        assert without_comment(schema) == []
        assert schema == table.schema


def test_delta_rs_and_duckdb_read_every_table_by_the_plainest_protocol(writer: Writer) -> None:
    writer.commit_profile("readers")
    for name in TABLES:
        table = DeltaTable(str(writer.directory / name))
        assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
        assert table.metadata().partition_columns == ["monitor_id"]
        rows = table.to_pyarrow_table(filters=[("monitor_id", "=", "readers")])
        found = duckdb.from_arrow(rows).aggregate("count(*), count(DISTINCT run_id)").fetchall()[0]
        assert found == {"profile_metrics": (12, 1), "runs": (1, 1)}.get(name, (0, 0))


def test_duckdb_reads_the_parquet_files_that_the_table_lists(writer: Writer) -> None:
    writer.commit_profile("parquet", avg=2.5)
    table = DeltaTable(str(writer.directory / "profile_metrics"))
    listed = table.file_uris(file_pruning_predicate=[("monitor_id", "=", "parquet")])
    paths = [uri.replace("%20", " ").replace("%60", "`") for uri in listed]
    query = 'SELECT count(*), min("window"."start"), sum(avg), max(quantiles[1]) FROM read_parquet($paths)'
    rows, first, total, quantile = duckdb.execute(query, {"paths": paths}).fetchall()[0]
    assert (rows, first.astimezone(UTC) if first.tzinfo else first.replace(tzinfo=UTC)) == (12, START)
    assert (total, quantile) == (pytest.approx(4 * (2.5 + 3.5 + 4.5)), 2.5)


def test_the_same_rows_written_twice_are_there_once(writer: Writer) -> None:
    writer.commit_profile("twice")
    first = writer.stored("profile_metrics", "twice", "window.start", "column_name", "avg", "quantiles")
    second_run = writer.commit_profile("twice")
    assert writer.stored("profile_metrics", "twice", "window.start", "column_name", "avg", "quantiles") == first
    assert len(first) == 12
    assert {run for (run,) in writer.stored("profile_metrics", "twice", "run_id")} == {second_run}


def test_windows_that_are_not_named_and_other_monitors_keep_their_rows(writer: Writer) -> None:
    old, other = writer.commit_profile("kept"), writer.commit_profile("bystander")
    new = writer.commit_profile("kept", avg=9.0, windows=[WEEKS[0], WEEKS[2]])
    runs = dict(writer.stored("profile_metrics", "kept", "window.start", "run_id"))
    assert [runs[one.window.start.replace(tzinfo=None)] for one in WEEKS] == [new, old, new, old]
    assert {run for (run,) in writer.stored("profile_metrics", "bystander", "run_id")} == {other}


def test_rows_of_another_window_are_refused_and_the_old_rows_stay(writer: Writer) -> None:
    writer.commit_profile("strict")
    before = writer.stored("profile_metrics", "strict", "window.start", "avg", "run_id")
    store, row = writer.another(), writer.row("strict")
    with pytest.raises(RunError, match="some rows belong to other windows"), store.run(row):
        store.replace_windows("profile_metrics", writer.profile(WEEKS), monitor_id="strict", windows=WEEKS[:2])
    assert writer.stored("profile_metrics", "strict", "window.start", "avg", "run_id") == before


def test_a_write_that_fails_half_way_leaves_the_old_rows_and_a_failed_run(writer: Writer) -> None:
    writer.commit_profile("broken")
    before = writer.stored("profile_metrics", "broken", "window.start", "avg", "run_id")
    store, row = writer.another(), writer.row("broken")
    bad = F.when(F.col("column_name") == "column 2", F.raise_error(F.lit("the disk is full"))).otherwise(F.lit(5.0))
    frame = writer.profile().withColumn("avg", bad.cast("double"))
    with pytest.raises(Exception, match="the disk is full"), store.run(row):
        store.replace_windows("profile_metrics", frame, monitor_id="broken", windows=WEEKS)
    assert writer.stored("profile_metrics", "broken", "window.start", "avg", "run_id") == before
    ((status, error),) = writer.store.frame("runs").where(F.col("run_id") == row["run_id"]).select("status", "error").collect()
    assert status == "FAILED"
    assert "the disk is full" in error


def test_rows_are_seen_when_their_run_is_committed_and_not_before(writer: Writer) -> None:
    store, row = writer.another(), writer.row("unseen")
    own = F.col("monitor_id") == "unseen"
    with store.run(row) as run_id:
        store.replace_windows("profile_metrics", writer.profile(), monitor_id="unseen", windows=WEEKS)
        assert store.frame("profile_metrics").where(own).count() == 12
        assert store.committed("profile_metrics").where(own).count() == 0
        store.finish_run(run_id, status="COMMITTED")
    assert store.committed("profile_metrics").where(own).count() == 12


def test_a_monitor_whose_name_is_sql_touches_only_its_own_rows(writer: Writer) -> None:
    kept = writer.commit_profile("neighbour")
    hostile = "x' OR monitor_id LIKE '%"
    writer.commit_profile(hostile)
    writer.commit_profile(hostile, avg=3.0)
    assert writer.store.frame("profile_metrics").where(F.col("monitor_id") == hostile).count() == 12
    assert {run for (run,) in writer.stored("profile_metrics", "neighbour", "run_id")} == {kept}


def test_the_ledger_gives_back_what_was_written(writer: Writer) -> None:
    store, row = writer.another(), writer.row("ledger")
    timestamp = datetime(2024, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
    config = '{"where": "a = \'b\\\\c\'", "emoji": "λ\\n"}'
    with store.run({**row, "as_of": timestamp, "config": config, "package_versions": {"pyspark": "4.2.0"}}) as run_id:
        store.note(run_id, rows_in=2**53 + 1)
        windows = [("1 week", one.window.start, one.window.end, -(2**62)) for one in WEEKS]
        store.finish_run(run_id, status="COMMITTED", windows=windows, rows_out={"checks": 7}, step_seconds={"read it": 0.1})
    found = writer.store.frame("runs").where(F.col("run_id") == run_id)
    told = found.selectExpr(
        "unix_micros(as_of) AS as_of", "config", "package_versions", "rows_in", "rows_out", "step_seconds",
        "transform(windows, w -> struct(w.granularity, unix_micros(w.start), unix_micros(w.end), w.label_fingerprint)) AS w",
    ).collect()[0]  # fmt: skip
    micros = [round((one.window.start - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 10**6 for one in WEEKS]
    assert told["as_of"] == 1706933106789012
    assert (told["config"], told["package_versions"], told["rows_in"]) == (config, {"pyspark": "4.2.0"}, 2**53 + 1)
    assert (told["rows_out"], told["step_seconds"]) == ({"checks": 7}, {"read it": 0.1})
    assert [tuple(w) for w in told["w"]] == [("1 week", at, at + 7 * 86400 * 10**6, -(2**62)) for at in micros]


def test_incidents_stay_as_they_were_until_the_run_that_writes_them_is_committed(writer: Writer) -> None:
    own = F.col("monitor_id") == "watched"

    def write(identity: str, status: str) -> list[str]:
        store = writer.another()
        with store.run(writer.row("watched")) as run_id:
            frame = writer.of("incidents", [(identity, "OPEN")], "incident_id status")
            store.replace_monitor("incidents", frame, monitor_id="watched")
            store.finish_run(run_id, status=status)
        return [row["incident_id"] for row in store.committed("incidents").where(own).collect()]

    assert write("first", "COMMITTED") == ["first"]
    assert write("never committed", "FAILED") == ["first"]
    assert write("second", "COMMITTED") == ["second"]
    assert writer.stored("incidents", "watched", "incident_id") == [("second",)]


def test_a_committed_baseline_never_changes(writer: Writer) -> None:
    store = writer.another()
    frame = writer.of("baselines", [("a", 1), ("b", 1)], "column_name baseline_version")
    for status, rows in [("FAILED", frame), ("COMMITTED", frame.limit(1))]:
        with store.run(writer.row("frozen")) as run_id:
            store.replace_baseline(rows, monitor_id="frozen", version=1)
            store.finish_run(run_id, status=status)
    assert len(writer.stored("baselines", "frozen", "column_name")) == 1
    with pytest.raises(RunError, match="baseline 1 is committed and never changes"), store.run(writer.row("frozen")):
        store.replace_baseline(frame, monitor_id="frozen", version=1)


def test_windows_that_a_dead_run_wrote_are_named_until_they_are_written_again(writer: Writer) -> None:
    writer.commit_profile("interrupted")
    store = writer.another()

    def interrupted() -> None:
        with store.run(writer.row("interrupted")):
            store.replace_windows("profile_metrics", writer.profile(WEEKS[1:2]), monitor_id="interrupted", windows=WEEKS[1:2])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.interrupted_windows("interrupted") == [WEEKS[1]]
    writer.commit_profile("interrupted", windows=WEEKS[1:2])
    assert store.interrupted_windows("interrupted") == []


def test_windows_that_a_dead_run_wrote_of_a_bill_or_a_log_make_none_of_predictions_due(writer: Writer) -> None:
    """They reach as far back as the bill does, which may be long before the first prediction."""
    store, datasets = writer.another(), ("costs", "operations", "predictions", "pipelines")
    windows = [((one.window.start, one.window.end), one.granularity) for one in WEEKS]
    rows = [(*window, dataset, "cost") for window, dataset in zip(windows, datasets, strict=True)]
    frame = writer.of("metrics", rows, "window granularity dataset metric")

    def interrupted() -> None:
        with store.run(writer.row("billed")):
            store.replace_windows("metrics", frame, monitor_id="billed", windows=WEEKS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert store.interrupted_windows("billed") == [WEEKS[2]]


def test_many_partitions_become_one_file_and_many_runs_few(writer: Writer) -> None:
    store = writer.another()
    for part in range(3):
        with store.run(writer.row("files")) as run_id:
            frame = writer.profile(WEEKS[part : part + 1], columns=40).repartition(16)
            store.replace_windows("profile_metrics", frame, monitor_id="files", windows=WEEKS[part : part + 1])
            store.finish_run(run_id, status="COMMITTED")
    table = DeltaTable(str(writer.directory / "profile_metrics"))
    assert len(table.file_uris(file_pruning_predicate=[("monitor_id", "=", "files")])) <= 3
    writer.store.access.tidy(["files"])
    table.update_incremental()
    assert len(table.file_uris(file_pruning_predicate=[("monitor_id", "=", "files")])) == 1
    assert len(writer.stored("profile_metrics", "files", "avg")) == 120


def test_a_table_of_an_older_version_gets_the_columns_it_lacks(writer: Writer, tmp_path: Path) -> None:
    place, table = Place(path=str(tmp_path)), TABLES["runs"]
    older = Table(table.name, table.one_row_per, table.key, tuple(field for field in table.columns if field.name != "heartbeat"))
    writer.spark.sql(create_sql(place, older))
    Store(writer.spark, place).ensure()
    schema = writer.spark.table(place.relation("runs")).schema
    assert {field.name for field in schema.fields} == set(table.names)
    assert without_comment(schema) == []


def test_a_log_that_another_process_has_only_begun_becomes_a_table_like_any_other(writer: Writer, tmp_path: Path) -> None:
    begun, made = Place(path=str(tmp_path / "begun")), Place(path=str(tmp_path / "made"))
    (tmp_path / "begun" / "runs" / "_delta_log").mkdir(parents=True)
    for place in (begun, made, begun):
        ensure_table(writer.spark, place, TABLES["runs"])
    schemas = [writer.spark.table(place.relation("runs")).schema for place in (begun, made)]
    assert schemas[0] == schemas[1]
    assert without_comment(schemas[0]) == []
    kept = "description", "partitionColumns", "properties", "minReaderVersion", "minWriterVersion"
    told = [
        writer.spark.sql(f"DESCRIBE DETAIL {place.relation('runs')}").select(*kept).first().asDict() for place in (begun, made)
    ]
    for described in told:  # the number of the schema is noted on the ledger once all tables are there
        described["properties"].pop(PROPERTY, None)
    assert told[0] == told[1]


@pytest.mark.parametrize("outputs", ["a file", "a file/below"])
def test_a_place_that_cannot_hold_tables_is_an_error_that_says_so(writer: Writer, tmp_path: Path, outputs: str) -> None:
    (tmp_path / "a file").write_text("", encoding="utf-8")
    with pytest.raises(RunError, match="the tables cannot be made there") as refused:
        Store(writer.spark, Place(path=str(tmp_path / outputs))).ensure()
    assert str(tmp_path) in str(refused.value)
    assert "An error occurred while calling" not in str(refused.value)


def test_two_monitors_write_at_once_and_both_succeed(writer: Writer) -> None:
    with ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(writer.commit_profile, ["left", "right"]))
    assert [writer.stored("profile_metrics", name, "run_id") for name in ("left", "right")] == [[(run,)] * 12 for run in runs]


def test_what_is_noted_after_the_commit_changes_only_the_rows_named(writer: Writer) -> None:
    first, second = writer.commit_profile("noted"), writer.commit_profile("noted")
    writer.store.mark_published("noted", [first], published="PENDING", message="it's down")
    told = {
        run: (state, message) for run, state, message in writer.stored("runs", "noted", "run_id", "published", "publish_message")
    }
    assert told == {first: ("PENDING", "it's down"), second: (None, None)}


def test_incidents_are_noted_as_told(writer: Writer) -> None:
    store = writer.another()
    with store.run(writer.row("told")) as run_id:
        frame = writer.of("incidents", [("a", "OPEN"), ("b", "OPEN")], "incident_id status")
        store.replace_monitor("incidents", frame, monitor_id="told")
        store.finish_run(run_id, status="COMMITTED")
    store.mark_notified("told", ["b"], at=START + timedelta(days=1))
    assert writer.stored("incidents", "told", "incident_id", "unix_micros(notified_at)") == [("a", None), ("b", 1704153600000000)]
