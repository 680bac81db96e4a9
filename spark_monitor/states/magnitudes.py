"""Counts of non-negative numbers in cells whose edges grow by one per cent: quantiles to half a per cent, merged exactly.

Cell b holds the numbers from 1.01^b up to 1.01^(b+1), zero has a cell of its own. Counts add up, whatever the parts and their
order, so a median of absolute errors or of delays needs no row. The cells are those of DDSketch (Masson, Rim and Lee 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.codec import Arrays
from spark_monitor.states.grid import Floats, Integers

GROWTH = 1.01
_ZERO = -(1 << 30)
_ROUNDING = 1e-12
_LOG_GROWTH = float(np.log(GROWTH))


@dataclass(frozen=True, eq=False)
class Magnitudes:
    """``cells`` int64[m] in increasing order and the rows (or weight) ``rows`` [m] in each of them.

    >>> some = Magnitudes.of([0.0, 1.0, 2.0, 4.0])
    >>> low, high = some.quantile(0.5)
    >>> low <= 1.5 <= high, float(some.total)
    (True, 4.0)
    """

    cells: Integers
    rows: npt.NDArray[Any]

    @classmethod
    def empty(cls) -> Magnitudes:
        """No number."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    @classmethod
    def of(cls, values: npt.ArrayLike, weights: Floats | None = None) -> Magnitudes:
        """Of finite numbers; negative ones count as zero."""
        numbers = np.asarray(values, dtype=np.float64).ravel()
        cells = np.full(numbers.size, _ZERO, dtype=np.int64)
        positive = numbers > 0
        cells[positive] = np.floor(np.log(numbers[positive]) / _LOG_GROWTH).astype(np.int64)
        return _added(cells, np.ones(numbers.size, dtype=np.int64) if weights is None else weights)

    def merge(self, other: Magnitudes) -> Magnitudes:
        """Of both."""
        return _added(np.concatenate([self.cells, other.cells]), np.concatenate([self.rows, other.rows]))

    def scaled(self, factor: float) -> Magnitudes:
        """The same numbers, each counted ``factor`` times."""
        return Magnitudes(self.cells, self.rows * factor)

    @property
    def total(self) -> float:
        """How many numbers, or their weight."""
        return float(self.rows.sum())

    def bounds(self) -> tuple[Floats, Floats]:
        """The ends of each cell, float64[m] each; zero's are both 0."""
        zero = self.cells == _ZERO
        exponents = np.where(zero, 0, self.cells) * _LOG_GROWTH
        low = np.where(zero, 0.0, np.exp(exponents) * (1 - _ROUNDING))
        high = np.where(zero, 0.0, np.exp(exponents + _LOG_GROWTH) * (1 + _ROUNDING))
        return low, high

    def at_rank(self, rank: float) -> tuple[float, float]:
        """The ends of the cell that holds the number of this rank, from 0 for the smallest on; nan where there is none."""
        if not self.cells.size:
            return float("nan"), float("nan")
        place = int(np.searchsorted(np.cumsum(self.rows), max(rank, 0.0), side="right"))
        low, high = self.bounds()
        place = min(place, self.cells.size - 1)
        return float(low[place]), float(high[place])

    def quantile(self, q: float) -> tuple[float, float]:
        """Between which numbers the quantile lies, by whichever common definition it is computed.

        Of weights it is the smallest number that, with those below it, has the fraction ``q`` of the weight, as in numpy.

        >>> low, high = Magnitudes.of([1.0, 2.0, 3.0], np.array([0.2, 0.1, 0.4])).quantile(0.5)
        >>> low <= 3.0 <= high
        True
        """
        total = self.total
        if total <= 0:
            return float("nan"), float("nan")
        if self.rows.dtype.kind == "f":
            wanted = total * q * np.array([1 - _ROUNDING, 1 + _ROUNDING])
            first, last = np.minimum(np.searchsorted(np.cumsum(self.rows), wanted), self.cells.size - 1)
            lows, highs = self.bounds()
            return float(lows[first]), float(highs[last])
        ranks = ((total - 1) * q, np.ceil(total * q) - 1)
        low, _ = self.at_rank(float(np.floor(min(ranks))))
        _, high = self.at_rank(float(np.ceil(max(ranks))))
        return low, high

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """As arrays of a state's bytes."""
        return {f"{name}_cells": self.cells, f"{name}_rows": self.rows}

    @classmethod
    def restored(cls, arrays: Arrays, name: str) -> Magnitudes:
        """From arrays of a state's bytes."""
        cells, rows = arrays.get(f"{name}_cells"), arrays.get(f"{name}_rows")
        if cells is None or rows is None or cells.size != rows.size or cells.dtype.kind != "i":
            raise StateError(f"state: the magnitudes {name!r} are not there or not whole.")
        if (rows < 0).any() or (cells[1:] <= cells[:-1]).any() or not np.isfinite(rows).all():
            raise StateError(f"state: the magnitudes {name!r} are not counts of cells in order.")
        return cls(cells.astype(np.int64), rows)


def _added(cells: Integers, rows: npt.NDArray[Any]) -> Magnitudes:
    distinct, where = np.unique(cells, return_inverse=True)
    totals = np.zeros(distinct.size, dtype=rows.dtype if rows.dtype.kind == "f" else np.int64)
    np.add.at(totals, where, rows)
    return Magnitudes(distinct, totals)
