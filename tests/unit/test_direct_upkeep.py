"""The files of a directory's tables: small ones made few, and only those removed that no version of the last week needs."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.table import TableOptimizer

from spark_monitor.store import direct_upkeep
from spark_monitor.store.direct_creation import ensure
from spark_monitor.store.schemas import TABLES

COMMITS, MONITORS = 4, ("calm", "loud", "other")
DAY = 86_400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tables of three monitors, of which two have several files in two of them."""
    ensure(str(tmp_path))
    for name in ("runs", "metrics"):
        schema = pa.schema(DeltaTable(str(tmp_path / name)).schema().to_arrow())
        for number in range(COMMITS):
            columns = {"monitor_id": MONITORS, "run_id": [f"{one} {number}" for one in MONITORS]}
            arrays = [pa.array(columns.get(field.name, [None] * len(MONITORS)), field.type) for field in schema]
            write_deltalake(str(tmp_path / name), pa.table(arrays, schema=schema), mode="append")
    return tmp_path


def files(root: Path, table: str, monitor_id: str) -> int:
    return len(DeltaTable(str(root / table)).file_uris(file_pruning_predicate=[("monitor_id", "=", monitor_id)]))


def run_ids(root: Path, table: str) -> list[str]:
    return sorted(DeltaTable(str(root / table)).to_pyarrow_table(columns=["run_id"]).column(0).to_pylist())


def test_the_small_files_of_many_monitors_become_one_each_in_one_commit_a_table(root: Path) -> None:
    before = {name: (run_ids(root, name), DeltaTable(str(root / name)).version()) for name in TABLES}
    direct_upkeep.compact(str(root), MONITORS[:2])
    for name in ("runs", "metrics"):
        assert [files(root, name, one) for one in MONITORS] == [1, 1, COMMITS]
    for name, (rows, version) in before.items():
        assert run_ids(root, name) == rows
        assert DeltaTable(str(root / name)).version() == version + (name in ("runs", "metrics"))


def test_a_monitor_that_another_writer_is_at_holds_up_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compact = TableOptimizer.compact

    def refused(self: TableOptimizer, partition_filters: Any) -> Any:
        if "loud" in partition_filters[0][2]:
            raise CommitFailedError("Failed to commit transaction: a concurrent transaction deleted data this operation read")
        return compact(self, partition_filters=partition_filters)

    monkeypatch.setattr(TableOptimizer, "compact", refused)
    direct_upkeep.compact(str(root), MONITORS)
    assert [files(root, "metrics", one) for one in MONITORS] == [1, COMMITS, 1]


def test_what_is_no_conflict_is_raised(root: Path) -> None:
    (root / "metrics" / "_delta_log" / f"{COMMITS:020d}.json").write_text("no json", encoding="utf-8")
    with pytest.raises(DeltaError):
        direct_upkeep.compact(str(root), MONITORS)


def test_no_files_go_but_those_that_are_older_than_a_week_and_in_no_version(root: Path) -> None:
    direct_upkeep.compact(str(root), MONITORS)
    place = root / "metrics" / "monitor_id=calm"
    replaced = set(place.glob("*.parquet"))
    for name, age in (("killed-long-ago", 9 * DAY), ("being-written", DAY / 24)):
        (place / f"{name}.parquet").write_bytes(b"rows")
        os.utime(place / f"{name}.parquet", (time.time() - age,) * 2)
    rows = run_ids(root, "metrics")

    direct_upkeep.vacuum(str(root))
    assert set(place.glob("*.parquet")) == replaced | {place / "being-written.parquet"}

    for commit in (root / "metrics" / "_delta_log").glob("*.json"):
        earlier = re.sub(r'(?<="deletionTimestamp":)\d+', lambda found: str(int(found[0]) - 9 * DAY * 1_000), commit.read_text())
        commit.write_text(earlier, encoding="utf-8")
    direct_upkeep.vacuum(str(root))
    left = {Path(path).name for path in DeltaTable(str(root / "metrics")).file_uris()}
    assert {file.name for file in place.glob("*.parquet")} == {"being-written.parquet"} | {
        name for name in left if (place / name).exists()
    }
    assert run_ids(root, "metrics") == rows
