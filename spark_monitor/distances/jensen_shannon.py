"""Jensen-Shannon distance: how well one could tell from a row which side it came from."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from spark_monitor.distances.distance import Distance
from spark_monitor.distances.sides import Counts


def js_distance(baseline: Counts, current: Counts) -> float:
    """sqrt of (KL(p, s) + KL(q, s)) / 2 in bits, s = (p + q) / 2; a metric in [0, 1].

    ``baseline``, ``current``: int64[bins]; nan where a side is empty. With d = (p - q) / (p + q) each bin adds
    s ((1 + d) ln(1 + d) + (1 - d) ln(1 - d)) / 2, which is exact also where p and q nearly agree.
    Source: Endres and Schindelin, "A new metric for probability distributions" (2003).

    >>> js_distance(np.array([4, 0]), np.array([0, 9])), round(js_distance(np.array([1, 1]), np.array([3, 1])), 6)
    (1.0, 0.220896)
    """
    n, m = int(baseline.sum()), int(current.sum())
    if not n or not m:
        return float("nan")
    seen = (baseline + current) > 0
    p, q = baseline[seen] / n, current[seen] / m
    both = p + q
    d = np.abs(p - q) / both
    rest = 1.0 - d
    logs = np.log1p(-d, out=np.zeros_like(d), where=rest > 0)
    divergence = float((both * ((1.0 + d) * np.log1p(d) + rest * logs)).sum()) / (4 * log(2))
    return min(1.0, sqrt(max(0.0, divergence)))


DISTANCE: Distance[Counts] = Distance(
    name="js",
    symbol="JS",
    lowest=0.0,
    highest=1.0,
    description="Jensen-Shannon distance (base 2) on the baseline's bins.",
    columns=("js_distance",),
    row=lambda baseline, current: (js_distance(baseline, current),),
)
