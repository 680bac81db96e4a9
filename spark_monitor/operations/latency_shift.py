"""How far a window's latencies have moved from those of the windows before it: Kolmogorov-Smirnov from stored quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import SHARE, operation_metric

STEPS = 256
"""A distribution is kept as its quantiles at 0, 1/256, ..., 1: F is then known within 1/256 everywhere."""

_RANKS = np.arange(STEPS + 1) / STEPS
_ALPHA = 0.05


@dataclass(frozen=True, eq=False)
class Quantiles:
    """257 quantiles of ``n`` values, whose ranks a sketch may have moved by ``rank_error``."""

    values: Floats
    n: int
    rank_error: float = 0.0

    @property
    def text(self) -> str:
        """The quantiles as a row keeps them.

        >>> Quantiles.read("1 2.5", 9, 0).values.tolist()
        [1.0, 2.5]
        """
        return " ".join(f"{value:.6g}" for value in self.values)

    @classmethod
    def read(cls, text: str, n: int, rank_error: float) -> Quantiles:
        """Back from a row."""
        return cls(np.array(text.split(), dtype=np.float64), n, rank_error)

    def bounds(self, points: Floats, *, left: bool) -> tuple[Floats, Floats]:
        """Lower and upper bound of F(x), or of F(x^-), at points."""
        side = "left" if left else "right"
        place = np.searchsorted(self.values, points, side=side)  # type: ignore[call-overload]
        low = np.where(place > 0, _RANKS[np.maximum(place - 1, 0)], 0.0)
        high = np.where(place <= STEPS, _RANKS[np.minimum(place, STEPS)], 1.0)
        return np.clip(low - self.rank_error, 0, 1), np.clip(high + self.rank_error, 0, 1)


@dataclass(frozen=True, eq=False)
class LatencyBlock:
    """S windows beside what came before each: several stored distributions, weighed by their counts; none where nothing did."""

    current: Sequence[Quantiles | None]
    before: Sequence[Sequence[Quantiles]]


@operation_metric("latency_ks", range=SHARE, needs=("latency",))
def latency_ks(block: LatencyBlock) -> Interval:
    """KS distance of the latencies from those of up to eight windows before, within the error of stored quantiles.

    ``lower`` and ``upper`` hold the populations' distance: the error of quantiles and sketches, and
    sqrt(ln(4 / 0.05) / 2) (n^-1/2 + m^-1/2) on both sides (Dvoretzky-Kiefer-Wolfowitz-Massart).

    >>> def evenly(start):
    ...     return Quantiles(start + np.arange(257.0), 100_000)
    >>> found = latency_ks(LatencyBlock([evenly(0), evenly(128)], [[evenly(0)], [evenly(0)]]))
    >>> [round(float(value), 2) for value in found.value], bool(found.lower[1] > 0.45)
    ([0.0, 0.5], True)
    """
    rows = [_distance(now, before) for now, before in zip(block.current, block.before, strict=True)]
    value, lower, upper, error = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Interval(value, lower, upper, error)


def _distance(now: Quantiles | None, before: Sequence[Quantiles]) -> tuple[float, float, float, float]:
    if now is None or not now.n or not sum(one.n for one in before):
        return (math.nan,) * 4
    points = np.unique(np.concatenate([now.values, *(one.values for one in before)]))
    low, high = _greatest(now, before, points)
    m = sum(one.n for one in before)
    sampling = math.sqrt(math.log(4 / _ALPHA) / 2) * (now.n**-0.5 + m**-0.5)
    value = (low + high) / 2 if high - low > 4 / STEPS else low
    return value, max(0.0, low - sampling), min(1.0, high + sampling), max(value - low, high - value)


def _greatest(now: Quantiles, before: Sequence[Quantiles], points: Floats) -> tuple[float, float]:
    """The bounds of the largest |F - G| over all points and their left limits."""
    low, high = 0.0, 0.0
    weights = np.array([one.n for one in before], dtype=np.float64)
    weights /= weights.sum()
    for left in (False, True):
        own = now.bounds(points, left=left)
        each = [one.bounds(points, left=left) for one in before]
        other = tuple(sum(weight * bound[side] for weight, bound in zip(weights, each, strict=True)) for side in (0, 1))
        low = max(low, float(np.max(np.maximum(own[0] - other[1], other[0] - own[1]))))
        high = max(high, float(np.max(np.maximum(own[1] - other[0], other[1] - own[0]))))
    return max(low, 0.0), min(high, 1.0)
