"""How far a window's latencies and loads have moved from those of other windows: Kolmogorov-Smirnov from stored quantiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.metric import SHARE, operation_metric

STEPS, STEPS_OF_LOADS = 256, 64
"""A distribution is kept as its quantiles at 0, 1/256, ..., 1: F is then known within 1/256 everywhere; of loads within 1/64."""

POINTS = 512
"""Many windows together are known at so many points."""

_ALPHA = 0.05


class Distribution(Protocol):
    """A distribution function that is known between bounds."""

    @property
    def n(self) -> int:
        """Of how many values it is."""

    @property
    def values(self) -> Floats:
        """The points at which its bounds change."""

    def bounds(self, points: Floats, *, left: bool) -> tuple[Floats, Floats]:
        """Lower and upper bound of F(x), or of F(x^-), at points."""


@dataclass(frozen=True, eq=False)
class Quantiles:
    """Evenly spaced quantiles of ``n`` values, whose ranks a sketch may have moved by ``rank_error``."""

    values: Floats
    n: int
    rank_error: float = 0.0

    @property
    def text(self) -> str:
        """The quantiles as a row keeps them, after their count and rank error.

        >>> Quantiles.read(Quantiles(np.array([1.0, 2.5]), 9).text).values.tolist()
        [1.0, 2.5]
        """
        return f"{self.n} {self.rank_error:.6g} " + " ".join(f"{value:.6g}" for value in self.values)

    @classmethod
    def read(cls, text: str) -> Quantiles:
        """Back from a row."""
        n, rank_error, values = text.split(" ", 2)
        return cls(np.fromstring(values, dtype=np.float64, sep=" "), int(n), float(rank_error))

    @property
    def median(self) -> float:
        """The quantile at a half."""
        return float(self.values[self.values.size // 2])

    def bounds(self, points: Floats, *, left: bool) -> tuple[Floats, Floats]:
        """Lower and upper bound of F(x), or of F(x^-), at points."""
        place = np.searchsorted(self.values, points, side="left" if left else "right")
        return _between(place, self.values.size - 1, self.rank_error)


def _between(place: npt.NDArray[np.int64], steps: Any, rank_error: Any) -> tuple[Floats, Floats]:
    """The bounds of F where so many of the quantiles lie below."""
    low = np.maximum(place - 1, 0) / steps - rank_error
    return np.maximum(low, 0.0), np.minimum(place / steps + rank_error, 1.0)


@dataclass(frozen=True, eq=False)
class Pooled:
    """Several distributions weighed by their counts, known at ``values`` (within the bounds of each) and loosely between them."""

    values: Floats
    n: int
    at: tuple[Floats, Floats]
    before: tuple[Floats, Floats]

    @classmethod
    def of(cls, parts: Sequence[Quantiles]) -> Pooled:
        """Together; as many points as tell the pooled distribution evenly.

        >>> pooled = Pooled.of([Quantiles(np.arange(257.0), 100), Quantiles(np.arange(257.0) + 100, 300)])
        >>> low, high = pooled.bounds(np.array([-1.0, 228.0, 400.0]), left=False)
        >>> pooled.n, low.round(2).tolist(), high.round(2).tolist()
        (400, [0.0, 0.6, 1.0], [0.0, 0.6, 1.0])
        """
        every = np.concatenate([part.values for part in parts])
        weights = np.concatenate([np.full(part.values.size, part.n / part.values.size) for part in parts])
        order = np.argsort(every, kind="stable")
        below = np.cumsum(weights[order])
        chosen = np.searchsorted(below, np.arange(POINTS + 1) / POINTS * below[-1])
        values = np.unique(np.concatenate([every[order][np.minimum(chosen, every.size - 1)], [every.min(), every.max()]]))
        n = sum(part.n for part in parts)
        fractions = np.array([part.n / n for part in parts])
        steps = np.array([[part.values.size - 1.0] for part in parts])
        errors = np.array([[part.rank_error] for part in parts])

        def summed(side: Literal["left", "right"]) -> tuple[Floats, Floats]:
            places = np.array([np.searchsorted(part.values, values, side=side) for part in parts])
            low, high = _between(places, steps, errors)
            return fractions @ low, fractions @ high

        return cls(values, n, summed("right"), summed("left"))

    def bounds(self, points: Floats, *, left: bool) -> tuple[Floats, Floats]:
        """Between two known points F is no less than at the first and no more than just before the second."""
        after = np.searchsorted(self.values, points, side="left")
        is_value = self.values[np.minimum(after, self.values.size - 1)] == points
        low, high = self.before if left else self.at
        between_low = np.where(after > 0, self.at[0][np.maximum(after - 1, 0)], 0.0)
        between_high = np.where(after < self.values.size, self.before[1][np.minimum(after, self.values.size - 1)], 1.0)
        place = np.minimum(after, self.values.size - 1)
        return np.where(is_value, low[place], between_low), np.where(is_value, high[place], between_high)


@dataclass(frozen=True, eq=False)
class ShiftBlock:
    """S windows beside what each is held against: windows before it, or those of a baseline period; None where there are none."""

    current: Sequence[Quantiles | None]
    reference: Sequence[Distribution | None]


@operation_metric("latency_ks", range=SHARE, needs=("latency",))
def latency_ks(block: ShiftBlock) -> Interval:
    """KS distance of the latencies from those of up to eight windows before, or of the file's baseline period (``basis``).

    ``lower`` and ``upper`` hold the populations' distance: the error of quantiles and sketches, and
    sqrt(ln(4 / 0.05) / 2) (n^-1/2 + m^-1/2) on both sides (Dvoretzky-Kiefer-Wolfowitz-Massart).

    >>> def evenly(start):
    ...     return Quantiles(start + np.arange(257.0), 100_000)
    >>> found = latency_ks(ShiftBlock([evenly(0), evenly(128)], [evenly(0), Pooled.of([evenly(0)])]))
    >>> [round(float(value), 2) for value in found.value], bool(found.lower[1] > 0.45)
    ([0.0, 0.5], True)
    """
    return distances(block)


@operation_metric("cpu_percent_ks", range=SHARE, needs=("cpu",))
def cpu_percent_ks(block: ShiftBlock) -> Interval:
    """KS distance of processor use from that of the windows that ``latency_ks`` is held against."""
    return distances(block)


@operation_metric("gpu_percent_ks", range=SHARE, needs=("gpu",))
def gpu_percent_ks(block: ShiftBlock) -> Interval:
    """KS distance of accelerator use from that of the windows that ``latency_ks`` is held against."""
    return distances(block)


@operation_metric("memory_bytes_ks", range=SHARE, needs=("memory",))
def memory_bytes_ks(block: ShiftBlock) -> Interval:
    """KS distance of memory in use from that of the windows that ``latency_ks`` is held against."""
    return distances(block)


SHIFTS = {"latency_ks": "latency", "cpu_percent_ks": "cpu", "gpu_percent_ks": "gpu", "memory_bytes_ks": "memory"}
"""The number that each distance is of."""


def distances(block: ShiftBlock) -> Interval:
    """Each window's distance from its reference."""
    rows = [_distance(now, other) for now, other in zip(block.current, block.reference, strict=True)]
    value, lower, upper, error = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    return Interval(value, lower, upper, error)


def _distance(now: Quantiles | None, other: Distribution | None) -> tuple[float, float, float, float]:
    if now is None or other is None or not now.n or not other.n:
        return (math.nan,) * 4
    low, high = _greatest(now, other, np.unique(np.concatenate([now.values, other.values])))
    sampling = math.sqrt(math.log(4 / _ALPHA) / 2) * (now.n**-0.5 + other.n**-0.5)
    value = (low + high) / 2 if high - low > 4 / (now.values.size - 1) else low
    return value, max(0.0, low - sampling), min(1.0, high + sampling), max(value - low, high - value)


def _greatest(now: Distribution, other: Distribution, points: Floats) -> tuple[float, float]:
    """The bounds of the largest |F - G| over all points and their left limits."""
    low, high = 0.0, 0.0
    for left in (False, True):
        bounds, others = now.bounds(points, left=left), other.bounds(points, left=left)
        low = max(low, float(np.max(np.maximum(bounds[0] - others[1], others[0] - bounds[1]))))
        high = max(high, float(np.max(np.maximum(bounds[1] - others[0], others[1] - bounds[0]))))
    return max(low, 0.0), min(high, 1.0)
