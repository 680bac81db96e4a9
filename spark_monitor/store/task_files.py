"""Rows that Spark's tasks write as Parquet files into a table's directory; a file counts once a commit names it.

A task hands back each file's name, size and statistics, so that nothing that grows with the rows comes to the driver. A file of a
task that was killed, or whose commit never came, is in no version of the table.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

ROW_GROUP_BYTES: Final = 64 * 2**20
"""Rows are gathered up to so many bytes, and then written."""

FITS: Final = "_fits"
"""The column that says whether a row belongs to what is replaced; it is not written."""

MADE: Final = "path string, size bigint, written_at bigint, statistics string, misfits bigint"
COMPRESSION: Final = "zstd"
_UP: Final = timedelta(microseconds=999)
"""Delta's log holds timestamps in milliseconds, cut off: the highest goes up to the next one first."""


@dataclass
class TaskFiles:
    """What a task is given: the directory of a table's partition, and which columns have statistics."""

    table: str
    partition: str
    """The directory of the partition within the table's, such as ``monitor_id=flights``."""
    partition_column: str
    measured: tuple[tuple[str, ...], ...]
    """The columns, or fields of structs, whose smallest and largest values are noted."""

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Write a task's rows as one file; a row that does not fit is counted, and then nothing should be committed."""
        file = _File(Path(self.table), f"{self.partition}/{uuid.uuid4().hex}.parquet", self.measured)
        for batch in batches:
            if batch.num_rows:
                file.misfits += batch.num_rows - (pc.sum(batch.column(FITS)).as_py() or 0)
                file.add(batch.select([name for name in batch.schema.names if name not in (FITS, self.partition_column)]))
        if file.rows:
            yield file.closed()


@dataclass
class _File:
    root: Path
    path: str
    measured: tuple[tuple[str, ...], ...]
    rows: int = 0
    misfits: int = 0
    _gathered: list[pa.RecordBatch] = field(default_factory=list)
    _bytes: int = 0
    _writer: pq.ParquetWriter | None = None
    _lowest: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _highest: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self._gathered.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= ROW_GROUP_BYTES:
            self._write()

    def closed(self) -> pa.RecordBatch:
        self._write()
        if self._writer is not None:
            self._writer.close()
        size = (self.root / self.path).stat().st_size
        made = [self.path, size, time.time_ns() // 1_000_000, self._statistics(), self.misfits]
        return pa.record_batch([[one] for one in made], names=["path", "size", "written_at", "statistics", "misfits"])

    def _write(self) -> None:
        if not self._gathered:
            return
        table = in_utc(pa.Table.from_batches(self._gathered))
        for path in self.measured:
            self._note(path, table)
        if self._writer is None:
            (self.root / self.path).parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self.root / self.path, table.schema, compression=COMPRESSION)
        self._writer.write_table(table)
        self._gathered, self._bytes = [], 0

    def _note(self, path: tuple[str, ...], table: pa.Table) -> None:
        values = table.column(path[0])
        for name in path[1:]:
            values = pc.struct_field(values, name)
        edges = pc.min_max(values)
        for kept, name, better in ((self._lowest, "min", min), (self._highest, "max", max)):
            one = edges[name].as_py()
            if one is not None:
                kept[path] = better(kept[path], one) if path in kept else one

    def _statistics(self) -> str:
        """The file's statistics as Delta's log holds them: readers leave files out by them."""
        highest = {path: one + _UP if isinstance(one, datetime) else one for path, one in self._highest.items()}
        edges = {"minValues": _nested(self._lowest), "maxValues": _nested(highest)}
        return json.dumps({"numRecords": self.rows, **edges, "nullCount": {}})


def _nested(values: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    """Values by path as nested objects, timestamps as text in milliseconds."""
    nested: dict[str, Any] = {}
    for path, value in values.items():
        inner = nested
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = (
            value.isoformat(timespec="milliseconds").replace("+00:00", "Z") if isinstance(value, datetime) else value
        )
    return nested


def in_utc(table: pa.Table) -> pa.Table:
    """The table with every timestamp in UTC, whatever zone the session that made it showed times in.

    >>> one = pa.table({"at": pa.array([0], pa.timestamp("us", tz="Europe/Berlin"))})
    >>> in_utc(one).schema.field("at").type
    TimestampType(timestamp[us, tz=UTC])
    """
    schema = pa.schema([one.with_type(_utc(one.type)) for one in table.schema])
    return table if schema.equals(table.schema) else table.cast(schema)


def _utc(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp(kind.unit, tz="UTC")
    if pa.types.is_struct(kind):
        return pa.struct([one.with_type(_utc(one.type)) for one in map(kind.field, range(kind.num_fields))])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_utc(kind.value_type)))
    return kind
