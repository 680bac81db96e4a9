"""L-infinity: the largest change of one bin's fraction."""

from __future__ import annotations

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.catalogue.metric import SHARE, drift_metric
from spark_monitor.distances.bins import Block, Counts, both_counts, defined, fractions


def l_infinity_distance(baseline: Counts, current: Counts) -> Floats:
    """max |p_i - q_i|, in [0, 1].

    ``baseline``, ``current``: int64[..., bins]; nan where a side is empty.

    >>> float(l_infinity_distance(np.array([50, 50, 0]), np.array([50, 25, 25])))
    0.25
    """
    return defined(np.abs(fractions(baseline) - fractions(current)).max(axis=-1), baseline, current)


@drift_metric("l_infinity_distance", range=SHARE, aliases=("l_infinity",), databricks_column="l_infinity_distance")
def l_infinity(baseline: Block, current: Block) -> Floats:
    """Largest change of the fraction of one of the baseline's bins."""
    return l_infinity_distance(*both_counts(baseline, current))
