"""Many states of one column of texts at once: every attribute is an array with one entry a state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.columns import number_column, state_arrays
from spark_monitor.states.distinct_block import DistinctBlock
from spark_monitor.states.frequent import Frequent
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.ragged import offsets_of, owners, packed, sums, taken, unpacked

_COUNTS = ("count", "num_nulls", "num_empty", "min_length", "max_length", "total_length")


@dataclass(frozen=True, eq=False)
class CategoricalBlock:
    """S states of the same categories.

    >>> states = [CategoricalState.empty(Categories(("a",))).update(pa.array(texts)) for texts in (["a", None], ["b", "b"])]
    >>> block = CategoricalBlock.of(states)
    >>> block.count.tolist(), block.nulls.tolist(), block.other.tolist(), block.distinct_count.tolist()
    ([2, 2], [1, 0], [0, 2], [1, 1])
    """

    categories: Categories
    counts: Integers
    """int64[6, S]: rows, nulls, empty texts, shortest, longest and total length."""

    cell_offsets: Integers
    cells: Integers
    """The position of a category, beside the rows that hold it."""

    cell_counts: Integers
    distinct: DistinctBlock
    frequent_offsets: Integers
    frequent_texts: pa.Array
    frequent_counts: Integers
    dropped: Integers
    capacity: Integers
    source: tuple[CategoricalBlock, Integers] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, states: Sequence[CategoricalState]) -> CategoricalBlock:
        """The block of states of the same categories."""
        categories = states[0].categories
        if any(s.categories is not categories and s.categories.categories_id != categories.categories_id for s in states):
            raise StateError("categorical block: its states count different categories.")
        used = [np.flatnonzero(state.counts) for state in states]
        counts = [(s.count, s.nulls, s.empties, s.min_length, s.max_length, s.total_length) for s in states]
        frequent = [state.frequent.counts for state in states]
        return cls(
            categories=categories,
            counts=np.array(counts, dtype=np.int64).T,
            cell_offsets=offsets_of([cells.size for cells in used]),
            cells=np.concatenate(used).astype(np.int64),
            cell_counts=np.concatenate([state.counts[cells] for state, cells in zip(states, used, strict=True)]),
            distinct=DistinctBlock.of([state.distinct for state in states]),
            frequent_offsets=offsets_of([len(items) for items in frequent]),
            frequent_texts=pa.array([text for items in frequent for text in items], pa.string()),
            frequent_counts=np.array([n for items in frequent for n in items.values()], dtype=np.int64),
            dropped=np.array([state.frequent.dropped for state in states], dtype=np.int64),
            capacity=np.array([state.frequent.capacity for state in states], dtype=np.int64),
        )

    @classmethod
    def from_columns(cls, batch: pa.RecordBatch, categories: Categories) -> CategoricalBlock:
        """The block of stored states, all of these categories."""
        cell_offsets, cells = unpacked(batch.column("cells"))
        frequent_offsets, frequent = unpacked(batch.column("frequent_texts"))
        return cls(
            categories=categories,
            counts=np.array([number_column(batch, name) for name in _COUNTS], dtype=np.int64),
            cell_offsets=cell_offsets,
            cells=np.asarray(cells.field("cell"), dtype=np.int64),
            cell_counts=np.asarray(cells.field("n"), dtype=np.int64),
            distinct=DistinctBlock.from_columns(batch),
            frequent_offsets=frequent_offsets,
            frequent_texts=frequent.field("item"),
            frequent_counts=np.asarray(frequent.field("n"), dtype=np.int64),
            dropped=number_column(batch, "frequent_dropped"),
            capacity=number_column(batch, "frequent_capacity").astype(np.int64),
        )

    def to_columns(self) -> list[pa.Array]:
        """The columns of ``STATE_SCHEMA``."""
        cells = pa.StructArray.from_arrays(
            [pa.array(self.cells, pa.int32()), pa.array(self.cell_counts, pa.int64())], names=["cell", "n"]
        )
        frequent = pa.StructArray.from_arrays([self.frequent_texts, pa.array(self.frequent_counts)], names=["item", "n"])
        given: dict[str, Any] = {
            **dict(zip(_COUNTS, self.counts, strict=True)),
            "cells": packed(self.cell_offsets, cells),
            **self.distinct.to_columns(),
            "frequent_texts": packed(self.frequent_offsets, frequent),
            "frequent_dropped": self.dropped,
            "frequent_capacity": pa.array(self.capacity, pa.int32()),
        }
        return state_arrays(given, len(self))

    def take(self, index: npt.ArrayLike) -> CategoricalBlock:
        """The states at these places, in this order."""
        places = np.asarray(index, dtype=np.int64)
        cell_offsets, cells = taken(self.cell_offsets, places)
        frequent_offsets, frequent = taken(self.frequent_offsets, places)
        return CategoricalBlock(
            categories=self.categories,
            counts=self.counts[:, places],
            cell_offsets=cell_offsets,
            cells=self.cells[cells],
            cell_counts=self.cell_counts[cells],
            distinct=self.distinct.take(places),
            frequent_offsets=frequent_offsets,
            frequent_texts=self.frequent_texts.take(pa.array(frequent)),
            frequent_counts=self.frequent_counts[frequent],
            dropped=self.dropped[places],
            capacity=self.capacity[places],
            source=(self, places),
        )

    def states(self) -> list[CategoricalState]:
        """The states one by one."""
        return [self._state(place) for place in range(len(self))]

    def _state(self, place: int) -> CategoricalState:
        own = slice(self.cell_offsets[place], self.cell_offsets[place + 1])
        counts = np.zeros(len(self.categories.texts), dtype=np.int64)
        counts[self.cells[own]] = self.cell_counts[own]
        first, last = self.frequent_offsets[place : place + 2].tolist()
        texts = self.frequent_texts.slice(first, last - first).to_pylist()
        items = dict(zip(texts, self.frequent_counts[first:last].tolist(), strict=True))
        frequent = Frequent[str](items, int(self.dropped[place]), int(self.capacity[place]))
        count, nulls, empties, shortest, longest, total = self.counts[:, place].tolist()
        distinct = self.distinct.at(place)
        return CategoricalState(self.categories, count, nulls, empties, shortest, longest, total, counts, distinct, frequent)

    def damage(self) -> list[str | None]:
        """What is wrong with each state, None where it can be."""
        outside = (self.cells < 0) | (self.cells >= len(self.categories.texts)) | (self.cell_counts < 0)
        wrong = sums(outside.astype(np.int64), self.cell_offsets) > 0
        shortest, longest, total = self.counts[3:]
        lengths = (shortest * self.present <= total) & (total <= longest * self.present)
        sane = (self.counts >= 0).all(axis=0) & (self.other >= 0) & (self.empty <= self.present) & lengths & ~wrong
        return [None if fine else "categorical state: damaged, its counts do not fit each other." for fine in sane.tolist()]

    def __len__(self) -> int:
        return int(self.counts.shape[1])

    @property
    def kind(self) -> str:
        """categorical."""
        return "categorical"

    @property
    def count(self) -> Integers:
        """Rows, nulls included."""
        return np.asarray(self.counts[0])

    @property
    def nulls(self) -> Integers:
        """Rows that are NULL."""
        return np.asarray(self.counts[1])

    @property
    def empty(self) -> Integers:
        """Rows that are the empty text."""
        return np.asarray(self.counts[2])

    @property
    def present(self) -> Integers:
        """Rows that are not NULL."""
        return np.asarray(self.counts[0] - self.counts[1])

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
        """Mean length, nan without a text."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.present > 0, self.counts[5] / self.present, np.nan)

    @cached_property
    def distinct_count(self) -> Integers:
        """Distinct texts: exact while few, otherwise estimated; never more than there are."""
        return np.minimum(self.distinct.count, self.present)

    @property
    def distinct_error(self) -> Floats:
        """The relative half-width (95 %) of ``distinct_count``; 0 where it is exact."""
        return self.distinct.error

    @cached_property
    def dense(self) -> Integers:
        """Counts of the categories, then of other texts, then of NULL, int64[S, C+2]."""
        found = np.zeros((len(self), len(self.categories.texts) + 2), dtype=np.int64)
        found[owners(self.cell_offsets), self.cells] = self.cell_counts
        found[:, -2], found[:, -1] = self.other, self.nulls
        return found
