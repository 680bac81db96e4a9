"""Stored states that stream by, in pairs: each with its column's baseline and with the window before it, hundreds at once.

States come sorted by column, slice, version and time, the baseline's first. A chunk of them is compared column by column on
arrays; what the next chunk needs of this one, the last baseline and the last state, is carried over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.metric import Metric
from spark_monitor.distances.compare import columns_of, compared, drift_entries, with_columns
from spark_monitor.kernel.batches import one_batch
from spark_monitor.kernel.pairs import BASELINE, CONSECUTIVE, GROUP, PAIRS_AT_ONCE, PLACE, Pairs, at, chunks, pairs_of, within
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.state_rows import Block, by_column, opened, states_at
from spark_monitor.states.columns import STATE_SCHEMA, sql_type
from spark_monitor.states.grid import Grid, Integers
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.table import TableState

INPUT_SCHEMA = pa.schema(
    [
        ("is_current", pa.bool_()),
        ("granularity", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("model_version", pa.string()),
        *((name, pa.string()) for name in GROUP),
        ("grid_id", pa.string()),
        *STATE_SCHEMA,
        ("error", pa.string()),
        ("wanted", pa.list_(pa.string())),
    ]
)

NO_ROWS_OF_COLUMN = "The baseline holds no rows of this column."
NO_ROWS_OF_SLICE = "The baseline holds no rows of this slice."
NO_PREVIOUS = "The window before this one holds no rows to compare with."
COLUMN_GONE = "The column {} is not in the table any more."
_TABLE_DELTA = pa.struct([("added", pa.int64()), ("missing", pa.int64())])


@dataclass(frozen=True)
class ComparePlan:
    """What the states do not say: each column's frame, and the columns that cannot be compared, with status and reason.

    ``frozen`` are the baseline's columns in its order, which a row ``:table`` counts by their places. ``exact_to`` says up to
    which size a column's values were read without rounding. ``metrics`` are the distances that have columns of their own.
    """

    columns: Mapping[str, KernelColumn]
    apart: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    exact_to: Mapping[str, float] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()

    @property
    def places(self) -> dict[str, int]:
        """The place of every column, here or in the baseline, among all of them."""
        return {name: place for place, name in enumerate(dict.fromkeys((*self.columns, *self.frozen)))}

    def placed(self, state: TableState, *, is_current: bool) -> TableState:
        """The state with a count for every column of the table and of the baseline; with none where it is of other columns."""
        names = tuple(self.columns) if is_current else self.frozen
        if len(names) != state.present.size:
            return replace(state, present=np.zeros(0, dtype=np.int64))
        places = self.places
        present = np.zeros(len(places), dtype=np.int64)
        present[[places[name] for name in names]] = state.present
        return replace(state, present=present)

    def entries(self, kind: str) -> tuple[Metric, ...]:
        """The distances of a kind of column that are computed."""
        return tuple(metric for metric in with_columns(drift_entries(kind)) if not self.metrics or metric.name in self.metrics)


@lru_cache(maxsize=4)
def drift_schema(metrics: tuple[str, ...] = ()) -> pa.Schema:
    """The columns of compared pairs: the place, what it is compared with, and every column that a distance has."""
    nothing = NumericBlock.of([NumericState.empty(Grid.of([1.0]))])
    plan = ComparePlan({}, metrics=metrics)
    fields: dict[str, pa.DataType] = {}
    for metric in plan.entries("numeric"):
        for name, column in columns_of(metric, metric.compute(nothing, nothing)).items():
            parts = [(part, pa.float64()) for part in column] if isinstance(column, Mapping) else None
            fields[name] = pa.float64() if parts is None else pa.struct(parts)
    string_columns = ("granularity", "model_version", *GROUP, "drift_type", "status", "message")
    return pa.schema(
        [
            *((name, pa.string()) for name in string_columns),
            *((name, pa.int64()) for name in ("start", "end", "cmp_start", "cmp_end")),
            *fields.items(),
            ("non_null_columns_delta", _TABLE_DELTA),
        ]
    )


def drift_ddl(metrics: tuple[str, ...] = ()) -> str:
    """The same as Spark writes it."""
    return ", ".join(f"{field.name} {sql_type(field.type)}" for field in drift_schema(metrics))


class Comparison:
    """Compares the states of a sorted stream."""

    def __init__(self, plan: ComparePlan) -> None:
        self._plan = plan
        self._schema = drift_schema(plan.metrics)

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The drift rows of states sorted by column, slice, baseline first, version, granularity and start."""
        for chunk in chunks(batches):
            yield from self.compared(chunk)

    def compared(self, chunk: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The drift rows of one chunk, column by column."""
        pairs = pairs_of(chunk)
        for name, rows in by_column(chunk):
            of_column = [within(one, rows) for one in pairs]
            if not any(one.current.size for one in of_column):
                continue
            if name == TABLE_ROW:
                yield self._tables(chunk, of_column)
                continue
            column = self._plan.columns.get(name)
            yield from self._columns(chunk, name, column, rows, of_column)

    def _columns(
        self, chunk: pa.RecordBatch, name: str, column: KernelColumn | None, rows: Integers, pairs: Sequence[Pairs]
    ) -> Iterator[pa.RecordBatch]:
        places = np.full(chunk.num_rows, -1, dtype=np.int64)
        errors = np.full(chunk.num_rows, None, dtype=object)
        block: Block | None = None
        if column is None or column.frame_id is None:
            errors[rows] = COLUMN_GONE.format(name)
        else:
            states = opened(chunk.take(pa.array(rows)), column, exact_to=self._plan.exact_to.get(name, np.inf))
            places[rows], errors[rows], block = states.places, states.errors, states.block
        for one in pairs:
            current, reference = places[one.current], np.where(one.reference >= 0, places[one.reference], -1)
            status, message = self._status(chunk, one, name, (current, reference), errors)
            undefined = np.flatnonzero(status != "OK")
            yield self._batch(chunk, at(one, undefined), {}, status[undefined], message[undefined])
            comparable = np.flatnonzero(status == "OK")
            for low in range(0, comparable.size, PAIRS_AT_ONCE):
                few = comparable[low : low + PAIRS_AT_ONCE]
                assert block is not None
                sides = block.take(reference[few]), block.take(current[few])
                yield from self._distances(chunk, at(one, few), sides)

    def _distances(self, chunk: pa.RecordBatch, pairs: Pairs, sides: tuple[Block, Block]) -> Iterator[pa.RecordBatch]:
        """The drift rows of pairs that can be compared."""
        distances = compared(*sides, self._plan.entries(sides[1].kind))
        yield self._batch(chunk, pairs, distances.columns, distances.status, distances.message)

    def _status(
        self, chunk: pa.RecordBatch, pairs: Pairs, name: str, places: tuple[Integers, Integers], errors: npt.NDArray[np.object_]
    ) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
        """Why pairs cannot be compared; OK where they can."""
        current, reference = places
        status, message = np.full(current.size, "OK", dtype=object), np.full(current.size, None, dtype=object)
        if pairs.drift_type == BASELINE:
            in_slice = chunk.column("slice_key").is_valid().to_numpy(zero_copy_only=False)[pairs.current]
            status[reference < 0] = "NO_BASELINE"
            message[reference < 0] = np.where(in_slice, NO_ROWS_OF_SLICE, NO_ROWS_OF_COLUMN)[reference < 0]
            apart = self._plan.apart.get(name)
            if apart is not None:
                status[:], message[:] = apart
        else:
            status[reference < 0], message[reference < 0] = "NO_PREVIOUS", NO_PREVIOUS
        broken = current < 0
        status[broken], message[broken] = "ERROR", errors[pairs.current[broken]]
        return status, message

    def _batch(
        self, chunk: pa.RecordBatch, pairs: Pairs, columns: Mapping[str, Any], status: Any, message: Any
    ) -> pa.RecordBatch:
        """Drift rows of pairs whose numbers are known."""
        given: dict[str, Any] = {
            **{name: chunk.column(name).take(pa.array(pairs.current)) for name in (*PLACE, *GROUP)},
            "drift_type": pa.array([pairs.drift_type] * pairs.current.size, pa.string()),
            "status": pa.array(status, pa.string()),
            "message": pa.array(message, pa.string()),
        }
        if pairs.drift_type == CONSECUTIVE:
            before = pa.array(pairs.reference, mask=(pairs.reference < 0) | np.isin(status, ("ERROR", "NO_PREVIOUS")))
            given |= {f"cmp_{edge}": chunk.column(edge).take(before) for edge in ("start", "end")}
        given |= {name: arrow_numbers(column) for name, column in columns.items()}
        rows = pairs.current.size
        arrays = [given[one.name] if one.name in given else pa.nulls(rows, one.type) for one in self._schema]
        return pa.RecordBatch.from_arrays(arrays, schema=self._schema)

    def _tables(self, chunk: pa.RecordBatch, pairs: Sequence[Pairs]) -> pa.RecordBatch:
        """The drift rows of ``:table``: few, so one by one."""
        is_current = chunk.column("is_current").to_pylist()
        places = np.unique(np.concatenate([part for one in pairs for part in (one.current, one.reference)]))
        rows = places[places >= 0]
        states = dict(zip(rows.tolist(), states_at(chunk.take(pa.array(rows)), None), strict=True))
        placed = {
            row: self._plan.placed(state, is_current=is_current[row]) if isinstance(state, TableState) else None
            for row, state in states.items()
        }
        return one_batch([self._table_pairs(chunk, one, placed) for one in pairs])

    def _table_pairs(self, chunk: pa.RecordBatch, pairs: Pairs, states: Mapping[int, TableState | None]) -> pa.RecordBatch:
        current, reference = pairs.current.tolist(), pairs.reference.tolist()
        places = np.array([-1 if states[row] is None else row for row in current], dtype=np.int64)
        others = np.array([-1 if row < 0 or states[row] is None else row for row in reference], dtype=np.int64)
        errors = np.array(chunk.column("error").to_pylist(), dtype=object)
        status, message = self._status(chunk, pairs, TABLE_ROW, (places, others), errors)
        deltas = [
            _table_drift(states[other], states[row]) if word == "OK" else (None, None)
            for other, row, word in zip(reference, current, status, strict=True)
        ]
        counts = np.array([np.nan if count is None else count for count, _ in deltas], dtype=np.float64)
        columns = {"count_delta": counts, "non_null_columns_delta": pa.array([delta for _, delta in deltas], _TABLE_DELTA)}
        return self._batch(chunk, pairs, columns, status, message)


def arrow_numbers(column: Any) -> pa.Array:
    """A column of numbers, or a struct of them, for Arrow: what is not finite is NULL, a struct without its number too."""
    if isinstance(column, pa.Array):
        return column
    if isinstance(column, Mapping):
        missing = ~np.isfinite(np.stack(list(column.values()))).all(axis=0)
        return pa.StructArray.from_arrays(
            [pa.array(part) for part in column.values()], names=list(column), mask=pa.array(missing)
        )
    numbers = np.asarray(column, dtype=np.float64)
    return pa.array(numbers, mask=~np.isfinite(numbers))


def _table_drift(baseline: TableState | None, current: TableState | None) -> tuple[int | None, dict[str, int] | None]:
    if baseline is None or current is None:
        return None, None
    count = current.count - baseline.count
    if not baseline.present.size == current.present.size > 0:
        return count, None
    before, now = baseline.present > 0, current.present > 0
    return count, {"added": int(np.sum(now & ~before)), "missing": int(np.sum(before & ~now))}
