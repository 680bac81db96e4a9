"""Rows to states: a partial profile in every task, then a small shuffle that merges the partials of a key.

Two stages whatever the number of columns, slices and windows. Partials are merged in the order of their partition and number, so
that the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.kernel.merging import MERGED_SCHEMA, merge_partials
from spark_monitor.kernel.partials import NO_WINDOW, TABLE_COLUMN, KernelPlan, Task
from spark_monitor.kernel.spans import CHUNK_BYTES
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.kernel.times import instants

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TABLE_ROW = ":table"
MAX_SLICE_VALUES = 200
BATCH_SETTING = "spark.sql.execution.arrow.maxRecordsPerBatch"
MOST_SPANS = 64
"""A read is limited to at most so many spans of time: each is a condition that every file's statistics are held against."""

_KEYS = ("window", "model_version", "slice_key", "column")
_ORDER = (*_KEYS, "slice_value", "part", "sequence")
PARTIAL_DDL = (
    "window int, model_version string, slice_key int, slice_value string, column int, part int, sequence int, "
    "state binary, sketch binary, error string"
)
_STATE_DDL = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, "
    "column_name string, data_type string, grid_id string, state binary, sketch binary, error string"
)
_LEAST_BATCH, _MOST_BATCH, _VALUE_BYTES = 256, 4096, 9
FREEZE_BATCH = 256
"""Rows per batch while a baseline's sharp sketches travel, of which each takes a quarter of a megabyte."""


@dataclass(frozen=True)
class WindowKey:
    """One window of one granularity, in microseconds since 1970."""

    granularity: str
    start: int
    end: int


@dataclass(frozen=True)
class ProfilePlan:
    """What is profiled: the kernel's plan, and the names that its numbers stand for."""

    kernel: KernelPlan
    windows: tuple[WindowKey, ...]
    slice_keys: tuple[str, ...]
    data_types: tuple[str, ...]
    zone: str = "UTC"


def plan_segments(
    windows: Sequence[WindowKey], stored: Mapping[int, Sequence[WindowKey]] | None = None
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The instants that bound segments, and the windows that each segment lies in, whatever the granularities.

    ``stored`` are the parts of windows (by number) whose states are there already: their rows are not wanted for that window.

    >>> days = [WindowKey("1 day", 0, 2), WindowKey("1 day", 2, 4)]
    >>> plan_segments([*days, WindowKey("1 week", 0, 7)])
    ((0, 2, 4, 7), ((0, 2), (1, 2), (2,)))
    >>> plan_segments([WindowKey("1 week", 0, 7)], {0: days})
    ((0, 4, 7), ((), (0,)))
    """
    parts = stored or {}
    every = [*windows, *(part for several in parts.values() for part in several)]
    edges = sorted({instant for window in every for instant in (window.start, window.end)})
    position = {instant: index for index, instant in enumerate(edges)}
    members: list[list[int]] = [[] for _ in edges[1:]]
    for number, window in enumerate(windows):
        covered = {segment for part in parts.get(number, ()) for segment in range(position[part.start], position[part.end])}
        for segment in range(position[window.start], position[window.end]):
            if segment not in covered:
                members[segment].append(number)
    # An edge between two segments of the same windows, as between two stored parts, bounds nothing.
    kept = [index for index in range(len(members)) if not index or members[index] != members[index - 1]]
    return (*(edges[index] for index in kept), edges[-1]), tuple(tuple(members[index]) for index in kept)


def wanted_spans(edges: Sequence[int], members: Sequence[Sequence[int]], most: int = MOST_SPANS) -> list[tuple[int, int]]:
    """The spans of time that hold every wanted row, adjacent ones joined; of more than ``most`` the nearest are joined too.

    >>> wanted_spans((0, 2, 4, 7, 9), ((), (0,), (0, 1), ())), wanted_spans((0, 1, 5, 6), ((0,), (), (0,)), most=1)
    ([(2, 7)], [(0, 6)])
    """
    spans: list[tuple[int, int]] = []
    for start, end, windows in zip(edges[:-1], edges[1:], members, strict=True):
        if windows and spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        elif windows:
            spans.append((start, end))
    gaps = sorted(range(1, len(spans)), key=lambda index: (spans[index - 1][1] - spans[index][0], index))
    begins = [0, *sorted(gaps[: most - 1])] if spans else []
    return [(spans[low][0], spans[high - 1][1]) for low, high in pairwise([*begins, len(spans)])]


def profile(rows: DataFrame, plan: ProfilePlan) -> DataFrame:
    """The states of all windows, versions, slices and columns of ``rows`` (made by ``read.rows_for_profile``)."""
    return merged(partial_states(rows, plan), plan)


def partial_states(rows: DataFrame, plan: ProfilePlan) -> DataFrame:
    """Partial states, many per key."""
    kernel, zone = plan.kernel, plan.zone

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from Task(kernel, partition_number()).run(_timed(batch, zone) for batch in batches)

    return rows.mapInArrow(run, PARTIAL_DDL)


def partition_number() -> int:
    """The number of the partition that the calling task works on."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return int(context.partitionId()) if context else 0


def merged(partials: DataFrame, plan: ProfilePlan) -> DataFrame:
    """One state per key."""
    # What only the first stage needs does not travel again.
    names = replace(plan, kernel=replace(plan.kernel, edges=(), windows=(), slice_values=()))

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in merge_partials(batches, names.kernel.columns):
            yield _named(batch, names)

    # A column's slice values stay together: rows bring them in blocks, stored states one by one.
    sorted_partials = partials.repartition(*_KEYS).sortWithinPartitions(*_ORDER)
    return sorted_partials.mapInArrow(run, _STATE_DDL)


def _timed(batch: pa.RecordBatch, zone: str) -> pa.RecordBatch:
    """The batch with its first column as microseconds since 1970."""
    return batch.set_column(0, "time", instants(batch.column(0), zone))


def _named(batch: pa.RecordBatch, plan: ProfilePlan) -> pa.RecordBatch:
    """Numbers of windows, slices and columns turned into what they stand for."""
    numbers = {name: batch.column(name).to_pylist() for name in ("window", "slice_key", "column")}
    windows = [None if number == NO_WINDOW else plan.windows[number] for number in numbers["window"]]
    kernel = plan.kernel.columns
    columns = [None if number == TABLE_COLUMN else number for number in numbers["column"]]
    arrays = [
        pa.array([window.granularity if window else None for window in windows], pa.string()),
        pa.array([window.start if window else None for window in windows], pa.int64()),
        pa.array([window.end if window else None for window in windows], pa.int64()),
        batch.column("model_version"),
        pa.array([None if key == WHOLE else plan.slice_keys[key] for key in numbers["slice_key"]], pa.string()),
        batch.column("slice_value"),
        pa.array([TABLE_ROW if number is None else kernel[number].name for number in columns], pa.string()),
        pa.array([None if number is None else plan.data_types[number] for number in columns], pa.string()),
        pa.array([None if number is None else kernel[number].frame_id for number in columns], pa.string()),
        *(batch.column(name) for name in MERGED_SCHEMA.names[5:]),
    ]
    names = [part.split()[0] for part in _STATE_DDL.split(", ")]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def capped_slice_values(
    rows: DataFrame, slice_keys: int, most: int = MAX_SLICE_VALUES, *, stored: DataFrame | None = None
) -> tuple[frozenset[str] | None, ...]:
    """For each slice key the values that are kept: all (None), or the ``most`` frequent where there are more.

    Ties are broken by the value, so the choice depends on the rows alone. One job over the slice columns for all keys; ``stored``
    (key, value) are values that count as well, as one row each.
    """
    if not slice_keys:
        return ()
    pairs = F.explode(F.array(*(F.struct(F.lit(key).alias("key"), F.col(f"s{key}").alias("value")) for key in range(slice_keys))))
    found = rows.select(pairs.alias("pair")).select("pair.key", "pair.value")
    if stored is not None:
        found = found.unionByName(stored)
    counted = found.groupBy("key", "value").agg(F.count(F.lit(1)).alias("rows")).where("value IS NOT NULL")
    ranked = counted.selectExpr("key", "value", "row_number() OVER (PARTITION BY key ORDER BY rows DESC, value) AS place")
    kept: list[list[str]] = [[] for _ in range(slice_keys)]
    for row in ranked.where(F.col("place") <= most + 1).orderBy("key", "place").collect():
        kept[row["key"]].append(row["value"])
    return tuple(frozenset(values[:most]) if len(values) > most else None for values in kept)


def bounded_batches(width: int) -> int:
    """Rows per Arrow batch that keep a batch of ``width`` columns, and one of as many partial states, near ``CHUNK_BYTES``."""
    return max(_LEAST_BATCH, min(_MOST_BATCH, CHUNK_BYTES // (_VALUE_BYTES * max(width, 1))))
