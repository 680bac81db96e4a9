"""States of whole tables, the rows ``:table``, in the columns they are stored in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from spark_monitor.states.columns import STATE_SCHEMA, number_column, state_arrays
from spark_monitor.states.ragged import offsets_of, packed, unpacked
from spark_monitor.states.table import TableState


def table_columns(states: Sequence[TableState]) -> list[pa.Array]:
    """The columns of ``STATE_SCHEMA``.

    >>> batch = pa.RecordBatch.from_arrays(table_columns([TableState(3, 1, np.array([3, 0]))]), schema=STATE_SCHEMA)
    >>> [(state.count, state.null_ids, state.present.tolist()) for state in tables_of(batch)]
    [(3, 1, [3, 0])]
    """
    present = np.concatenate([state.present for state in states])
    given = {
        "count": np.array([state.count for state in states], dtype=np.int64),
        "null_ids": np.array([state.null_ids for state in states], dtype=np.int64),
        "non_null": packed(offsets_of([state.present.size for state in states]), pa.array(present, pa.int64())),
    }
    return state_arrays(given, len(states))


def tables_of(batch: pa.RecordBatch) -> list[TableState]:
    """The states of stored rows."""
    offsets, present = unpacked(batch.column("non_null"))
    entries = np.asarray(present, dtype=np.int64)
    counts = zip(number_column(batch, "count").tolist(), number_column(batch, "null_ids").tolist(), strict=True)
    return [
        TableState(count, null_ids, entries[offsets[place] : offsets[place + 1]])
        for place, (count, null_ids) in enumerate(counts)
    ]


__all__ = ["STATE_SCHEMA", "table_columns", "tables_of"]
