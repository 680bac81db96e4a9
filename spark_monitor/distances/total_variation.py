"""Total variation: the share of rows that would have to move to another bin."""

from __future__ import annotations

import numpy as np

from spark_monitor.distances.distance import Distance
from spark_monitor.distances.sides import Counts


def tv_distance(baseline: Counts, current: Counts) -> float:
    """TV = sum |p_i - q_i| / 2, in [0, 1]: the largest difference in probability of any set of bins.

    ``baseline``, ``current``: int64[bins]; nan where a side is empty.

    >>> tv_distance(np.array([50, 50]), np.array([75, 25]))
    0.25
    """
    n, m = int(baseline.sum()), int(current.sum())
    if not n or not m:
        return float("nan")
    return min(1.0, float(np.abs(baseline / n - current / m).sum()) / 2)


DISTANCE: Distance[Counts] = Distance(
    name="tv",
    symbol="TV",
    lowest=0.0,
    highest=1.0,
    description="Total variation on the baseline's bins: the share of rows that would have to move.",
    columns=("tv_distance",),
    row=lambda baseline, current: (tv_distance(baseline, current),),
)
