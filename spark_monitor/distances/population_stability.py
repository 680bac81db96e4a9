"""Population stability index, the symmetric Kullback-Leibler divergence of two sets of fractions, smoothed."""

from __future__ import annotations

from typing import Any

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.catalogue.metric import NOT_NEGATIVE, drift_metric
from spark_monitor.distances.bins import Block, Counts, both_counts, defined
from spark_monitor.distances.result import Distance
from spark_monitor.distances.sampling import noncentral_bounds

PSEUDO_COUNT = 0.5


def population_stability_index(baseline: Counts, current: Counts) -> Floats:
    """PSI = sum (q_i - p_i) ln(q_i / p_i) in nats, with p_i = (c_i + 0.5) / (n + 0.5 k) over the k bins seen on either side.

    ``baseline``, ``current``: int64[..., bins]; nan where a side is empty. Sources: Kullback and Leibler (1951); the pseudo-count
    is Jeffreys' prior, as in Krichevsky and Trofimov (1981).

    >>> round(float(population_stability_index(np.array([50, 50, 0]), np.array([80, 20, 0]))), 6)
    0.406287
    """
    seen = (baseline + current) > 0
    p, q = (np.where(seen, side + PSEUDO_COUNT, 0.0) for side in (baseline, current))
    with np.errstate(invalid="ignore", divide="ignore"):
        p, q = p / p.sum(axis=-1, keepdims=True), q / q.sum(axis=-1, keepdims=True)
        terms = np.where(seen, (q - p) * np.log(np.where(seen, q, 1.0) / np.where(seen, p, 1.0)), 0.0)
    return defined(terms.sum(axis=-1), baseline, current)


def psi_without_drift(bins: Any, n: Any, m: Any) -> Any:
    """PSI to expect of two samples of one population: (bins - 1) (1 / n + 1 / m); its first-order mean.

    Source: Yurdakul, "Statistical properties of the population stability index" (2018).

    >>> psi_without_drift(21, 1000, 250)
    0.1
    """
    return (bins - 1) * (1 / n + 1 / m)


@drift_metric(
    "population_stability_index",
    range=NOT_NEGATIVE,
    aliases=("psi",),
    unit="nats",
    databricks_column="population_stability_index",
)
def stability(baseline: Block, current: Block) -> Distance:
    """Population stability index on the baseline's bins, half a row added to each.

    The interval is of the populations' index: without drift PSI / (1/n + 1/m) is chi-squared with bins - 1 degrees, with drift
    noncentral; see ``noncentral_bounds``.
    """
    first, second = both_counts(baseline, current)
    value = population_stability_index(first, second)
    bins = np.count_nonzero(first + second, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 1 / first.sum(axis=-1) + 1 / second.sum(axis=-1)
        expected = np.where(np.isfinite(unit), (bins - 1) * unit, np.nan)
    lower, upper = noncentral_bounds(value, unit, bins - 1)
    names = "population_stability_index", "population_stability_index_expected"
    columns = dict(zip(names, (value, expected), strict=True))
    return Distance(value, lower, upper, np.zeros(value.shape), columns=columns)
