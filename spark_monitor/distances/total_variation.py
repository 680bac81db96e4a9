"""Total variation: the fraction of rows that would have to move to another bin."""

from __future__ import annotations

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.catalogue.metric import SHARE, drift_metric
from spark_monitor.distances.bins import Block, Counts, both_counts, defined, fractions


def tv_distance(baseline: Counts, current: Counts) -> Floats:
    """TV = sum |p_i - q_i| / 2, in [0, 1]: the largest difference in probability of any set of bins.

    ``baseline``, ``current``: int64[..., bins]; nan where a side is empty.

    >>> float(tv_distance(np.array([50, 50]), np.array([75, 25])))
    0.25
    """
    moved = np.abs(fractions(baseline) - fractions(current)).sum(axis=-1) / 2
    return defined(np.minimum(moved, 1.0), baseline, current)


@drift_metric("tv_distance", range=SHARE, aliases=("tv",), databricks_column="tv_distance")
def total_variation(baseline: Block, current: Block) -> Floats:
    """Total variation on the baseline's bins: the fraction of rows that would have to move."""
    return tv_distance(*both_counts(baseline, current))
