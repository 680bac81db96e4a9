"""Parquet files read by the task itself, without the JVM: blocks of files in, the kernel's batches out.

A block is what Spark's own scan would read in one go: the row groups of a file whose middle lies in a range of its bytes. For
each block Spark has counted the rows within the time range; what is read here must agree, else the run reads through Spark.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spark_monitor.kernel.layout import INSTANTS, FileColumn, FileLayout, FileRows
from spark_monitor.kernel.storage import LOCAL, located, scheme_of
from spark_monitor.kernel.times import instants

DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MICROS = 1_000_000
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


def read_blocks(blocks: Iterable[Block], layout: FileLayout, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of blocks as the kernel takes them: instant, null id, version, slice values, columns."""
    for block in blocks:
        try:
            yield from _Reading(block, layout).batches(batch_rows)
        except FileUnreadable:
            raise
        except Exception as error:  # whatever it is, Spark shall try
            raise FileUnreadable(block.path, f"{type(error).__name__}: {error}") from error


class _Reading:
    """One block being read."""

    def __init__(self, block: Block, layout: FileLayout) -> None:
        self._block, self._layout = block, layout
        self._constants = dict(block.constants)

    def batches(self, batch_rows: int) -> Iterator[pa.RecordBatch]:
        system, path = located(self._block.path)
        rows = 0
        with system.open_input_file(path) as source:
            if source.size() != self._block.size:
                raise FileUnreadable(self._block.path, f"has {source.size()} bytes, not {self._block.size} as Spark found")
            file = self._opened(source)
            names = self._names(file)
            for group in self._groups(file, names):
                for batch in file.iter_batches(batch_rows, row_groups=[group], columns=list(names.values()), use_threads=False):
                    found = self._batch(batch, names, file)
                    rows += found.num_rows
                    yield found
        if rows != self._block.rows:
            raise FileUnreadable(self._block.path, f"gave {rows} rows where Spark counts {self._block.rows}")

    def _opened(self, source: pa.NativeFile) -> pq.ParquetFile:
        remote = scheme_of(self._block.path) not in LOCAL
        metadata = pq.read_metadata(source)
        known = metadata.metadata or {}
        if any(key.encode() in known for key in LEGACY):
            raise FileUnreadable(self._block.path, "holds dates of the calendar before Spark 3, which Spark itself converts")
        texts = sorted(self._layout.texts & set(metadata.schema.to_arrow_schema().names))
        options = {"coerce_int96_timestamp_unit": "us", "pre_buffer": remote}
        return pq.ParquetFile(source, metadata=metadata, read_dictionary=texts, **options)

    def _names(self, file: pq.ParquetFile) -> dict[str, str]:
        """The table's columns that the file has, and their names there: the same, or the same but for case."""
        present = file.schema_arrow.names
        found = {}
        for name in self._layout.names:
            if name in self._constants:
                continue
            alike = [name] if name in present else [other for other in present if other.lower() == name.lower()]
            if len(alike) > 1 or present.count(name) > 1:
                raise FileUnreadable(self._block.path, f"has several columns that could be {name!r}")
            if alike:
                found[name] = alike[0]
        return found

    def _groups(self, file: pq.ParquetFile, names: dict[str, str]) -> Iterator[int]:
        """The row groups of the block that may hold rows in the range of time."""
        metadata = file.metadata
        time = names.get(self._layout.time.name)
        leaf = _leaf(metadata, time) if time is not None else None
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if self._block.start <= middle(group) < self._block.start + self._block.length and not (
                leaf is not None and self._is_outside(group.column(leaf), file.schema_arrow.field(time).type)
            ):
                yield number

    def _is_outside(self, column: pq.ColumnChunkMetaData, kind: pa.DataType) -> bool:
        """Whether the statistics say that no row of a row group is in the range of time."""
        statistics = column.statistics
        if statistics is None or not statistics.has_min_max or column.physical_type not in ("INT32", "INT64"):
            return False
        low, high = (_stored(value, kind) for value in (statistics.min_raw, statistics.max_raw))
        return high < self._layout.low or low >= self._layout.high

    def _batch(self, batch: pa.RecordBatch, names: dict[str, str], file: pq.ParquetFile) -> pa.RecordBatch:
        arrays = {name: _instants_of_int96(batch.column(there), file, there) for name, there in names.items()}
        time = FileRows(arrays, self._constants, batch.num_rows).array(self._layout.time)
        inside = self._inside(time)
        if not inside.all():
            chosen = pa.array(np.flatnonzero(inside))
            arrays, time = {name: values.take(chosen) for name, values in arrays.items()}, time.take(chosen)
        return kernel_batch(FileRows(arrays, self._constants, len(time)), time, self._layout)

    def _inside(self, time: pa.Array) -> np.ndarray:
        """Which rows have a time in the range."""
        width = pa.int32() if pa.types.is_date(time.type) else pa.int64()
        stored = time.cast(width)
        known = np.asarray(stored.is_valid().to_numpy(zero_copy_only=False))
        values = np.asarray(stored.fill_null(0).to_numpy(zero_copy_only=False))
        return known & (values >= self._layout.low) & (values < self._layout.high)


def kernel_batch(rows: FileRows, time: pa.Array, layout: FileLayout) -> pa.RecordBatch:
    """The kernel's columns of a file's rows."""
    if isinstance(layout.version, FileColumn):
        version = rows.text(layout.version)
    else:
        version = pa.repeat(pa.scalar(layout.version, pa.string()), len(time))
    arrays = [
        instants(time, layout.zone),
        rows.null_ids(layout.ids),
        version,
        *(rows.slice_value(slice_) for slice_ in layout.slices),
        *(rows.taken(column) for column in layout.columns),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=[f"k{position}" for position in range(len(arrays))])


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


def _stored(value: int, kind: pa.DataType) -> int:
    """A statistic of a time column in microseconds, rounded down, or days."""
    return value * _MICROS // _PER_SECOND[kind.unit] if pa.types.is_timestamp(kind) else value


def _instants_of_int96(values: pa.Array, file: pq.ParquetFile, name: str) -> pa.Array:
    """Timestamps of Parquet's oldest kind are instants, which only their physical type tells."""
    if not (pa.types.is_timestamp(values.type) and values.type.tz is None):
        return values
    leaf = _leaf(file.metadata, name)
    old = leaf is not None and file.schema.column(leaf).physical_type == "INT96"
    return values.cast(INSTANTS) if old else values
