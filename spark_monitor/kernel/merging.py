"""Partial states merged as they stream by, sorted by their key, each key's in the order they were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.named_blocks import NamedBlock, is_block
from spark_monitor.kernel.partials import PARTIAL_SCHEMA, TABLE_COLUMN, KernelColumn, batched
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.table import TableState

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
    block: NamedBlock | None = None


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
    """One row per key from partial rows that are sorted by key; a block becomes a row per slice value."""
    rows = (row for merged in _runs(batches, columns) for row in _rows(merged))
    return batched(rows, MERGED_SCHEMA)


def _runs(batches: Iterable[pa.RecordBatch], columns: tuple[KernelColumn, ...]) -> Iterator[Merged]:
    current: Merged | None = None
    for batch in batches:
        named = [batch.column(name).to_pylist() for name in PARTIAL_SCHEMA.names]
        for window, version, slice_key, value, number, _, _, *part in zip(*named, strict=True):
            column = None if number == TABLE_COLUMN else columns[number]
            found = _read((window, version, slice_key, value, number), tuple(part), column)
            if current is None or current.key != found.key:
                if current is not None:
                    yield current
                current = found
            else:
                current = _joined(current, found, column)
    if current is not None:
        yield current


def _read(key: Key, part: Content, column: KernelColumn | None) -> Merged:
    """A partial row; blocks are opened at once, since they are taken apart in any case."""
    data, _, error = part
    if data is None or column is None or column.grid is None or not is_block(data):
        return Merged(key, part)
    return Merged(key, (None, None, error), block=NamedBlock.from_bytes(data, column.grid))


def _joined(current: Merged, more: Merged, column: KernelColumn | None) -> Merged:
    """A key is in error as soon as one of its parts is."""
    error = current.part[2] or more.part[2]
    if current.block is not None and more.block is not None:
        return Merged(current.key, (None, None, error), block=current.block.merge(more.block))
    if error is not None:
        return Merged(current.key, (None, None, error))
    # The key's column says of which class a state is, so both are of one.
    state = current.state or _state(current.part, column)
    return Merged(current.key, (None, None, None), state.merge(_state(more.part, column)))  # type: ignore[arg-type]


def _state(part: Content, column: KernelColumn | None) -> State:
    return state_of(part[0] or b"", part[1], column)


def _rows(merged: Merged) -> Iterator[tuple[object, ...]]:
    window, version, slice_key, _, column = merged.key
    if merged.block is not None:
        for text, state in merged.block.states():
            content = (None, None, merged.part[2]) if state is None else _content(state)
            yield (window, version, slice_key, text, column, *content)
    else:
        yield (*merged.key, *(merged.part if merged.state is None else _content(merged.state)))


def _content(state: State) -> Content:
    if isinstance(state, NumericState):
        sketch = state.sketch.to_bytes() if state.sketch else None
        return state.to_bytes(with_sketch=False), sketch, None
    return state.to_bytes(), None, None
