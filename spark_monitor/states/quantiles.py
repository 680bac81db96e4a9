"""Quantiles of a numeric state, from its exact cells and, where it has one, its sketch."""

from __future__ import annotations

import numpy as np

from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.sketch import Kll

PERCENTILES = 100
_STEPS = np.arange(PERCENTILES + 1)


def quantiles(state: NumericState) -> tuple[Floats, float]:
    """The 101 percentiles of one state and the largest error of their ranks: see ``block_quantiles``.

    >>> from spark_monitor.states.numeric import profile_column
    >>> values, error = quantiles(profile_column(np.arange(1, 11.0)))
    >>> values[[0, 50, 100]].tolist(), error
    ([1.0, 5.0, 10.0], 0.0)
    """
    values, errors = block_quantiles(NumericBlock.of([state]))
    return values[0], float(errors[0])


def block_quantiles(block: NumericBlock) -> tuple[Floats, Floats]:
    """The 101 percentiles of every state, float64[S, 101], and the largest error of their ranks, float64[S].

    ``quantiles[i]`` is the smallest value x with F(x) >= i / 100. A percentile that falls on an edge is exact. One that falls in
    an open cell is read from the sketch, or interpolated, inside that cell and the state's range; its rank is then off by at most
    the smaller of the cell's mass and the sketch's error. Without values all are nan, with an error of 0.
    """
    n = block.finite[:, None]
    if not block.cells.size:
        return np.full((len(block), PERCENTILES + 1), np.nan), np.zeros(len(block))
    ranks = np.maximum(-(-_STEPS * n // PERCENTILES), 1)
    # The cells that are used, of all states one after the other: a rank's cell is found by one search among them.
    through = np.cumsum(block.cell_counts)
    before = np.concatenate([[0], through])[block.cell_offsets[:-1], None]
    entry = np.minimum(np.searchsorted(through, before + ranks, side="left"), through.size - 1)
    cell, rows = block.cells[entry], block.cell_counts[entry]
    low, high = _bounds(block, cell)
    inside = cell % 2 == 0
    fraction = (ranks - (through[entry] - rows - before) - 0.5) / rows
    with np.errstate(invalid="ignore", over="ignore"):
        # Weights, not a difference, which may exceed a double; the clip undoes their rounding.
        values = np.where(inside, np.clip(low * (1 - fraction) + high * fraction, low, high), high)
        mass = np.where(inside, rows / np.maximum(n, 1), 0.0)
    _from_sketches(block, values, mass, (ranks, inside, low, high))
    values = np.where(ranks == 1, block.min[:, None], np.where(ranks == n, block.max[:, None], values))
    errors = np.where((ranks == 1) | (ranks == n), 0.0, mass).max(axis=1)
    return np.where(n > 0, values, np.nan), np.where(block.finite > 0, errors, 0.0)


def _from_sketches(block: NumericBlock, values: Floats, mass: Floats, at: tuple[Integers, np.ndarray, Floats, Floats]) -> None:
    """Put what sketches know better into the percentiles and their errors."""
    ranks, inside, low, high = at
    for place, n in enumerate(block.finite.tolist()):
        sketch = block.sketch(place) if n else None
        if not isinstance(sketch, Kll):
            continue
        if sketch.is_exact:
            values[place], mass[place] = sketch.levels[0][ranks[place] - 1], 0.0
            continue
        sketched = sketch.quantiles(ranks[place] / n)
        # Outside its cell the sketch is wrong, and the nearer end of the cell is less wrong.
        values[place] = np.where(inside[place], np.clip(sketched, low[place], high[place]), values[place])
        mass[place] = np.minimum(mass[place], sketch.rank_error)


def _bounds(block: NumericBlock, cell: Integers) -> tuple[Floats, Floats]:
    """The closed range in which the values of each cell lie."""
    edges = block.grid.edges
    low = np.append(-np.inf, edges)[(cell + 1) // 2]
    high = np.append(edges, np.inf)[cell // 2]
    return np.maximum(low, block.min[:, None]), np.minimum(high, block.max[:, None])
