"""Pearson's chi-squared test that both sides are samples of one population, on the same bins."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import chdtrc

from spark_monitor.distances.bins import seen_on_either
from spark_monitor.distances.distance import Distance, Value
from spark_monitor.distances.sides import Counts


@dataclass(frozen=True)
class ChiSquared:
    """The statistic, its asymptotic p-value, and Cramer's V in [0, 1], which does not grow with the number of rows."""

    statistic: float
    pvalue: float
    degrees_of_freedom: int
    cramers_v: float


def chi_squared_test(baseline: Counts, current: Counts) -> ChiSquared:
    """sum (observed - expected)^2 / expected over the 2 x k table of the bins seen on either side, without correction.

    ``baseline``, ``current``: int64[bins]; nan where a side is empty; statistic 0 and p-value 1 with a single bin.
    With two rows, Cramer's V = sqrt(statistic / (n + m)). Sources: Pearson (1900); Cramer (1946).

    >>> result = chi_squared_test(np.array([50, 50, 0]), np.array([80, 20, 0]))
    >>> round(result.statistic, 6), round(result.pvalue, 9), round(result.cramers_v, 6)
    (19.78022, 8.688e-06, 0.314485)
    """
    n, m = int(baseline.sum()), int(current.sum())
    if not n or not m:
        return ChiSquared(float("nan"), float("nan"), 0, float("nan"))
    first, second = seen_on_either(baseline, current)
    # With two rows the statistic is nm sum (p - q)^2 / (counts of both): the same number, without the expected counts.
    difference = first / n - second / m
    statistic = float(np.sum(np.square(difference) / (first + second))) * n * m
    degrees = first.size - 1
    pvalue = float(chdtrc(degrees, statistic)) if degrees else 1.0
    return ChiSquared(statistic, pvalue, degrees, min(1.0, sqrt(statistic / (n + m))))


def _row(baseline: Counts, current: Counts) -> tuple[Value, ...]:
    result = chi_squared_test(baseline, current)
    return ({"statistic": result.statistic, "pvalue": result.pvalue},)


DISTANCE: Distance[Counts] = Distance(
    name="chi2",
    symbol="χ²",
    lowest=0.0,
    highest=float("inf"),
    description="Pearson's chi-squared test of homogeneity on the baseline's bins.",
    columns=("chi_squared_test",),
    row=_row,
)
