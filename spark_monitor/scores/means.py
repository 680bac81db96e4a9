"""Means of losses that rows have: the value is exact, the interval knows how lopsided the losses are and how few carry them."""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.scores.metric_value import MetricValue, metric_value
from spark_monitor.states.grid import Floats
from spark_monitor.states.magnitudes import Magnitudes
from spark_monitor.states.proportions import lopsided
from spark_monitor.states.sums import squared_deviations
from spark_monitor.states.tails import tail_index

CARRIED_BY_FEW = 0.45
OPEN = "Few rows carry most of this mean: how much larger it may be is not known."
WIDENED = "Few rows carry most of this mean: its interval is widened for rows like these that were not seen."
UNSEEN = "A loss that comes less often than once in {:,} rows may not have been seen in so few: the interval knows nothing of it."
UNSEEN_BELOW = 750
"""Of fewer rows a mean may hide losses of one row in 200: in n rows an event of 3.7 / n may not be seen."""
SLOW = 0.83
"""A mean of the p-th powers has a sampling error only where the tail index is above 2p. Estimates of the index are low by a fifth
where tails end faster than any power; those of a mean without a variance are below this times 2p nearly always."""
SLOWLY = (
    "The largest errors become rare so slowly (with the power {:.1f}) that rows that were not seen may move this mean by more "
    "than its interval says."
)
SAID_FROM = 10
"""Of fewer rows no mean is known well, which their interval shows."""
ROUNDING = 2.0**-46
"""Sums of third powers are known so well."""
RARE = 3.7
"""-log(0.025): in n rows an event of probability up to 3.7 / n may well not have been seen."""


def mean_of(
    sums: Floats,
    squares: Floats,
    cube: float,
    n: float,
    *,
    within: tuple[float, float],
    message: str | None = None,
    may_hide: bool = True,
    lost: float = 0.0,
    tail: tuple[Magnitudes, int] | None = None,
) -> MetricValue:
    """The mean of n losses from their exact sum, that of their squares and that of their third powers.

    A mean that few large losses carry (skewness above 0.45 sqrt(n)) is known less well than its own rows show: its upper bound is
    not known where losses have no largest one, else widened by what was not seen; the row says so. So it does where fewer than
    750 rows have losses among which a rare and dear one may be missing (``may_hide``). ``tail`` are the sizes of
    which the losses are powers, and the power: where they become rare too slowly, no interval of the mean is sure.

    >>> values = np.array([1.0, 2.0, 3.0])
    >>> pairs = [np.array([total, 0.0]) for total in (6.0, 14.0)]
    >>> mean_of(*pairs, 36.0, 3, within=(0.0, math.inf)).value
    2.0
    """
    value = float(sums[0]) / n
    deviations = squared_deviations(sums, squares, n, lost)
    variance = deviations / (n - 1) if n > 1 else math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        third = _third_moment(np.float64(value), np.float64(squares[0]) / n, np.float64(cube) / n)
    low, high = lopsided(value, variance, third, n)
    if math.isfinite(third) and math.isfinite(variance) and n > 1 and variance > 0:
        spread = math.sqrt(variance)
        skewness = third / spread / spread / spread
        if abs(skewness) > CARRIED_BY_FEW * math.sqrt(n):
            unseen = RARE * math.cbrt(abs(third) * n) / n
            low, high = _widened(low, high, value, unseen, skewness, within)
            remark = None if n < SAID_FROM else OPEN if math.isinf(high) or math.isinf(low) else WIDENED
            message = " ".join(filter(None, (message, remark))) or None
    if may_hide and SAID_FROM <= n < UNSEEN_BELOW and math.isfinite(high) and math.isfinite(low):
        message = " ".join(filter(None, (message, UNSEEN.format(math.floor(n / RARE)))))
    elif tail is not None and math.isfinite(high) and n >= UNSEEN_BELOW:
        index = tail_index(tail[0])
        if index < SLOW * 2 * tail[1]:
            message = " ".join(filter(None, (message, SLOWLY.format(index))))
    return metric_value(value, (low, high), n, within=within, message=message)


def _third_moment(mean: np.float64, square: np.float64, cube: np.float64) -> float:
    """The third moment about the mean; 0 where it is no more than the rounding of sums that are far larger.

    >>> _third_moment(np.float64(2.0), np.float64(5.0), np.float64(15.0)), _third_moment(*np.float64([1e6, 1e12 + 1, 1e18 + 3e6]))
    (1.0, 0.0)
    """
    terms = cube, -3 * mean * square, 2 * mean**3
    third, rounding = float(sum(terms)), ROUNDING * float(sum(map(abs, terms)))
    return 0.0 if abs(third) <= rounding else third


def _widened(
    low: float, high: float, value: float, unseen: float, skewness: float, within: tuple[float, float]
) -> tuple[float, float]:
    if skewness > 0:
        return low, math.inf if math.isinf(within[1]) else max(high, value + unseen)
    return (-math.inf if math.isinf(within[0]) else min(low, value - unseen)), high
