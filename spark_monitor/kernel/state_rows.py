"""States as rows: from states to the columns they are stored in, and from stored rows to blocks, with what is wrong with any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.kernel.partial_rows import content_of
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.columns import STATE_SCHEMA, state_arrays
from spark_monitor.states.counters import CounterState
from spark_monitor.states.covariance import CovarianceState
from spark_monitor.states.grid import Integers
from spark_monitor.states.hours import HourState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.numeric_columns import numeric_block, numeric_columns
from spark_monitor.states.repeats import RepeatState
from spark_monitor.states.table import TableState
from spark_monitor.states.table_block import table_columns, tables_of

QualityState = CounterState | HourState | RepeatState | CovarianceState
"""What is known of rows beside their columns; stored by its own bytes, in the column of sketches."""

State = NumericState | CategoricalState | TableState | QualityState
Block = NumericBlock | CategoricalBlock


def state_columns(states: Sequence[State | None]) -> list[pa.Array]:
    """The columns of states of one column of the table; of none all are NULL."""
    there = [state for state in states if state is not None]
    if not there:
        return [pa.nulls(len(states), field.type) for field in STATE_SCHEMA]
    if isinstance(there[0], NumericState):
        columns = numeric_columns(NumericBlock.of([state for state in there if isinstance(state, NumericState)]))
    elif isinstance(there[0], CategoricalState):
        columns = CategoricalBlock.of([state for state in there if isinstance(state, CategoricalState)]).to_columns()
    elif isinstance(there[0], QualityState):
        quality = [state for state in there if isinstance(state, QualityState)]
        given = {"count": [state.count for state in quality], "sketch": [state.to_bytes() for state in quality]}
        columns = state_arrays(given, len(quality))
    else:
        columns = table_columns([state for state in there if isinstance(state, TableState)])
    if len(there) == len(states):
        return columns
    places = np.cumsum([state is not None for state in states]) - 1
    taken = pa.array(places, mask=np.array([state is None for state in states]))
    return [column.take(taken) for column in columns]


@dataclass(frozen=True, eq=False)
class Opened:
    """Stored rows of one column: the block of those that hold a sound state, each row's place in it, and what is wrong elsewhere.

    ``places`` is -1 where a row has no state, and ``errors`` says why.
    """

    block: Block | None
    places: Integers
    errors: list[str | None]


def opened(rows: pa.RecordBatch, column: KernelColumn, *, exact_to: float = np.inf) -> Opened:
    """The states of rows that hold ``STATE_COLUMNS``, ``grid_id`` and ``error``, all of one column."""
    errors: list[str | None] = rows.column("error").to_pylist()
    there = np.asarray(rows.column("count").is_valid().to_numpy(zero_copy_only=False))
    for place in np.flatnonzero(there).tolist():
        errors[place] = _other_frame(rows.column("grid_id")[place].as_py(), column)
    sound = np.flatnonzero(there & np.array([error is None for error in errors], dtype=np.bool_))
    places = np.full(rows.num_rows, -1, dtype=np.int64)
    if not sound.size:
        return Opened(None, places, errors)
    block = _block(rows if sound.size == rows.num_rows else rows.take(pa.array(sound)), column, exact_to)
    damaged = [(place, damage) for place, damage in zip(sound.tolist(), block.damage(), strict=True) if damage is not None]
    if damaged:
        for place, damage in damaged:
            errors[place] = damage
        kept = np.flatnonzero([errors[place] is None for place in sound.tolist()])
        sound = sound[kept]
        block = _block(rows.take(pa.array(sound)), column, exact_to)
    places[sound] = np.arange(sound.size)
    return Opened(block if sound.size else None, places, errors)


def _other_frame(stored: str | None, column: KernelColumn) -> str | None:
    if stored == column.frame_id:
        return None
    return f"state: was made on grid or categories {stored}, those given are {column.frame_id}."


def _block(rows: pa.RecordBatch, column: KernelColumn, exact_to: float) -> Block:
    if column.grid is not None:
        return numeric_block(rows, column.grid, exact_to=exact_to)
    if column.categories is not None:
        return CategoricalBlock.from_columns(rows, column.categories)
    raise StateError(f"column {column.name!r}: has neither a grid nor categories, so it has no state.")


def states_at(rows: pa.RecordBatch, column: KernelColumn | None) -> list[State | None]:
    """The states of stored rows one by one; None where there is none."""
    if column is None:
        there = rows.column("count").is_valid().to_pylist()
        return [state if valid else None for state, valid in zip(tables_of(rows), there, strict=True)]
    stored = opened(rows, column)
    states: list[State] = [] if stored.block is None else [*stored.block.states()]
    return [None if place < 0 else states[place] for place in stored.places.tolist()]


def state_of_row(row: Mapping[str, Any], column: KernelColumn | None) -> State | None:
    """The state of one row that was collected: a mapping with ``STATE_COLUMNS``; None where it holds none."""
    names = [*STATE_SCHEMA.names, "grid_id", "error"]
    schema = pa.schema([*STATE_SCHEMA, ("grid_id", pa.string()), ("error", pa.string())])
    batch = pa.RecordBatch.from_pylist([{name: row.get(name) for name in names}], schema=schema)
    return states_at(batch, column)[0]


def by_column(batch: pa.RecordBatch, name: str = "column_name") -> Iterator[tuple[str, Integers]]:
    """Every column of the table that a batch has rows of, with the places of its rows."""
    encoded = batch.column(name).dictionary_encode()
    codes = np.asarray(encoded.indices, dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    for place, text in enumerate(encoded.dictionary.to_pylist()):
        yield text, order[bounds[place] : bounds[place + 1]]


def partial_content(rows: pa.RecordBatch, column: KernelColumn | None) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The bytes and sketches by which stored states travel as partial ones again, and why there are none."""
    if column is None:
        states, errors = states_at(rows, None), rows.column("error").to_pylist()
    else:
        stored = opened(rows, column)
        block_states: list[State] = [] if stored.block is None else [*stored.block.states()]
        states, errors = [None if place < 0 else block_states[place] for place in stored.places.tolist()], stored.errors
    contents = [(None, None) if state is None else content_of(state) for state in states]
    data, sketches = zip(*contents, strict=True)
    return pa.array(data, pa.binary()), pa.array(sketches, pa.binary()), pa.array(errors, pa.string())


def quality_content(rows: pa.RecordBatch) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The same of rows of no column, whose bytes stand in the column of sketches."""
    return rows.column("sketch"), pa.nulls(rows.num_rows, pa.binary()), rows.column("error")


__all__ = [
    "Block",
    "Opened",
    "State",
    "by_column",
    "opened",
    "partial_content",
    "quality_content",
    "state_columns",
    "state_of_row",
    "states_at",
    "tables_of",
]
