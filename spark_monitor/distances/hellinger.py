"""Hellinger distance: the Euclidean distance of the square roots of the fractions."""

from __future__ import annotations

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.catalogue.metric import SHARE, drift_metric
from spark_monitor.distances.bins import Block, Counts, both_counts, defined, fractions


def hellinger_distance(baseline: Counts, current: Counts) -> Floats:
    """H = sqrt(sum (sqrt p_i - sqrt q_i)^2 / 2), in [0, 1]; H^2 <= total variation <= sqrt(2) H.

    ``baseline``, ``current``: int64[..., bins]; nan where a side is empty. Source: Hellinger (1909).

    >>> pairs = np.array([[4, 0], [1, 1]]), np.array([[0, 9], [3, 1]])
    >>> [round(distance, 6) for distance in hellinger_distance(*pairs).tolist()]
    [1.0, 0.184592]
    """
    squares = np.square(np.sqrt(fractions(baseline)) - np.sqrt(fractions(current))).sum(axis=-1)
    return defined(np.minimum(np.sqrt(squares / 2), 1.0), baseline, current)


@drift_metric("hellinger_distance", range=SHARE, aliases=("hellinger",), databricks_column="hellinger_distance")
def hellinger(baseline: Block, current: Block) -> Floats:
    """Hellinger distance on the baseline's bins."""
    return hellinger_distance(*both_counts(baseline, current))
