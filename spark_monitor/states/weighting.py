"""Rows that count more than others: what is kept of their weights so that intervals stay honest.

A weighted state holds weights where another holds rows. Metrics are ratios, so the scale of weights does not matter; how far a
ratio may be off does: n rows of unequal weight know as much as (sum w)^2 / sum w^2 equal ones (Kish 1965). A state is
presented as one whose weights are scaled so that they add up to that number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.grid import Floats
from spark_monitor.states.sums import add_pairs, pair_of

ROUNDED = 1e-12
"""What is left of a sum by so small a part of it is rounding."""


def left_of(whole: float, part: float) -> float:
    """What a part leaves of a whole: nothing where only rounding is left.

    >>> left_of(0.1 + 0.2 + 0.3, 0.6), left_of(5.0, 3.0)
    (0.0, 2.0)
    """
    rest = whole - part
    return rest if rest > ROUNDED * whole else 0.0


@dataclass(frozen=True)
class Weighting:
    """How many rows there are, their weights' sum and their weights' squares' sum; ``lost`` is what rounding took of the first.

    >>> Weighting.of(np.array([1.0, 1.0, 2.0])).effective
    2.6666666666666665
    """

    rows: int
    total: float
    squares: float
    lost: float = 0.0

    @classmethod
    def of(cls, weights: Floats) -> Weighting:
        """Of the weights of some rows."""
        total, lost = pair_of(weights).tolist()
        return cls(int(weights.size), total, float(np.square(weights).sum()), lost)

    @classmethod
    def equal(cls, rows: int) -> Weighting:
        """Of rows that count once each."""
        return cls(rows, float(rows), float(rows))

    def __add__(self, other: Weighting) -> Weighting:
        """Of the rows of both."""
        total, lost = add_pairs(np.array([self.total, self.lost]), np.array([other.total, other.lost])).tolist()
        return Weighting(self.rows + other.rows, total, self.squares + other.squares, lost)

    def __sub__(self, other: Weighting) -> Weighting:
        """Of the rows that are not among the others, which are a part of these.

        >>> Weighting.of(np.array([1.0, 1.0, 2.0])) - Weighting.of(np.array([1.0]))
        Weighting(rows=2, total=3.0, squares=5.0, lost=0.0)
        """
        return Weighting(self.rows - other.rows, left_of(self.total, other.total), left_of(self.squares, other.squares))

    @property
    def effective(self) -> float:
        """How many rows of equal weight know as much; 0 without any."""
        return self.total * self.total / self.squares if self.squares > 0 else 0.0

    @property
    def scale(self) -> float:
        """What each weight is multiplied with so that they add up to ``effective``."""
        return self.total / self.squares if self.squares > 0 else 0.0

    def stored(self) -> list[float]:
        """As numbers of a state's header."""
        return [self.rows, self.total, self.squares, self.lost]

    @classmethod
    def restored(cls, numbers: Any) -> Weighting | None:
        """From a state's header; None where its rows have no weights."""
        if numbers is None:
            return None
        # States that were stored before sums of weights were exact have three numbers.
        whole = isinstance(numbers, list) and len(numbers) in (3, 4) and all(isinstance(one, (int, float)) for one in numbers)
        if not whole or not all(one >= 0 for one in numbers[:3]) or not all(map(math.isfinite, numbers[3:])):
            raise StateError(f"state: {numbers!r} are not the totals of weights.")
        return cls(int(numbers[0]), *map(float, numbers[1:]))


def by_label(labels: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """The weights of negative and of positive rows, and the sum of their squares.

    >>> by_label(np.array([True, False, True]), np.array([1.0, 2.0, 3.0])).tolist()
    [2.0, 4.0, 14.0]
    """
    return np.append(np.bincount(labels, weights=weights, minlength=2).astype(np.float64), np.square(weights).sum())


def added(first: Weighting | None, first_rows: int, second: Weighting | None, second_rows: int) -> Weighting | None:
    """The weighting of two parts of a state; rows of a part without weights count once each."""
    if first is None and second is None:
        return None
    return (first or Weighting.equal(first_rows)) + (second or Weighting.equal(second_rows))
