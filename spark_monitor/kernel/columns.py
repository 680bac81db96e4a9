"""What a task gathers of one column: the states of whole windows and, per slice key, the states of its values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import numpy as np
import pyarrow as pa

from spark_monitor.kernel.blocks import KeyedRows, Part, SliceBlock, add_part
from spark_monitor.kernel.groups import Mask, Segments, Shorts, numbers_of
from spark_monitor.kernel.hashes import Keyed, add_hashes
from spark_monitor.kernel.native.library import Library
from spark_monitor.kernel.native.short import ShortWindows, are_short, short_windows
from spark_monitor.kernel.native.slices import add_rows
from spark_monitor.kernel.native.windows import state_of
from spark_monitor.states.categorical import CategoricalState
from spark_monitor.states.distinct import ALL, hash_numbers
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sketch import K
from spark_monitor.states.small import small_block

Group = int
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
    state: NumericState | CategoricalState


class Column(Protocol):
    """A column's gatherer."""

    def add(self, values: pa.Array, rows: Rows) -> None:
        """Add a chunk's values."""

    def gathered(self) -> Iterator[Gathered]:
        """The states so far, those in blocks and of short windows left out."""

    def short(self) -> Iterator[tuple[Integers, ShortWindows]]:
        """The windows of few rows: their groups, and what was counted of them."""

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
            parts = list(self._short[chunk].take(np.array([place])).parts(self.grid, self._k))
            self._windows[group] = small_block(parts, self.grid).states()[0]
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

    def short(self) -> Iterator[tuple[Integers, ShortWindows]]:
        """The windows of few rows, chunk by chunk."""
        places: list[dict[Group, int]] = [{} for _ in self._short]
        for group, (chunk, place) in self._in_short.items():
            places[chunk][group] = place
        for short, of_chunk in zip(self._short, places, strict=True):
            if of_chunk:
                groups, chosen = (np.fromiter(numbers, np.int64, len(of_chunk)) for numbers in (of_chunk, of_chunk.values()))
                yield groups, short.take(chosen)

    def blocks(self) -> Iterator[tuple[int, Group, SliceBlock]]:
        """The blocks of slice values: slice key, group, block."""
        for (key, group), block in self._blocks.items():
            yield key, group, block
