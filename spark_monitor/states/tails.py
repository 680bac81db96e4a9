"""How slowly large numbers become rare: whether their mean has a sampling error that rows can tell."""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.states.magnitudes import Magnitudes

LARGEST = 1.5
"""The tail is looked at in so many times the square root of the rows: many enough to tell, and a vanishing fraction."""

FEWEST_LARGEST = 25


def tail_index(sizes: Magnitudes) -> float:
    """By which power large numbers become rare, P(X > x) ~ x^-index: Hill's estimate (1975); inf where rows are too few to tell.

    One over the mean of log(x / x_k) over the k largest, which lie within one per cent of what their cells say.

    >>> pareto = ((np.arange(10_000) + 0.5) / 10_000) ** (-1 / 3)
    >>> 2.9 < tail_index(Magnitudes.of(pareto)) < 3.1, tail_index(Magnitudes.of([1.0, 2.0]))
    (True, inf)
    """
    rows = sizes.total
    size = LARGEST * math.sqrt(rows)
    if size < FEWEST_LARGEST:
        return math.inf
    lows, highs = sizes.bounds()
    above = np.cumsum(sizes.rows[::-1].astype(np.float64))[::-1]
    place = int(np.flatnonzero(above >= size)[-1])
    largest = float(above[place])
    if lows[place] <= 0 or place + 1 == lows.size:
        return math.inf
    middles = np.log(lows[place:]) / 2 + np.log(highs[place:]) / 2
    excess = float(np.sum(sizes.rows[place:] * (middles - middles[0]))) / largest
    return 1 / excess if excess > 0 else math.inf
