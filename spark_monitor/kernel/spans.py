"""Spans of rows whose columns are taken one after the other, so that a task holds few columns of many rows, not all of few.

A span's keys (time, version, slice values) place its rows once for all columns; each column's values follow the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import pyarrow as pa

from spark_monitor.kernel.columns import Rows, RowSlices
from spark_monitor.kernel.groups import Codes, Segments
from spark_monitor.states.grid import Integers

CHUNK_ROWS = 1 << 18
CHUNK_BYTES = 64 << 20
SPAN_ROWS = 1 << 20
"""Rows of a row group that are placed at once."""

SCATTERED_ROWS = 1 << 9
"""Where a window has fewer rows of a chunk than this, rows are gathered and ordered by window before they are counted."""


class Span(Protocol):
    """Some rows: their keys at once, each column when it is asked for, in the columns' order."""

    @property
    def time(self) -> pa.Array:
        """Microseconds since 1970."""

    @property
    def null_id(self) -> pa.Array:
        """Whether the id is null."""

    @property
    def version(self) -> pa.Array:
        """The model version as text."""

    @property
    def slices(self) -> Sequence[pa.Array]:
        """The value of every slice key as text."""

    def column(self, position: int) -> pa.Array:
        """A column's values."""


class TableSpan:
    """A span whose columns are all there: time, null id, version, slice values, then the columns."""

    FIRST_SLICE = 3

    def __init__(self, table: pa.Table, slice_keys: int) -> None:
        self._table, self._slice_keys = table, slice_keys

    @property
    def time(self) -> pa.Array:
        """Microseconds since 1970."""
        return one_array(self._table.column(0))

    @property
    def null_id(self) -> pa.Array:
        """Whether the id is null."""
        return one_array(self._table.column(1))

    @property
    def version(self) -> pa.Array:
        """The model version as text."""
        return one_array(self._table.column(2))

    @property
    def slices(self) -> Sequence[pa.Array]:
        """The value of every slice key as text."""
        return [one_array(self._table.column(self.FIRST_SLICE + key)) for key in range(self._slice_keys)]

    def column(self, position: int) -> pa.Array:
        """A column's values."""
        return one_array(self._table.column(self.FIRST_SLICE + self._slice_keys + position))


@dataclass(frozen=True)
class Piece:
    """Adjacent rows of a placed span, few enough to be sorted within a processor's cache."""

    low: int
    high: int
    rows: Rows
    null_id: np.ndarray


@dataclass(frozen=True)
class Placed:
    """A span's rows within the windows: which they are, in what order (None: all, as they stand), cut into pieces."""

    chosen: pa.Array | None
    pieces: Sequence[Piece]

    def arranged(self, values: pa.Array) -> pa.Array:
        """A column's values of the chosen rows."""
        return values if self.chosen is None else values.take(self.chosen)


def placed(span: Span, segment: Integers, segments: int, versions: Codes, slices: Sequence[Codes]) -> Placed:
    """Where the rows of a span belong; ``segment`` is each row's place in time, negative where that is in no window."""
    inside = segment >= 0
    chosen = None if inside.all() else np.flatnonzero(inside)
    # A group's number must not change while the task meets new versions, so segments are the fast-running part.
    group = _of(versions.encode(span.version), chosen) * segments + _of(segment, chosen)
    if segment.size > CHUNK_ROWS and is_scattered(segment):
        order = np.argsort(group, kind="stable")
        group, chosen = group[order], order if chosen is None else chosen[order]
    null_id = _of(np.asarray(span.null_id.to_numpy(zero_copy_only=False), dtype=np.bool_), chosen)
    values = [_of(codes.encode(strings), chosen) for codes, strings in zip(slices, span.slices, strict=True)]
    strides = [max(len(codes.strings), 1) for codes in slices]
    pieces = [
        _piece(low, min(low + CHUNK_ROWS, group.size), group, null_id, values, strides)
        for low in range(0, group.size, CHUNK_ROWS)
    ]
    return Placed(None if chosen is None else pa.array(chosen), pieces)


def _piece(
    low: int, high: int, group: Integers, null_id: np.ndarray, values: Sequence[Integers], strides: Sequence[int]
) -> Piece:
    group_rows = group[low:high]
    groups = Segments.of(group_rows)
    sliced = []
    for coded, stride in zip(values, strides, strict=True):
        part = coded[low:high]
        arranged = groups.arranged(part)
        rows = [np.bincount(arranged[first:last], minlength=stride) for first, last in pairwise(groups.bounds.tolist())]
        sliced.append(RowSlices(Segments.of(group_rows * stride + part), stride, arranged, rows))
    return Piece(low, high, Rows(groups, sliced), null_id[low:high])


def is_scattered(segment: Integers) -> bool:
    """Whether rows of many windows alternate, so that gathering and ordering them spares work for every column.

    >>> is_scattered(np.repeat(np.arange(1000), 100)), is_scattered(np.tile(np.arange(1000), 100))
    (False, True)
    """
    some = segment[:CHUNK_ROWS]
    runs = np.count_nonzero(some[1:] != some[:-1]) + 1
    if runs * SCATTERED_ROWS <= some.size:
        return False
    distinct = np.unique(some).size
    return bool(distinct * SCATTERED_ROWS > some.size and runs >= 2 * distinct)


def _of(values: Integers, chosen: Integers | None) -> Integers:
    return values if chosen is None else values[chosen]


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else combined.chunk(0)


def chunks(batches: Iterable[pa.RecordBatch], most: int = CHUNK_ROWS) -> Iterator[pa.Table]:
    """Batches gathered to tables of about ``CHUNK_ROWS`` rows, ``most`` if that is fewer, or of about ``CHUNK_BYTES``."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= min(CHUNK_ROWS, most) or size >= CHUNK_BYTES:
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)
