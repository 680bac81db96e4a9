"""Jensen-Shannon distance: how well one could tell from a row which side it came from."""

from __future__ import annotations

from math import log

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.catalogue.metric import SHARE, drift_metric
from spark_monitor.distances.bins import Block, Counts, both_counts, defined, fractions


def js_distance(baseline: Counts, current: Counts) -> Floats:
    """sqrt of (KL(p, s) + KL(q, s)) / 2 in bits, s = (p + q) / 2; a metric in [0, 1].

    ``baseline``, ``current``: int64[..., bins]; nan where a side is empty. With d = (p - q) / (p + q) each bin adds
    s ((1 + d) ln(1 + d) + (1 - d) ln(1 - d)) / 2, which is exact also where p and q nearly agree.
    Source: Endres and Schindelin, "A new metric for probability distributions" (2003).

    >>> pairs = np.array([[4, 0], [1, 1]]), np.array([[0, 9], [3, 1]])
    >>> [round(distance, 6) for distance in js_distance(*pairs).tolist()]
    [1.0, 0.220896]
    """
    p, q = fractions(baseline), fractions(current)
    both = p + q
    d = np.divide(np.abs(p - q), both, out=np.zeros_like(both), where=both > 0)
    rest = 1.0 - d
    logs = np.log1p(-d, out=np.zeros_like(d), where=rest > 0)
    divergence = (both * ((1.0 + d) * np.log1p(d) + rest * logs)).sum(axis=-1) / (4 * log(2))
    return defined(np.minimum(np.sqrt(np.maximum(divergence, 0.0)), 1.0), baseline, current)


@drift_metric("js_distance", range=SHARE, aliases=("js",), databricks_column="js_distance")
def jensen_shannon(baseline: Block, current: Block) -> Floats:
    """Jensen-Shannon distance (base 2) on the baseline's bins."""
    return js_distance(*both_counts(baseline, current))
