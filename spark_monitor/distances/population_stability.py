"""Population stability index, the symmetric Kullback-Leibler divergence of two sets of shares, smoothed."""

from __future__ import annotations

import numpy as np

from spark_monitor.distances.bins import seen_on_either
from spark_monitor.distances.distance import Distance, Value
from spark_monitor.distances.sides import Counts

PSEUDO_COUNT = 0.5


def population_stability_index(baseline: Counts, current: Counts) -> float:
    """PSI = sum (q_i - p_i) ln(q_i / p_i) in nats, with p_i = (c_i + 0.5) / (n + 0.5 k) over the k bins seen on either side.

    ``baseline``, ``current``: int64[bins]; nan where a side is empty. Sources: Kullback and Leibler (1951); the pseudo-count is
    Jeffreys' prior, as in Krichevsky and Trofimov (1981).

    >>> round(population_stability_index(np.array([50, 50, 0]), np.array([80, 20, 0])), 6)
    0.406287
    """
    if not baseline.sum() or not current.sum():
        return float("nan")
    seen, also = seen_on_either(baseline, current)
    p, q = seen + PSEUDO_COUNT, also + PSEUDO_COUNT
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_without_drift(bins: int, n: int, m: int) -> float:
    """PSI to expect of two samples of one population: (bins - 1) (1 / n + 1 / m); its first-order mean.

    Source: Yurdakul, "Statistical properties of the population stability index" (2018).

    >>> psi_without_drift(21, 1000, 250)
    0.1
    """
    return (bins - 1) * (1 / n + 1 / m)


def _row(baseline: Counts, current: Counts) -> tuple[Value, ...]:
    bins = int(np.count_nonzero(baseline + current))
    expected = psi_without_drift(bins, int(baseline.sum()), int(current.sum()))
    return population_stability_index(baseline, current), expected


DISTANCE: Distance[Counts] = Distance(
    name="psi",
    symbol="PSI",
    lowest=0.0,
    highest=float("inf"),
    description="Population stability index on the baseline's bins, half a row added to each.",
    columns=("population_stability_index", "population_stability_index_expected"),
    row=_row,
)
