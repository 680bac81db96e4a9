"""Partial states merged as they stream by, sorted by their key, each key's in the order they were made.

Rows that are read bring all slice values of a numeric column as one block; states that were stored bring them one by one. Both
are states of one algebra, and of a slice value that comes either way the answer is one state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.named_blocks import NamedBlock, is_block
from spark_monitor.kernel.partials import PARTIAL_SCHEMA, TABLE_COLUMN, KernelColumn, batched, content_of
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.table import TableState

MERGED_SCHEMA = pa.schema([column for column in PARTIAL_SCHEMA if column.name not in ("part", "sequence")])

State = NumericState | CategoricalState | TableState
Key = tuple[int, str | None, int, str | None, int]
Row = tuple[object, ...]

Content = tuple[bytes | None, bytes | None, str | None]
"""What a row holds beside its key: state, sketch, error."""


@dataclass
class Merged:
    """All partial states of one key as one; of a single part the bytes as they came, since they are the answer."""

    key: Key
    column: KernelColumn | None
    part: Content | None = None
    state: State | None = None

    def add(self, _: str | None, part: Content) -> None:
        """Merge with another part; a key is in error as soon as one of its parts is."""
        if self.part is None:
            self.part = part
        elif self.part[2] is not None or part[2] is not None:
            self.part, self.state = (None, None, self.part[2] or part[2]), None
        else:
            self.absorb(_state(part, self.column))

    def absorb(self, state: State) -> None:
        """Merge with a state; the key's column says of which class states are, so both are of one."""
        own = self.state or _state(self.part or (None, None, None), self.column)
        self.state = own.merge(state)  # type: ignore[arg-type]

    @property
    def content(self) -> Content:
        """What the merged row holds."""
        return (*content_of(self.state), None) if self.state is not None else self.part or (None, None, None)

    def rows(self) -> Iterator[Row]:
        """The one row of this key."""
        yield (*self.key, *self.content)


@dataclass
class SliceValues:
    """All slice values of one window, version, slice key and numeric column, whichever way they come."""

    key: Key
    column: KernelColumn
    block: NamedBlock | None = None
    single: dict[str | None, Merged] = field(default_factory=dict)
    error: str | None = None

    def add(self, value: str | None, part: Content) -> None:
        """Merge with a block, or with the state of one value."""
        data, _, error = part
        self.error = self.error or error
        if data is not None and self.column.grid is not None and is_block(data):
            # A block is opened at once, since it is taken apart in any case.
            found = NamedBlock.from_bytes(data, self.column.grid)
            self.block = found if self.block is None else self.block.merge(found)
        else:
            self.single.setdefault(value, Merged(self.key, self.column)).add(value, part)

    def rows(self) -> Iterator[Row]:
        """A row for every value; all in error where the column has failed in any part."""
        for text, state in self.block.states() if self.block is not None else ():
            merged = self.single.pop(text, None)
            if merged is None or self.error is not None or state is None:
                yield self._row(text, (None, None, None) if state is None else (*content_of(state), None))
            else:
                merged.absorb(state)
                yield self._row(text, merged.content)
        for text, merged in self.single.items():
            yield self._row(text, merged.content)

    def _row(self, text: str | None, content: Content) -> Row:
        window, version, slice_key, _, column = self.key
        return (window, version, slice_key, text, column, *(content if self.error is None else (None, None, self.error)))


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
    """One row per key from partial rows that are sorted by key (a numeric column's slice values count as one key)."""
    rows = (row for merged in _runs(batches, columns) for row in merged.rows())
    return batched(rows, MERGED_SCHEMA)


def _runs(batches: Iterable[pa.RecordBatch], columns: tuple[KernelColumn, ...]) -> Iterator[Merged | SliceValues]:
    current: Merged | SliceValues | None = None
    for batch in batches:
        named = [batch.column(name).to_pylist() for name in PARTIAL_SCHEMA.names]
        for window, version, slice_key, value, number, _, _, *part in zip(*named, strict=True):
            column = None if number == TABLE_COLUMN else columns[number]
            begun = _begun((window, version, slice_key, value, number), column)
            if current is None or current.key != begun.key:
                if current is not None:
                    yield current
                current = begun
            current.add(value, tuple(part))
    if current is not None:
        yield current


def _begun(key: Key, column: KernelColumn | None) -> Merged | SliceValues:
    """What gathers the parts of a key."""
    window, version, slice_key, _, number = key
    if column is None or column.grid is None or slice_key == WHOLE:
        return Merged(key, column)
    return SliceValues((window, version, slice_key, None, number), column)


def _state(part: Content, column: KernelColumn | None) -> State:
    return state_of(part[0] or b"", part[1], column)
