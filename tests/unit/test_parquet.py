"""Parquet read by a task itself: row groups, time ranges, types that widened, S3 that is slow or fails."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from spark_monitor.errors import StateError
from spark_monitor.kernel import parquet, storage
from spark_monitor.kernel.conditions import Compared
from spark_monitor.kernel.layout import MICROS, TIMESTAMPS, FileColumn, FileLayout, FileSlice, Take, as_type, doubles, sizes
from spark_monitor.kernel.parquet import Block, FileUnreadable, middle, read_blocks
from spark_monitor.kernel.storage import located

DAY = 86_400_000_000
ROWS = 1_000


def table(rows: int = ROWS) -> pa.Table:
    random = np.random.default_rng(1)
    return pa.table(
        {
            "id": pa.array(np.arange(rows)),
            "at": pa.array(np.arange(rows) * (DAY // 10), TIMESTAMPS),
            "x": pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1),
            "group": pa.array(random.choice(["a", "b"], rows)),
        }
    )


def layout(low: int = 0, high: int = 1_000 * DAY, *columns: FileColumn, slices: tuple[FileSlice, ...] = ()) -> FileLayout:
    wanted = columns or (FileColumn("x", pa.float64()),)
    return FileLayout(FileColumn("at", TIMESTAMPS), ((low, high),), "UTC", ("id",), None, slices, wanted)


def block(path: Path, rows: int, *, start: int = 0, length: int | None = None) -> Block:
    size = path.stat().st_size
    return Block(path.as_uri(), start, size if length is None else length, size, rows)


def read(blocks: list[Block], wanted: FileLayout) -> pa.Table:
    """All spans as one table: time, null id, version, slices, columns."""
    tables = []
    for span in read_blocks(blocks, wanted):
        arrays = [span.time, span.null_id, span.version, *span.slices]
        arrays += [span.column(position) for position in range(len(wanted.columns))]
        arrays = [array.dictionary_decode() if pa.types.is_dictionary(array.type) else array for array in arrays]
        tables.append(pa.table(arrays, names=[f"k{position}" for position in range(len(arrays))]))
    return pa.concat_tables(tables) if tables else pa.table({})


def test_the_blocks_of_a_file_hold_every_row_once(tmp_path: Path) -> None:
    path = tmp_path / "odd name %.parquet"
    pq.write_table(table(), path, row_group_size=90)
    size = path.stat().st_size
    cuts = [0, *sorted(np.random.default_rng(2).integers(0, size, 5).tolist()), size]
    metadata = pq.read_metadata(path)
    middles = [middle(metadata.row_group(number)) for number in range(metadata.num_row_groups)]
    found = []
    for low, high in itertools.pairwise(cuts):
        rows = sum(min(90, ROWS - 90 * number) for number, place in enumerate(middles) if low <= place < high)
        if rows:
            found += read([block(path, rows, start=low, length=high - low)], layout()).column(3).to_pylist()
    assert found == table()["x"].to_pylist()


def test_row_groups_and_rows_outside_the_time_range_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(table(), path, row_group_size=100)
    found = read([block(path, 230)], layout(20 * DAY, 43 * DAY))
    assert found.column(0).to_pylist() == [number * (DAY // 10) for number in range(200, 430)]
    with pytest.raises(FileUnreadable, match="gave 230 rows where Spark counts 229"):
        read([block(path, 229)], layout(20 * DAY, 43 * DAY))


def test_a_row_group_longer_than_a_span_is_read_span_by_span(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "SPAN_ROWS", 70)
    monkeypatch.setattr(parquet, "READ_BYTES", 1)
    path = tmp_path / "part.parquet"
    pq.write_table(table(), path, row_group_size=600)
    wanted = layout(20 * DAY, 43 * DAY, FileColumn("x", pa.float64()), FileColumn("group", pa.string()))
    found = read([block(path, 230)], wanted)
    expected = table().slice(200, 230)
    assert found.column(3).to_pylist() == expected["x"].to_pylist()
    assert found.column(4).to_pylist() == expected["group"].to_pylist()


def test_row_groups_outside_the_time_range_are_not_even_decoded(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(table(), path, row_group_size=100, compression="snappy")
    group = pq.read_metadata(path).row_group(9)
    first = group.column(2)
    offset = first.dictionary_page_offset or first.data_page_offset
    data = bytearray(path.read_bytes())
    data[offset : offset + first.total_compressed_size] = b"\xff" * first.total_compressed_size
    path.write_bytes(bytes(data))
    assert read([block(path, 230)], layout(20 * DAY, 43 * DAY)).num_rows == 230
    with pytest.raises(FileUnreadable, match=r"part\.parquet"):
        read([block(path, ROWS)], layout())


def test_columns_of_rows_outside_the_time_range_are_not_decoded_even_without_statistics(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(table(), path, row_group_size=100, write_statistics=False)
    first = pq.read_metadata(path).row_group(9).column(2)
    offset = first.dictionary_page_offset or first.data_page_offset
    data = bytearray(path.read_bytes())
    data[offset : offset + first.total_compressed_size] = b"\xff" * first.total_compressed_size
    path.write_bytes(bytes(data))
    assert read([block(path, 230)], layout(20 * DAY, 43 * DAY)).num_rows == 230


def test_a_column_that_the_file_lacks_is_null_and_one_that_the_path_gives_is_constant(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(table(10), path)
    one = Block(path.as_uri(), 0, path.stat().st_size, path.stat().st_size, 10, (("day", "2024-02-29"), ("none", None)))
    wanted = [FileColumn("new", pa.int32()), FileColumn("day", pa.date32()), FileColumn("none", pa.string())]
    columns = read([one], layout(0, 1_000 * DAY, *wanted)).columns[3:]
    assert [column.to_pylist() for column in columns] == [[None] * 10, [dt.date(2024, 2, 29)] * 10, [None] * 10]
    assert [column.type for column in columns] == [pa.int32(), pa.date32(), pa.string()]


def test_names_that_differ_in_case_alone_are_found_unless_there_are_several(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(table(5).rename_columns(["id", "at", "X", "group"]), path)
    assert read([block(path, 5)], layout()).column(3).to_pylist() == table(5)["x"].to_pylist()
    pq.write_table(table(5).rename_columns(["id", "at", "X", "x "]).append_column("x", table(5)["x"]), path)
    assert read([block(path, 5)], layout()).column(3).to_pylist() == table(5)["x"].to_pylist()
    pq.write_table(table(5).rename_columns(["id", "at", "Group", "GROUP"]), path)
    with pytest.raises(FileUnreadable, match="several columns that could be 'group'"):
        read([block(path, 5)], layout(0, 1_000 * DAY, FileColumn("group", None)))


def test_columns_of_another_length_than_the_times_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(table(10), path)
    original = parquet.FileRows
    monkeypatch.setattr(parquet, "FileRows", lambda arrays, *rest: original(arrays, *rest[:-1], rest[-1] - ("x" in arrays)))
    with pytest.raises(FileUnreadable, match="gave 9 values where the times are 10"):
        read([block(path, 10)], layout())


def test_files_of_the_old_calendar_are_left_to_spark(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    pq.write_table(table(5).replace_schema_metadata({"org.apache.spark.legacyINT96": ""}), path)
    with pytest.raises(FileUnreadable, match="calendar before Spark 3"):
        read([block(path, 5)], layout())


def test_timestamps_of_parquets_oldest_kind_are_timestamps(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    far = table(3).set_column(1, "at", pa.array([0, DAY, 300_000 * DAY // 2], TIMESTAMPS))
    pq.write_table(far, path, use_deprecated_int96_timestamps=True)
    assert read([block(path, 3)], layout(0, 1 << 62)).column(0).to_pylist() == [0, DAY, 150_000 * DAY]


def test_decimals_become_the_nearest_doubles() -> None:
    random = np.random.default_rng(3)
    for digits, scale in ((5, 2), (15, 15), (15, 3), (18, 9), (38, 30), (38, 0)):
        values = [Decimal(int("".join(map(str, random.integers(0, 10, digits))))).scaleb(-scale) for _ in range(200)]
        array = pa.array([None, *values, *(-value for value in values)], pa.decimal128(digits, scale))[1:]
        assert doubles(array).to_pylist() == [float(value) for value in [*values, *(-value for value in values)]]


def test_dates_that_have_become_local_times_are_found_by_their_statistics(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    dates = pa.array(np.arange(10, dtype=np.int32), pa.date32())
    pq.write_table(table(10).set_column(1, "at", dates), path, row_group_size=2)
    wanted = replace(layout(2 * DAY, 5 * DAY), time=FileColumn("at", MICROS))
    assert read([block(path, 3)], wanted).column(0).to_pylist() == [2 * DAY, 3 * DAY, 4 * DAY]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [(pa.int32(), pa.int64()), (pa.int32(), pa.float64()), (pa.float32(), pa.float64()), (pa.timestamp("ms"), MICROS)],
)
def test_types_that_were_widened_since_keep_their_values(kind: pa.DataType, wanted: pa.DataType) -> None:
    values = pa.array([1, None, 7], pa.int32()).cast(kind) if not pa.types.is_timestamp(kind) else pa.array([1, None, 7], kind)
    found = as_type(values, wanted, "x")
    assert found.type == wanted
    assert found == values.cast(wanted)


@pytest.mark.parametrize(
    ("kind", "wanted"), [(pa.int64(), pa.float64()), (pa.string(), pa.int64()), (TIMESTAMPS, MICROS), (pa.uint64(), pa.int64())]
)
def test_types_that_do_not_widen_are_left_to_spark(kind: pa.DataType, wanted: pa.DataType) -> None:
    with pytest.raises(StateError, match="in the table"):
        as_type(pa.nulls(1, kind), wanted, "x")


ARROWS_OWN: dict[str, tuple[pa.Array, pa.DataType, list[Any]]] = {
    "views of texts": (pa.array(["a", None, "ß"], pa.string_view()), pa.string(), ["a", None, "ß"]),
    "large texts": (pa.array(["a", None], pa.large_string()), pa.string(), ["a", None]),
    "views of bytes": (pa.array([b"a", None], pa.binary_view()), pa.binary(), [b"a", None]),
    "bytes of one length": (pa.array([b"ab", None], pa.binary(2)), pa.binary(), [b"ab", None]),
    "unsigned, 8 bits": (pa.array([255, None], pa.uint8()), pa.int16(), [255, None]),
    "unsigned, 16 bits": (pa.array([65_535, None], pa.uint16()), pa.int32(), [65_535, None]),
    "unsigned, 32 bits": (pa.array([2**32 - 1, None], pa.uint32()), pa.int64(), [2**32 - 1, None]),
    "unsigned, 64 bits": (pa.array([2**64 - 1, None], pa.uint64()), pa.decimal128(20, 0), [Decimal(2**64 - 1), None]),
    "durations": (pa.array([5, None], pa.duration("ns")), pa.int64(), [5, None]),
    "categories": (pa.array([5, None, 5]).dictionary_encode(), pa.int64(), [5, None, 5]),
    "short decimals": (pa.array([Decimal("1.50"), None], pa.decimal32(5, 2)), pa.decimal128(5, 2), [Decimal("1.50"), None]),
    "nothing but nulls": (pa.nulls(2), pa.string(), [None, None]),
}


@pytest.mark.parametrize("name", ARROWS_OWN)
def test_types_that_arrow_alone_remembers_are_read_as_parquet_has_them(tmp_path: Path, name: str) -> None:
    values, wanted, expected = ARROWS_OWN[name]
    path = tmp_path / "part.parquet"
    times = pa.array(np.arange(len(values)), TIMESTAMPS)
    pq.write_table(pa.table({"id": pa.array(np.arange(len(values))), "at": times, "x": values}), path)
    found = read([block(path, len(values))], layout(0, DAY, FileColumn("x", wanted))).column(3)
    assert found.type == wanted
    assert found.to_pylist() == expected


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.large_list(pa.int64()), pa.list_view(pa.int64()), pa.list_(pa.int64(), 2)]
)
def test_lists_of_every_kind_have_sizes(kind: pa.DataType) -> None:
    values = pa.array([[1, 2], None, [3, 4], [5, 6]], kind)[1:]
    assert sizes(values).to_pylist() == [None, 2, 2]


def test_sizes_and_fields_are_taken_without_their_contents(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    lists = pa.array([[1, 2], None, []], pa.list_(pa.int64()))
    structs = pa.array([{"a": 1, "b": 2}, None, {"a": None, "b": None}])
    pq.write_table(table(3).append_column("list", lists).append_column("struct", structs), path)
    wanted = [
        FileColumn("list", None, Take.SIZE),
        FileColumn("struct", None, Take.FIELDS, 2),
        FileColumn("list", None, Take.PRESENT),
    ]
    columns = read([block(path, 3)], layout(0, 1_000 * DAY, *wanted)).columns[3:]
    assert [column.to_pylist() for column in columns] == [[2, None, 0], [2, None, 2], [True, None, True]]


def test_an_address_is_opened_where_it_says() -> None:
    assert located("file:///a/b%20c%25.parquet")[1] == "/a/b c%.parquet"
    with pytest.raises(ValueError, match="hdfs: storage that only Spark reads"):
        located("hdfs://host/a")


class Store:
    """An S3 server on loopback that can be slow, and can refuse its next requests to read."""

    def __init__(self) -> None:
        from moto.server import DomainDispatcherApplication, create_backend_app

        self.refusals, self.seconds, self.reads = 0, 0.0, 0
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET":
            self.reads += 1
            time.sleep(self.seconds)
            if self.refusals > 0:
                self.refusals -= 1
                start_response("503 Slow Down", [("Content-Type", "application/xml")])
                return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
        return self._moto(environ, start_response)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Store]:
    """A store with one file in a bucket, at an address with blanks and signs in it."""
    import boto3
    from werkzeug.serving import make_server

    app = Store()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.port}"
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    storage.file_system.cache_clear()
    pq.write_table(table(), tmp_path / "local.parquet", row_group_size=100)
    client = boto3.client("s3")
    client.create_bucket(Bucket="rows")
    client.upload_file(str(tmp_path / "local.parquet"), "rows", "day=1/a b.parquet")
    yield app
    storage.file_system.cache_clear()
    server.shutdown()


def on_store(tmp_path: Path) -> Block:
    size = (tmp_path / "local.parquet").stat().st_size
    return Block("s3a://rows/day%3D1/a%20b.parquet", 0, size, size, ROWS)


def test_files_on_s3_are_read_as_local_ones(store: Store, tmp_path: Path) -> None:
    sliced = layout(0, 1_000 * DAY, slices=(FileSlice((FileColumn("x", pa.float64()),), Compared("x", ">", 0.0)),))
    remote = read([on_store(tmp_path)], sliced)
    assert remote.to_pylist() == read([block(tmp_path / "local.parquet", ROWS)], sliced).to_pylist()


def test_a_store_that_is_slow_and_refuses_some_requests_is_asked_again(store: Store, tmp_path: Path) -> None:
    store.refusals, store.seconds = 3, 0.05
    assert read([on_store(tmp_path)], layout()).num_rows == ROWS
    assert store.refusals == 0


def test_a_store_that_keeps_refusing_is_a_sentence(store: Store, tmp_path: Path) -> None:
    store.refusals = 1_000
    with pytest.raises(FileUnreadable, match=r"a%20b\.parquet: OSError"):
        read([on_store(tmp_path)], layout())
    assert store.reads <= 50


def test_a_file_that_is_gone_is_a_sentence(store: Store, tmp_path: Path) -> None:
    gone = Block("s3://rows/gone.parquet", 0, 1, 1, ROWS)
    with pytest.raises(FileUnreadable, match=r"gone\.parquet: FileNotFoundError"):
        read([gone], layout())
