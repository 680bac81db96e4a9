"""What a task gathers of one column: the states of whole windows and, per slice key, the states of its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.blocks import SliceBlock
from spark_monitor.kernel.groups import Mask, Segments, numbers_of
from spark_monitor.states.categorical import CategoricalState, Categories, Dictionary
from spark_monitor.states.distinct import K_SLICE, Distinct, Hashes, hash_numbers
from spark_monitor.states.frequent import CAPACITY
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K

Group = int
WINDOW_STATE_BYTES = 48 << 10


@dataclass(frozen=True)
class RowSlices:
    """The rows of a chunk by one slice key: segments whose codes are group * stride + value, and every row's value.

    The ``values`` are in the order of the chunk's groups.
    """

    segments: Segments
    stride: int
    values: Integers


@dataclass(frozen=True)
class Rows:
    """How the rows of a chunk are grouped: by window and version, and within these by the values of every slice key."""

    groups: Segments
    slices: Sequence[RowSlices]


@dataclass(frozen=True)
class Gathered:
    """One finished state of a column: its group, its slice key's position (None: the whole group) and value."""

    group: Group
    slice_key: int | None
    slice_value: int
    state: NumericState | CategoricalState


class Column(Protocol):
    """A column's gatherer."""

    def add(self, values: pa.Array, rows: Rows) -> None:
        """Add a chunk's values."""

    def gathered(self) -> Iterator[Gathered]:
        """The states so far."""

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""


class NumericColumn:
    """Gathers a numeric column: each window's values are sorted once; slices are counted by the cell of every value."""

    def __init__(self, grid: Grid, *, k: int = K) -> None:
        self._grid, self._k = grid, k
        self._windows: dict[Group, NumericState] = {}
        self._blocks: dict[tuple[int, Group], SliceBlock] = {}

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        return len(self._windows) * WINDOW_STATE_BYTES + sum(block.nbytes for block in self._blocks.values())

    def add(self, values: pa.Array, rows: Rows) -> None:
        """Add a chunk's values."""
        numbers, nulls = numbers_of(values)
        hashes = hash_numbers(numbers)
        segments, arranged, arranged_hashes = rows.groups, rows.groups.arranged(numbers), rows.groups.arranged(hashes)
        missing = np.zeros(segments.codes.size, dtype=np.int64)
        if nulls is not None:
            missing = rows.groups.totals(rows.groups.arranged(nulls))
            segments, kept = rows.groups.without(rows.groups.arranged(nulls))
            arranged, arranged_hashes = arranged[kept], arranged_hashes[kept]
        for position, (low, high) in enumerate(pairwise(segments.bounds.tolist())):
            group = int(segments.codes[position])
            self._add_window(group, arranged[low:high], arranged_hashes[low:high], int(missing[position]))
        if rows.slices:
            self._add_slices(numbers, nulls, hashes, rows)

    def _add_window(self, group: Group, values: Floats, hashes: Hashes, nulls: int) -> None:
        before = self._windows.get(group)
        ordered = np.sort(values)
        if ordered.size and not np.isfinite(ordered[[0, -1]]).all():
            hashes = hashes[np.isfinite(values)]
        distinct = (before.distinct if before else Distinct.empty()).update(hashes)
        state = NumericState.of_sorted(ordered, self._grid, nulls=nulls, k=self._k, distinct=distinct)
        self._windows[group] = before.merge(state) if before else state

    def _add_slices(self, numbers: Floats, nulls: Mask | None, hashes: Hashes, rows: Rows) -> None:
        finite = np.isfinite(numbers)
        if nulls is not None:
            finite &= ~nulls
        plain = bool(finite.all())
        cells = self._grid.codes(numbers if plain else np.where(finite, numbers, 0.0))
        for key, sliced in enumerate(rows.slices):
            segments = sliced.segments
            counts = self._totals(segments, numbers, nulls, plain)
            values, coded = segments.arranged(numbers), segments.arranged(cells)
            if not plain:
                segments, kept = segments.without(~segments.arranged(finite))
                values, coded = values[kept], coded[kept]
            self._fill_blocks(key, sliced.stride, segments, counts, values, coded)
        self._add_hashes(hashes, finite & (cells & 1 == 0), rows)

    def _add_hashes(self, hashes: Hashes, inner: Mask, rows: Rows) -> None:
        """The hashes of the rows whose value is finite and no edge of the grid, for every slice key."""
        groups, kept = rows.groups.without(~rows.groups.arranged(inner))
        chosen = slice(None) if kept.all() else np.flatnonzero(kept)
        hashes = rows.groups.arranged(hashes)[chosen]
        values = [sliced.values[chosen] for sliced in rows.slices]
        for position, (low, high) in enumerate(pairwise(groups.bounds.tolist())):
            group = int(groups.codes[position])
            known = self._windows[group].distinct
            # Few different values in the whole window: name each row's by its place among them, once for all slice keys.
            places = np.searchsorted(known.hashes, hashes[low:high]) if known.is_exact else None
            for key in range(len(rows.slices)):
                held = self._blocks[key, group].hashes
                if places is None:
                    held.add(values[key][low:high], hashes[low:high])
                else:
                    held.add_known(values[key][low:high], places, known.hashes)

    @staticmethod
    def _totals(segments: Segments, numbers: np.ndarray, nulls: np.ndarray | None, plain: bool) -> Integers:
        """Rows, nulls, NaN, +Inf and -Inf per segment."""
        counts = np.zeros((segments.codes.size, 5), dtype=np.int64)
        counts[:, 0] = segments.sizes
        if not plain:
            absent = segments.arranged(nulls) if nulls is not None else np.zeros(numbers.size, dtype=bool)
            values = segments.arranged(numbers)
            flags = (absent, np.isnan(values) & ~absent, (values == np.inf) & ~absent, (values == -np.inf) & ~absent)
            for position, flag in enumerate(flags):
                counts[:, position + 1] = segments.totals(flag)
        return counts

    def _fill_blocks(self, key: int, stride: int, segments: Segments, counts: Integers, values: Floats, cells: Integers) -> None:
        """Hand the rows of each group to the block of its slice key."""
        groups = Segments.of(segments.codes // stride)
        for position, (low, high) in enumerate(pairwise(groups.bounds.tolist())):
            group = int(groups.codes[position])
            block = self._blocks.setdefault((key, group), SliceBlock(self._grid))
            first, last = int(segments.bounds[low]), int(segments.bounds[high])
            codes = segments.codes[low:high] - group * stride
            block.add_rows(codes, counts[low:high])
            part = Segments(codes, segments.bounds[low : high + 1] - first, None)
            block.add_values(part, values[first:last], cells[first:last])

    def gathered(self) -> Iterator[Gathered]:
        """The states so far."""
        for group, state in self._windows.items():
            yield Gathered(group, None, 0, state)
        for (key, group), block in self._blocks.items():
            for value, sliced in block.states():
                yield Gathered(group, key, value, sliced)


class CategoricalColumn:
    """Gathers a column of strings or bytes: encoded by dictionary once a chunk, then only codes are counted."""

    def __init__(self, categories: Categories, *, capacity: int = CAPACITY) -> None:
        self._whole = CategoricalState.empty(categories, capacity=capacity)
        self._slice = CategoricalState.empty(categories, hashes=K_SLICE)
        self._states: dict[tuple[int | None, Group, int], CategoricalState] = {}

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        return len(self._states) * WINDOW_STATE_BYTES

    def add(self, values: pa.Array, rows: Rows) -> None:
        """Add a chunk's values."""
        encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        codes = np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), dtype=np.int64)
        dictionary = Dictionary.of(encoded.dictionary, self._whole.categories)
        self._count(None, 1, rows.groups, codes, dictionary)
        for key, sliced in enumerate(rows.slices):
            self._count(key, sliced.stride, sliced.segments, codes, dictionary)

    def _count(self, key: int | None, stride: int, segments: Segments, codes: Integers, dictionary: Dictionary) -> None:
        arranged = segments.arranged(codes)
        empty = self._whole if key is None else self._slice
        for position, (low, high) in enumerate(pairwise(segments.bounds.tolist())):
            part = arranged[low:high]
            seen, many, nulls = _tally(part, len(dictionary.texts))
            state = CategoricalState.of_counts(dictionary, seen, many, empty, nulls=nulls)
            group, value = (
                divmod(int(segments.codes[position]), stride) if key is not None else (int(segments.codes[position]), 0)
            )
            before = self._states.get((key, group, value))
            self._states[key, group, value] = before.merge(state) if before else state

    def gathered(self) -> Iterator[Gathered]:
        """The states so far."""
        for (key, group, value), state in self._states.items():
            yield Gathered(group, key, value, state)


def _tally(codes: Integers, size: int) -> tuple[Integers, Integers, int]:
    """The codes that occur, how often each, and the number of nulls (code -1)."""
    if size > 4 * codes.size:
        seen, many = np.unique(codes, return_counts=True)
        nulls = int(many[0]) if seen.size and seen[0] < 0 else 0
        return (seen[1:], many[1:], nulls) if nulls else (seen, many, 0)
    counts = np.bincount(codes + 1, minlength=size + 1)
    seen = np.flatnonzero(counts[1:])
    return seen, counts[1:][seen], int(counts[0])
