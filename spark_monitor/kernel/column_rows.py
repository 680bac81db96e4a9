"""Rows of profile_metrics beside their counters and their baseline's row, many of a sorted stream at once, as blocks of columns.

Rows come sorted by slice, column, kind and place: the baseline's row, then counters, then the windows' own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.catalogue.interval import Floats, Integers
from spark_monitor.kernel.batches import one_batch
from spark_monitor.kernel.pairs import GROUP, begins, codes_of, latest_in_group
from spark_monitor.quality.column_block import ColumnBlock, Items
from spark_monitor.states.counters import COUNTERS
from spark_monitor.states.ragged import unpacked

BASELINE_KIND, COUNTERS_KIND, CURRENT_KIND = 0, 1, 2
ROWS_AT_ONCE = 2_000
QUANTILES = 101
NOT_COUNTED = -1
TIMES = ("date", "timestamp", "timestamp_ntz")
_WINDOW = ("granularity", "model_version", "start")


@dataclass(frozen=True, eq=False)
class Beside:
    """Rows of a chunk: the windows' own, and of each its counters' and its baseline's row, -1 where there is none."""

    current: Integers
    counters: Integers
    baseline: Integers


@dataclass(frozen=True)
class Kinds:
    """Which columns hold quantities or codes, which a row does not say."""

    numeric: Collection[str]
    codes: Collection[str]


def chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Chunks of about ``ROWS_AT_ONCE`` new rows; each begins with what rows that follow may need of the last group before."""
    carried: list[pa.RecordBatch] = []
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(one.num_rows for one in held) >= ROWS_AT_ONCE:
            chunk = one_batch([*carried, *held])
            yield chunk
            carried, held = [_carried(chunk)], []
    if sum(one.num_rows for one in held):
        yield one_batch([*carried, *held])


def _carried(chunk: pa.RecordBatch) -> pa.RecordBatch:
    """The baseline's row and the counters of the last group."""
    groups = np.cumsum(begins(chunk, GROUP))
    return chunk.take(pa.array(np.flatnonzero((groups == groups[-1]) & (_kinds(chunk) != CURRENT_KIND))))


def beside(chunk: pa.RecordBatch) -> Beside:
    """What belongs together in a chunk; of several rows of one place the last counts."""
    kinds, new = _kinds(chunk), begins(chunk, GROUP)
    baseline = latest_in_group(new, kinds == BASELINE_KIND)
    keys = (np.cumsum(new), *(codes_of(chunk.column(name)) for name in _WINDOW))
    order = np.lexsort((np.arange(chunk.num_rows), kinds, *reversed(keys)))
    apart = np.ones(chunk.num_rows, dtype=np.bool_)
    apart[1:] = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    latest = latest_in_group(apart, kinds[order] == COUNTERS_KIND)
    counters = np.empty(chunk.num_rows, dtype=np.int64)
    counters[order] = np.where(latest >= 0, order[latest], -1)
    current = np.flatnonzero(kinds == CURRENT_KIND)
    return Beside(current, counters[current], baseline[current])


def _kinds(chunk: pa.RecordBatch) -> Integers:
    return np.asarray(chunk.column("kind"), dtype=np.int64)


def block_of(chunk: pa.RecordBatch, rows: Integers, counters: Integers, kinds: Kinds) -> ColumnBlock:
    """Rows of a chunk as a block, their counters from other rows of it; a row that is not there (-1) has no values."""
    taken = chunk.take(pa.array(rows, mask=rows < 0))

    def floats(name: str) -> Floats:
        column = taken.column(name).cast(pa.float64(), safe=False)
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)

    def integers(name: str) -> Integers:
        return np.asarray(taken.column(name).fill_null(0), dtype=np.int64)

    names = taken.column("column_name").to_pylist()
    counted = _lists(chunk.column("counters").take(pa.array(counters, mask=counters < 0)), len(COUNTERS))
    counted[counted == NOT_COUNTED] = np.nan
    return ColumnBlock(
        count=integers("count"),
        nulls=integers("num_nulls"),
        numeric=np.array([name in kinds.numeric for name in names], dtype=np.bool_),
        codes=np.array([name in kinds.codes for name in names], dtype=np.bool_),
        min=floats("min"),
        max=floats("max"),
        mean=floats("avg"),
        stddev=floats("stddev"),
        distinct_count=floats("distinct_count"),
        empties=floats("num_empty"),
        quantiles=_lists(taken.column("quantiles"), QUANTILES),
        items=FrequentItems(taken.column("frequent_items")),
        times=np.asarray(pc.is_in(taken.column("data_type"), pa.array(TIMES)).to_numpy(zero_copy_only=False), dtype=np.bool_),
        counters={name: counted[:, at] for at, name in enumerate(COUNTERS)},
    )


def _lists(lists: pa.ListArray, size: int) -> Floats:
    """Lists of ``size`` numbers as rows; NaN where a list is missing."""
    numbers = np.full((len(lists), size), np.nan)
    offsets, values = unpacked(lists)
    there = np.flatnonzero(np.diff(offsets) == size)
    flat = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    numbers[there] = flat[offsets[there][:, None] + np.arange(size)]
    return numbers


class FrequentItems(Sequence[Items]):
    """The frequent values of rows, made into Python's objects for the few of them that are looked at."""

    def __init__(self, lists: pa.ListArray) -> None:
        self._lists = lists

    def __len__(self) -> int:
        return len(self._lists)

    @overload
    def __getitem__(self, place: int) -> Items: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Items]: ...
    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return [(item["item"], item["count"]) for item in self._lists[place].as_py() or ()]
