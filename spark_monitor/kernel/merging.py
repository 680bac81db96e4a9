"""Partial states merged as they stream by, sorted by their key, each key's in the order they were made.

Rows that are read bring all slice values of a numeric column as one block; states that were stored bring them one by one. Both
are states of one algebra, and of a slice value that comes either way the answer is one state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.merged_rows import (
    KEY_SCHEMA,
    MERGED_SCHEMA,
    AnyState,
    Held,
    Key,
    Row,
    Small,
    State,
)
from spark_monitor.kernel.named_blocks import NamedBlock, is_block
from spark_monitor.kernel.packs import PACK_COLUMN, Content, Packs, Stamp
from spark_monitor.kernel.partial_rows import PARTIAL_SCHEMA
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.state_rows import QualityState
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.states import counters, covariance, hours, repeats
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.codec import tag_of
from spark_monitor.states.counters import CounterState
from spark_monitor.states.covariance import CovarianceState
from spark_monitor.states.hours import HourState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.repeats import RepeatState
from spark_monitor.states.small import is_small, small_block
from spark_monitor.states.table import TableState

SLICE_VALUES_A_BATCH = 16
"""So many slice values that came in blocks are a batch of their own; fewer are copied to others."""

OF_QUALITY: Mapping[str, type[QualityState]] = {
    counters.TAG: CounterState,
    hours.TAG: HourState,
    repeats.TAG: RepeatState,
    covariance.TAG: CovarianceState,
}


@dataclass
class Merged:
    """All partial states of one key as one; of a single part the bytes as they came, since they are the answer."""

    key: Key
    column: KernelColumn | None
    part: Content | None = None
    state: AnyState | None = None

    def add(self, _: str | None, part: Content) -> None:
        """Merge with another part; a key is in error as soon as one of its parts is."""
        if self.part is None:
            self.part = part
        elif self.part[2] is not None or part[2] is not None:
            self.part, self.state = (None, None, self.part[2] or part[2]), None
        else:
            self.absorb(_state(part, self.column))

    def absorb(self, state: AnyState) -> None:
        """Merge with a state."""
        merged = self.state or _state(self.part or (None, None, None), self.column)
        # The key's column says of which class states are, so both are of one.
        self.state = merged.merge(state)  # type: ignore[arg-type]

    @property
    def small(self) -> Small | None:
        """The bytes of the only part, where they are a small state's."""
        if self.state is not None or self.part is None or self.column is None or self.column.grid is None:
            return None
        data, image, error = self.part
        if error is not None or data is None or image is None or not is_small(data):
            return None
        return self.key, self.column.grid, (data, image)

    @property
    def result(self) -> tuple[AnyState | None, str | None]:
        """The merged state, or why there is none."""
        if self.state is not None or self.part is None:
            return self.state, None
        if self.part[0] is None:
            return None, self.part[2]
        try:
            return _state(self.part, self.column), self.part[2]
        except StateError as error:
            return None, str(error)

    def rows(self) -> Iterator[Row]:
        """The one row of this key."""
        yield (self.key, *self.result)


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
            block = NamedBlock.from_bytes(data, self.column.grid)
            self.block = block if self.block is None else self.block.merge(block)
        else:
            self.single.setdefault(value, Merged(self.key, self.column)).add(value, part)

    def rows(self) -> Iterator[Row]:
        """A row for every value; all in error where the column has failed in any part."""
        for text, state in self.block.states() if self.block is not None else ():
            merged = self.single.pop(text, None)
            if merged is None or self.error is not None or state is None:
                yield self._row(text, state, None)
            else:
                merged.absorb(state)
                yield self._row(text, *merged.result)
        for text, merged in self.single.items():
            yield self._row(text, *merged.result)

    def batch(self) -> pa.RecordBatch | None:
        """All rows at once, where every value came in blocks and nothing has failed; else None."""
        content = self.block.columns() if self.block is not None and not self.single and self.error is None else None
        if content is None:
            return None
        names, columns = content
        window, version, slice_key, _, column = self.key
        named = {"window": window, "model_version": version, "slice_key": slice_key, "column": column}
        keys = [
            pa.array(names, field.type) if field.name == "slice_value" else pa.array([named[field.name]] * len(names), field.type)
            for field in KEY_SCHEMA
        ]
        return pa.RecordBatch.from_arrays([*keys, *columns, pa.nulls(len(names), pa.string())], schema=MERGED_SCHEMA)

    def _row(self, text: str | None, state: AnyState | None, error: str | None) -> Row:
        window, version, slice_key, _, column = self.key
        key = (window, version, slice_key, text, column)
        return (key, state, error) if self.error is None else (key, None, self.error)


def state_of(data: bytes, sketch: bytes | None, column: KernelColumn | None) -> State:
    """The state that bytes hold for a column; ``column`` is None for the row ``:table``."""
    if column is None:
        return TableState.from_bytes(data)
    if column.grid is not None and is_small(data):
        return small_block([(data, sketch or b"")], column.grid).states()[0]
    if column.grid is not None:
        return NumericState.from_bytes(data, column.grid, sketch=sketch)
    if column.categories is not None:
        return CategoricalState.from_bytes(data, column.categories)
    raise StateError(f"column {column.name!r}: has neither a grid nor categories, so it has no state.")


def merge_partials(batches: Iterable[pa.RecordBatch], columns: tuple[KernelColumn, ...]) -> Iterator[pa.RecordBatch]:
    """One row per key from partial rows that are sorted by key (a numeric column's slice values count as one key)."""
    held = Held()
    for merged in _runs(batches, columns):
        if isinstance(merged, Packs):
            for _, pack in merged.packs:
                held.add_pack(*merged.place, pack)
        else:
            yield from _held(merged, held)
        if held.is_full:
            yield held.taken()
    if not held.is_empty:
        yield held.taken()


def _held(merged: Merged | SliceValues, held: Held) -> Iterator[pa.RecordBatch]:
    """Hold what has been merged; what is a batch of its own, or fills one, is given at once."""
    small = merged.small if isinstance(merged, Merged) else None
    if small is not None:
        held.add_small(small)
        return
    whole = merged.batch() if isinstance(merged, SliceValues) else None
    if whole is not None and whole.num_rows >= SLICE_VALUES_A_BATCH:
        yield whole
    elif whole is not None:
        held.add_batch(whole)
    for row in merged.rows() if whole is None else ():
        held.add(row)
        if held.is_full:
            yield held.taken()


def _runs(batches: Iterable[pa.RecordBatch], columns: tuple[KernelColumn, ...]) -> Iterator[Merged | SliceValues | Packs]:
    """The parts of each key; the packs of a window and version once all its rows have come, without what single rows took."""
    current: Merged | SliceValues | None = None
    packs, waiting = None, Waiting()
    numeric = frozenset(number for number, column in enumerate(columns) if column.grid is not None)
    for batch in batches:
        named = [batch.column(name).to_pylist() for name in PARTIAL_SCHEMA.names]
        for window, version, slice_key, value, number, part, sequence, *content in zip(*named, strict=True):
            if packs is not None and ((window, version) != packs.place or slice_key != WHOLE):
                yield from waiting.ended(current)
                yield from _left(packs, columns)
                current = packs = None
            if number == PACK_COLUMN:
                packs = packs or Packs((window, version), numeric)
                packs.add((part, sequence), content[0])
                continue
            begun = _begun((window, version, slice_key, value, number), None if number < 0 else columns[number])
            if current is None or current.key != begun.key:
                yield from waiting.ended(current)
                current, waiting = begun, Waiting(packs.taken(number, columns) if packs is not None else [])
            waiting.join(current, (part, sequence))
            current.add(value, tuple(content))
    yield from waiting.ended(current)
    yield from _left(packs, columns) if packs is not None else ()


@dataclass
class Waiting:
    """States of a key that came in packs, until the rows that were made before them have come."""

    states: list[tuple[Stamp, Content]] = field(default_factory=list)

    def join(self, merged: Merged | SliceValues, stamp: Stamp | None = None) -> None:
        """Add those that were made before a row, or all."""
        while self.states and (stamp is None or self.states[0][0] < stamp):
            merged.add(None, self.states.pop(0)[1])

    def ended(self, merged: Merged | SliceValues | None) -> Iterator[Merged | SliceValues]:
        """The key, with all that waited."""
        if merged is not None:
            self.join(merged)
            yield merged


def _left(packs: Packs, columns: tuple[KernelColumn, ...]) -> Iterator[Merged | SliceValues | Packs]:
    """What single rows have not taken of packs: each column that has several states merged, the others as they are."""
    for number in packs.several:
        merged = Merged((*packs.place, WHOLE, None, number), columns[number])
        yield from Waiting(packs.taken(number, columns)).ended(merged)
    yield packs.rest()


def _begun(key: Key, column: KernelColumn | None) -> Merged | SliceValues:
    """What gathers the parts of a key."""
    window, version, slice_key, _, number = key
    if column is None or column.grid is None or slice_key == WHOLE:
        return Merged(key, column)
    return SliceValues((window, version, slice_key, None, number), column)


def _state(part: Content, column: KernelColumn | None) -> AnyState:
    data = part[0] or b""
    of_quality = OF_QUALITY.get(tag_of(data)) if column is None else None
    return of_quality.from_bytes(data) if of_quality is not None else state_of(data, part[1], column)
