"""How far a divergence of two samples on bins may be from that of their populations."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtr, chndtrinc

from spark_monitor.catalogue.interval import Floats, Integers

LOW, HIGH = 0.975, 0.025
_MOST = 1e4
"""Beyond so many units the noncentral chi-squared is a normal distribution for all purposes."""


def noncentral_bounds(value: Floats, unit: Floats, degrees: Integers) -> tuple[Floats, Floats]:
    """The 95 % interval of a divergence d, where value / unit is about noncentral chi-squared with noncentrality d / unit.

    PSI, the chi-squared statistic over n + m and their like are quadratic in the fractions' differences while drift is small, so
    over ``unit`` = 1/n + 1/m they are noncentral chi-squared with bins - 1 ``degrees``. Lower and upper are the noncentralities
    under which the value found is the 97.5 % and the 2.5 % point; 0 where the value is no more than chance would make it.
    Source: Steiger and Fouladi, "Noncentrality interval estimation" (1997).

    >>> lower, upper = noncentral_bounds(np.array([0.02, 0.5]), np.array([0.002, 0.002]), np.array([9, 9]))
    >>> lower.round(3).tolist(), upper.round(3).tolist()
    ([0.0, 0.369], [0.032, 0.615])
    """
    shape = np.shape(value)
    x, unit, df = (np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (value, unit, degrees))
    with np.errstate(invalid="ignore", divide="ignore"):
        x = x / unit
    lower, upper = (np.full(x.shape, np.nan) for _ in range(2))
    fit = np.isfinite(x) & (df > 0)
    near, far = fit & (x < _MOST), fit & (x >= _MOST)
    for bound, level in ((lower, LOW), (upper, HIGH)):
        possible = near & (chdtr(np.maximum(df, 1), np.where(near, x, 0.0)) > level)
        bound[near] = 0.0
        bound[possible] = chndtrinc(x[possible], df[possible], level)
        # A square of a normal number: sqrt(noncentrality) is sqrt(x - degrees) within 1.96 standard deviations of 1.
        bound[far] = np.square(np.sqrt(x[far] - df[far]) + (-1.96 if level == LOW else 1.96))
    lower, upper = np.maximum(lower, 0.0) * unit, np.maximum(upper, 0.0) * unit
    none = np.isfinite(x) & (df <= 0)
    lower[none] = upper[none] = 0.0
    return lower.reshape(shape), upper.reshape(shape)
