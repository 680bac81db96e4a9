"""Two distributions of one column, each given by its percentiles: how far apart, how alike, and their ratio."""

from __future__ import annotations

from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats

LEVELS: Final = tuple(range(5, 100, 5))
"""Percentiles that two distributions are compared at."""

LEAST_TELLING: Final = 4
"""At so many percentiles at least two distributions must not be near zero for their ratio to tell."""

CLOSELY, CLOSE_NOISE = 0.0006, 2.5
"""What a change that only the shape tells may leave: a hundredth at every percentile, about, beside noise."""


def is_close(one: Floats, two: Floats, noise: float) -> bool:
    """Whether two distributions, given by percentiles, differ by no more than a little beside the noise of two samples.

    The mean of d^2 / (p (1 - p)) over the percentiles p, d being how far the other is from p there, is at most 2.5 times
    1/n + 1/m, ``noise`` squared (Anderson and Darling's statistic, whose mean is 1 where nothing differs), and a little.

    >>> one = np.linspace(1.0, 2.0, 101)
    >>> is_close(one, one + 0.01, 0.0), is_close(one, one + 0.1, 0.02)
    (True, False)
    """
    two = np.sort(two)
    low = np.searchsorted(two, np.sort(one), side="left") / (two.size - 1)
    high = np.searchsorted(two, np.sort(one), side="right") / (two.size - 1)
    p = np.linspace(0.0, 1.0, one.size)
    inner = slice(min(LEVELS), max(LEVELS) + 1)
    off = np.maximum(np.maximum(low - p, p - high), 0.0)[inner]
    return bool((off**2 / (p * (1 - p))[inner]).mean() <= CLOSELY + CLOSE_NOISE * noise**2)


def distance(one: Floats, two: Floats) -> float:
    """The largest difference of two distribution functions that are given by their percentiles, about the KS distance.

    >>> distance(np.arange(101.0), np.arange(101.0) + 10.0)
    0.1
    """
    grid = np.concatenate([one, two])
    f = np.searchsorted(np.sort(one), grid, side="right") / one.size
    g = np.searchsorted(np.sort(two), grid, side="right") / two.size
    f_left = np.searchsorted(np.sort(one), grid, side="left") / one.size
    g_left = np.searchsorted(np.sort(two), grid, side="left") / two.size
    # Where values repeat, the nearer of the two limits: a shift of one value's place is none of its mass.
    return round(float(np.minimum(np.abs(f - g), np.abs(f_left - g_left)).max()), 2)


def median_ratio(one: Floats, two: Floats) -> float | None:
    """The median of two distributions' ratio at the same percentiles, leaving out those near zero; None where signs differ.

    >>> median_ratio(np.arange(101.0), np.arange(101.0) * 2)
    2.0
    """
    low, high = one[list(LEVELS)], two[list(LEVELS)]
    size = np.abs(low).max()
    telling = np.abs(low) > 0.05 * size
    # Zero is zero in every unit: of what is mostly zero, the others tell.
    zero = (low == 0) & (high == 0)
    if size == 0 or telling.sum() < min(len(LEVELS) // 2, max(LEAST_TELLING, (~zero).sum() // 2)):
        return None
    ratio = float(np.median(high[telling] / low[telling]))
    return ratio if ratio > 0 and np.isfinite(ratio) else None
