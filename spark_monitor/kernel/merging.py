"""Partial states merged as they stream by, sorted by their key, each key's in the order they were made.

Rows that are read bring all slice values of a numeric column as one block; states that were stored bring them one by one. Both
are states of one algebra, and of a slice value that comes either way the answer is one state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.named_blocks import NamedBlock, is_block
from spark_monitor.kernel.partials import PARTIAL_SCHEMA, KernelColumn
from spark_monitor.kernel.spans import CHUNK_BYTES
from spark_monitor.kernel.state_rows import QualityState, state_columns
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.states import counters, covariance, hours, repeats
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.codec import tag_of
from spark_monitor.states.columns import STATE_SCHEMA, joined
from spark_monitor.states.counters import CounterState
from spark_monitor.states.covariance import CovarianceState
from spark_monitor.states.grid import Grid
from spark_monitor.states.hours import HourState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.repeats import RepeatState
from spark_monitor.states.small import Parts, is_small, small_block
from spark_monitor.states.table import TableState

KEY_SCHEMA = pa.schema([PARTIAL_SCHEMA.field(name) for name in ("window", "model_version", "slice_key", "slice_value", "column")])
MERGED_SCHEMA = pa.schema([*KEY_SCHEMA, *STATE_SCHEMA, ("error", pa.string())])
"""One row a state, in the columns it is stored in; where there is none, what went wrong."""

STATES_A_BATCH = 1024
SMALL_GROWS = 4
"""About how many times the bytes of a small state what is derived from them takes."""

SLICE_VALUES_A_BATCH = 16
"""So many slice values that came in blocks are a batch of their own; fewer are copied to others."""

State = NumericState | CategoricalState | TableState
AnyState = State | QualityState
OF_QUALITY: Mapping[str, type[QualityState]] = {
    counters.TAG: CounterState,
    hours.TAG: HourState,
    repeats.TAG: RepeatState,
    covariance.TAG: CovarianceState,
}
Key = tuple[int, str | None, int, str | None, int]
Row = tuple[Key, AnyState | None, str | None]
"""A key, its merged state, and why there is none."""

Content = tuple[bytes | None, bytes | None, str | None]
"""What a row holds beside its key: state, sketch, error."""


Small = tuple[Key, Grid, Parts]
"""The bytes of a small state, which is opened with others of its column at once."""


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
        """Merge with a state; the key's column says of which class states are, so both are of one."""
        own = self.state or _state(self.part or (None, None, None), self.column)
        self.state = own.merge(state)  # type: ignore[arg-type]

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
            found = NamedBlock.from_bytes(data, self.column.grid)
            self.block = found if self.block is None else self.block.merge(found)
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
        found = self.block.columns() if self.block is not None and not self.single and self.error is None else None
        if found is None:
            return None
        texts, columns = found
        window, version, slice_key, _, column = self.key
        named = {"window": window, "model_version": version, "slice_key": slice_key, "column": column}
        keys = [
            pa.array(texts, field.type) if field.name == "slice_value" else pa.array([named[field.name]] * len(texts), field.type)
            for field in KEY_SCHEMA
        ]
        return pa.RecordBatch.from_arrays([*keys, *columns, pa.nulls(len(texts), pa.string())], schema=MERGED_SCHEMA)

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
        small = merged.small if isinstance(merged, Merged) else None
        if small is not None:
            held.add_small(small)
            if held.is_full:
                yield held.taken()
            continue
        whole = merged.batch() if isinstance(merged, SliceValues) else None
        if whole is not None and whole.num_rows >= SLICE_VALUES_A_BATCH:
            yield whole
        elif whole is not None:
            held.add_batch(whole)
        for row in merged.rows() if whole is None else ():
            held.add(row)
            if held.is_full:
                yield held.taken()
        if held.is_full:
            yield held.taken()
    if not held.is_empty:
        yield held.taken()


@dataclass
class Held:
    """Rows that wait until they are enough for a batch: one by one, as batches of their own, and small ones by their column."""

    rows: list[Row] = field(default_factory=list)
    small: dict[int, list[Small]] = field(default_factory=dict)
    batches: list[pa.RecordBatch] = field(default_factory=list)
    size: int = 0
    count: int = 0

    def add(self, row: Row) -> None:
        """Hold a row."""
        self.rows.append(row)
        self.size, self.count = self.size + _size(row[1]), self.count + 1

    def add_small(self, small: Small) -> None:
        """Hold the bytes of a small state."""
        self.small.setdefault(small[0][4], []).append(small)
        self.size, self.count = self.size + SMALL_GROWS * len(small[2][1]), self.count + 1

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Hold the rows of a batch."""
        self.batches.append(batch)
        self.size, self.count = self.size + batch.nbytes, self.count + batch.num_rows

    @property
    def is_full(self) -> bool:
        """Whether they are enough."""
        return self.size > CHUNK_BYTES // 4 or self.count >= STATES_A_BATCH

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not self.count

    def taken(self) -> pa.RecordBatch:
        """All of them as one batch; none is held then."""
        parts = [*self.batches, *(self._opened(several) for several in self.small.values())]
        parts += [_batch(self.rows)] if self.rows else []
        self.rows, self.small, self.batches, self.size, self.count = [], {}, [], 0, 0
        return parts[0] if len(parts) == 1 else pa.Table.from_batches(parts).combine_chunks().to_batches()[0]

    def _opened(self, several: Sequence[Small]) -> pa.RecordBatch:
        """Small states of a column at once; where bytes of any are damaged one by one, so that this costs no other."""
        try:
            columns = small_block([parts for _, _, parts in several], several[0][1]).to_columns()
        except StateError:
            return _batch([_alone(*one) for one in several])
        return _keyed([key for key, _, _ in several], columns, pa.nulls(len(several), pa.string()))


def _alone(key: Key, grid: Grid, parts: Parts) -> Row:
    try:
        return key, small_block([parts], grid).states()[0], None
    except StateError as error:
        return key, None, str(error)


def _size(state: AnyState | None) -> int:
    """About how many bytes a state takes."""
    if not isinstance(state, NumericState):
        return 0 if state is None else 1 << 13
    kept = sum(level.nbytes for level in state.sketch.levels) if state.sketch is not None else 0
    return state.cells.nbytes + state.distinct.hashes.nbytes + kept


def _batch(rows: list[Row]) -> pa.RecordBatch:
    """Rows as one batch, those of a column below each other."""
    by_column: dict[int, list[Row]] = {}
    for row in rows:
        by_column.setdefault(row[0][4], []).append(row)
    ordered = [row for several in by_column.values() for row in several]
    parts = [state_columns([state for _, state, _ in several]) for several in by_column.values()]
    errors = pa.array([error for _, _, error in ordered], pa.string())
    return _keyed([row[0] for row in ordered], joined(parts), errors)


def _keyed(keys: Sequence[Key], columns: Sequence[pa.Array], errors: pa.Array) -> pa.RecordBatch:
    """Columns of states below their keys."""
    named = [pa.array(values, field.type) for values, field in zip(zip(*keys, strict=True), KEY_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays([*named, *columns, errors], schema=MERGED_SCHEMA)


def _runs(batches: Iterable[pa.RecordBatch], columns: tuple[KernelColumn, ...]) -> Iterator[Merged | SliceValues]:
    current: Merged | SliceValues | None = None
    for batch in batches:
        named = [batch.column(name).to_pylist() for name in PARTIAL_SCHEMA.names]
        for window, version, slice_key, value, number, _, _, *part in zip(*named, strict=True):
            column = None if number < 0 else columns[number]
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


def _state(part: Content, column: KernelColumn | None) -> AnyState:
    data = part[0] or b""
    of_quality = OF_QUALITY.get(tag_of(data)) if column is None else None
    return of_quality.from_bytes(data) if of_quality is not None else state_of(data, part[1], column)
