"""Which stored states of a sorted stream are compared: each with its column's baseline, and with the window before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.batches import one_batch, with_column
from spark_monitor.states.grid import Integers

BASELINE, CONSECUTIVE = "BASELINE", "CONSECUTIVE"
GROUP = ("slice_key", "slice_value", "column_name")


PLACE = ("granularity", "start", "end", "model_version")


CHUNK_STATES = 1024


PAIRS_AT_ONCE = 128
"""So many pairs are compared at once that what is worked out in between stays in the processor's outer cache."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows of a chunk that are compared: the current ones, what each is compared with (-1: nothing), and as what."""

    current: Integers
    reference: Integers
    drift_type: str


def chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Chunks of about ``CHUNK_STATES`` rows; each begins with what is needed of the one before, of which nothing is wanted."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows:
            held.append(batch)
        if sum(one.num_rows for one in held) >= CHUNK_STATES:
            chunk = one_batch(held)
            yield chunk
            held = [carried(chunk)]
    if held:
        yield one_batch(held)


def carried(chunk: pa.RecordBatch) -> pa.RecordBatch:
    """The last group's baseline and the last row, of which nothing is wanted."""
    last = chunk.num_rows - 1
    baseline = int(_baselines(chunk)[last])
    kept = chunk.take(pa.array(sorted({row for row in (baseline, last) if row >= 0})))
    nothing = pa.array([[]] * kept.num_rows, pa.list_(pa.string()))
    return with_column(kept, kept.schema.get_field_index("wanted"), kept.schema.field("wanted"), nothing)


def pairs_of(chunk: pa.RecordBatch) -> list[Pairs]:
    """What is wanted of a chunk's rows: against the baseline of their group, and against the row before where it follows."""
    baselines, before = _baselines(chunk), _before(chunk)
    offsets = np.asarray(pc.fill_null(pc.list_value_length(chunk.column("wanted")), 0), dtype=np.int64)
    owner = np.repeat(np.arange(chunk.num_rows), offsets)
    words = np.array(chunk.column("wanted").flatten().to_pylist(), dtype=object)
    pairs = []
    for drift_type, reference in ((BASELINE, baselines), (CONSECUTIVE, before)):
        rows = owner[words == drift_type] if words.size else owner[:0]
        pairs.append(Pairs(rows, reference[rows], drift_type))
    return pairs


def _baselines(chunk: pa.RecordBatch) -> Integers:
    """The row of the baseline in every row's group, -1 without one."""
    is_current = np.asarray(chunk.column("is_current").to_numpy(zero_copy_only=False), dtype=np.bool_)
    return latest_in_group(begins(chunk, GROUP), ~is_current)


def latest_in_group(new: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_]) -> Integers:
    """For every row the latest chosen one of its group, up to itself; -1 without one. ``new`` are the rows that begin a group.

    >>> latest_in_group(np.array([True, False, True, False]), np.array([True, False, False, True])).tolist()
    [0, 0, -1, 3]
    """
    rows = np.arange(new.size)
    starts = np.maximum.accumulate(np.where(new, rows, 0))
    latest = np.maximum.accumulate(np.where(chosen, rows, -1))
    return np.where(latest >= starts, latest, -1)


def _before(chunk: pa.RecordBatch) -> Integers:
    """The row of the window just before in every row's series, -1 without one."""
    new = begins(chunk, (*GROUP, "is_current", "model_version", "granularity"))
    starts, ends = (np.asarray(chunk.column(edge).fill_null(0), dtype=np.int64) for edge in ("start", "end"))
    follows = np.zeros(chunk.num_rows, dtype=np.bool_)
    follows[1:] = ~new[1:] & (ends[:-1] == starts[1:])
    follows &= np.asarray(chunk.column("is_current").to_numpy(zero_copy_only=False), dtype=np.bool_)
    return np.where(follows, np.arange(chunk.num_rows) - 1, -1)


def begins(chunk: pa.RecordBatch, names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Whether a row differs from the one before in any of these columns."""
    new = np.zeros(chunk.num_rows, dtype=np.bool_)
    new[0] = True
    for name in names:
        codes = codes_of(chunk.column(name))
        new[1:] |= codes[1:] != codes[:-1]
    return new


def codes_of(column: pa.Array) -> Integers:
    """Integers that are equal where the values are; -1 where there is none."""
    if not pa.types.is_string(column.type):
        return np.asarray(column.cast(pa.int64()).fill_null(-1), dtype=np.int64)
    return np.asarray(column.dictionary_encode().indices.fill_null(-1), dtype=np.int64)


def within(pairs: Pairs, rows: Integers) -> Pairs:
    """The pairs whose current row is one of ``rows``."""
    kept = np.isin(pairs.current, rows)
    return replace(pairs, current=pairs.current[kept], reference=pairs.reference[kept])


def at(pairs: Pairs, places: Integers) -> Pairs:
    """The pairs at ``places``."""
    return replace(pairs, current=pairs.current[places], reference=pairs.reference[places])
