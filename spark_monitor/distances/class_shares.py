"""How far the fractions of classes are from others, with an interval: what labels and predicted classes are compared by."""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.distances.total_variation import tv_distance
from spark_monitor.states.proportions import score_interval

_DIFFERENCE = math.sqrt(math.log(2 / 0.05) / 2)


def shares_moved(baseline: np.ndarray, current: np.ndarray) -> tuple[Floats, Floats, Floats]:
    """Total variation of int64[S, K] counts of classes and the 95 % interval of the populations'; nan where a side is empty.

    Of two classes it is the difference of a fraction, whose interval is Newcombe's (1998, method 10). Of K classes chance alone
    adds up to sqrt((K - 1) v) / 2 on average, v = 1/n + 1/m, and the rest is bounded by McDiarmid: sqrt(ln(2 / 0.05) v / 2).

    >>> value, lower, upper = shares_moved(np.array([[500, 500]]), np.array([[60, 40]]))
    >>> [round(float(one[0]), 3) for one in (value, lower, upper)]
    [0.1, 0.0, 0.196]
    """
    value = np.asarray(tv_distance(baseline, current), dtype=np.float64)
    n, m = current.sum(axis=1).astype(np.float64), baseline.sum(axis=1).astype(np.float64)
    used = ((baseline > 0) | (current > 0)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        v = 1 / n + 1 / m
        rest = np.sqrt(v) * _DIFFERENCE
        lower, upper = value - np.sqrt(np.maximum(used - 1, 0) * v) / 2 - rest, value + rest
        place = np.argmax((baseline > 0) | (current > 0), axis=1)
        rows = np.arange(len(value))
        two = _two_classes(baseline[rows, place], m, current[rows, place], n)
    few = used <= 2
    lower, upper = np.where(few, two[0], lower), np.where(few, two[1], upper)
    return value, np.clip(lower, 0.0, value), np.clip(upper, value, 1.0)


def _two_classes(before: np.ndarray, m: Floats, now: np.ndarray, n: Floats) -> tuple[Floats, Floats]:
    """The bounds of the absolute difference of two fractions."""
    old, new = before / m, now / n
    (low, high), (old_low, old_high) = score_interval(now, n), score_interval(before, m)
    difference = new - old
    least, most = difference - np.hypot(new - low, old_high - old), difference + np.hypot(high - new, old - old_low)
    return np.maximum(np.maximum(least, -most), 0.0), np.maximum(np.abs(least), np.abs(most))
