"""What blocks of states of columns have in common: counts of rows, sparse counts of cells, distinct and frequent values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from spark_monitor.states.columns import number_column
from spark_monitor.states.distinct_block import DistinctBlock
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.ragged import offsets_of, owners, packed, sums, taken, unpacked
from spark_monitor.states.stored import MOST_ROWS


@dataclass(frozen=True, eq=False)
class Block:
    """S states of one column; a state's cells and frequent values stand between two offsets."""

    counts: Integers
    """int64[K, S]: rows, nulls, and what else a kind of state counts."""

    cell_offsets: Integers
    cells: Integers
    """The position of a cell, beside the rows that are in it."""

    cell_counts: Integers
    distinct: DistinctBlock
    frequent_offsets: Integers
    frequent_counts: Integers
    dropped: Integers

    def __len__(self) -> int:
        return int(self.counts.shape[1])

    @property
    def count(self) -> Integers:
        """Rows, nulls included."""
        return np.asarray(self.counts[0])

    @property
    def nulls(self) -> Integers:
        """Rows that are NULL."""
        return np.asarray(self.counts[1])

    @property
    def present(self) -> Integers:
        """Rows that are not NULL."""
        return np.asarray(self.counts[0] - self.counts[1])

    @property
    def countable(self) -> Integers:
        """Values that distinct ones are counted among."""
        return self.present

    @cached_property
    def distinct_count(self) -> Integers:
        """Distinct values: exact while few, otherwise estimated; never more than there are."""
        return np.minimum(self.distinct.count, self.countable)

    @property
    def distinct_error(self) -> Floats:
        """The relative half-width (95 %) of ``distinct_count``; 0 where it is exact."""
        return self.distinct.error

    def cells_of(self, place: int, size: int) -> Integers:
        """The counts of all ``size`` cells of one state."""
        part = slice(self.cell_offsets[place], self.cell_offsets[place + 1])
        counts = np.zeros(size, dtype=np.int64)
        counts[self.cells[part]] = self.cell_counts[part]
        return counts

    def taken(self, places: Integers) -> tuple[dict[str, Any], Integers]:
        """These fields of the states at these places, and which frequent values they keep."""
        cell_offsets, cells = taken(self.cell_offsets, places)
        frequent_offsets, frequent = taken(self.frequent_offsets, places)
        fields = {
            "counts": self.counts[:, places],
            "cell_offsets": cell_offsets,
            "cells": self.cells[cells],
            "cell_counts": self.cell_counts[cells],
            "distinct": self.distinct.take(places),
            "frequent_offsets": frequent_offsets,
            "frequent_counts": self.frequent_counts[frequent],
            "dropped": self.dropped[places],
        }
        return fields, frequent

    def unlikely(self) -> npt.NDArray[np.bool_]:
        """Whether counts of a state are none of rows: negative, too great, or of a frequent value, more than there are."""
        listed = (self.frequent_counts < 1) | (self.frequent_counts > self.present[owners(self.frequent_offsets)])
        cells = (self.cell_counts < 0) | (self.cell_counts > MOST_ROWS)
        wrong = sums(listed.astype(np.int64), self.frequent_offsets) + sums(cells.astype(np.int64), self.cell_offsets)
        kept = (self.distinct.k < 1) | (np.diff(self.distinct.offsets) > self.distinct.k)
        return (wrong > 0) | (self.dropped < 0) | ((self.counts < 0) | (self.counts > MOST_ROWS)).any(axis=0) | kept

    def columns(self, counts: Sequence[str], values: tuple[str, str, pa.Array]) -> dict[str, Any]:
        """These fields as stored columns: names of ``counts``; column, field and array of the frequent ``values``."""
        name, item, array = values
        cells = [pa.array(self.cells, pa.int32()), pa.array(self.cell_counts, pa.int64())]
        frequent = pa.StructArray.from_arrays([array, pa.array(self.frequent_counts)], names=[item, "n"])
        return {
            **dict(zip(counts, self.counts, strict=True)),
            "cells": packed(self.cell_offsets, pa.StructArray.from_arrays(cells, names=["cell", "n"])),
            **self.distinct.to_columns(),
            name: packed(self.frequent_offsets, frequent),
            "frequent_dropped": self.dropped,
        }


def fields_of(states: Sequence[Any], counts: Sequence[tuple[int, ...]], cells: Iterable[Integers]) -> dict[str, Any]:
    """The fields of ``Block`` from single states, their counts and their cells."""
    dense = list(cells)
    used = [np.flatnonzero(one) for one in dense]
    frequent = [state.frequent.counts for state in states]
    return {
        "counts": np.array(counts, dtype=np.int64).T,
        "cell_offsets": offsets_of([one.size for one in used]),
        "cells": np.concatenate(used).astype(np.int64),
        "cell_counts": np.concatenate([one[places] for one, places in zip(dense, used, strict=True)]),
        "distinct": DistinctBlock.of([state.distinct for state in states]),
        "frequent_offsets": offsets_of([len(items) for items in frequent]),
        "frequent_counts": np.array([n for items in frequent for n in items.values()], dtype=np.int64),
        "dropped": np.array([state.frequent.dropped for state in states], dtype=np.int64),
    }


def stored_fields(batch: pa.RecordBatch, counts: Sequence[str], values: tuple[str, str]) -> tuple[dict[str, Any], pa.Array]:
    """The fields of ``Block`` from stored columns, and the frequent values; ``values`` names their column and field."""
    cell_offsets, cells = unpacked(batch.column("cells"))
    frequent_offsets, frequent = unpacked(batch.column(values[0]))
    fields = {
        "counts": np.array([number_column(batch, name) for name in counts], dtype=np.int64),
        "cell_offsets": cell_offsets,
        "cells": np.asarray(cells.field("cell"), dtype=np.int64),
        "cell_counts": np.asarray(cells.field("n"), dtype=np.int64),
        "distinct": DistinctBlock.from_columns(batch),
        "frequent_offsets": frequent_offsets,
        "frequent_counts": np.asarray(frequent.field("n"), dtype=np.int64),
        "dropped": number_column(batch, "frequent_dropped"),
    }
    return fields, frequent.field(values[1])
