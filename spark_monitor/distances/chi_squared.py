"""Pearson's chi-squared test that both sides are samples of one population, on the baseline's bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from spark_monitor.catalogue.interval import Floats, Integers
from spark_monitor.catalogue.metric import SHARE, drift_metric
from spark_monitor.distances.bins import Block, Counts, both_counts
from spark_monitor.distances.result import Distance
from spark_monitor.distances.sampling import noncentral_bounds

LEAST_EXPECTED = 5
"""A bin in which the smaller side is expected to have fewer rows is counted together with others (Cochran, 1954)."""


@dataclass(frozen=True, eq=False)
class ChiSquared:
    """Of S pairs the statistic, its asymptotic p-value, and Cramer's V in [0, 1], which does not grow with the number of rows."""

    statistic: Floats
    pvalue: Floats
    degrees_of_freedom: Integers
    cramers_v: Floats


def chi_squared_test(baseline: Counts, current: Counts) -> ChiSquared:
    """sum (observed - expected)^2 / expected over the 2 x k tables of the bins seen on either side, without correction.

    ``baseline``, ``current``: int64[..., bins]; nan where a side is empty; statistic 0 and p-value 1 with a single bin.
    With two rows, Cramer's V = sqrt(statistic / (n + m)). Sources: Pearson (1900); Cramer (1946).

    >>> result = chi_squared_test(np.array([50, 50, 0]), np.array([80, 20, 0]))
    >>> round(float(result.statistic), 6), round(float(result.pvalue), 9), round(float(result.cramers_v), 6)
    (19.78022, 8.688e-06, 0.314485)
    """
    n, m = (side.sum(axis=-1).astype(np.float64) for side in (baseline, current))
    both = baseline + current
    empty = (n == 0) | (m == 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # With two rows the statistic is nm sum (p - q)^2 / (counts of both): the same number, without the expected counts.
        difference = baseline / n[..., None] - current / m[..., None]
        terms = np.divide(np.square(difference), both, out=np.zeros(both.shape), where=both > 0)
        statistic = np.where(empty, np.nan, terms.sum(axis=-1) * n * m)
        degrees = np.where(empty, 0, np.count_nonzero(both, axis=-1) - 1)
        pvalue = np.where(empty, np.nan, np.where(degrees > 0, chdtrc(np.maximum(degrees, 1), statistic), 1.0))
        cramers_v = np.minimum(np.sqrt(statistic / (n + m)), 1.0)
    return ChiSquared(statistic[()], pvalue[()], degrees[()], cramers_v[()])


def pooled(baseline: Counts, current: Counts, least: int = LEAST_EXPECTED) -> tuple[Counts, Counts]:
    """The same rows in fewer bins: neighbours together until the smaller side is expected to have ``least`` rows in each.

    A bin that one row of a side can enter, such as that of values out of range, would decide the test by this row. What is left
    at the end belongs to the last bin.

    >>> [side.tolist() for side in pooled(np.array([[400, 600, 0]]), np.array([[20, 29, 1]]))]
    [[[400, 600, 0]], [[20, 30, 0]]]
    """
    n, m = baseline.sum(axis=1), current.sum(axis=1)
    fraction = np.minimum(n, m) / np.maximum(n + m, 1)
    rows, width = np.arange(baseline.shape[0]), baseline.shape[1]
    sides = np.stack([baseline, current])
    bins, held = np.zeros_like(sides), np.zeros(sides.shape[:2], dtype=np.int64)
    last = np.zeros(baseline.shape[0], dtype=np.int64)
    for place in range(width):
        held += sides[:, :, place]
        enough = held.sum(axis=0) * fraction >= least
        last[enough] = place
        bins[:, rows[enough], place] = held[:, enough]
        held[:, enough] = 0
    bins[:, rows, last] += held
    return bins[0], bins[1]


@drift_metric("chi_squared_test", range=SHARE, aliases=("chi2", "chi_squared", "cramers_v"), databricks_column="chi_squared_test")
def chi_squared(baseline: Block, current: Block) -> Distance:
    """Pearson's chi-squared test of homogeneity on the baseline's bins, as Cramer's V.

    Bins of few expected rows are pooled. The statistic and its p-value stand in ``chi_squared_test``; what rules judge is
    Cramer's V = sqrt(statistic / (n + m)), whose interval is that of the noncentral chi-squared.
    """
    first, second = both_counts(baseline, current)
    result = chi_squared_test(*pooled(first, second))
    total = (first.sum(axis=1) + second.sum(axis=1)).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        lower, upper = noncentral_bounds(result.statistic / total, 1 / total, result.degrees_of_freedom)
    columns = {"chi_squared_test": {"statistic": result.statistic, "pvalue": result.pvalue}}
    lower, upper = (np.minimum(np.sqrt(bound), 1.0) for bound in (lower, upper))
    return Distance(result.cramers_v, lower, upper, np.zeros(total.shape), columns=columns)
