"""Rows of partial states: their columns, what a row holds of a state, and batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from spark_monitor.kernel.spans import CHUNK_BYTES, CHUNK_ROWS
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.counters import CounterState
from spark_monitor.states.covariance import CovarianceState
from spark_monitor.states.hours import HourState
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.repeats import RepeatState
from spark_monitor.states.small import small_parts
from spark_monitor.states.table import TableState

Plain = CategoricalState | TableState | CounterState | HourState | RepeatState | CovarianceState
"""States whose bytes are all there is of them."""

PARTIAL_SCHEMA = pa.schema(
    [
        ("window", pa.int32()),
        ("model_version", pa.string()),
        ("slice_key", pa.int32()),
        ("slice_value", pa.string()),
        ("column", pa.int32()),
        ("part", pa.int32()),
        ("sequence", pa.int32()),
        ("state", pa.binary()),
        ("sketch", pa.binary()),
        ("error", pa.string()),
    ]
)


def content_of(state: NumericState | Plain) -> tuple[bytes, bytes | None]:
    """What a row holds of a state: its bytes, and its sketch's image beside them."""
    return state.to_parts() if isinstance(state, NumericState) else (state.to_bytes(), None)


def counted_content(state: NumericState | Plain) -> tuple[bytes, bytes | None]:
    """The same of a state that was counted from its rows: of a small one only what the rest follows from."""
    small = small_parts(state) if isinstance(state, NumericState) else None
    return small or content_of(state)


def batched(rows: Iterable[tuple[object, ...]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of states in batches of bounded size."""
    held: list[tuple[object, ...]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += sum(len(part) for part in row if isinstance(part, bytes))
        if size > CHUNK_BYTES // 8 or len(held) >= CHUNK_ROWS // 8:
            yield batch_of(held, schema)
            held, size = [], 0
    if held:
        yield batch_of(held, schema)


def batch_of(rows: list[tuple[object, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as one batch."""
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(values, type=column.type) for values, column in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
