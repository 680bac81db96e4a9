"""L-infinity: the largest change of one bin's share."""

from __future__ import annotations

import numpy as np

from spark_monitor.distances.distance import Distance
from spark_monitor.distances.sides import Counts


def l_infinity_distance(baseline: Counts, current: Counts) -> float:
    """max |p_i - q_i|, in [0, 1].

    ``baseline``, ``current``: int64[bins]; nan where a side is empty.

    >>> l_infinity_distance(np.array([50, 50, 0]), np.array([50, 25, 25]))
    0.25
    """
    n, m = int(baseline.sum()), int(current.sum())
    if not n or not m:
        return float("nan")
    return float(np.abs(baseline / n - current / m).max())


DISTANCE: Distance[Counts] = Distance(
    name="l_infinity",
    symbol="L∞",
    lowest=0.0,
    highest=1.0,
    description="Largest change of the share of one of the baseline's bins.",
    columns=("l_infinity_distance",),
    row=lambda baseline, current: (l_infinity_distance(baseline, current),),
)
