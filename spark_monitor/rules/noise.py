"""How far a number of two samples may be from the populations' own: 95 % intervals for distances that are stored without one.

Arrays of length S. ``n`` and ``m`` are the rows of the window and of what it is compared with, v = 1/n + 1/m. For distances on
bins ``freedom`` is the number of bins less one. With d the difference of the fractions and p the fractions themselves,
T = (1/v) sum d^2 / p is chi-squared with ``freedom`` degrees without any drift, and noncentral with shift (1/v) sum delta^2 / p
where the populations differ by delta; to second order in d

    PSI = v T,   Jensen-Shannon (base 2)^2 = v T / (8 ln 2),   Hellinger^2 = v T / 8,   Cramer's V^2 = T / (n + m).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, gammaincinv, kolmogi, ndtri

from spark_monitor.rules.verdicts import CRAMERS_V
from spark_monitor.states.proportions import Z, wilson

Floats = npt.NDArray[np.float64]

PSI: Final = "population_stability_index"
PER_T: Final = {PSI: 1.0, "js_distance": 1 / (8 * math.log(2)), "hellinger_distance": 1 / 8, CRAMERS_V: 1.0}
"""What the metric, or its square, is of v T; of Cramer's V, of T / (n + m)."""

BOUNDED_DIFFERENCE: Final = math.sqrt(math.log(2 / 0.05) / 2)
"""McDiarmid: a statistic that one row of n moves by at most 1/n is within this times sqrt(v) of its mean in 95 of 100 cases."""

PERCENTS: Final = frozenset({"percent_null", "percent_nan", "percent_zeros"})
PERCENT_DELTAS: Final = frozenset({"percent_null_delta", "percent_zeros_delta"})
TOTAL, LARGEST = "tv_distance", "l_infinity_distance"
ON_BINS: Final = frozenset({*PER_T, TOTAL, LARGEST})
SAMPLED: Final = frozenset({"ks", "avg", "avg_delta", *ON_BINS, *PERCENTS, *PERCENT_DELTAS})
"""Metrics of which every number that is judged has an interval for its sampling error."""


def shift_bounds(t: npt.ArrayLike, freedom: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The 95 % interval of the shift of a noncentral chi-squared variable that was seen as ``t``.

    The values s for which |t - (freedom + s)| <= 1.96 sqrt(2 freedom + 4 s), its mean and standard deviation.

    >>> [bound.round(1).tolist() for bound in shift_bounds([20.0, 120.0], [20.0, 20.0])]
    [[0.0, 65.9], [22.3, 149.5]]
    """
    seen, k = np.asarray(t, dtype=np.float64), np.asarray(freedom, dtype=np.float64)
    excess = seen - k
    root = np.sqrt(np.maximum(4 * Z**2 * excess + 4 * Z**4 + 2 * Z**2 * k, 0.0))
    middle = excess + 2 * Z**2
    # Where less was seen than chance gives on average, the shift may be nothing.
    lower = np.where(excess > 0, np.maximum(middle - root, 0.0), 0.0)
    return np.where(np.isnan(excess), np.nan, lower), np.maximum(middle + root, 0.0)


def distance_bounds(metric: str, value: Floats, n: Floats, m: Floats, freedom: Floats) -> tuple[Floats, Floats]:
    """The interval of a distance on bins; the value itself where the rows or the bins are not known.

    Total variation: its mean is at most sqrt(freedom v) / 2 above the populations', and it is within sqrt(ln(2/0.05) v / 2) of
    it (McDiarmid). The largest difference of a fraction: see ``largest_by_chance``.

    >>> low, high = distance_bounds("population_stability_index", *(np.array([x]) for x in (0.13, 272.0, 272.0, 20.0)))
    >>> float(low[0]), bool(high[0] > 0.13)
    (0.0, True)
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        v = 1 / n + 1 / m
        if metric in (TOTAL, LARGEST):
            half = BOUNDED_DIFFERENCE * np.sqrt(v) if metric == TOTAL else largest_by_chance(v, freedom, 0.95)
            bias = np.sqrt(freedom * v) / 2 if metric == TOTAL else 0.0
            low, high = np.maximum(value - bias - half, 0.0), np.minimum(value + half, 1.0)
        else:
            per = PER_T[metric] * (1 / (n + m) if metric == CRAMERS_V else v)
            power = 1.0 if metric == PSI else 2.0
            shifts = shift_bounds(value**power / per, freedom)
            low, high = ((shift * per) ** (1 / power) for shift in shifts)
    is_known = np.isfinite(low) & np.isfinite(high)
    return np.where(is_known, np.minimum(low, value), value), np.where(is_known, np.maximum(high, value), value)


def percent_bounds(percent: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Clopper and Pearson's exact interval of a percentage of n rows; the percentage itself where the rows are not known.

    Wilson's is narrower, and of two rows it excludes what is seen in one of twenty windows.

    >>> [round(float(bound[0]), 1) for bound in percent_bounds(np.array([50.0]), np.array([2.0]))]
    [1.3, 98.7]
    """
    is_known = np.isfinite(percent) & np.isfinite(n) & (n > 0)
    trials = np.where(is_known, n, 1.0)
    k = np.where(is_known, percent, 0.0) / 100 * trials
    lower = np.where(k > 0, betaincinv(np.maximum(k, 1e-9), trials - k + 1, 0.025), 0.0)
    upper = np.where(k < trials, betaincinv(k + 1, np.maximum(trials - k, 1e-9), 0.975), 1.0)
    low, high = np.minimum(100 * lower, percent), np.maximum(100 * upper, percent)
    return np.where(is_known, low, percent), np.where(is_known, high, percent)


def wilson_bounds(percent: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Wilson's interval of a percentage, NaN where the rows are not known."""
    with np.errstate(invalid="ignore"):
        lower, upper = wilson(percent / 100 * n, n)
    return 100 * lower, 100 * upper


def percent_delta_bounds(delta: Floats, percent: Floats, n: Floats, m: Floats) -> tuple[Floats, Floats]:
    """Newcombe's interval of ``percent`` of n rows less ``percent - delta`` of m rows.

    Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.

    >>> [round(float(x[0]), 2) for x in percent_delta_bounds(*(np.array([x]) for x in (20.0, 80.0, 70.0, 80.0)))]
    [5.24, 33.39]
    """
    before = np.clip(percent - delta, 0.0, 100.0)
    (low, high), (low_before, high_before) = wilson_bounds(percent, n), wilson_bounds(before, m)
    down, up = np.hypot(percent - low, high_before - before), np.hypot(high - percent, before - low_before)
    is_known = np.isfinite(down) & np.isfinite(up)
    return np.where(is_known, delta - down, delta), np.where(is_known, delta + up, delta)


def mean_bounds(value: Floats, stddev: Floats, v: Floats) -> tuple[Floats, Floats]:
    """value -+ 1.96 stddev sqrt(v); the value itself where the spread is not known."""
    half = Z * stddev * np.sqrt(v)
    is_known = np.isfinite(half)
    return np.where(is_known, value - half, value), np.where(is_known, value + half, value)


def chance(metric: str, n: Floats, m: Floats, freedom: Floats, q: float = 0.95) -> Floats:
    """The q-quantile of a distance without any drift, by chance alone; NaN where that is not known.

    KS: Kolmogorov's quantile times sqrt(v). Distances on bins: the chi-squared quantile. Total variation: its largest mean and
    McDiarmid's bound. The largest difference of a fraction: ``largest_by_chance``.

    >>> chance("ks", np.array([184.0]), np.array([np.inf]), np.array([np.nan])).round(4).tolist()
    [0.1001]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        v = 1 / n + 1 / m
        if metric == "ks":
            return np.asarray(kolmogi(1 - q) * np.sqrt(v), dtype=np.float64)
        if metric == TOTAL:
            return np.asarray((np.sqrt(freedom) / 2 + math.sqrt(math.log(2 / (1 - q)) / 2)) * np.sqrt(v), dtype=np.float64)
        if metric == LARGEST:
            return largest_by_chance(v, freedom, q)
        if metric not in PER_T:
            return np.full(np.shape(v), np.nan)
        t = 2 * gammaincinv(np.asarray(freedom) / 2, q) * PER_T[metric] * (1 / (n + m) if metric == CRAMERS_V else v)
        return np.asarray(t if metric == PSI else np.sqrt(t), dtype=np.float64)


def largest_by_chance(v: Floats, freedom: Floats, q: float) -> Floats:
    """How far the differences of the fractions of ``freedom`` + 1 bins are from the populations' at most, with probability q.

    No difference has a variance above v/4, and all of them together are within z(1 - (1 - q) / (2 bins)) sqrt(v) / 2; of two
    bins, whose differences are one number, within z(1 - (1 - q) / 2) sqrt(v) / 2.
    Source: Goodman, "On simultaneous confidence intervals for multinomial proportions" (1965).

    >>> largest_by_chance(np.array([0.01, 0.01]), np.array([1.0, 9.0]), 0.95).round(4).tolist()
    [0.098, 0.1404]
    """
    with np.errstate(invalid="ignore"):
        # The freedom comes out of a quotient, so that one is hardly ever 1 exactly.
        differences = np.where(freedom < 1.5, 1.0, freedom + 1)
        return np.asarray(ndtri(1 - (1 - q) / (2 * differences)) * np.sqrt(v) / 2, dtype=np.float64)


def chance_of_percent(percent: Floats, v: Floats, q: float) -> Floats:
    """How far chance alone moves a percentage, with probability q: z(q) sqrt(p (1 - p) v), in percent.

    ``v`` is 1/n of one sample, 1/n + 1/m of the difference of two. p is taken no nearer to 0 or 1 than half a row.

    >>> chance_of_percent(np.array([50.0]), np.array([0.01]), 0.975).round(1).tolist()
    [9.8]
    """
    with np.errstate(invalid="ignore"):
        p = np.clip(percent / 100, np.minimum(v / 2, 0.5), np.maximum(1 - v / 2, 0.5))
        return np.asarray(100 * ndtri(q) * np.sqrt(p * (1 - p) * v), dtype=np.float64)


def rows_needed(metric: str, limit: float, n: float, m: float, freedom: float) -> int | None:
    """The fewest rows of a window at which chance alone stays below a limit; None where no window is large enough.

    >>> rows_needed("ks", 0.1, 50, 1e9, math.nan)
    185
    """
    now = float(chance(metric, np.array([n]), np.array([m]), np.array([freedom]))[0])
    if not limit > 0 or not math.isfinite(now):
        return None
    v = 1 / n + 1 / m
    allowed = v * (limit / now) ** (1 if metric == PSI else 2)
    return math.ceil(1 / (allowed - 1 / m)) if allowed > 1 / m else None
