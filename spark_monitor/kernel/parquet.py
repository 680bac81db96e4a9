"""Parquet files read by the task itself, without the JVM: blocks of files in, the kernel's spans of rows out.

A block is what Spark's own scan would read in one go: the row groups of a file whose middle lies in a range of its bytes. For
each block Spark has counted the rows within the time range; what is read here must agree, else the run reads through Spark.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spark_monitor.kernel.layout import TIMESTAMPS, FileColumn, FileLayout, FileRows
from spark_monitor.kernel.spans import SPAN_ROWS
from spark_monitor.kernel.storage import LOCAL, located, scheme_of
from spark_monitor.kernel.times import timestamps

READ_BYTES = 32 << 20
Held = Mapping[int, pa.Array]
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MICROS, DAY_MICROS = 1_000_000, 86_400_000_000
LEGACY = ("org.apache.spark.legacyDateTime", "org.apache.spark.legacyINT96")
MARK = "spark_monitor cannot read the file itself"


class FileUnreadable(Exception):
    """Why a file must be read through Spark; the text begins with a mark that survives the way through the JVM."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{MARK}: {path}: {why} [end]")


@dataclass(frozen=True)
class Block:
    """A range of bytes of a file, the file's size, the rows that Spark counts in it, and the values that its path gives."""

    path: str
    start: int
    length: int
    size: int
    rows: int
    constants: tuple[tuple[str, str | None], ...] = ()


def read_blocks(blocks: Iterable[Block], layout: FileLayout, span_rows: int | None = None) -> Iterator[FileSpan]:
    """The rows of blocks in spans of at most ``span_rows`` rows; each must be used before the next is asked for."""
    for block in blocks:
        with unreadable_with_reason(block.path):
            reading = _Reading(block, layout, span_rows or SPAN_ROWS)
            yield from reading.spans()


@contextmanager
def unreadable_with_reason(path: str) -> Iterator[None]:
    """Whatever goes wrong becomes the reason why Spark reads the table instead."""
    try:
        yield
    except FileUnreadable:
        raise
    except Exception as error:
        raise FileUnreadable(path, f"{type(error).__name__}: {error}") from error


class FileSpan:
    """Rows of a row group: the keys are read, the columns are read when they are asked for, some at a time."""

    def __init__(self, reading: _Reading, keys: FileRows, chosen: pa.Array | None, columns: Iterator[Held]) -> None:
        self._layout, self._path, self._keys = reading.layout, reading.block.path, keys
        self._chosen, self._columns = chosen, columns
        self._held: dict[int, pa.Array] = {}
        self.time = timestamps(keys.array(self._layout.time), self._layout.zone)

    @property
    def null_id(self) -> pa.Array:
        """Whether the id is null."""
        return self._keys.null_ids(self._layout.ids)

    @property
    def version(self) -> pa.Array:
        """The model version as text."""
        declared = self._layout.version
        if isinstance(declared, FileColumn):
            return self._keys.text(declared)
        places = pa.array(np.zeros(len(self.time), dtype=np.int32))
        return pa.DictionaryArray.from_arrays(places, pa.array([declared], pa.string()))

    @property
    def slices(self) -> Sequence[pa.Array]:
        """The value of every slice key as text."""
        return [self._keys.slice_value(slice_) for slice_ in self._layout.slices]

    def column(self, position: int) -> pa.Array:
        """A column's values, of the rows within the range of time."""
        with unreadable_with_reason(self._path):
            if position not in self._held:
                self._held = dict(next(self._columns))
            values = self._held.pop(position)
        return values if self._chosen is None else values.take(self._chosen)


class _Reading:
    """One block being read."""

    def __init__(self, block: Block, layout: FileLayout, span_rows: int) -> None:
        self.block, self.layout, self._span_rows = block, layout, span_rows
        self._constants = dict(block.constants)

    def spans(self) -> Iterator[FileSpan]:
        """Every row group of the block that may hold rows in the range of time."""
        system, path = located(self.block.path)
        rows = 0
        with system.open_input_file(path) as source:
            if source.size() != self.block.size:
                raise FileUnreadable(self.block.path, f"has {source.size()} bytes, not {self.block.size} as Spark found")
            self._file = self._opened(source)
            self._names = self._names_in_file()
            for group in self._groups():
                for span in self._spans_of(group):
                    rows += len(span.time)
                    yield span
        if rows != self.block.rows:
            raise FileUnreadable(self.block.path, f"gave {rows} rows where Spark counts {self.block.rows}")

    def _opened(self, source: pa.NativeFile) -> pq.ParquetFile:
        remote = scheme_of(self.block.path) not in LOCAL
        metadata = pq.read_metadata(source)
        properties = metadata.metadata or {}
        if any(key.encode() in properties for key in LEGACY):
            raise FileUnreadable(self.block.path, "holds dates of the calendar before Spark 3, which Spark itself converts")
        string_columns = sorted(self.layout.string_columns & set(metadata.schema.to_arrow_schema().names))
        options = {"coerce_int96_timestamp_unit": "us", "pre_buffer": remote}
        return pq.ParquetFile(source, metadata=metadata, read_dictionary=string_columns, **options)

    def _names_in_file(self) -> dict[str, str]:
        """The table's columns that the file has, and their names there: the same, or the same but for case."""
        present = self._file.schema_arrow.names
        lowered: dict[str, list[str]] = {}
        for name in present:
            lowered.setdefault(name.lower(), []).append(name)
        names = {}
        for name in self.layout.names:
            if name in self._constants:
                continue
            alike = lowered.get(name.lower(), [])
            alike = [name] if alike.count(name) == 1 else alike
            if len(alike) > 1:
                raise FileUnreadable(self.block.path, f"has several columns that could be {name!r}")
            if alike:
                names[name] = alike[0]
        return names

    def _groups(self) -> Iterator[int]:
        """The row groups of the block that may hold rows in the range of time."""
        metadata = self._file.metadata
        time = self._names.get(self.layout.time.name)
        leaf = _leaf(metadata, time) if time is not None else None
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if self.block.start <= middle(group) < self.block.start + self.block.length and not (
                leaf is not None and self._is_outside(group.column(leaf), self._file.schema_arrow.field(time).type)
            ):
                yield number

    def _is_outside(self, column: pq.ColumnChunkMetaData, kind: pa.DataType) -> bool:
        """Whether the statistics say that no row of a row group is in the range of time."""
        statistics = column.statistics
        if statistics is None or not statistics.has_min_max or column.physical_type not in ("INT32", "INT64"):
            return False
        low, high = (_statistic(value, kind, self.layout.time.type) for value in (statistics.min_raw, statistics.max_raw))
        return all(high < first or low >= end for first, end in self.layout.ranges)

    def _spans_of(self, group: int) -> Iterator[FileSpan]:
        """A row group in spans of bounded size; within one, a few columns at a time are read ahead."""
        parts = self._column_parts(group)
        streams = [self._batches(group, [self.layout.columns[position].name for position in part]) for part in parts]
        rows = self._file.metadata.row_group(group).num_rows
        for keys in self._batches(group, self.layout.keys):
            time = keys.array(self.layout.time)
            inside = self._inside(time)
            chosen = None if inside.all() else pa.array(np.flatnonzero(inside))
            columns = self._columns(parts, streams, len(time), whole=len(time) == rows)
            span = FileSpan(self, keys if chosen is None else keys.of(chosen), chosen, columns)
            if len(span.time):
                yield span
            if len(time) < rows:
                for _ in columns:  # what was not asked for is read over, so that the next span's values are the next ones
                    pass

    def _columns(
        self, parts: Sequence[Sequence[int]], streams: Sequence[Generator[FileRows, None, None]], expected: int, *, whole: bool
    ) -> Iterator[Held]:
        for part, stream in zip(parts, streams, strict=True):
            rows = next(stream)
            if rows.count != expected:
                raise FileUnreadable(self.block.path, f"gave {rows.count} values where the times are {expected}")
            if whole:
                stream.close()  # there is no more of it, and its buffers need not wait for the other columns
            yield {position: rows.taken(self.layout.columns[position]) for position in part}

    def _batches(self, group: int, names: Iterable[str]) -> Generator[FileRows, None, None]:
        """The row group's rows of these columns, in spans."""
        there = {name: self._names[name] for name in names if name in self._names}
        rows = self._file.metadata.row_group(group).num_rows
        if not there:
            for low in range(0, rows, self._span_rows):
                yield FileRows({}, self._constants, min(self._span_rows, rows - low))
            return
        options = {"row_groups": [group], "columns": list(there.values()), "use_threads": False}
        for batch in self._file.iter_batches(self._span_rows, **options):
            arrays = {name: _timestamps_of_int96(batch.column(other), self._file, other) for name, other in there.items()}
            yield FileRows(arrays, self._constants, batch.num_rows)

    def _column_parts(self, group: int) -> list[list[int]]:
        """The columns' positions, as many together as take about ``READ_BYTES`` decoded."""
        metadata = self._file.metadata.row_group(group)
        sizes: dict[str, int] = {}
        for leaf in range(metadata.num_columns):
            column = metadata.column(leaf)
            top = column.path_in_schema.split(".")[0]
            sizes[top] = sizes.get(top, 0) + max(column.total_uncompressed_size, metadata.num_rows)
        parts: list[list[int]] = []
        held = READ_BYTES
        for position, column in enumerate(self.layout.columns):
            size = sizes.get(self._names.get(column.name, ""), 8 * metadata.num_rows)
            if held + size > READ_BYTES:
                parts.append([])
                held = 0
            parts[-1].append(position)
            held += size
        return parts

    def _inside(self, time: pa.Array) -> np.ndarray:
        """Which rows have a time in the range."""
        stored = time.cast(pa.int32() if pa.types.is_date(time.type) else pa.int64())
        present = np.asarray(stored.is_valid().to_numpy(zero_copy_only=False))
        values = np.asarray(stored.fill_null(0).to_numpy(zero_copy_only=False))
        # Of edges in order, an odd number at or below a value says that it stands between a range's two.
        edges = np.array(self.layout.ranges, dtype=np.int64).ravel()
        return np.asarray(present & (np.searchsorted(edges, values, side="right") & 1 == 1))


def middle(group: pq.RowGroupMetaData) -> int:
    """The byte by which Parquet's readers decide whose row group it is: half-way through its pages."""
    first = group.column(0)
    start = first.data_page_offset
    if first.has_dictionary_page and first.dictionary_page_offset is not None:
        start = min(start, first.dictionary_page_offset)
    return int(start + sum(group.column(leaf).total_compressed_size for leaf in range(group.num_columns)) // 2)


def _leaf(metadata: pq.FileMetaData, name: str) -> int | None:
    """The place of a column among the file's leaves."""
    if not metadata.num_row_groups:
        return None
    group = metadata.row_group(0)
    return next((leaf for leaf in range(group.num_columns) if group.column(leaf).path_in_schema == name), None)


def _statistic(value: int, kind: pa.DataType, target: pa.DataType | None) -> int:
    """A statistic of a file's time column as the table's time column stores it: in microseconds, rounded down, or days.

    >>> _statistic(1, pa.date32(), pa.date32()), _statistic(1, pa.date32(), pa.timestamp("us"))
    (1, 86400000000)
    """
    if pa.types.is_timestamp(kind):
        return value * _MICROS // _PER_SECOND[kind.unit]
    return value if target is None or pa.types.is_date(target) else value * DAY_MICROS


def _timestamps_of_int96(values: pa.Array, file: pq.ParquetFile, name: str) -> pa.Array:
    """Timestamps of Parquet's oldest kind are timestamps, which only their physical type tells."""
    if not (pa.types.is_timestamp(values.type) and values.type.tz is None):
        return values
    leaf = _leaf(file.metadata, name)
    old = leaf is not None and file.schema.column(leaf).physical_type == "INT96"
    return values.cast(TIMESTAMPS) if old else values
