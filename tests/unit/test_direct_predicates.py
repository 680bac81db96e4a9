"""The store's predicates mean to delta-rs what they mean to Spark, whatever the values in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from spark_monitor.store.direct_predicates import in_datafusion
from spark_monitor.store.rows import Scope, of_monitor, of_windows
from spark_monitor.text.quoting import literal
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
HOSTILE = ("plain", "it's", "back\\slash", "two''quotes", "' OR true --", "λ", 'double"quote', "`tick`", "100%", "a\nb")


def week(number: int) -> DueWindow:
    return DueWindow("1 week", Window(START + timedelta(weeks=number), START + timedelta(weeks=number + 1)))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> DeltaTable:
    """A row for each hostile name in each of three weeks, and one whose window is NULL."""
    window = pa.struct([pa.field(name, pa.timestamp("us", tz="UTC")) for name in ("start", "end")])
    rows = [(name, week(number).window) for name in HOSTILE for number in range(3)]
    arrays = {
        "monitor_id": [name for name, _ in rows] + ["plain"],
        "window": pa.array([{"start": one.start, "end": one.end} for _, one in rows] + [None], window),
        "granularity": ["1 week"] * len(rows) + [None],
        "dataset": ["predictions", "costs"] * (len(rows) // 2) + ["predictions"],
    }
    path = tmp_path_factory.mktemp("predicates") / "table"
    write_deltalake(str(path), pa.table(arrays))
    return DeltaTable(str(path))


def left_after(table: DeltaTable, predicate: str, tmp_path: Path) -> pa.Table:
    """What a table holds after delta-rs has deleted what satisfies a predicate."""
    write_deltalake(str(tmp_path / "copy"), table.to_pyarrow_table())
    DeltaTable(str(tmp_path / "copy")).delete(in_datafusion(predicate))
    return DeltaTable(str(tmp_path / "copy")).to_pyarrow_table()


@pytest.mark.parametrize("name", HOSTILE)
def test_only_the_rows_of_the_monitor_go_whatever_its_name(table: DeltaTable, tmp_path: Path, name: str) -> None:
    left = left_after(table, of_monitor(name), tmp_path).column("monitor_id").to_pylist()
    expected = [one for one in table.to_pyarrow_table().column("monitor_id").to_pylist() if one != name]
    assert sorted(left) == sorted(expected)


def test_only_the_rows_of_the_windows_go_and_a_row_without_a_window_stays(table: DeltaTable, tmp_path: Path) -> None:
    left = left_after(table, of_windows("plain", [week(0), week(2)]), tmp_path)
    windows = [row["window"] and row["window"]["start"] for row in left.to_pylist() if row["monitor_id"] == "plain"]
    assert sorted(windows, key=str) == [week(1).window.start, None]
    assert left.num_rows == table.to_pyarrow_table().num_rows - 2


def test_a_scope_deletes_rows_of_its_dataset_only(table: DeltaTable, tmp_path: Path) -> None:
    due = [week(0), week(1), week(2)]
    left = left_after(table, Scope("costs").predicate("it's", due), tmp_path)
    rows = [row["dataset"] for row in left.to_pylist() if row["monitor_id"] == "it's"]
    assert rows == [one for one in rows if one == "predictions"]
    assert 0 < len(rows) < 3


def test_a_negated_comparison_keeps_what_sql_does_not_know(table: DeltaTable, tmp_path: Path) -> None:
    predicate = f"{of_monitor('plain')} AND NOT granularity = {literal('1 week')}"
    assert left_after(table, predicate, tmp_path).num_rows == table.to_pyarrow_table().num_rows
