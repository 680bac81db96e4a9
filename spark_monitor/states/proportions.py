"""How far a number from n rows may be from what it would be on all rows of the kind: 95 % intervals."""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, ndtr, stdtrit

from spark_monitor.states.grid import Floats

CONFIDENCE = 0.95
Z = 1.959963984540054
FEW = 4
"""So many successes, or failures, are too few for the normal distribution."""
_CERTAIN = 1 - 2 * float(ndtr(-Z))


def score_interval(successes: npt.ArrayLike, trials: npt.ArrayLike, z: float | Floats = Z) -> tuple[Floats, Floats]:
    """Wilson's score interval of a proportion k / n, elementwise; [0, 1] where n is 0.

    (k + z^2/2 -+ z sqrt(k (n - k) / n + z^2/4)) / (n + z^2). Wilson, "Probable inference, the law of succession, and statistical
    inference" (1927); differences by Newcombe (1998) are made of it.

    >>> [round(float(bound), 4) for bound in score_interval(9, 10)]
    [0.5958, 0.9821]
    """
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    spread = z * np.sqrt(k * (n - k) / np.maximum(n, 1.0) + z * z / 4)
    middle = k + z * z / 2
    fraction = np.clip(k / np.maximum(n, 1.0), 0.0, 1.0)
    lower, upper = (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)
    empty = n == 0
    return np.where(empty, 0.0, np.clip(lower, 0.0, fraction)), np.where(empty, 1.0, np.clip(upper, fraction, 1.0))


@overload
def wilson(successes: float, trials: float, z: float = Z) -> tuple[float, float]: ...
@overload
def wilson(successes: npt.ArrayLike, trials: npt.ArrayLike, z: float = Z) -> tuple[Floats, Floats]: ...
def wilson(successes: Any, trials: Any, z: float = Z) -> Any:
    """The interval of a proportion k / n, elementwise: Wilson's, which also holds the proportions of few successes or failures.

    Of 1 to 4 successes the lower bound is Poisson's, the 5 % quantile of a gamma variable of shape k over n, where that is
    smaller, and so is the upper bound of 1 to 4 failures: plain Wilson covers 84 % near n p = 0.17, this 92 % or more. Brown,
    Cai and DasGupta, "Interval estimation for a binomial proportion" (2001), section 4.1.1.

    >>> [round(float(bound), 4) for bound in wilson(50, 100)], [round(float(bound), 4) for bound in wilson(1, 100)]
    ([0.4038, 0.5962], [0.0005, 0.0545])
    """
    certain = _CERTAIN if z == Z else 1 - 2 * float(ndtr(-z))
    if isinstance(successes, int | float) and isinstance(trials, int | float) and 0 <= successes <= trials < math.inf:
        return _wilson_of_one(float(successes), float(trials), z, certain)
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    lower, upper = score_interval(k, n, z)
    return np.minimum(lower, _of_few(k, n, certain)), np.maximum(upper, 1 - _of_few(n - k, n, certain))


def _wilson_of_one(k: float, n: float, z: float, certain: float) -> tuple[float, float]:
    """The same of one proportion, to the last bit: forty numbers of a model are proportions, and arrays of one cost ten times."""
    if n == 0:
        return 0.0, 1.0
    spread = z * math.sqrt(k * (n - k) / max(n, 1.0) + z * z / 4)
    middle, fraction = k + z * z / 2, min(max(k / max(n, 1.0), 0.0), 1.0)
    lower = min(max((middle - spread) / (n + z * z), 0.0), fraction)
    upper = max(min((middle + spread) / (n + z * z), 1.0), fraction)
    if 0 < k <= FEW:
        lower = min(lower, float(gammaincinv(k, 1 - certain)) / n)
    if 0 < n - k <= FEW:
        upper = max(upper, 1 - float(gammaincinv(n - k, 1 - certain)) / n)
    return lower, upper


def _of_few(k: Floats, n: Floats, certain: float) -> Floats:
    """Poisson's lower bound of the proportion of few successes, infinite beside them."""
    few = np.broadcast_to((k > 0) & (k <= FEW), np.broadcast_shapes(k.shape, n.shape))
    bound = np.full(few.shape, np.inf)
    if few.any():
        bound[few] = gammaincinv(np.broadcast_to(k, few.shape)[few], 1 - certain) / np.broadcast_to(n, bound.shape)[few]
    return bound


def student(value: float, variance: float, n: float) -> tuple[float, float]:
    """The interval of a mean of n terms with this sample variance: value -+ t sqrt(variance / n), t of n - 1 degrees.

    Student's t is the normal's 1.96 at the thousands and honest at ten. Without a variance (n < 2, or overflow) it is unbounded.

    >>> [round(bound, 3) for bound in student(10.0, 4.0, 16)]
    [8.934, 11.066]
    """
    if n < 2 or not math.isfinite(variance):
        return -math.inf, math.inf
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * math.sqrt(max(variance, 0.0) / n)
    return value - half, value + half


def recovered(values: Floats, lower: Floats, upper: Floats, weights: Floats) -> tuple[float, float]:
    """Half-widths, below and above, of a weighted sum of independent estimates, from their own intervals.

    sqrt(sum w^2 (value - lower)^2) and the same above: Zou and Donner's method of variance estimates recovery (2008).

    >>> one = np.array([0.5])
    >>> recovered(one, one - 0.3, one + 0.4, np.array([1.0]))
    (0.3, 0.4)
    """
    below, above = weights * (values - lower), weights * (upper - values)
    return math.hypot(*below.tolist()), math.hypot(*above.tolist())


def as_a_share(value: float, deviation: float) -> tuple[float, float]:
    """The interval of a proportion that has this value and this standard error.

    >>> [round(bound, 4) for bound in as_a_share(0.5, 0.05)]
    [0.4038, 0.5962]
    """
    if not deviation or not 0.0 < value < 1.0:
        return value, value
    rows = value * (1 - value) / deviation**2
    lower, upper = wilson(value * rows, rows)
    return float(lower), float(upper)


def lopsided(value: float, variance: float, third: float, n: float) -> tuple[float, float]:
    """The interval of a mean of n terms whose distribution leans to one side; ``third`` is their third central moment.

    Student's interval, widened where Hall's goes further: g(W) = W + h W^2 / 3 + h^2 W^3 / 27 + h / (6 n), W = (mean - mu) / s
    and h the terms' skewness, is nearly normal where W is not; its inverse is a cube root. Hall, "On the removal of skewness by
    transformation" (1992).

    >>> [round(bound, 3) for bound in lopsided(10.0, 4.0, 0.0, 16)], [round(bound, 3) for bound in lopsided(10.0, 4.0, 4.0, 16)]
    ([8.934, 11.066], [8.934, 11.19])
    """
    low, high = student(value, variance, n)
    if not math.isfinite(low) or variance <= 0 or not math.isfinite(third):
        return low, high
    deviation = math.sqrt(variance)
    skewness = max(min(third / deviation**3, math.sqrt(n)), -math.sqrt(n)) if deviation**3 else 0.0
    if abs(skewness) < _STRAIGHT:
        return low, high
    t = (high - value) / deviation
    moved = [value - deviation * _unbent(end, skewness, n) for end in (t, -t)]
    return min(low, *moved), max(high, *moved)


_STRAIGHT = 1e-6


def _unbent(end: float, skewness: float, n: float) -> float:
    """The inverse of Hall's transformation."""
    inner = 1 + skewness * (end - skewness / (6 * n))
    return float(3 / skewness * (np.cbrt(inner) - 1))
