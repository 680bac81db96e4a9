"""Hellinger distance: the Euclidean distance of the square roots of the shares."""

from __future__ import annotations

from math import sqrt

import numpy as np

from spark_monitor.distances.distance import Distance
from spark_monitor.distances.sides import Counts


def hellinger_distance(baseline: Counts, current: Counts) -> float:
    """H = sqrt(sum (sqrt p_i - sqrt q_i)^2 / 2), in [0, 1]; H^2 <= total variation <= sqrt(2) H.

    ``baseline``, ``current``: int64[bins]; nan where a side is empty. Source: Hellinger (1909).

    >>> hellinger_distance(np.array([4, 0]), np.array([0, 9])), round(hellinger_distance(np.array([1, 1]), np.array([3, 1])), 6)
    (1.0, 0.184592)
    """
    n, m = int(baseline.sum()), int(current.sum())
    if not n or not m:
        return float("nan")
    difference = np.sqrt(baseline / n) - np.sqrt(current / m)
    return min(1.0, sqrt(float(np.dot(difference, difference)) / 2))


DISTANCE: Distance[Counts] = Distance(
    name="hellinger",
    symbol="H",
    lowest=0.0,
    highest=1.0,
    description="Hellinger distance on the baseline's bins.",
    columns=("hellinger_distance",),
    row=lambda baseline, current: (hellinger_distance(baseline, current),),
)
