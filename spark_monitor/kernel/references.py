"""States against references: each with the merge of the states of one or several windows before it.

Every state comes once, sorted by column, slice, version, granularity and window; the plan says which windows each is measured
against. A state is let go once no window that may still come is measured against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.distances.compare import compared
from spark_monitor.kernel.batches import one_batch
from spark_monitor.kernel.comparison import ComparePlan, arrow_numbers, drift_schema
from spark_monitor.kernel.pairs import GROUP, PAIRS_AT_ONCE, PLACE, begins
from spark_monitor.kernel.state_rows import Opened, by_column, opened
from spark_monitor.states.columns import sql_type
from spark_monitor.states.grid import Integers
from spark_monitor.states.ragged import offsets_of, taken
from spark_monitor.states.reduced import Groups, reduced

SERIES = (*GROUP, "model_version", "granularity")
CHUNK_STATES = 512
NO_REFERENCE = "The windows of this reference hold no rows to compare with."


@dataclass(frozen=True, eq=False)
class Referred:
    """Which windows of a granularity are measured against which, by one reference.

    Window ``starts[i]``, in order, is measured against those that begin in the spans from ``offsets[i]`` to ``offsets[i + 1]``,
    each from ``first`` to ``last``, both among them.
    """

    name: str
    drift_type: str
    granularity: str
    starts: Integers
    offsets: Integers
    first: Integers
    last: Integers

    @cached_property
    def earliest(self) -> Integers:
        """The first window that this window or any later one is measured against, int64[T + 1]."""
        spans = np.append(self.first, np.iinfo(np.int64).max)
        least = np.minimum.accumulate(spans[::-1])[::-1]
        return np.asarray(least[self.offsets])


@dataclass(frozen=True, eq=False)
class ReferencePlan:
    """The references of a monitor, and what the states do not say."""

    compare: ComparePlan
    referred: Sequence[Referred] = field(default_factory=tuple)

    def needed_from(self, granularity: str, seen: int) -> int:
        """The start of the first window that windows after ``seen`` are measured against."""
        least = np.iinfo(np.int64).max
        for one in self.referred:
            if one.granularity == granularity:
                least = min(least, int(one.earliest[np.searchsorted(one.starts, seen, side="right")]))
        return int(least)


def reference_schema(metrics: tuple[str, ...] = ()) -> pa.Schema:
    """The columns of compared pairs and the reference's name."""
    return drift_schema(metrics).append(pa.field("baseline_name", pa.string()))


def reference_ddl(metrics: tuple[str, ...] = ()) -> str:
    """The same as Spark writes it."""
    return ", ".join(f"{field.name} {sql_type(field.type)}" for field in reference_schema(metrics))


class ReferenceComparison:
    """Compares the states of a sorted stream with those of their references."""

    def __init__(self, plan: ReferencePlan) -> None:
        self._plan = plan
        self._schema = reference_schema(plan.compare.metrics)

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The drift rows of batches of states."""
        for chunk, carried in self._chunks(batches):
            for name, rows in by_column(chunk):
                column = self._plan.compare.columns.get(name)
                if name != TABLE_ROW and column is not None and column.frame_id is not None:
                    of_column = chunk.take(pa.array(rows))
                    states = opened(of_column, column, exact_to=self._plan.compare.exact_to.get(name, np.inf))
                    for one in self._plan.referred:
                        yield from self._compared(of_column, states, one, np.flatnonzero(rows >= carried))

    def _chunks(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Chunks of states, and how many of each were in the chunk before: those that windows to come are measured against."""
        held: list[pa.RecordBatch] = []
        carried = 0
        for batch in batches:
            held += [batch] if batch.num_rows else []
            # As many more as were carried, so that opening these again never costs more than the rest.
            if sum(one.num_rows for one in held) - carried < max(CHUNK_STATES, carried):
                continue
            chunk = one_batch(held)
            yield chunk, carried
            kept = self._kept(chunk)
            held, carried = [kept] if kept.num_rows else [], kept.num_rows
        if held and sum(one.num_rows for one in held) > carried:
            yield one_batch(held), carried

    def _kept(self, chunk: pa.RecordBatch) -> pa.RecordBatch:
        """Of the last series the states that are needed again."""
        series = int(np.flatnonzero(begins(chunk, SERIES))[-1])
        starts = np.asarray(chunk.column("start"), dtype=np.int64)
        needed = self._plan.needed_from(chunk.column("granularity")[series].as_py(), int(starts[-1]))
        return chunk.slice(series + int(np.searchsorted(starts[series:], needed)))

    def _compared(self, rows: pa.RecordBatch, states: Opened, one: Referred, fresh: Integers) -> Iterator[pa.RecordBatch]:
        """The drift rows of a column's ``fresh`` rows that a reference measures."""
        starts = np.asarray(rows.column("start"), dtype=np.int64)
        of_granularity = np.array(rows.column("granularity").to_pylist(), dtype=object) == one.granularity
        current = fresh[of_granularity[fresh] & np.isin(starts[fresh], one.starts)]
        if not current.size:
            return
        series = np.flatnonzero(begins(rows, SERIES))
        sound = np.append(0, np.cumsum(states.places >= 0))
        owner, first, end = _spans(starts, series, current, one)
        there = sound[first] < sound[end]  # of rows that hold a sound state, whose places in the block follow each other
        owner, first, end = owner[there], first[there], end[there]
        has = np.isin(np.arange(current.size), owner) & (states.places[current] >= 0)
        yield self._absent(rows, current[~has], states, one)
        measured = np.flatnonzero(has)
        for low in range(0, measured.size, PAIRS_AT_ONCE):
            few = measured[low : low + PAIRS_AT_ONCE]
            part = np.isin(owner, few)
            groups = Groups(np.append(np.searchsorted(owner[part], few), int(part.sum())), sound[first[part]], sound[end[part]])
            yield self._measured(rows, current[few], states, one, groups)

    def _measured(self, rows: pa.RecordBatch, current: Integers, states: Opened, one: Referred, groups: Groups) -> pa.RecordBatch:
        block = states.block
        assert block is not None
        used = np.unique(groups.members)
        near = Groups(groups.offsets, np.searchsorted(used, groups.first), np.searchsorted(used, groups.end - 1) + 1)
        references = reduced(block.take(used), near)
        entries = self._plan.compare.entries(block.kind)
        distances = compared(references, block.take(states.places[current]), entries)
        columns = {name: arrow_numbers(column) for name, column in distances.columns.items()}
        held = np.flatnonzero(states.places >= 0)
        edges = {
            "cmp_start": ("start", held[groups.first[groups.offsets[:-1]]]),
            "cmp_end": ("end", held[groups.end[groups.offsets[1:] - 1] - 1]),
        }
        columns |= {name: rows.column(edge).take(pa.array(places)) for name, (edge, places) in edges.items()}
        return self._batch(rows, current, one, columns, (distances.status, distances.message))

    def _absent(self, rows: pa.RecordBatch, places: Integers, states: Opened, one: Referred) -> pa.RecordBatch:
        broken = [states.errors[place] for place in places.tolist()]
        status = ["NO_PREVIOUS" if error is None else "ERROR" for error in broken]
        return self._batch(rows, places, one, {}, (status, [error or NO_REFERENCE for error in broken]))

    def _batch(
        self, rows: pa.RecordBatch, places: Integers, one: Referred, columns: dict[str, Any], reason: tuple[Any, Any]
    ) -> pa.RecordBatch:
        given: dict[str, Any] = {
            **{name: rows.column(name).take(pa.array(places)) for name in (*PLACE, *GROUP)},
            "drift_type": pa.array([one.drift_type] * places.size, pa.string()),
            "baseline_name": pa.array([one.name] * places.size, pa.string()),
            "status": pa.array(reason[0], pa.string()),
            "message": pa.array(reason[1], pa.string()),
            **columns,
        }
        arrays = [given[one.name] if one.name in given else pa.nulls(places.size, one.type) for one in self._schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)


def _spans(starts: Integers, series: Integers, current: Integers, one: Referred) -> tuple[Integers, Integers, Integers]:
    """The stretches of rows that each of ``current`` is measured against: whose, first row, and the row after the last."""
    offsets, spans = taken(one.offsets, np.searchsorted(one.starts, starts[current]))
    owner = np.repeat(np.arange(current.size), np.diff(offsets))
    known, per_series = np.unique(starts), starts.size + 1
    number = np.searchsorted(series, np.arange(starts.size), side="right") - 1
    ordered = number * per_series + np.searchsorted(known, starts)  # increases from row to row, since rows are in order
    whose = number[current[owner]] * per_series
    first = np.searchsorted(ordered, whose + np.searchsorted(known, one.first[spans], side="left"))
    end = np.searchsorted(ordered, whose + np.searchsorted(known, one.last[spans], side="right"))
    return owner, first, end


def referred(name: str, drift_type: str, granularity: str, windows: Sequence[tuple[int, Sequence[tuple[int, int]]]]) -> Referred:
    """The plan of one reference: each window's start in order, and start and end of the windows it is measured against, in order.

    >>> found = referred("two", "ROLLING", "1 day", [(3, [(1, 2), (2, 3)]), (9, [(1, 2), (5, 6)]), (10, [])])
    >>> found.offsets.tolist(), found.first.tolist(), found.last.tolist(), found.earliest.tolist()[:2]
    ([0, 1, 3, 3], [1, 1, 5], [2, 1, 5], [1, 1])
    """
    spans: list[list[tuple[int, int]]] = []
    for _, before in windows:
        joined: list[tuple[int, int]] = []
        ended: int | None = None
        for start, end in before:
            if joined and ended == start:
                joined[-1] = (joined[-1][0], start)
            else:
                joined.append((start, start))
            ended = end
        spans.append(joined)
    flat = np.array([span for one in spans for span in one], dtype=np.int64).reshape(-1, 2)
    starts = np.array([start for start, _ in windows], dtype=np.int64)
    return Referred(name, drift_type, granularity, starts, offsets_of([len(one) for one in spans]), flat[:, 0], flat[:, 1])
