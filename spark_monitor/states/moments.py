"""Mean and variance that can be merged, stable for large means with small variances."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.sums import two_sum

_CACHED = 1 << 15
_SAMPLED = 64


@dataclass(frozen=True)
class Moments:
    """Mean and sum of squared deviations (M2) of n finite values, merged by Chan, Golub and LeVeque (1979).

    ``low`` is the part of the mean below its last bit: without it the means of two parts near 1e9 could not be distinguished well
    enough to merge small variances. An M2 beyond the largest double is inf.

    >>> both = Moments.of(np.array([1.0, 2.0])).merge(Moments.of(np.array([6.0])))
    >>> both.n, both.mean, both.m2, both.stddev
    (3, 3.0, 14.0, 2.6457513110645907)
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    low: float = 0.0

    @classmethod
    def of(cls, values: Floats) -> Moments:
        """Deviations from a guess near the mean; their sum corrects the guess (Chan and others, 1983).

        The guess is the mean, of many values that of every 64th: of values in order it lies well within a standard deviation.
        """
        n = values.size
        if not n:
            return cls()
        if values[0] == values[-1] and values.min() == values.max():
            return cls(n, float(values[0]) + 0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            guess = float(np.mean(values[:: _SAMPLED if n > _CACHED else 1]))
            if not np.isfinite(guess):
                guess = float(np.clip(np.sum(values / n), values.min(), values.max()))
            rest, m2 = _deviations(values, guess)
            rest /= n
            if not np.isfinite(rest):
                # The sum exceeds a double, the mean does not: terms that were divided first cannot overflow.
                return cls(n, math.fsum((values / n).tolist()), float("inf"))
            return cls.about(guess, n, rest, m2)

    @classmethod
    def about(cls, guess: float, n: int, rest: float, squares: float) -> Moments:
        """Of n values whose deviations from a guess have the mean ``rest``, and their squares the sum ``squares``."""
        mean, low = two_sum(guess, rest)
        m2 = squares - n * (rest * rest)
        return cls(n, mean, max(float(m2), 0.0) if math.isfinite(m2) else float("inf"), low)

    def merge(self, other: Moments) -> Moments:
        """The moments of both."""
        most, least = (self, other) if self.n >= other.n else (other, self)
        if not least.n:
            return most
        n = most.n + least.n
        fraction = least.n / n
        delta = (least.mean - most.mean) + (least.low - most.low)
        if not np.isfinite(delta):
            return Moments(n, most.mean * (1 - fraction) + least.mean * fraction, float("inf"))
        mean, low = two_sum(most.mean, most.low + delta * fraction)
        return Moments(n, mean, most.m2 + least.m2 + delta * (delta * most.n * fraction), low)

    @property
    def stddev(self) -> float:
        """Sample standard deviation sqrt(M2 / (n - 1)); nan below two values or where it exceeds a double."""
        if self.n < 2 or not np.isfinite(self.m2):
            return float("nan")
        return float(np.sqrt(self.m2 / (self.n - 1)))


def moments_about(guess: Floats, n: Integers, rest: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, its low part and M2 of many states at once: see ``Moments.about``.

    >>> [one.tolist() for one in moments_about(np.array([2.0]), np.array([4]), np.array([0.5]), np.array([6.0]))]
    [[2.5], [0.0], [5.0]]
    """
    mean = guess + rest
    virtual = mean - guess
    low = (guess - (mean - virtual)) + (rest - virtual)
    with np.errstate(over="ignore", invalid="ignore"):
        m2 = squares - n * (rest * rest)
    return mean, low, np.where(np.isfinite(m2), np.maximum(m2, 0.0), np.inf)


Many = tuple[Integers, Floats, Floats, Floats]
"""n, mean, its low part and M2 of many states; 0 for the last three without values."""


def merged_moments(one: Many, other: Many) -> tuple[Floats, Floats, Floats]:
    """``Moments.merge`` of many states at once: mean, its low part and M2.

    >>> one = np.array([2]), np.array([1.5]), np.zeros(1), np.array([0.5])
    >>> [numbers.tolist() for numbers in merged_moments(one, (np.array([1]), np.array([6.0]), *np.zeros((2, 1))))]
    [[3.0], [0.0], [14.0]]
    """
    n = one[0] + other[0]
    fewer = one[0] < other[0]
    most = [np.where(fewer, theirs, ours) for ours, theirs in zip(one, other, strict=True)]
    least = [np.where(fewer, ours, theirs) for ours, theirs in zip(one, other, strict=True)]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        fraction = np.where(n > 0, least[0] / n, 0.0)
        delta = np.where(least[0] > 0, (least[1] - most[1]) + (least[2] - most[2]), 0.0)
        mean, low = two_sum(most[1], most[2] + delta * fraction)
        m2 = most[3] + least[3] + delta * (delta * most[0] * fraction)
        apart = ~np.isfinite(delta)
        mean = np.where(apart, most[1] * (1 - fraction) + least[1] * fraction, mean)
    return mean, np.where(apart, 0.0, low), np.where(apart, np.inf, m2)


def _deviations(values: Floats, guess: float) -> tuple[float, float]:
    """The sums of deviations and of their squares, so many values at a time that these stay in the processor's cache."""
    total = squares = 0.0
    for low in range(0, values.size, _CACHED):
        deviations = values[low : low + _CACHED] - guess
        total += float(np.add.reduce(deviations))
        # Numpy's own pairwise sum: a BLAS dot product may spread over threads that the task does not have.
        deviations *= deviations
        squares += float(np.add.reduce(deviations))
    return total, squares
