"""Spans of a request log's files as the batches that a task on requests expects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.requests import COLUMNS, NUMBERS
from spark_monitor.kernel.spans import Span

FAILED: Final = "failed"
LOG_SPAN_ROWS: Final = 1 << 18
"""Rows that are taken at once: few enough for the caches, so many that what is done once for each batch costs little."""
_TIMESTAMPS: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class LogColumns:
    """What the slices of a span are in order (strings, and whether a request failed), its columns, and the unit of latencies."""

    sliced: tuple[str, ...]
    numbers: tuple[str, ...]
    seconds: bool = False


def log_batches(spans: Iterable[Span], columns: LogColumns) -> Iterator[pa.RecordBatch]:
    """Rows of ``requests.COLUMNS``: a request each, without copies."""
    for span in spans:
        rows = len(span.time)
        columns_by_name: dict[str, pa.Array] = {"time": span.time.cast(_TIMESTAMPS), "version": span.version}
        columns_by_name |= dict(zip(columns.sliced, span.slices, strict=True))
        if FAILED in columns_by_name:
            # The slice of a condition is a dictionary of "false" and "true"; its codes are the numbers.
            columns_by_name[FAILED] = columns_by_name[FAILED].indices.cast(pa.float64())
        columns_by_name |= {name: _doubles(span.column(place)) for place, name in enumerate(columns.numbers)}
        if columns.seconds and "latency" in columns_by_name:
            columns_by_name["latency"] = pc.multiply(columns_by_name["latency"], 1000.0)
        columns_by_name |= {"requests": pa.array(np.ones(rows)), "copies": pa.array(np.zeros(rows))}
        arrays = [columns_by_name[name] if name in columns_by_name else _absent(name, rows) for name in COLUMNS]
        yield pa.RecordBatch.from_arrays(arrays, names=list(COLUMNS))


def _doubles(values: pa.Array) -> pa.Array:
    """Whole numbers beyond 2^53 are rounded, as Spark rounds them."""
    return values.cast(pa.float64(), safe=False)


def _absent(name: str, rows: int) -> pa.Array:
    return pa.nulls(rows, pa.float64() if name in (*NUMBERS, FAILED) else pa.string())
