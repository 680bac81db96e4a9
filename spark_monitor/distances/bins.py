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

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.interval import Floats, Integers
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.ragged import owners

Counts = npt.NDArray[np.int64]
Block = NumericBlock | CategoricalBlock
DRIFT_BINS = 20
_REMEMBERED = 2
_EXACT_QUOTIENTS = 1 << 51


def bins_of(cells: Counts) -> tuple[Integers, Integers]:
    """The bins that the ``cells`` of S baselines, int64[S, 2B+1], define: the bin of every cell, and the number of inner bins.

    Bins are 0 below range, 1 to ``inner`` in range, ``inner`` + 1 above range. Each of the equal parts differs from its fraction
    of the mass by less than one cell at either end.

    >>> codes, inner = bins_of(np.array([[0, 70, 5, 0, 25, 0]]))  # an atom of 70 %, 5 % and 25 % in open intervals
    >>> codes.tolist(), inner.tolist()
    ([[0, 18, 19, 1, 20, 21]], [20])
    """
    used = cells > 0
    some = np.asarray(used.any(axis=1))
    width = cells.shape[1]
    first, last = used.argmax(axis=1)[:, None], width - 1 - used[:, ::-1].argmax(axis=1)[:, None]
    heavy = (cells * DRIFT_BINS >= cells.sum(axis=1, keepdims=True)) & some[:, None]
    light = np.where(heavy, 0, cells)
    through = np.cumsum(light, axis=1)
    atoms = np.count_nonzero(heavy, axis=1)[:, None]
    parts = np.maximum(DRIFT_BINS - atoms, 1)
    # A cell belongs to the part in which the middle of its mass lies; integers, so that no rounding can move it.
    part = _quotient(parts * (2 * through - light), 2 * np.maximum(through[:, -1:], 1))
    codes = np.where(heavy, parts + np.cumsum(heavy, axis=1), 1 + np.minimum(part, parts - 1))
    inner = np.where(some[:, None], parts + atoms, 1)
    places = np.arange(width)
    codes = np.where(places < first, 0, np.where(places > last, inner + 1, codes))
    return np.where(some[:, None], codes, 1), inner[:, 0]


def _quotient(dividend: Integers, divisor: Integers) -> Integers:
    """``dividend // divisor`` of integers that are not negative. Up to 2^51 the quotient of doubles never rounds up to the next
    integer, from which it is at least 1 / ``divisor`` away; dividing doubles is several times as fast."""
    if dividend.max(initial=0) < _EXACT_QUOTIENTS:
        return (dividend / divisor).astype(np.int64)
    return dividend // divisor


def has_bins(baseline: Block, current: Block) -> npt.NDArray[np.bool_]:
    """Of which pairs the baseline's bins can be filled from the current states: those of one grid that was made from data."""
    if isinstance(baseline, NumericBlock) and isinstance(current, NumericBlock):
        same = same_grid(baseline, current)
        return np.asarray((baseline.finite == 0) | has_edges(baseline)) & same
    if isinstance(baseline, CategoricalBlock) and isinstance(current, CategoricalBlock):
        same = baseline.categories.categories_id == current.categories.categories_id
        return np.asarray((baseline.count == baseline.nulls) | bool(baseline.categories.texts)) & same
    return np.zeros(len(baseline), dtype=np.bool_)


def has_edges(block: NumericBlock) -> bool:
    """Whether the grid is one that was made from data: a column without a baseline has the single edge 0."""
    return block.grid.edges.size > 1


def same_grid(first: NumericBlock, second: NumericBlock) -> bool:
    """Whether the cells of both mean the same intervals."""
    return first.grid is second.grid or first.grid.grid_id == second.grid.grid_id


@lru_cache(maxsize=_REMEMBERED)
def both_counts(baseline: Block, current: Block) -> tuple[Counts, Counts]:
    """Counts of both sides on the baseline's bins, int64[S, bins] each; all 0 where there are none in common.

    The bins of numbers are below range, in range, above range, NaN and NULL; of strings the categories, other strings and NULL.
    """
    usable = has_bins(baseline, current)
    if not usable.any():
        return np.zeros((len(baseline), 1), dtype=np.int64), np.zeros((len(baseline), 1), dtype=np.int64)
    if isinstance(baseline, NumericBlock) and isinstance(current, NumericBlock):
        codes, inner, rows = _codes(baseline)
        sides = _counts(baseline, codes, inner, rows), _counts(current, codes, inner, rows)
    else:
        sides = baseline.dense, current.dense
    empty = (usable & (baseline.count > 0) & (current.count > 0))[:, None]
    return np.where(empty, sides[0], 0), np.where(empty, sides[1], 0)


def _codes(block: NumericBlock) -> tuple[Integers, Integers, Integers]:
    """The bins that the block's states define, and which row of them each state has: one taken often is looked at once."""
    if block.source is None:
        codes, inner = bins_of(block.dense)
        return codes, inner, np.arange(len(block))
    unique, rows = np.unique(block.source[1], return_inverse=True)
    codes, inner = bins_of(block.source[0].dense[unique])
    return codes, inner, rows


def _counts(side: NumericBlock, codes: Integers, inner: Integers, rows: Integers) -> Counts:
    """The side's rows in the bins of ``codes[rows]``; where one state stands against many others it is counted once."""
    if side.source is not None:
        pairs, first, inverse = np.unique(side.source[1] * codes.shape[0] + rows, return_index=True, return_inverse=True)
        if 2 * pairs.size <= rows.size:
            return _counted(side.source[0].take(side.source[1][first]), codes, inner, rows[first])[inverse]
    return _counted(side, codes, inner, rows)


def _counted(side: NumericBlock, codes: Integers, inner: Integers, rows: Integers) -> Counts:
    states, width = len(side), int(inner.max(initial=1)) + 4
    owner = owners(side.cell_offsets)
    places = owner * width + codes[rows[owner], side.cells]
    counts = np.bincount(places, weights=side.cell_counts, minlength=states * width).astype(np.int64).reshape(states, width)
    counts[:, 0] += side.negative_infinities
    counts[np.arange(states), inner[rows] + 1] += side.positive_infinities
    counts[:, -2], counts[:, -1] = side.nan, side.nulls
    return counts


def fractions(counts: Counts) -> Floats:
    """Shares of the rows in every bin, float64[..., bins]; nan without rows."""
    with np.errstate(invalid="ignore"):
        return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def defined(values: Any, baseline: Counts, current: Counts) -> Floats:
    """The values, nan where a side is empty; those of a single pair as a number."""
    both = (baseline.sum(axis=-1) > 0) & (current.sum(axis=-1) > 0)
    return np.where(both, values, np.nan)[()]
