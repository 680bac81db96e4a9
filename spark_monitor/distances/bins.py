"""The few bins on which PSI and its relatives are computed, made from the baseline's cells and from nothing else.

The rule, which is part of those metrics:

1. A cell (an edge or an open interval) that alone holds at least 1/20 of the baseline's finite values is a bin.
2. The baseline's other values, in order, are cut at whole cells into as many parts of equal mass as are left of 20; a part does
   not include a cell of (1) that lies within it.
3. Cells before the first and after the last that the baseline uses are the bins "below range" and "above range"; -Inf and +Inf
   belong to them.
4. NaN and NULL are bins of their own.

Bins that are empty on both sides count nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.distances.sides import CategoricalSide, Counts, Integers, NumericSide

DRIFT_BINS = 20


@dataclass(frozen=True, eq=False)
class Bins:
    """The bin of every cell, int64[2B+1]: 0 below range, 1 to ``inner`` in range, ``inner`` + 1 above range."""

    of_cell: Integers
    inner: int

    @property
    def size(self) -> int:
        """The number of bins, those of NaN and NULL included."""
        return self.inner + 4

    def counts(self, side: NumericSide) -> Counts:
        """Counts per bin, int64[size]: below range, in range, above range, NaN, NULL."""
        counts = np.empty(self.size, dtype=np.int64)
        counts[:-2] = np.bincount(self.of_cell, weights=side.cells, minlength=self.inner + 2)
        counts[0] += side.negative_infinities
        counts[-3] += side.positive_infinities
        counts[-2], counts[-1] = side.nans, side.nulls
        return counts


def bins_of(cells: Integers) -> Bins:
    """The bins that the baseline's ``cells``, int64[2B+1], define.

    Each of the equal parts differs from its share of the mass by less than one cell at either end.

    >>> bins = bins_of(np.array([0, 70, 5, 0, 25, 0]))  # an atom of 70 %, 5 % and 25 % in open intervals
    >>> bins.of_cell.tolist(), bins.inner
    ([0, 18, 19, 1, 20, 21], 20)
    """
    used = np.flatnonzero(cells)
    if not used.size:
        return Bins(np.ones(cells.size, dtype=np.int64), 1)
    first, last = int(used[0]), int(used[-1])
    heavy = cells * DRIFT_BINS >= cells.sum()
    light = np.where(heavy, 0, cells)
    through = np.cumsum(light)
    parts = max(DRIFT_BINS - int(np.count_nonzero(heavy)), 1)
    # A cell belongs to the part in which the middle of its mass lies; whole numbers, so that no rounding can move it.
    part = parts * (2 * through - light) // (2 * max(int(through[-1]), 1))
    codes = np.where(heavy, parts + np.cumsum(heavy), 1 + np.minimum(part, parts - 1))
    inner = parts + int(np.count_nonzero(heavy))
    codes[:first], codes[last + 1 :] = 0, inner + 1
    return Bins(codes, inner)


def category_counts(side: CategoricalSide) -> Counts:
    """Counts of the categories, then of other texts, then of NULL, int64[C+2]."""
    return np.append(np.asarray(side.counts, dtype=np.int64), [side.other, side.nulls])


def seen_on_either(baseline: Counts, current: Counts) -> tuple[Counts, Counts]:
    """Both counts without the bins that are empty on both sides.

    >>> [counts.tolist() for counts in seen_on_either(np.array([1, 0, 2]), np.array([3, 0, 0]))]
    [[1, 2], [3, 0]]
    """
    seen = (baseline + current) > 0
    return baseline[seen], current[seen]
