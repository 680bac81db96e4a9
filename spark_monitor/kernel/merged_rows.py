"""Rows of merged states: their keys, the columns they are stored in, and those that wait until they are enough for a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.batches import one_batch
from spark_monitor.kernel.packs import Pack, state_columns_of
from spark_monitor.kernel.partial_rows import PARTIAL_SCHEMA
from spark_monitor.kernel.spans import CHUNK_BYTES
from spark_monitor.kernel.state_rows import QualityState, state_columns
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.columns import STATE_SCHEMA, joined
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.small import Parts, small_block, small_columns
from spark_monitor.states.table import TableState

KEY_SCHEMA = pa.schema([PARTIAL_SCHEMA.field(name) for name in ("window", "model_version", "slice_key", "slice_value", "column")])

MERGED_SCHEMA = pa.schema([*KEY_SCHEMA, *STATE_SCHEMA, ("error", pa.string())])
"""One row a state, in the columns it is stored in; where there is none, what went wrong."""

STATES_A_BATCH = 1024

State = NumericState | CategoricalState | TableState

AnyState = State | QualityState

Key = tuple[int, str | None, int, str | None, int]

Row = tuple[Key, AnyState | None, str | None]
"""A key, its merged state, and why there is none."""

Small = tuple[Key, Grid, Parts]
"""The bytes of a small state, which is opened with others of its column at once."""


@dataclass
class Held:
    """Rows that wait until they are enough for a batch: one by one, as batches of their own, and small ones by their column."""

    rows: list[Row] = field(default_factory=list)
    small: dict[int, list[Small]] = field(default_factory=dict)
    packs: list[tuple[int, str | None, Pack]] = field(default_factory=list)
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
        self.size, self.count = self.size + len(small[2][1]), self.count + 1

    def add_pack(self, window: int, version: str | None, pack: Pack) -> None:
        """Hold the small states of a window and version."""
        self.packs.append((window, version, pack))
        self.size, self.count = self.size + pack.words.nbytes, self.count + pack.columns.size

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
        parts += [_unpacked(self.packs)] if self.packs else []
        self.rows, self.small, self.packs, self.batches, self.size, self.count = [], {}, [], [], 0, 0
        return one_batch(parts)

    def _opened(self, several: Sequence[Small]) -> pa.RecordBatch:
        """Small states of a column at once; where bytes of any are damaged one by one, so that this costs no other."""
        try:
            columns = small_columns([parts for _, _, parts in several], several[0][1])
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


def _unpacked(packs: Sequence[tuple[int, str | None, Pack]]) -> pa.RecordBatch:
    """The states of packs, one row each."""
    sizes = [pack.columns.size for _, _, pack in packs]
    rows, owner = sum(sizes), np.repeat(np.arange(len(packs)), sizes)
    keys = {
        "window": pa.array(np.repeat([window for window, _, _ in packs], sizes), pa.int32()),
        "model_version": pa.array([version for _, version, _ in packs], pa.string()).take(pa.array(owner)),
        "slice_key": pa.array(np.full(rows, WHOLE), pa.int32()),
        "slice_value": pa.nulls(rows, pa.string()),
        "column": pa.array(np.concatenate([pack.columns for _, _, pack in packs]), pa.int32()),
    }
    columns = state_columns_of([pack for _, _, pack in packs])
    return pa.RecordBatch.from_arrays([*keys.values(), *columns, pa.nulls(rows, pa.string())], schema=MERGED_SCHEMA)


def _keyed(keys: Sequence[Key], columns: Sequence[pa.Array], errors: pa.Array) -> pa.RecordBatch:
    """Columns of states below their keys."""
    named = [pa.array(values, field.type) for values, field in zip(zip(*keys, strict=True), KEY_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays([*named, *columns, errors], schema=MERGED_SCHEMA)
