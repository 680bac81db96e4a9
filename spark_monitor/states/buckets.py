"""A number that is known by how often it fell between two edges: the buckets of a histogram, of whatever layouts together.

Prometheus exports latencies so. Of every value the edges are known and no more: a quantile is known to lie between two of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spark_monitor.states.grid import Floats


@dataclass(frozen=True, eq=False)
class Buckets:
    """How many values (``counts``) lie above each of ``lows`` and not above the one of ``highs`` beside it; sorted by both.

    >>> one = Buckets.of({(0.0, 10.0): 6.0, (10.0, 50.0): 3.0, (50.0, np.inf): 1.0})
    >>> one.n, [one.bounds(rank) for rank in (6, 7, 10)], one.value(0.75)
    (10, [(0.0, 10.0), (10.0, 50.0), (50.0, inf)], 30.0)
    """

    lows: Floats
    highs: Floats
    counts: Floats

    @classmethod
    def of(cls, counts: Mapping[tuple[float, float], float]) -> Buckets:
        """Of counts by their edges; those of none or less are left out."""
        kept = sorted((low, high, many) for (low, high), many in counts.items() if many > 0)
        lows, highs, many = np.array(kept, dtype=np.float64).reshape(-1, 3).T
        return cls(lows, highs, many)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Buckets:
        """Of rows of ``low``, ``high`` and ``n``."""
        return cls.of({(row["low"], row["high"]): row["n"] for row in rows})

    @property
    def n(self) -> int:
        """How many values there are."""
        return round(float(self.counts.sum()))

    def bounds(self, rank: float) -> tuple[float, float]:
        """Between which edges the value of a rank (1 to n) lies: the edges of that rank among lower and among upper ones."""
        order = np.argsort(self.highs, kind="stable")
        low = self.lows[_place(self.counts, rank)]
        return float(low), float(self.highs[order][_place(self.counts[order], rank)])

    def value(self, q: float) -> float:
        """The q-quantile where values lie evenly in each bucket, as Prometheus' ``histogram_quantile`` has it.

        Of a bucket without an upper edge it is the lower one, which is the least that it can be.
        """
        points = np.unique(np.concatenate([self.lows, self.highs[np.isfinite(self.highs)]]))
        below = self.below(points) / self.counts.sum()
        place = int(np.searchsorted(below, q, side="left"))
        if place >= points.size:
            return float(points[-1])
        if not place or below[place] == below[place - 1]:
            return float(points[place])
        part = (q - below[place - 1]) / (below[place] - below[place - 1])
        return float(points[place - 1] + part * (points[place] - points[place - 1]))

    def below(self, points: Floats) -> Floats:
        """How many values lie at or below each point, where they lie evenly in each bucket; of one without an end none does."""
        width = np.where(np.isfinite(self.highs), self.highs - self.lows, np.inf)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.clip((points[:, None] - self.lows) / width, 0.0, 1.0)
        return np.asarray(np.where(np.isnan(parts), 0.0, parts) @ self.counts, dtype=np.float64)

    @property
    def rank_error(self) -> float:
        """By how much at most the fraction of values up to a point differs from that of ``below``: that of buckets around it."""
        if not self.counts.size:
            return 0.0
        edges = np.unique(np.concatenate([self.lows, self.highs[np.isfinite(self.highs)]]))
        middles = np.concatenate([(edges[1:] + edges[:-1]) / 2, edges[-1:] + 1.0])
        around = (self.lows < middles[:, None]) & (self.highs > middles[:, None])
        return float((around @ self.counts).max() / self.counts.sum())


def _place(counts: Floats, rank: float) -> int:
    """In which of the counts, added up, a rank lies."""
    return min(int(np.searchsorted(np.cumsum(counts), rank - 1e-9, side="left")), counts.size - 1)
