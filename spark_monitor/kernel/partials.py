"""One task of a profile: batches of rows in, rows of partial states out, flushed when they pass a byte budget.

The batches hold, in this order: the time (microseconds since 1970, int64), whether the id is null, the model version and the
slice values (strings), then the columns. A partial row is keyed by window, version, slice and column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.columns import CategoricalColumn, Column, NumericColumn, Rows, RowSlices
from spark_monitor.kernel.groups import Codes, Segments
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.frequent import CAPACITY
from spark_monitor.states.grid import Grid, Integers
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K
from spark_monitor.states.table import TableState

CHUNK_ROWS = 1 << 16
CHUNK_BYTES = 64 << 20
BYTE_BUDGET = 512 << 20
TABLE_COLUMN = -1
NO_WINDOW = -1
WHOLE = -1
OTHER = "other"
FIRST_COLUMN = 3

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


@dataclass(frozen=True)
class KernelColumn:
    """What a task must know of a column: a grid for numbers, categories for texts, neither where only nulls are counted."""

    name: str
    grid: Grid | None = None
    categories: Categories | None = None

    @property
    def frame_id(self) -> str | None:
        """What its states are counted on: the grid's id, or the categories'."""
        if self.grid is not None:
            return self.grid.grid_id
        return self.categories.categories_id if self.categories is not None else None


@dataclass(frozen=True)
class KernelPlan:
    """What a task must know: columns, the instants that bound segments, the windows of each segment, and the slices.

    ``edges`` are increasing microseconds; segment i is [edges[i], edges[i+1]); ``windows[i]`` are the numbers of the windows that
    segment i belongs to (one per granularity, none where no window is due).
    """

    columns: tuple[KernelColumn, ...]
    edges: tuple[int, ...]
    windows: tuple[tuple[int, ...], ...]
    slice_keys: int = 0
    slice_values: tuple[frozenset[str] | None, ...] = ()
    k: int = K
    frequent_capacity: int = CAPACITY
    byte_budget: int = BYTE_BUDGET


@dataclass
class _Held:
    """What a task holds between two flushes."""

    columns: list[Column | None]
    errors: dict[int, str] = field(default_factory=dict)
    tables: dict[tuple[int, int, int], TableState] = field(default_factory=dict)


class Task:
    """Gathers the partial states of one partition."""

    def __init__(self, plan: KernelPlan, part: int) -> None:
        self._plan, self._part, self._sequence = plan, part, 0
        self._versions = Codes()
        self._slices = [Codes(known=known, rest=OTHER) for known in plan.slice_values or [None] * plan.slice_keys]
        self._edges = np.array(plan.edges, dtype=np.int64)
        self._wanted = np.array([bool(windows) for windows in plan.windows])
        self._without_time = 0
        self._held = self._nothing()

    def _nothing(self) -> _Held:
        return _Held([self._gatherer(column) for column in self._plan.columns])

    def _gatherer(self, column: KernelColumn) -> Column | None:
        if column.grid is not None:
            return NumericColumn(column.grid, k=self._plan.k)
        if column.categories is not None:
            return CategoricalColumn(column.categories, capacity=self._plan.frequent_capacity)
        return None

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Partial rows of all batches."""
        for chunk in chunks(batches):
            self.add(chunk)
            if self.nbytes > self._plan.byte_budget:
                yield from self.flush()
        yield from self.flush()

    @property
    def nbytes(self) -> int:
        """About how many bytes the gathered states take."""
        return sum(column.nbytes for column in self._held.columns if column is not None)

    def add(self, chunk: pa.Table) -> None:
        """Add a chunk of rows to every column; one that fails is remembered with the reason, the others go on."""
        window = self._window(chunk.column(0))
        if (window == NO_WINDOW).any():
            inside = window != NO_WINDOW
            chunk, window = chunk.filter(pa.array(inside)), window[inside]
        if not chunk.num_rows:
            return
        rows = self._rows(chunk, window)
        nulls = []
        for position, gatherer in enumerate(self._held.columns):
            values = one_array(chunk.column(FIRST_COLUMN + self._plan.slice_keys + position))
            nulls.append(np.asarray(values.is_null().to_numpy(zero_copy_only=False)) if values.null_count else None)
            if gatherer is None or position in self._held.errors:
                continue
            try:
                gatherer.add(values, rows)
            except Exception as error:  # whatever it is, it becomes this column's status
                self._held.errors[position] = f"{type(error).__name__}: {error}"
        self._count_rows(one_array(chunk.column(1)), rows, nulls)

    def _window(self, time: pa.ChunkedArray) -> Integers:
        """The segment of every row; rows without a time are counted."""
        self._without_time += time.null_count
        return segment_of(time, self._edges, self._wanted)

    def _rows(self, chunk: pa.Table, window: Integers) -> Rows:
        versions = self._versions.encode(one_array(chunk.column(2)))
        # A group's number must not change while the task meets new versions, so windows are the fast-running part.
        group = versions * self._wanted.size + window
        groups = Segments.of(group)
        slices = []
        for key, codes in enumerate(self._slices):
            values = codes.encode(one_array(chunk.column(FIRST_COLUMN + key)))
            stride = max(len(codes.texts), 1)
            slices.append(RowSlices(Segments.of(group * stride + values), stride, groups.arranged(values)))
        return Rows(groups, slices)

    def _count_rows(self, null_id: pa.Array, rows: Rows, nulls: list[np.ndarray | None]) -> None:
        """The rows ``:table``: number of rows, of rows without an id, of values per column."""
        missing = np.asarray(null_id.to_numpy(zero_copy_only=False), dtype=bool)
        for key, (segments, stride) in enumerate([(rows.groups, 1), *((s.segments, s.stride) for s in rows.slices)], start=WHOLE):
            without_id = segments.totals(segments.arranged(missing))
            absent = np.zeros((len(nulls), segments.codes.size), dtype=np.int64)
            for position, flags in enumerate(nulls):
                if flags is not None:
                    absent[position] = segments.totals(segments.arranged(flags))
            for position, (code, size) in enumerate(zip(segments.codes.tolist(), segments.sizes.tolist(), strict=True)):
                group, value = divmod(code, stride)
                before = self._held.tables.get((key, group, value)) or TableState.empty(len(nulls))
                more = before.update(absent[:, position], rows=size, null_ids=int(without_id[position]))
                self._held.tables[key, group, value] = more

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Everything gathered so far as partial rows, in batches of bounded size; the task then holds nothing."""
        held, self._held = self._held, self._nothing()
        rows: list[tuple[object, ...]] = []
        size = 0
        for row in self._partials(held):
            rows.append(row)
            size += len(row[7] or b"") + len(row[8] or b"")  # type: ignore[arg-type]
            if size > CHUNK_BYTES // 8 or len(rows) >= CHUNK_ROWS // 8:
                yield batch_of(rows)
                rows, size = [], 0
        if rows:
            yield batch_of(rows)

    def _partials(self, held: _Held) -> Iterator[tuple[object, ...]]:
        if self._without_time:
            state = TableState(self._without_time, 0, np.zeros(len(self._plan.columns), dtype=np.int64))
            yield (NO_WINDOW, None, WHOLE, None, TABLE_COLUMN, *self._stamp(), state.to_bytes(), None, None)
            self._without_time = 0
        for (key, group, value), table in held.tables.items():
            yield from self._placed(group, key, value, TABLE_COLUMN, table.to_bytes(), None, None)
        for position, gatherer in enumerate(held.columns):
            if position in held.errors:
                for key, group, value in held.tables:
                    yield from self._placed(group, key, value, position, None, None, held.errors[position])
            elif gatherer is not None:
                for found in gatherer.gathered():
                    key = WHOLE if found.slice_key is None else found.slice_key
                    yield from self._placed(found.group, key, found.slice_value, position, *_bytes(found.state), None)

    def _placed(self, group: int, key: int, value: int, column: int, *content: object) -> Iterator[tuple[object, ...]]:
        """One partial row per window that the group's segment belongs to."""
        version, segment = divmod(group, self._wanted.size)
        text = None if key == WHOLE else self._slices[key].texts[value]
        for window in self._plan.windows[segment]:
            yield (window, self._versions.texts[version], key, text, column, *self._stamp(), *content)

    def _stamp(self) -> tuple[int, int]:
        """The partition and a running number: partials are merged in this order, so a repeated run gives the same bytes."""
        self._sequence += 1
        return self._part, self._sequence


def _bytes(state: NumericState | CategoricalState) -> tuple[bytes, bytes | None]:
    if isinstance(state, CategoricalState):
        return state.to_bytes(), None
    return state.to_bytes(with_sketch=False), state.sketch.to_bytes() if state.sketch else None


def segment_of(time: pa.ChunkedArray, edges: Integers, wanted: npt.NDArray[np.bool_]) -> Integers:
    """The segment that every instant falls in, -1 (NO_WINDOW) where it is null or in no wanted segment."""
    filled = pc.fill_null(one_array(time), int(edges[0]) - 1)
    micros = np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int64)
    segment = np.searchsorted(edges, micros, side="right") - 1
    segment[(segment >= wanted.size) | (segment < 0)] = NO_WINDOW
    if not wanted.all():
        segment[(segment >= 0) & ~wanted[segment]] = NO_WINDOW
    return segment


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    combined = column.combine_chunks()
    return combined if isinstance(combined, pa.Array) else combined.chunk(0)


def batch_of(rows: list[tuple[object, ...]]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True))
    arrays = [pa.array(values, type=column.type) for values, column in zip(columns, PARTIAL_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=PARTIAL_SCHEMA)


def chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches gathered to tables of about ``CHUNK_ROWS`` rows, fewer where these would pass ``CHUNK_BYTES``."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= CHUNK_ROWS or size >= CHUNK_BYTES:
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)
