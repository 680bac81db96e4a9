"""What a task gathers of one column of strings or bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.kernel.blocks import SliceBlock
from spark_monitor.kernel.columns import Gathered, Group, Rows
from spark_monitor.kernel.groups import Segments
from spark_monitor.kernel.native.short import ShortWindows
from spark_monitor.states.categorical import CategoricalState, Categories, Dictionary
from spark_monitor.states.distinct import K_SLICE
from spark_monitor.states.frequent import CAPACITY
from spark_monitor.states.grid import Integers

TEXT_STATE_BYTES = 48 << 10


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

    def short(self) -> Iterator[tuple[Integers, ShortWindows]]:
        """None: strings have no values of which all are kept."""
        return iter(())

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
