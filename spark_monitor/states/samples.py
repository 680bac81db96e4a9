"""A number that many machines report: how often, its moments and its quantiles, without a baseline's grid.

What the log of a serving system needs of a latency or a load: exact count, mean and extremes, and a KLL sketch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spark_monitor.states.grid import Floats
from spark_monitor.states.sketch import K, Kll


@dataclass(frozen=True, eq=False)
class Samples:
    """``n`` finite values that may be (not negative), how many were ``negative`` and so left out, and how many ``unread``.

    >>> one = Samples.of(np.array([1.0, 3.0, -5.0, np.nan]))
    >>> one.n, one.negative, one.unread, one.mean, one.maximum
    (2, 1, 1, 2.0, 3.0)
    """

    n: int
    negative: int
    unread: int
    mean: float
    m2: float
    sketch: Kll

    @classmethod
    def empty(cls) -> Samples:
        """Of no value."""
        return cls(0, 0, 0, 0.0, 0.0, Kll.empty(K))

    @classmethod
    def of(cls, values: Floats) -> Samples:
        """Of values in any order; NaN stands for one that is missing or no number."""
        ordered = np.sort(values)  # NaN comes last
        first, zero, end = np.searchsorted(ordered, [np.nextafter(-np.inf, 0), 0.0, np.inf])
        kept = ordered[zero:end]
        mean = float(kept.mean()) if kept.size else 0.0
        apart = kept - mean
        numbers = (int(kept.size), int(zero - first), int(values.size - (end - first)))
        # Not by a dot product, whose threads would take the other tasks' cores.
        return cls(*numbers, mean, float(np.einsum("i,i->", apart, apart)), Kll.of_sorted(kept, K))

    def merge(self, other: Samples) -> Samples:
        """Of both; moments by Chan, Golub and LeVeque (1979)."""
        both = replace(self, negative=self.negative + other.negative, unread=self.unread + other.unread)
        if not other.n:
            return both
        n = self.n + other.n
        step = other.mean - self.mean
        mean = self.mean + step * other.n / n
        m2 = self.m2 + other.m2 + step * step * self.n * other.n / n
        return replace(both, n=n, mean=mean, m2=m2, sketch=self.sketch.merge(other.sketch))

    @property
    def maximum(self) -> float:
        """The greatest value, NaN where there is none."""
        return self.sketch.maximum

    @property
    def variance(self) -> float:
        """The sample variance (n - 1); NaN below two values."""
        return self.m2 / (self.n - 1) if self.n > 1 else float("nan")

    def columns(self) -> dict[str, Any]:
        """As columns of a row, the sketch as DataSketches' image."""
        totals = {"n": self.n, "negative": self.negative, "unread": self.unread, "mean": self.mean, "m2": self.m2}
        return {**totals, "sketch": self.sketch.to_bytes()}

    @classmethod
    def from_columns(cls, row: Mapping[str, Any]) -> Samples:
        """Back from a row."""
        numbers = (int(row["n"]), int(row["negative"]), int(row["unread"]), float(row["mean"]), float(row["m2"]))
        return cls(*numbers, Kll.from_bytes(row["sketch"]))
