"""Sums that do not depend on the order of their terms: each is kept as two doubles, the rounded total and what rounding lost.

The error of such a sum is about 2^-104 of the sum of absolute values, so however a batch is cut into parts and merged, the
total rounded to one double is the same. Sources: Knuth (1969) for the exact error of an addition, Dekker (1971) for the exact
error of a product, Shewchuk (1997) for the exact sum of few terms (``math.fsum``).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TypeVar

import numpy as np

from spark_monitor.states.grid import Floats

Number = TypeVar("Number", float, Floats)

_SUMMED_EXACTLY = 256
_SPLITTER = 2.0**27 + 1.0


def two_sum(first: Number, second: Number) -> tuple[Number, Number]:
    """first + second, rounded, and its exact rounding error (Knuth, 1969), of numbers or of arrays.

    >>> two_sum(np.array([1.0]), np.array([1e-20]))
    (array([1.]), array([1.e-20]))
    """
    total = first + second
    virtual = total - first
    return total, (first - (total - virtual)) + (second - virtual)


def products(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """The products, rounded, and their exact rounding errors (0 where the product is not finite).

    >>> [one.tolist() for one in products(np.array([1 + 2.0**-30]), np.array([1 - 2.0**-30]))]
    [[1.0], [-8.673617379884035e-19]]
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        rounded = first * second
        (high, low), (other_high, other_low) = _halves(first), _halves(second)
        lost = ((high * other_high - rounded) + high * other_low + low * other_high) + low * other_low
    return rounded, np.where(np.isfinite(lost), lost, 0.0)


def squares(values: Floats) -> tuple[Floats, Floats]:
    """The squares, rounded, and their exact rounding errors (0 where the square is not finite)."""
    return products(values, values)


def _halves(values: Floats) -> tuple[Floats, Floats]:
    """The values as sums of two of 26 bits each, whose products are exact (Veltkamp, 1968)."""
    scaled = _SPLITTER * values
    high = scaled - (scaled - values)
    return high, values - high


def scaled_pairs(pairs: Floats, factor: float) -> Floats:
    """Sums float64[..., 2] of [total, lost], times a factor, to their last bit.

    >>> scaled_pairs(np.array([[3.0, 1e-20]]), 2.0).tolist()
    [[6.0, 2e-20]]
    """
    total, lost = products(pairs[..., 0], np.asarray(factor))
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        total, lost = two_sum(total, lost + pairs[..., 1] * factor)
    finite = np.isfinite(total)
    return np.stack([np.where(finite, total, np.inf), np.where(finite, lost, 0.0)], axis=-1)


def pair_of(*parts: Floats) -> Floats:
    """The sum of all values in the arrays, as [total, lost]; an overflow is [inf, 0].

    >>> pair_of(np.array([1e16, 1.0, -1e16])).tolist()
    [1.0, 0.0]
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        terms: list[float] = []
        for part in parts:
            terms += _few_terms(part)
    try:
        total = math.fsum(terms)
        lost = math.fsum([*terms, -total])
    except (OverflowError, ValueError):
        # fsum refuses inf - inf and sums beyond the largest double; both mean that no number can be given.
        return np.array([np.inf, 0.0])
    return np.array([total, lost]) if math.isfinite(total) else np.array([np.inf, 0.0])


def _few_terms(values: Floats) -> list[float]:
    """At most 300 numbers with the same sum: halves are added side by side and what rounding lost is kept."""
    rest: list[float] = []
    while values.size > _SUMMED_EXACTLY:
        half = values.size // 2
        rest += values[2 * half :].tolist()
        values, lost = two_sum(values[:half], values[half : 2 * half])
        rest.append(float(lost.sum()))
    return [*values.tolist(), *rest]


def add_pairs(first: Floats, second: Floats) -> Floats:
    """Sums of two parts, elementwise over float64[..., 2] of [total, lost].

    >>> add_pairs(np.array([[1.0, 0.0]]), np.array([[1e-20, 0.0]])).tolist()
    [[1.0, 1e-20]]
    """
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        total, lost = two_sum(first[..., 0], second[..., 0])
        lost = lost + (first[..., 1] + second[..., 1])
        total, lost = two_sum(total, lost)
    finite = np.isfinite(total)
    return np.stack([np.where(finite, total, np.inf), np.where(finite, lost, 0.0)], axis=-1)


def squared_deviations(total: Floats, total_of_squares: Floats, n: float, lost: float = 0.0) -> float:
    """Sum of squared deviations from the mean, sum x^2 - (sum x)^2 / n, from exact pairs: no cancellation.

    A sum n of weights is no exact number either: ``lost`` is what rounding took of it.

    >>> values = 1e9 + np.array([0.0, 1.0, 2.0])
    >>> squared_deviations(pair_of(values), pair_of(*squares(values)), 3)
    2.0
    """
    if n <= 0:
        return 0.0
    if not (math.isfinite(total[0]) and math.isfinite(total_of_squares[0])):
        return math.inf
    exact = _fraction(total_of_squares) - _fraction(total) ** 2 / (Fraction(n) + Fraction(lost))
    try:
        return max(float(exact), 0.0)
    except OverflowError:
        return math.inf


def _fraction(pair: Floats) -> Fraction:
    return Fraction(float(pair[0])) + Fraction(float(pair[1]))
