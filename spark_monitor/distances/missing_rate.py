"""The change of a share, such as that of missing values, with its confidence interval."""

from __future__ import annotations

from math import sqrt

from scipy.special import ndtri

from spark_monitor.distances.interval import CONFIDENT, Interval

ALPHA = 0.05
_Z = float(ndtri(1 - ALPHA / 2))


def wilson(successes: int, n: int) -> Interval:
    """The share ``successes / n`` with its 95 % score interval, in [0, 1]; source: Wilson (1927).

    >>> print(wilson(10, 100))
    0.1 [0.0552291, 0.174366] 95 %
    """
    share, spread = successes / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return Interval(share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)), CONFIDENT)


def missing_rate_change(baseline_missing: int, n: int, current_missing: int, m: int) -> Interval:
    """current_missing / m - baseline_missing / n with its 95 % interval, in [-1, 1], from both Wilson intervals.

    Source: Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10.

    >>> print(missing_rate_change(48, 80, 56, 70))  # Newcombe's table II (a): 0.0524 to 0.3339
    0.2 [0.0524315, 0.333873] 95 %
    """
    before, now = wilson(baseline_missing, n), wilson(current_missing, m)
    change = now.value - before.value
    down = sqrt((now.value - now.lower) ** 2 + (before.upper - before.value) ** 2)
    up = sqrt((now.upper - now.value) ** 2 + (before.value - before.lower) ** 2)
    return Interval(change, max(-1.0, change - down), min(1.0, change + up), CONFIDENT)
