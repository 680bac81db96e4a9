"""States of a block merged in groups, all groups at once: what distances read of them, as references of several windows need it.

A group is one or several stretches of neighbouring states, so that sums over it are differences of running sums. The merged
states list no frequent values, which no distance reads: ``dropped`` says that any value may occur in all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.distinct import ALL, Distinct
from spark_monitor.states.distinct_block import DistinctBlock
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.late_sketch import LateSketch
from spark_monitor.states.moments import merged_moments
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.ragged import offsets_of

_NOTHING, _MEAN, _LOW, _M2 = -1, 2, 3, 4
_LENGTHS = slice(3, 5)
AnyBlock = NumericBlock | CategoricalBlock


@dataclass(frozen=True, eq=False)
class Groups:
    """G groups of states: group g's stretches are those from ``offsets[g]`` to ``offsets[g + 1]``, each the states
    ``first`` <= place < ``end``. No group and no stretch is empty.

    >>> groups = Groups(np.array([0, 1, 3]), np.array([0, 0, 4]), np.array([2, 1, 6]))
    >>> groups.sizes.tolist(), groups.members.tolist(), groups.matrix.tolist()
    ([2, 3], [0, 1, 0, 4, 5], [[0, 1, -1], [0, 4, 5]])
    """

    offsets: Integers
    first: Integers
    end: Integers

    def __len__(self) -> int:
        return self.offsets.size - 1

    @property
    def sizes(self) -> Integers:
        """How many states each group has."""
        return np.asarray(np.add.reduceat(self.end - self.first, self.offsets[:-1]))

    @property
    def members(self) -> Integers:
        """The places of all groups' states, group by group."""
        lengths = self.end - self.first
        return np.repeat(self.first - offsets_of(lengths)[:-1], lengths) + np.arange(int(lengths.sum()))

    @property
    def matrix(self) -> Integers:
        """The same as int64[G, most], -1 where a group has fewer."""
        sizes = self.sizes
        places = np.full((len(self), int(sizes.max(initial=0))), _NOTHING)
        places[np.arange(places.shape[1]) < sizes[:, None]] = self.members
        return places

    def sums(self, rows: Integers) -> Integers:
        """Sums over each group of int64[S, N], whole numbers, so that differences of running sums are exact."""
        through = np.zeros((rows.shape[0] + 1, rows.shape[1]), dtype=np.int64)
        np.cumsum(rows, axis=0, out=through[1:])
        return np.asarray(np.add.reduceat(through[self.end] - through[self.first], self.offsets[:-1], axis=0))


def reduced(block: AnyBlock, groups: Groups) -> AnyBlock:
    """The block of the merged groups.

    >>> from spark_monitor.states.numeric import profile_column
    >>> block = NumericBlock.of([profile_column([1.0]), profile_column([2.0, 6.0]), profile_column([10.0])])
    >>> both = reduced(block, Groups(np.array([0, 1, 2]), np.array([0, 1]), np.array([2, 3])))
    >>> both.count.tolist(), both.mean.tolist(), both.max.tolist(), both.distinct_count.tolist()
    ([3, 3], [3.0, 6.0], [6.0, 10.0], [3, 3])
    """
    if groups.members.size == len(groups):
        return block.take(groups.members)
    sums = groups.sums(block.counts.T).T
    if isinstance(block, NumericBlock):
        cells = _cells(groups.sums(block.dense))
        return NumericBlock(
            **_fields(block, groups, sums, cells),
            grid=block.grid,
            moments=_moments(block, groups),
            frequent_values=np.empty(0),
            sketches=_sketches(block, groups),
            exact_to=block.exact_to,
        )
    cells = _cells(groups.sums(block.dense[:, :-2]))
    return CategoricalBlock(
        **_fields(block, groups, _with_lengths(block, groups, sums), cells),
        categories=block.categories,
        frequent_texts=pa.array([], pa.string()),
        capacity=np.minimum.reduceat(block.capacity[groups.members], offsets_of(groups.sizes)[:-1]),
    )


def _cells(dense: Integers) -> tuple[Integers, Integers, Integers]:
    """Offsets, cells and counts of those cells that hold something."""
    rows, cells = np.nonzero(dense)
    return np.searchsorted(rows, np.arange(dense.shape[0] + 1)), cells, dense[rows, cells]


def _fields(block: AnyBlock, groups: Groups, sums: Integers, cells: tuple[Integers, Integers, Integers]) -> dict[str, Any]:
    offsets, places, counts = cells
    return {
        "counts": sums,
        "cell_offsets": offsets,
        "cells": places,
        "cell_counts": counts,
        "distinct": _distinct(block.distinct, groups),
        "frequent_offsets": np.zeros(len(groups) + 1, dtype=np.int64),
        "frequent_counts": np.empty(0, dtype=np.int64),
        "dropped": sums[0],
    }


def _distinct(block: DistinctBlock, groups: Groups) -> DistinctBlock:
    """The k smallest hashes below every threshold; a stretch's hashes stand side by side."""
    offsets = block.offsets
    states = []
    for low, high in zip(groups.offsets[:-1].tolist(), groups.offsets[1:].tolist(), strict=True):
        stretches = [slice(a, b) for a, b in zip(groups.first[low:high].tolist(), groups.end[low:high].tolist(), strict=True)]
        hashes = np.concatenate([block.hashes[offsets[one.start] : offsets[one.stop]] for one in stretches])
        thetas = np.concatenate([block.theta[one] for one in stretches])
        k = min(int(block.k[one].min()) for one in stretches)
        states.append(Distinct.of(hashes, k, theta=int(thetas[thetas > 0].min()) if thetas.any() else ALL))
    return DistinctBlock.of(states)


def _moments(block: NumericBlock, groups: Groups) -> Floats:
    """Extremes and moments, one member of every group after the other, as ``NumericState.merge`` does it."""
    matrix = groups.matrix
    finite = block.finite
    moments = block.moments[:, matrix[:, 0]].copy()
    n = finite[matrix[:, 0]].copy()
    for places in matrix.T[1:]:
        rows = np.flatnonzero(places != _NOTHING)
        others = block.moments[:, places[rows]]
        many = finite[places[rows]]
        moments[0, rows] = np.fmin(moments[0, rows], others[0])
        moments[1, rows] = np.fmax(moments[1, rows], others[1])
        kept = moments[_MEAN : _M2 + 1, rows]
        moments[_MEAN : _M2 + 1, rows] = merged_moments((n[rows], *kept), (many, *others[_MEAN : _M2 + 1]))
        n[rows] += many
    return moments


def _sketches(block: NumericBlock, groups: Groups) -> list[LateSketch | None]:
    """Sketches to be merged when asked for; none where a member has none."""
    finite, members = block.finite, groups.members
    sketches: list[LateSketch | None] = []
    for low, high in zip(*(bounds.tolist() for bounds in _bounds(groups)), strict=True):
        parts = [block.stored_sketch(place) for place in members[low:high].tolist()]
        known = [part for part in parts if part is not None]
        sketches.append(LateSketch(known, int(finite[members[low:high]].sum())) if len(known) == len(parts) else None)
    return sketches


def _bounds(groups: Groups) -> tuple[Integers, Integers]:
    offsets = offsets_of(groups.sizes)
    return offsets[:-1], offsets[1:]


def _with_lengths(block: CategoricalBlock, groups: Groups, sums: Integers) -> Integers:
    """The sums with the shortest and the longest text in the place of these two's: of members that have a text."""
    members, starts = groups.members, offsets_of(groups.sizes)[:-1]
    some = block.present[members] > 0
    shortest, longest = block.counts[_LENGTHS, members]
    most = np.iinfo(np.int64).max
    least = np.minimum.reduceat(np.where(some, shortest, most), starts)
    greatest = np.maximum.reduceat(np.where(some, longest, 0), starts)
    return np.stack([*sums[:3], np.where(least == most, 0, least), greatest, sums[5]])
