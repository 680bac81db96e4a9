"""Many states of one column of strings at once: every attribute is an array with one entry a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.states.block import Block, fields_of, stored_fields
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.columns import number_column, state_arrays
from spark_monitor.states.frequent import MOST_ITEMS, Frequent
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.ragged import owners, sums

_COUNTS = ("count", "num_nulls", "num_empty", "min_length", "max_length", "total_length")


@dataclass(frozen=True, eq=False)
class CategoricalBlock(Block):
    """S states of the same categories.

    >>> states = [CategoricalState.empty(Categories(("a",))).update(pa.array(texts)) for texts in (["a", None], ["b", "b"])]
    >>> block = CategoricalBlock.of(states)
    >>> block.count.tolist(), block.nulls.tolist(), block.other.tolist(), block.distinct_count.tolist()
    ([2, 2], [1, 0], [0, 2], [1, 1])
    """

    categories: Categories
    """Which all states count; their ``counts`` are rows, nulls, empty strings, shortest, longest and total length."""

    frequent_texts: pa.Array
    capacity: Integers
    source: tuple[CategoricalBlock, Integers] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, states: Sequence[CategoricalState]) -> CategoricalBlock:
        """The block of states of the same categories."""
        categories = states[0].categories
        if any(s.categories is not categories and s.categories.categories_id != categories.categories_id for s in states):
            raise StateError("categorical block: its states count different categories.")
        counts = [(s.count, s.nulls, s.empties, s.min_length, s.max_length, s.total_length) for s in states]
        return cls(
            **fields_of(states, counts, (state.counts for state in states)),
            categories=categories,
            frequent_texts=pa.array([text for state in states for text in state.frequent.counts], pa.string()),
            capacity=np.array([state.frequent.capacity for state in states], dtype=np.int64),
        )

    @classmethod
    def from_columns(cls, batch: pa.RecordBatch, categories: Categories) -> CategoricalBlock:
        """The block of stored states, all of these categories."""
        fields, strings = stored_fields(batch, _COUNTS, ("frequent_texts", "item"))
        capacity = number_column(batch, "frequent_capacity").astype(np.int64)
        return cls(**fields, categories=categories, frequent_texts=strings, capacity=capacity)

    def to_columns(self) -> list[pa.Array]:
        """The columns of ``STATE_SCHEMA``."""
        given: dict[str, Any] = {
            **self.columns(_COUNTS, ("frequent_texts", "item", self.frequent_texts)),
            "frequent_capacity": pa.array(self.capacity, pa.int32()),
        }
        return state_arrays(given, len(self))

    def take(self, index: npt.ArrayLike) -> CategoricalBlock:
        """The states at these places, in this order."""
        places = np.asarray(index, dtype=np.int64)
        fields, frequent = self.taken(places)
        return CategoricalBlock(
            **fields,
            categories=self.categories,
            frequent_texts=self.frequent_texts.take(pa.array(frequent)),
            capacity=self.capacity[places],
            source=(self, places),
        )

    def states(self) -> list[CategoricalState]:
        """The states one by one."""
        return [self._state(place) for place in range(len(self))]

    def _state(self, place: int) -> CategoricalState:
        counts = self.cells_of(place, len(self.categories.texts))
        first, last = self.frequent_offsets[place : place + 2].tolist()
        strings = self.frequent_texts.slice(first, last - first).to_pylist()
        items = dict(zip(strings, self.frequent_counts[first:last].tolist(), strict=True))
        frequent = Frequent[str](items, int(self.dropped[place]), int(self.capacity[place]))
        count, nulls, empties, shortest, longest, total = self.counts[:, place].tolist()
        distinct = self.distinct.at(place)
        return CategoricalState(self.categories, count, nulls, empties, shortest, longest, total, counts, distinct, frequent)

    def damage(self) -> list[str | None]:
        """What is wrong with each state, None where it can be."""
        outside = (self.cells < 0) | (self.cells >= len(self.categories.texts))
        wrong = sums(outside.astype(np.int64), self.cell_offsets) > 0
        shortest, longest, total = self.counts[3:]
        lengths = (shortest * self.present <= total) & (total <= longest * self.present)
        kept = (self.capacity >= 1) & (self.capacity <= MOST_ITEMS)
        sane = ~self.unlikely() & kept & (self.other >= 0) & (self.empty <= self.present) & lengths & ~wrong
        return [None if fine else "categorical state: damaged, its counts do not fit each other." for fine in sane.tolist()]

    @property
    def kind(self) -> str:
        """categorical."""
        return "categorical"

    @property
    def empty(self) -> Integers:
        """Rows that are the empty text."""
        return np.asarray(self.counts[2])

    @cached_property
    def other(self) -> Integers:
        """Values that are none of the baseline's categories."""
        return np.asarray(self.present - sums(self.cell_counts, self.cell_offsets))

    @property
    def min_length(self) -> Floats:
        """Shortest text, nan without one."""
        return np.where(self.present > 0, self.counts[3].astype(np.float64), np.nan)

    @property
    def max_length(self) -> Floats:
        """Longest text, nan without one."""
        return np.where(self.present > 0, self.counts[4].astype(np.float64), np.nan)

    @property
    def avg_length(self) -> Floats:
        """Mean length, nan without a string."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.present > 0, self.counts[5] / self.present, np.nan)

    @cached_property
    def dense(self) -> Integers:
        """Counts of the categories, then of other strings, then of NULL, int64[S, C+2]."""
        counts = np.zeros((len(self), len(self.categories.texts) + 2), dtype=np.int64)
        counts[owners(self.cell_offsets), self.cells] = self.cell_counts
        counts[:, -2], counts[:, -1] = self.other, self.nulls
        return counts
