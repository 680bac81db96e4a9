"""Partial states merged as they stream by, sorted by their key, each key's in the order they were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.partials import PARTIAL_SCHEMA, TABLE_COLUMN, KernelColumn
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.table import TableState

MERGED_ROWS = 2048

MERGED_SCHEMA = pa.schema([column for column in PARTIAL_SCHEMA if column.name not in ("part", "sequence")])

State = NumericState | CategoricalState | TableState
Key = tuple[int, str | None, int, str | None, int]


Content = tuple[bytes | None, bytes | None, str | None]
"""What a row holds beside its key: state, sketch, error."""


@dataclass(frozen=True)
class Merged:
    """All partial states of one key as one; of a single part the bytes as they came, since they are the answer."""

    key: Key
    part: Content
    state: State | None = None


def state_of(data: bytes, sketch: bytes | None, column: KernelColumn | None) -> State:
    """The state that bytes hold for a column; ``column`` is None for the row ``:table``."""
    if column is None:
        return TableState.from_bytes(data)
    if column.grid is not None:
        return NumericState.from_bytes(data, column.grid, sketch=sketch)
    if column.categories is not None:
        return CategoricalState.from_bytes(data, column.categories)
    raise StateError(f"column {column.name!r}: has neither a grid nor categories, so it has no state.")


def merge_partials(batches: Iterable[pa.RecordBatch], columns: tuple[KernelColumn, ...]) -> Iterator[pa.RecordBatch]:
    """One row per key from partial rows that are sorted by key."""
    finished: list[Merged] = []
    for merged in _runs(batches, columns):
        finished.append(merged)
        if len(finished) >= MERGED_ROWS:
            yield _batch(finished)
            finished = []
    if finished:
        yield _batch(finished)


def _runs(batches: Iterable[pa.RecordBatch], columns: tuple[KernelColumn, ...]) -> Iterator[Merged]:
    current: Merged | None = None
    for batch in batches:
        named = [batch.column(name).to_pylist() for name in PARTIAL_SCHEMA.names]
        for window, version, slice_key, value, column, _, _, *part in zip(*named, strict=True):
            found = Merged((window, version, slice_key, value, column), tuple(part))
            if current is None or current.key != found.key:
                if current is not None:
                    yield current
                current = found
            else:
                current = _joined(current, found, None if column == TABLE_COLUMN else columns[column])
    if current is not None:
        yield current


def _joined(current: Merged, more: Merged, column: KernelColumn | None) -> Merged:
    """A key is in error as soon as one of its parts is."""
    error = current.part[2] or more.part[2]
    if error is not None:
        return Merged(current.key, (None, None, error))
    state = current.state or _state(current.part, column)
    return Merged(current.key, (None, None, None), state.merge(_state(more.part, column)))  # type: ignore[arg-type]


def _state(part: Content, column: KernelColumn | None) -> State:
    return state_of(part[0] or b"", part[1], column)


def _batch(rows: list[Merged]) -> pa.RecordBatch:
    contents = [_content(row) for row in rows]
    columns = list(zip(*contents, strict=True))
    arrays = [pa.array(values, type=column.type) for values, column in zip(columns, MERGED_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=MERGED_SCHEMA)


def _content(row: Merged) -> tuple[object, ...]:
    if row.state is None:
        return (*row.key, *row.part)
    if isinstance(row.state, NumericState):
        sketch = row.state.sketch.to_bytes() if row.state.sketch else None
        return (*row.key, row.state.to_bytes(with_sketch=False), sketch, None)
    return (*row.key, row.state.to_bytes(), None, None)
