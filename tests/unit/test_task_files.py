"""The Parquet files that tasks write, and what is said of them in Delta's log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_monitor.store import task_files
from spark_monitor.store.task_files import FITS, TaskFiles, in_utc

START = datetime(2024, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)
MEASURED = (("granularity",), ("window", "start"))


def batch(rows: int, *, first: int = 0, zone: str = "UTC", fits: bool | None = True) -> pa.RecordBatch:
    times = [START + timedelta(hours=first + row) for row in range(rows)]
    window = pa.struct([pa.field("start", pa.timestamp("us", tz=zone))])
    arrays = {
        "monitor_id": pa.array(["m"] * rows),
        "window": pa.array([{"start": one} for one in times], window),
        "granularity": pa.array([f"{first + row} hours" for row in range(rows)]),
        "at": pa.array(times, pa.timestamp("us", tz=zone)),
        "value": pa.array(np.arange(first, first + rows, dtype=float)),
        FITS: pa.array([fits] * rows, pa.bool_()),
    }
    return pa.record_batch(arrays)


def written(directory: Path, *batches: pa.RecordBatch) -> list[dict[str, object]]:
    task = TaskFiles(str(directory), "monitor_id=m", "monitor_id", MEASURED)
    return [row for made in task(iter(batches)) for row in made.to_pylist()]


@pytest.mark.parametrize("group_bytes", [1, 2**26])
def test_the_rows_of_all_batches_are_in_one_file_whatever_the_size_of_a_row_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_bytes: int
) -> None:
    monkeypatch.setattr(task_files, "ROW_GROUP_BYTES", group_bytes)
    (made,) = written(tmp_path, batch(3), batch(0), batch(4, first=3))
    table = pq.ParquetFile(tmp_path / str(made["path"])).read()
    assert table.column_names == ["window", "granularity", "at", "value"]
    assert table.column("value").to_pylist() == [0, 1, 2, 3, 4, 5, 6]
    assert (tmp_path / str(made["path"])).stat().st_size == made["size"]


def test_statistics_hold_every_value_although_the_log_has_milliseconds_only(tmp_path: Path) -> None:
    (made,) = written(tmp_path, batch(3), batch(4, first=3))
    statistics = json.loads(str(made["statistics"]))
    assert statistics["numRecords"] == 7
    lowest, highest = (datetime.fromisoformat(statistics[edge]["window"]["start"]) for edge in ("minValues", "maxValues"))
    assert START - timedelta(milliseconds=1) < lowest <= START
    last = START + timedelta(hours=6)
    assert last <= highest < last + timedelta(milliseconds=1)
    assert (statistics["minValues"]["granularity"], statistics["maxValues"]["granularity"]) == ("0 hours", "6 hours")


def test_timestamps_of_another_zone_are_stored_in_utc_as_the_same_instants(tmp_path: Path) -> None:
    (made,) = written(tmp_path, batch(2, zone="America/New_York"))
    table = pq.ParquetFile(tmp_path / str(made["path"])).read()
    assert table.schema.field("at").type == pa.timestamp("us", tz="UTC")
    assert table.column("window").to_pylist()[1]["start"] == START + timedelta(hours=1)


@pytest.mark.parametrize("fits", [False, None])
def test_rows_that_do_not_fit_and_rows_of_which_nobody_knows_are_counted(tmp_path: Path, fits: bool | None) -> None:
    (made,) = written(tmp_path, batch(5), batch(2, first=5, fits=fits))
    assert made["misfits"] == 2


def test_a_task_without_rows_writes_nothing(tmp_path: Path) -> None:
    assert written(tmp_path, batch(0)) == []
    assert list(tmp_path.iterdir()) == []


def test_lists_of_structs_with_timestamps_are_in_utc_too() -> None:
    kind = pa.list_(pa.struct([pa.field("at", pa.timestamp("us", tz="Asia/Tokyo"))]))
    table = in_utc(pa.table({"steps": pa.array([[{"at": START}], None], kind)}))
    assert table.schema.field("steps").type.value_type.field("at").type == pa.timestamp("us", tz="UTC")
    assert table.column("steps").to_pylist() == [[{"at": START}], None]
