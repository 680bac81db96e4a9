"""Quantiles of a numeric state, from its exact cells and, where it has one, its sketch."""

from __future__ import annotations

import numpy as np

from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.numeric import NumericState

PERCENTILES = 100
_STEPS = np.arange(PERCENTILES + 1)


def quantiles(state: NumericState) -> tuple[Floats, float]:
    """The 101 percentiles and the largest error of their ranks.

    ``quantiles[i]`` is the smallest value x with F(x) >= i / 100. A percentile that falls on an edge is exact. One that falls in
    an open cell is read from the sketch, or interpolated, inside that cell and the state's range; its rank is then off by at most
    the smaller of the cell's mass and the sketch's error. Without values all are nan.

    >>> from spark_monitor.states.numeric import profile_column
    >>> values, error = quantiles(profile_column(np.arange(1, 11.0)))
    >>> values[[0, 50, 100]].tolist(), error
    ([1.0, 5.0, 10.0], 0.0)
    """
    n = state.finite
    if n == 0:
        return np.full(PERCENTILES + 1, np.nan), 0.0
    ranks = np.maximum(-(-_STEPS * n // PERCENTILES), 1)
    if state.sketch is not None and state.sketch.is_exact:
        return state.sketch.levels[0][ranks - 1], 0.0
    through = np.cumsum(state.cells)
    cell = np.searchsorted(through, ranks, side="left")
    values, inside = _located(state, ranks, cell, through)
    mass = np.where(inside, state.cells[cell] / n, 0.0)
    if state.sketch is not None:
        sketched = state.sketch.quantiles(ranks / n)
        low, high = _bounds(state, cell)
        # Outside its cell the sketch is wrong, and the nearer end of the cell is less wrong.
        values = np.where(inside, np.clip(sketched, low, high), values)
        mass = np.minimum(mass, state.sketch.rank_error)
    values = np.where(ranks == 1, state.minimum, np.where(ranks == n, state.maximum, values))
    return values, float(np.where((ranks == 1) | (ranks == n), 0.0, mass).max())


def _bounds(state: NumericState, cell: Integers) -> tuple[Floats, Floats]:
    """The closed range in which the values of each cell lie."""
    edges = state.grid.edges
    low = np.append(-np.inf, edges)[(cell + 1) // 2]
    high = np.append(edges, np.inf)[cell // 2]
    return np.maximum(low, state.minimum), np.minimum(high, state.maximum)


def _located(state: NumericState, ranks: Integers, cell: Integers, through: Integers) -> tuple[Floats, np.ndarray]:
    """The value at each rank by linear interpolation in its cell, and whether that cell is an open one."""
    low, high = _bounds(state, cell)
    before = through[cell] - state.cells[cell]
    share = (ranks - before - 0.5) / state.cells[cell]
    inside = cell % 2 == 0
    # Weights, not a difference, which may exceed a double; the clip undoes their rounding.
    between = np.clip(low * (1 - share) + high * share, low, high)
    return np.where(inside, between, high), inside
