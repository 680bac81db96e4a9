"""How far the fractions of classes are from others, with an interval: what labels and predicted classes are compared by."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ndtri

from spark_monitor.catalogue.interval import Floats
from spark_monitor.distances.total_variation import tv_distance
from spark_monitor.states.proportions import Z as _Z
from spark_monitor.states.proportions import score_interval

_MEAN_PER_DEVIATION = 2 * math.sqrt(0.5) * math.exp(-0.5)
"""How large a count's mean deviation is at most, in standard deviations: Poisson's of 1/2; of many rows sqrt(2 / pi)."""

SINGLE = 0.005
"""How often any single class's lower bound may be above the truth."""


def shares_moved(baseline: np.ndarray, current: np.ndarray) -> tuple[Floats, Floats, Floats]:
    """Total variation of int64[S, K] counts of classes and the 95 % interval of the populations'; nan where a side is empty.

    Of two classes it is the difference of a fraction, whose interval is Newcombe's (1998, method 10). Of more, chance alone adds
    at most half the sum of the classes' mean deviations, each 0.86 sqrt(p (1 - p) v) at most, v = 1/n + 1/m. About its mean it
    varies as the fraction of one set of classes does at most (Poincare's inequality), so by 1.96 sqrt(v / 4) in 95 of 100 cases.
    As no single class moves further than all together, the largest of their own lower bounds (Newcombe's, of K at once) holds,
    too: where one class alone has grown it is closer.

    >>> value, lower, upper = shares_moved(np.array([[500, 500]]), np.array([[60, 40]]))
    >>> [round(float(one[0]), 3) for one in (value, lower, upper)]
    [0.1, 0.0, 0.196]
    """
    value = np.asarray(tv_distance(baseline, current), dtype=np.float64)
    n, m = current.sum(axis=1).astype(np.float64), baseline.sum(axis=1).astype(np.float64)
    used = ((baseline > 0) | (current > 0)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        v = 1 / n + 1 / m
        both = (baseline + current) / (n + m)[:, None]
        lower, upper = value - by_chance(both) * np.sqrt(v), value + _Z / 2 * np.sqrt(v)
        place = np.argmax((baseline > 0) | (current > 0), axis=1)
        rows = np.arange(len(value))
        two = _two_classes(baseline[rows, place], m, current[rows, place], n)
        lower = np.fmax(lower, _farthest_class(baseline, m, current, n, used))
    few = used <= 2
    lower, upper = np.where(few, two[0], lower), np.where(few, two[1], upper)
    return value, np.clip(lower, 0.0, value), np.clip(upper, value, 1.0)


def by_chance(shares: Floats) -> Floats:
    """What chance alone reaches of the total variation of counts with these fractions of classes [..., K], in sqrt(v).

    >>> [round(float(by_chance(np.array(one))), 3) for one in ([0.5, 0.5], [0.05] * 20)]
    [0.98, 2.849]
    """
    deviations = np.sqrt(shares * (1 - shares))
    if np.shape(shares)[-1] <= len(("no", "yes")):
        return np.asarray(_Z * deviations[..., 0])
    return np.asarray(_MEAN_PER_DEVIATION * deviations.sum(axis=-1) / 2 + _Z / 2)


def _farthest_class(before: np.ndarray, m: Floats, now: np.ndarray, n: Floats, used: np.ndarray) -> Floats:
    """How far one class of those used has surely moved."""
    z = ndtri(1 - SINGLE / np.maximum(used, 1))[:, None]
    lower, _ = _two_classes(before, m[:, None], now, n[:, None], z)
    return np.asarray(lower.max(axis=1, initial=0.0))


def _two_classes(before: np.ndarray, m: Floats, now: np.ndarray, n: Floats, z: float | Floats = _Z) -> tuple[Floats, Floats]:
    """The bounds of the absolute difference of two fractions."""
    old, new = before / m, now / n
    (low, high), (old_low, old_high) = score_interval(now, n, z), score_interval(before, m, z)
    difference = new - old
    least, most = difference - np.hypot(new - low, old_high - old), difference + np.hypot(high - new, old - old_low)
    return np.maximum(np.maximum(least, -most), 0.0), np.maximum(np.abs(least), np.abs(most))
