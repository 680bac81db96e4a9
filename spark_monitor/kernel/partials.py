"""One task of a profile: spans of rows in, rows of partial states out, flushed when they pass a byte budget.

A partial row is keyed by window, version, slice and column; all slice values of a numeric column are one row, a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.columns import Column, NumericColumn
from spark_monitor.kernel.covariances import CovarianceRows
from spark_monitor.kernel.groups import Codes
from spark_monitor.kernel.memory import keep_freed_memory, leave_imports_alone
from spark_monitor.kernel.named_blocks import NamedBlock, failed
from spark_monitor.kernel.native.library import library
from spark_monitor.kernel.native.short import ShortWindows
from spark_monitor.kernel.packs import PACK_COLUMN, SmallStates, packed
from spark_monitor.kernel.partial_rows import PARTIAL_SCHEMA, batched, counted_content
from spark_monitor.kernel.plan import KernelColumn, KernelPlan
from spark_monitor.kernel.quality_rows import QualityRows
from spark_monitor.kernel.spans import (
    CHUNK_ROWS,
    SCATTERED_ROWS,
    Placed,
    Span,
    TableSpan,
    chunks,
    is_scattered,
    one_array,
    placed,
)
from spark_monitor.kernel.tables import WHOLE, Counted, TableRows
from spark_monitor.kernel.text_columns import CategoricalColumn
from spark_monitor.states.grid import Integers
from spark_monitor.states.table import TableState
from spark_monitor.text.masking import first_line

TABLE_COLUMN = -1
NO_WINDOW = -1
OTHER = "other"

GATHERED_PART = 4
"""Rows that are gathered before they are counted take no more than the budget divided by this."""

STATES_PART = 2
"""States take no more than the budget divided by this; the rest is for reading, and for what is worked out in between."""


class Task:
    """Gathers the partial states of one partition."""

    def __init__(self, plan: KernelPlan, part: int) -> None:
        self._plan, self._part, self._sequence = plan, part, 0
        self._versions = Codes()
        self._slices = [Codes(kept=values, rest=OTHER) for values in plan.slice_values or [None] * plan.slice_keys]
        self._edges = np.array(plan.edges, dtype=np.int64)
        self._wanted = np.array([bool(windows) for windows in plan.windows])
        self._without_time = 0
        self._library = library(plan.kernel)
        self._columns: list[Column | None] = [self._gatherer(column) for column in plan.columns]
        self._sizes = np.zeros(len(plan.columns), dtype=np.int64)
        self._errors: dict[int, str] = {}
        self._tables = TableRows(len(plan.columns))
        self._quality = QualityRows(plan.quality) if plan.quality is not None else None
        self._covariance = CovarianceRows(plan.covariance) if plan.covariance is not None else None

    def _gatherer(self, column: KernelColumn) -> Column | None:
        if column.grid is not None:
            return NumericColumn(column.grid, k=self._plan.k, library=self._library)
        if column.categories is not None:
            return CategoricalColumn(column.categories, capacity=self._plan.frequent_capacity)
        return None

    def run(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Partial rows of batches that hold time, null id, version, slice values, then the columns."""
        return self.run_spans(TableSpan(table, self._plan.slice_keys) for table in self._tables_of(batches))

    def _tables_of(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
        """Chunks of rows; where they are scattered over many windows, as many at once as the budget allows."""
        if self._wanted.size * SCATTERED_ROWS <= CHUNK_ROWS:
            yield from chunks(batches, most=self._plan.span_rows)  # so few windows leave each of them rows enough
            return
        held: list[pa.Table] = []
        for chunk in chunks(batches, most=self._plan.span_rows):
            segment = segment_of(chunk.column(0), self._edges, self._wanted)
            if not held and not is_scattered(segment):
                yield chunk
                continue
            held.append(chunk)
            rows = sum(table.num_rows for table in held)
            if sum(table.nbytes for table in held) * GATHERED_PART > self._plan.byte_budget or rows >= self._plan.span_rows:
                yield pa.concat_tables(held)
                held = []
        if held:
            yield pa.concat_tables(held)

    def run_spans(self, spans: Iterable[Span]) -> Iterator[pa.RecordBatch]:
        """Partial rows of spans."""
        keep_freed_memory()
        leave_imports_alone()
        for span in spans:
            yield from self.add(span)
        yield from self.flush()

    @property
    def nbytes(self) -> int:
        """About how many bytes the gathered states take."""
        return int(self._sizes.sum()) + self._beside

    @property
    def _beside(self) -> int:
        beside = (self._quality, self._covariance)
        return self._tables.nbytes + sum(rows.nbytes for rows in beside if rows is not None)

    def add(self, span: Span) -> Iterator[pa.RecordBatch]:
        """Add a span to every column; one that fails is remembered with the reason, the others go on.

        States are flushed as soon as they pass the budget, be it between two columns.
        """
        time = span.time
        self._without_time += time.null_count
        segment = segment_of(time, self._edges, self._wanted)
        if (segment == NO_WINDOW).all():
            return
        layout = placed(span, segment, self._wanted.size, self._versions, self._slices)
        counted = [self._tables.add_rows(piece.rows, piece.null_id) for piece in layout.pieces]
        if self._quality is not None:
            self._quality.begin([piece.high - piece.low for piece in layout.pieces])
        if self._covariance is not None:
            self._covariance.begin([piece.high - piece.low for piece in layout.pieces])
        for position in range(len(self._columns)):
            self._add_column(position, layout, counted, span)
            if self.nbytes * STATES_PART > self._plan.byte_budget:
                yield from batched(self._column_partials(), PARTIAL_SCHEMA)
        if self._quality is not None:
            self._finish_quality(self._quality, layout, counted, span)
        if self._covariance is not None:
            self._covariance.finish(counted, self._tables.places, [codes.strings for codes in self._slices])
        if self._beside > self._plan.byte_budget // GATHERED_PART:
            yield from self.flush()

    def _finish_quality(self, quality: QualityRows, layout: Placed, counted: Sequence[Sequence[Counted]], span: Span) -> None:
        """Hash the columns that are only hashed, and add what belongs to rows as a whole."""
        for position in quality.positions:
            values = layout.arranged(span.column(position))
            for number, piece in enumerate(layout.pieces):
                part = values.slice(piece.low, piece.high - piece.low)
                quality.add_column(position, number, part, nulls_of(part), counted[number])
        times = timestamps_of(layout.arranged(span.time))
        for number, piece in enumerate(layout.pieces):
            quality.finish(number, times[piece.low : piece.high], counted[number])

    def _add_column(self, position: int, layout: Placed, counted: Sequence[Sequence[Counted]], span: Span) -> None:
        values = layout.arranged(span.column(position))
        gatherer = self._columns[position]
        for number, (piece, lines) in enumerate(zip(layout.pieces, counted, strict=True)):
            part = values.slice(piece.low, piece.high - piece.low)
            nulls = nulls_of(part)
            self._tables.add_column(position, lines, nulls)
            if gatherer is None or position in self._errors:
                continue
            try:
                part = encoded(part)  # a string is looked at once for its state and for its quality
                gatherer.add(part, piece.rows)
                if self._quality is not None:
                    self._quality.add_column(position, number, part, nulls, lines)
                if self._covariance is not None:
                    self._covariance.add_column(position, number, part)
            except Exception as error:  # whatever it is, it becomes this column's status
                self._errors[position] = f"{type(error).__name__}: {first_line(error)}"
        self._sizes[position] = gatherer.nbytes if gatherer is not None else 0

    def flush(self) -> Iterator[pa.RecordBatch]:
        """Everything gathered so far as partial rows, in batches of bounded size; the task then holds nothing."""
        yield from batched(self._column_partials(), PARTIAL_SCHEMA)
        yield from batched(self._table_partials(), PARTIAL_SCHEMA)

    def _column_partials(self) -> Iterator[tuple[object, ...]]:
        """The columns' states, column by column, those of windows of few rows last where these are packed; none is kept."""
        short: list[tuple[int, Integers, ShortWindows]] = []
        for position, gatherer in enumerate(self._columns):
            self._columns[position], self._sizes[position] = self._gatherer(self._plan.columns[position]), 0
            if gatherer is None or position in self._errors:
                continue
            for part in gatherer.gathered():
                key = WHOLE if part.slice_key is None else part.slice_key
                text = self._text(key, part.slice_value)
                yield from self._placed(part.group, key, text, position, *counted_content(part.state), None)
            for groups, windows in gatherer.short():
                if self._plan.is_packed:
                    short.append((position, groups, windows))
                else:
                    yield from self._short_partials(position, groups, windows)
            for key, group, block in gatherer.blocks():
                content = NamedBlock(self._slices[key].strings, block).to_bytes()
                yield from self._placed(group, key, None, position, content, None, None)

        for group, pack in packed(small_states(short), self._plan.k) if short else ():
            yield from self._placed(group, WHOLE, None, PACK_COLUMN, pack.to_bytes(), None, None)

    def _short_partials(self, position: int, groups: Integers, short: ShortWindows) -> Iterator[tuple[object, ...]]:
        grid = self._plan.columns[position].grid
        if grid is not None:
            for group, parts in zip(groups.tolist(), short.parts(grid, self._plan.k), strict=True):
                yield from self._placed(group, WHOLE, None, position, *parts, None)

    def _table_partials(self) -> Iterator[tuple[object, ...]]:
        """The rows ``:table`` and, for each of their places, the columns that failed."""
        if self._without_time:
            state = TableState(self._without_time, 0, np.zeros(len(self._columns), dtype=np.int64))
            yield (NO_WINDOW, None, WHOLE, None, TABLE_COLUMN, *self._stamp(), state.to_bytes(), None, None)
        for line, ((key, group, value), table) in enumerate(self._tables.states()):
            text = self._text(key, value)
            yield from self._placed(group, key, text, TABLE_COLUMN, table.to_bytes(), None, None)
            for rows in (self._quality, self._covariance):
                for number, content in rows.rows(line) if rows is not None else ():
                    yield from self._placed(group, key, text, number, content, None, None)
        for position, error in self._errors.items():
            yield from self._failures(position, error)
        self._without_time, self._errors, self._tables = 0, {}, TableRows(len(self._columns))
        self._quality = QualityRows(self._plan.quality) if self._plan.quality is not None else None
        self._covariance = CovarianceRows(self._plan.covariance) if self._plan.covariance is not None else None

    def _failures(self, position: int, error: str) -> Iterator[tuple[object, ...]]:
        """A failed column's rows: one for every place that has rows, those of a numeric column's slices in blocks."""
        in_blocks: dict[tuple[int, int], list[str | None]] = {}
        for key, group, value in self._tables.places:
            text = self._text(key, value)
            if key != WHOLE and self._plan.columns[position].grid is not None:
                in_blocks.setdefault((key, group), []).append(text)
            else:
                yield from self._placed(group, key, text, position, None, None, error)
        for (key, group), slice_values in in_blocks.items():
            yield from self._placed(group, key, None, position, failed(slice_values), None, error)

    def _text(self, key: int, value: int) -> str | None:
        return None if key == WHOLE else self._slices[key].strings[value]

    def _placed(self, group: int, key: int, text: str | None, column: int, *content: object) -> Iterator[tuple[object, ...]]:
        """One partial row per window that the group's segment belongs to."""
        version, segment = divmod(group, self._wanted.size)
        for window in self._plan.windows[segment]:
            yield (window, self._versions.strings[version], key, text, column, *self._stamp(), *content)

    def _stamp(self) -> tuple[int, int]:
        """The partition and a running number: partials are merged in this order, so a repeated run gives the same bytes."""
        self._sequence += 1
        return self._part, self._sequence


def small_states(short: Sequence[tuple[int, Integers, ShortWindows]]) -> SmallStates:
    """The short windows of all columns: of each its column's position, the groups, and what was counted."""
    return SmallStates(
        groups=np.concatenate([groups for _, groups, _ in short]),
        columns=np.repeat([position for position, _, _ in short], [groups.size for _, groups, _ in short]),
        counts=np.concatenate([windows.counts for _, _, windows in short], axis=1),
        moments=np.concatenate([windows.moments for _, _, windows in short], axis=1),
        values=[values for _, _, windows in short for values in windows.each()],
    )


def nulls_of(part: pa.Array) -> npt.NDArray[np.bool_] | None:
    """Where values are null; None where none is."""
    return np.asarray(part.is_null().to_numpy(zero_copy_only=False)) if part.null_count else None


def encoded(part: pa.Array) -> pa.Array:
    """Strings and bytes as a dictionary, everything else as it is."""
    kind = part.type
    string_kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return part.dictionary_encode() if any(is_kind(kind) for is_kind in string_kinds) else part


def timestamps_of(time: pa.Array) -> Integers:
    """Microseconds since 1970 of timestamps of which none is null."""
    return np.asarray(time.to_numpy(zero_copy_only=False), dtype=np.int64)


def segment_of(time: pa.Array | pa.ChunkedArray, edges: Integers, mask: npt.NDArray[np.bool_]) -> Integers:
    """The segment that every timestamp falls in, -1 (NO_WINDOW) where it is null or in no wanted segment."""
    filled = pc.fill_null(time if isinstance(time, pa.Array) else one_array(time), int(edges[0]) - 1)
    micros = np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int64)
    segment = np.searchsorted(edges, micros, side="right") - 1
    segment[(segment >= mask.size) | (segment < 0)] = NO_WINDOW
    if not mask.all():
        segment[(segment >= 0) & ~mask[segment]] = NO_WINDOW
    return segment
