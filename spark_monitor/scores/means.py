"""Means of losses that rows have: the value is exact, the interval knows how lopsided the losses are and how few carry them."""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.scores.interval import Interval, interval
from spark_monitor.states.grid import Floats
from spark_monitor.states.proportions import lopsided
from spark_monitor.states.sums import squared_deviations

CARRIED_BY_FEW = 0.3
WIDENED = "Few rows carry most of this mean: its interval is widened for rows like these that were not seen."
SAID_FROM = 10
"""Of fewer rows no mean is known well, which their interval shows."""
RARE = 3.7
"""-log(0.025): in n rows an event of probability up to 3.7 / n may well not have been seen."""


def mean_of(
    sums: Floats, squares: Floats, cube: float, n: float, *, within: tuple[float, float], message: str | None = None
) -> Interval:
    """The mean of n losses from their exact sum, that of their squares and that of their third powers.

    A mean that few large losses carry (skewness above 0.3 sqrt(n)) is known less well than its own rows show; its upper bound is
    then widened by what rows as large as the mean's own tail would add where they had not been seen, and the row says so.

    >>> values = np.array([1.0, 2.0, 3.0])
    >>> pairs = [np.array([total, 0.0]) for total in (6.0, 14.0)]
    >>> mean_of(*pairs, 36.0, 3, within=(0.0, math.inf)).value
    2.0
    """
    value = float(sums[0]) / n
    deviations = squared_deviations(sums, squares, n)
    variance = deviations / (n - 1) if n > 1 else math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        third = float(np.float64(cube) / n - 3 * np.float64(value) * squares[0] / n + 2 * np.float64(value) ** 3)
    low, high = lopsided(value, variance, third, n)
    if math.isfinite(third) and math.isfinite(variance) and n > 1 and variance > 0:
        spread = math.sqrt(variance)
        skewness = third / spread / spread / spread
        if abs(skewness) > CARRIED_BY_FEW * math.sqrt(n):
            largest = math.cbrt(abs(third) * n)
            high = max(high, value + RARE * largest / n) if skewness > 0 else high
            low = min(low, value - RARE * largest / n) if skewness < 0 else low
            said = (
                None
                if n < SAID_FROM
                else "Few rows carry most of this mean: its interval is widened for rows like these that were not seen."
            )
            message = " ".join(filter(None, (message, said))) or None
    return interval(value, (low, high), n, within=within, message=message)  # type: ignore[arg-type]
