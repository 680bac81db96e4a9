"""What a task gathers of one column: the states of whole windows and, per slice key, the states of its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.blocks import KeyedRows, Part, SliceBlock, add_part
from spark_monitor.kernel.groups import Mask, Segments, Shorts, numbers_of
from spark_monitor.kernel.hashes import Keyed, add_hashes
from spark_monitor.kernel.native.library import Library
from spark_monitor.kernel.native.short import ShortWindows, are_short, short_windows
from spark_monitor.kernel.native.slices import add_rows
from spark_monitor.kernel.native.windows import state_of
from spark_monitor.states.categorical import CategoricalState, Categories, Dictionary
from spark_monitor.states.distinct import ALL, K_SLICE, hash_numbers
from spark_monitor.states.frequent import CAPACITY
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K
from spark_monitor.states.small import Parts, small_block

Group = int
TEXT_STATE_BYTES = 48 << 10
SMALL_PARTS_BYTES = 24 << 10
"""What a window's state takes beside its cells and its sketch: distinct hashes, frequent values, the objects themselves."""

SKETCH_BYTES_PER_K = 28
"""A sketch of many values holds about 3 k doubles, and a list of these in Python's own terms a little more."""


@dataclass(frozen=True)
class RowSlices:
    """The rows of a chunk by one slice key: segments whose codes are group * stride + value, and every row's value.

    The ``values`` are in the order of the chunk's groups; ``rows`` counts, for each group, the rows of every value.
    """

    segments: Segments
    stride: int
    values: Integers
    rows: Sequence[Integers]

    @cached_property
    def short(self) -> Shorts:
        """The values in four bytes each, made once for all columns."""
        return self.values.astype(np.uint32)


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
    state: NumericState | CategoricalState | Parts
    """Of a window of few rows the bytes of a small state, if no state of its own was made."""


class Column(Protocol):
    """A column's gatherer."""

    def add(self, values: pa.Array, rows: Rows) -> None:
        """Add a chunk's values."""

    def gathered(self) -> Iterator[Gathered]:
        """The states so far, those in blocks left out."""

    def blocks(self) -> Iterator[tuple[int, Group, SliceBlock]]:
        """The blocks of slice values: slice key, group, block."""

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""


class NumericColumn:
    """Gathers a numeric column: each window's values are sorted once; slices are counted by the cell of every value."""

    def __init__(self, grid: Grid, *, k: int = K, library: Library | None = None) -> None:
        """With a ``library`` the compiled kernel does the work, else numpy."""
        self.grid, self._k, self._library = grid, k, library
        self._windows: dict[Group, NumericState] = {}
        self._blocks: dict[tuple[int, Group], SliceBlock] = {}
        self._short: list[ShortWindows] = []
        self._in_short: dict[Group, tuple[int, int]] = {}
        """Groups of which only few rows have come, all in one chunk: the chunk's place, and theirs in it."""

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        each = 8 * self.grid.cells + SKETCH_BYTES_PER_K * self._k + SMALL_PARTS_BYTES
        held = sum(block.nbytes for block in self._blocks.values()) + sum(short.nbytes for short in self._short)
        return len(self._windows) * each + held

    def add(self, values: pa.Array, rows: Rows) -> None:
        """Add a chunk's values."""
        numbers, nulls = numbers_of(values)
        numbers, nulls = rows.groups.arranged(numbers), None if nulls is None else rows.groups.arranged(nulls)
        plain = nulls is None
        short = self._add_short(self._library, numbers, nulls, rows) if self._library is not None and not rows.slices else None
        for position, (low, high) in enumerate(pairwise(rows.groups.bounds.tolist())):
            if short is not None and short[position]:
                continue
            of_window = numbers[low:high]
            absent = nulls[low:high] if nulls is not None else None
            state = self._add_window(int(rows.groups.codes[position]), of_window, absent)
            plain &= state.finite == state.count
        if rows.slices and self._library is not None:
            self._add_compiled(self._library, numbers, nulls, rows)
        elif rows.slices:
            self._add_slices(numbers, nulls, rows, plain=plain)

    def _add_short(self, library: Library, numbers: Floats, nulls: Mask | None, rows: Rows) -> Mask:
        """Take in the groups of few rows that come for the first time; returns which these are."""
        groups = rows.groups
        chosen = are_short(groups, self._k)
        for position in np.flatnonzero(chosen).tolist():
            group = int(groups.codes[position])
            chosen[position] = group not in self._windows and group not in self._in_short
        if chosen.any():
            for place, group in enumerate(groups.codes[chosen].tolist()):
                self._in_short[group] = (len(self._short), place)
            self._short.append(short_windows(library, numbers, nulls, groups, chosen))
        return chosen

    def _before(self, group: Group) -> NumericState | None:
        """What has come of a group."""
        if group in self._in_short:
            chunk, place = self._in_short.pop(group)
            self._windows[group] = small_block(list(self._short[chunk].parts([place], self.grid, self._k)), self.grid).states()[0]
        return self._windows.get(group)

    def _add_window(self, group: Group, numbers: Floats, absent: Mask | None) -> NumericState:
        before = self._before(group)
        theta = before.distinct.theta if before else ALL
        if self._library is not None:
            state = state_of(self._library, numbers, absent, self.grid, k=self._k, theta=theta)
        else:
            missing = int(np.count_nonzero(absent)) if absent is not None else 0
            ordered = np.sort(numbers[~absent] if absent is not None and missing else numbers)
            state = NumericState.of_sorted(ordered, self.grid, nulls=missing, k=self._k, theta=theta)
        self._windows[group] = before.merge(state) if before else state
        return state

    def _add_compiled(self, library: Library, numbers: Floats, nulls: Mask | None, rows: Rows) -> None:
        """What ``_add_slices`` does, by the compiled kernel."""
        for position, (low, high) in enumerate(pairwise(rows.groups.bounds.tolist())):
            group, absent = int(rows.groups.codes[position]), None if nulls is None else nulls[low:high]
            window = self._windows[group]
            inner = 1 - int(window.cells[1::2].sum() + window.count - window.finite) / window.count
            guess = window.mean if np.isfinite(window.mean) else 0.0
            keys = self._keyed(position, group, low, high, rows)
            add_rows(
                library, self.grid, numbers[low:high], absent, keys, guess=guess, distinct=window.distinct, inner=max(inner, 0.0)
            )

    def _add_slices(self, numbers: Floats, nulls: Mask | None, rows: Rows, *, plain: bool) -> None:
        """Hand the rows of each group to the block of each slice key; what the keys share is worked out once."""
        finite = None
        if not plain:
            finite = np.isfinite(numbers)
            if nulls is not None:
                finite &= ~nulls
        cells = self.grid.codes(numbers if finite is None else np.where(finite, numbers, 0.0))
        hashes = hash_numbers(numbers)
        for position, (low, high) in enumerate(pairwise(rows.groups.bounds.tolist())):
            group, absent = int(rows.groups.codes[position]), None if nulls is None else nulls[low:high]
            mean = self._windows[group].mean
            part = Part.of(
                numbers[low:high],
                absent,
                cells[low:high],
                None if finite is None else finite[low:high],
                hashes[low:high],
                guess=mean if np.isfinite(mean) else 0.0,
            )
            keys = self._keyed(position, group, low, high, rows)
            add_part(part, keys)
            self._add_hashes(group, part, keys)

    def _keyed(self, position: int, group: Group, low: int, high: int, rows: Rows) -> list[KeyedRows]:
        """A group's rows by every slice key."""
        return [
            KeyedRows(self._block(key, group), sliced.values[low:high], sliced.rows[position], sliced.short[low:high])
            for key, sliced in enumerate(rows.slices)
        ]

    def _block(self, key: int, group: Group) -> SliceBlock:
        if (key, group) not in self._blocks:
            self._blocks[key, group] = SliceBlock(self.grid)
        return self._blocks[key, group]

    def _add_hashes(self, group: Group, part: Part, keys: Sequence[KeyedRows]) -> None:
        """The hashes of the rows whose value is finite and no edge of the grid, for every slice key."""
        if not part.hashes.size:
            return
        distinct = self._windows[group].distinct
        if not distinct.is_exact:
            add_hashes([Keyed(key.block.hashes, key.codes, key.rows) for key in keys], part.hashes, part.inner)
            return
        # Few different values in the whole window: name each row's by its place among them, once for all slice keys.
        places = np.searchsorted(distinct.hashes, part.hashes)
        for key in keys:
            chosen = key.codes if part.inner is None else key.codes.take(part.inner)
            key.block.hashes.add_positions(chosen, places, distinct.hashes)

    def gathered(self) -> Iterator[Gathered]:
        """The states so far."""
        for group, state in self._windows.items():
            yield Gathered(group, None, 0, state)
        places: list[dict[Group, int]] = [{} for _ in self._short]
        for group, (chunk, place) in self._in_short.items():
            places[chunk][group] = place
        for short, of_chunk in zip(self._short, places, strict=True):
            for group, parts in zip(of_chunk, short.parts(list(of_chunk.values()), self.grid, self._k), strict=True):
                yield Gathered(group, None, 0, parts)

    def blocks(self) -> Iterator[tuple[int, Group, SliceBlock]]:
        """The blocks of slice values: slice key, group, block."""
        for (key, group), block in self._blocks.items():
            yield key, group, block


class CategoricalColumn:
    """Gathers a column of strings or bytes: encoded by dictionary once a chunk, then only codes are counted."""

    def __init__(self, categories: Categories, *, capacity: int = CAPACITY) -> None:
        self._whole = CategoricalState.empty(categories, capacity=capacity)
        self._slice = CategoricalState.empty(categories, hashes=K_SLICE)
        self._states: dict[tuple[int | None, Group, int], CategoricalState] = {}

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        return len(self._states) * TEXT_STATE_BYTES

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

    def blocks(self) -> Iterator[tuple[int, Group, SliceBlock]]:
        """None: strings are counted value by value."""
        return iter(())


def _tally(codes: Integers, size: int) -> tuple[Integers, Integers, int]:
    """The codes that occur, how often each, and the number of nulls (code -1)."""
    if size > 4 * codes.size:
        seen, many = np.unique(codes, return_counts=True)
        nulls = int(many[0]) if seen.size and seen[0] < 0 else 0
        return (seen[1:], many[1:], nulls) if nulls else (seen, many, 0)
    counts = np.bincount(codes + 1, minlength=size + 1)
    seen = np.flatnonzero(counts[1:])
    return seen, counts[1:][seen], int(counts[0])
