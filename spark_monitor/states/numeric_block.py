"""Many numeric states of one grid at once: every attribute is an array with one entry a state.

A block is made from states, or from the columns they are stored in (``numeric_columns``). What metrics read of it: ``count``,
``nulls``, ``nan``, ``infinities``, ``finite``, ``zeros``, ``negatives``, ``mean``, ``stddev``, ``min``, ``max``, ``median``,
``distinct_count``, ``distinct_error``, ``quantile(q)``, ``cdf()`` and the sparse cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.block import Block, fields_of
from spark_monitor.states.frequent import Frequent
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.late_sketch import LateSketch
from spark_monitor.states.moments import Moments
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.ragged import owners, sums
from spark_monitor.states.sketch import Kll
from spark_monitor.states.sketch_image import is_exact_image

DAMAGED = "numeric state: damaged, its cells and moments do not fit its counts."


class Sketch(Protocol):
    """A quantile sketch: the steps of its distribution function, their ranks, and how far one rank may be off."""

    @property
    def rank_error(self) -> float: ...
    def points(self) -> Floats: ...
    def cdf(self, points: npt.ArrayLike, /) -> Floats: ...


COARSE = 1e-3


@dataclass(frozen=True, eq=False)
class NumericBlock(Block):
    """S states of one grid.

    >>> from spark_monitor.states.numeric import profile_column
    >>> block = NumericBlock.of([profile_column([1.0, 3.0], nulls=1), profile_column([5.0])])
    >>> block.count.tolist(), block.mean.tolist(), block.median.tolist()
    ([3, 1], [2.0, 5.0], [1.0, 5.0])
    """

    grid: Grid
    """Of which all states are; their ``counts`` are rows, nulls, NaN, +Inf and -Inf."""

    moments: Floats
    """float64[5, S]: min, max, mean, the part of the mean below its last bit, M2; 0 for the last three without values."""

    frequent_values: Floats
    sketches: Sequence[bytes | Sketch | LateSketch | None]
    exact_to: float = np.inf
    """Beyond this the column's values were rounded when they were read: integers beyond 2^53, decimals beyond 15 digits."""

    source: tuple[NumericBlock, Integers] | None = field(default=None, repr=False)
    """The block that this one was taken from and which states: what was worked out there need not be done again."""

    @classmethod
    def of(cls, states: Sequence[NumericState]) -> NumericBlock:
        """The block of states of one grid."""
        grid = states[0].grid
        if any(state.grid is not grid and state.grid.grid_id != grid.grid_id for state in states):
            raise StateError("numeric block: its states are on different grids.")
        counts = [(s.count, s.nulls, s.nans, s.positive_infinities, s.negative_infinities) for s in states]
        moments = [(s.minimum, s.maximum, s.moments.mean, s.moments.low, s.moments.m2) for s in states]
        return cls(
            **fields_of(states, counts, (state.cells for state in states)),
            grid=grid,
            moments=np.array(moments, dtype=np.float64).T,
            frequent_values=np.array([value for state in states for value in state.frequent.counts], dtype=np.float64),
            sketches=[state.sketch for state in states],
        )

    def take(self, index: npt.ArrayLike) -> NumericBlock:
        """The states at these places, in this order; a state may be taken more than once."""
        places = np.asarray(index, dtype=np.int64)
        fields, frequent = self.taken(places)
        return NumericBlock(
            **fields,
            grid=self.grid,
            moments=self.moments[:, places],
            frequent_values=self.frequent_values[frequent],
            sketches=[self.sketches[place] for place in places.tolist()],
            exact_to=self.exact_to,
            source=(self, places),
        )

    def states(self) -> list[NumericState]:
        """The states one by one."""
        return [self._state(place) for place in range(len(self))]

    def _state(self, place: int) -> NumericState:
        minimum, maximum, mean, low, m2 = self.moments[:, place].tolist()
        count, nulls, nans, high, negative = self.counts[:, place].tolist()
        shown = slice(self.frequent_offsets[place], self.frequent_offsets[place + 1])
        items = dict(zip(self.frequent_values[shown].tolist(), self.frequent_counts[shown].tolist(), strict=True))
        sketch = self.sketch(place)
        return NumericState(
            *(self.grid, count, nulls, nans, high, negative, minimum, maximum),
            moments=Moments(count - nulls - nans - high - negative, mean, m2, low),
            cells=self.cells_of(place, self.grid.cells),
            distinct=self.distinct.at(place),
            frequent=Frequent(items, int(self.dropped[place])),
            sketch=sketch if isinstance(sketch, Kll) else None,
        )

    def damage(self) -> list[str | None]:
        """What is wrong with each state, None where it can be: its cells are of this grid and add up, its moments make sense."""
        outside = (self.cells < 0) | (self.cells >= self.grid.cells)
        wrong = sums(outside.astype(np.int64), self.cell_offsets) > 0
        adds_up = sums(self.cell_counts, self.cell_offsets) == self.finite
        some, nothing = self.finite > 0, np.isnan(self.moments[:2]).all(axis=0)
        with np.errstate(invalid="ignore"):
            sound = np.isfinite(self.moments[:4]).all(axis=0) & (self.moments[4] >= 0) & (self.min <= self.max)
        sane = ~self.unlikely() & adds_up & ~wrong & np.where(some, sound, nothing)
        return [None if fine else DAMAGED for fine in sane.tolist()]

    @property
    def kind(self) -> str:
        """numeric."""
        return "numeric"

    @property
    def nan(self) -> Integers:
        """Rows that are NaN."""
        return np.asarray(self.counts[2])

    @property
    def infinities(self) -> Integers:
        """Rows that are plus or minus infinity."""
        return np.asarray(self.counts[3] + self.counts[4])

    @property
    def positive_infinities(self) -> Integers:
        """Rows that are plus infinity."""
        return np.asarray(self.counts[3])

    @property
    def negative_infinities(self) -> Integers:
        """Rows that are minus infinity."""
        return np.asarray(self.counts[4])

    @property
    def finite(self) -> Integers:
        """Finite values."""
        return np.asarray(self.counts[0] - self.counts[1:].sum(axis=0))

    @property
    def min(self) -> Floats:
        """Smallest finite value, nan without one."""
        return np.asarray(self.moments[0])

    @property
    def max(self) -> Floats:
        """Largest finite value, nan without one."""
        return np.asarray(self.moments[1])

    @property
    def is_rounded(self) -> npt.NDArray[np.bool_]:
        """Whether values were rounded when they were read, so that different ones may have become one."""
        return np.asarray(np.fmax(np.abs(self.min), np.abs(self.max)) > self.exact_to)

    @property
    def mean(self) -> Floats:
        """Mean of the finite values, nan without one."""
        return np.where(self.finite > 0, self.moments[2], np.nan)

    @property
    def m2(self) -> Floats:
        """Sum of squared deviations from the mean."""
        return np.asarray(self.moments[4])

    @cached_property
    def stddev(self) -> Floats:
        """Sample standard deviation sqrt(M2 / (n - 1)); nan below two values, where it exceeds a double, or is mere rounding."""
        n = self.finite
        with np.errstate(invalid="ignore"):
            known = (n > 1) & np.isfinite(self.m2) & ~self.is_coarse
            return np.where(known, np.sqrt(self.m2 / np.maximum(n - 1, 1)), np.nan)

    @property
    def is_coarse(self) -> npt.NDArray[np.bool_]:
        """Whether rounding alone could make more than `COARSE` of the standard deviation.

        Of values x that were rounded by at most e = ulp(max |x|) / 2 it moves by at most e sqrt(n / (n - 1)).
        """
        n = np.maximum(self.finite, 2)
        with np.errstate(invalid="ignore", over="ignore"):
            largest = np.fmax(np.abs(self.min), np.abs(self.max))
            moved = np.spacing(np.where(np.isfinite(largest), largest, 0.0)) / 2 * np.sqrt(n / (n - 1))
            return np.asarray(self.is_rounded & (self.finite > 1) & (moved > COARSE * np.sqrt(self.m2 / (n - 1))))

    @cached_property
    def zeros(self) -> Integers:
        """Values equal to zero."""
        return sums(np.where(self.cells == 2 * self.grid.zero + 1, self.cell_counts, 0), self.cell_offsets)

    @cached_property
    def negatives(self) -> Integers:
        """Finite values below zero."""
        return sums(np.where(self.cells <= 2 * self.grid.zero, self.cell_counts, 0), self.cell_offsets)

    @property
    def countable(self) -> Integers:
        """Distinct values are counted among the finite ones."""
        return self.finite

    @cached_property
    def dense(self) -> Integers:
        """Counts of all cells, int64[S, 2B+1]."""
        if self.source is not None:
            return np.asarray(self.source[0].dense[self.source[1]])
        counts = np.zeros((len(self), self.grid.cells), dtype=np.int64)
        counts[owners(self.cell_offsets), self.cells] = self.cell_counts
        return counts

    def cdf(self) -> Floats:
        """F at the right end of every cell, float64[S, 2B+1]: F(e_i) at 2i + 1, F(e_i^-) at 2i; nan without values."""
        return self._cdf

    @cached_property
    def _cdf(self) -> Floats:
        if self.source is not None:
            return np.asarray(self.source[0].cdf()[self.source[1]])
        fractions = np.cumsum(self.dense, axis=1, dtype=np.float64)
        total = fractions[:, -1:].copy()
        with np.errstate(invalid="ignore"):
            fractions /= total
        return fractions

    @cached_property
    def percentiles(self) -> tuple[Floats, Floats]:
        """The 101 percentiles, float64[S, 101], and the largest error of their ranks, float64[S]."""
        from spark_monitor.states.quantiles import block_quantiles

        return block_quantiles(self)

    @property
    def median(self) -> Floats:
        """The smallest value x with F(x) >= 1/2, within ``rank_error``."""
        return np.asarray(self.percentiles[0][:, 50])

    @property
    def rank_error(self) -> Floats:
        """The largest error of a percentile's rank."""
        return self.percentiles[1]

    def quantile(self, q: float) -> Floats:
        """The smallest value x with F(x) >= q, to a percent."""
        return np.asarray(self.percentiles[0][:, round(100 * q)])

    def sketch(self, place: int) -> Sketch | None:
        """The sketch of one state; an image is opened once."""
        if self.source is not None:
            return self.source[0].sketch(int(self.source[1][place]))
        sketch = self._opened.get(place)
        if sketch is None:
            sketch = _read(self.sketches[place])
            self._opened[place] = sketch
        return sketch

    def stored_sketch(self, place: int) -> bytes | Kll | None:
        """The sketch of one state as it was stored, or as it is where it has been opened."""
        sketch = self.sketches[place]
        return sketch if sketch is None or isinstance(sketch, (bytes, Kll)) else None

    @cached_property
    def _opened(self) -> dict[int, Any]:
        return {}

    def sketch_error(self, place: int) -> float | None:
        """How far a rank of one state's sketch may be off, read from the image's first bytes; None without a sketch."""
        stored = self.sketches[place]
        if isinstance(stored, bytes) and is_exact_image(stored):
            return 0.0
        sketch = stored if isinstance(stored, LateSketch) else self.sketch(place)
        return sketch.rank_error if sketch is not None else None


def _read(stored: bytes | Sketch | LateSketch | None) -> Sketch | None:
    if isinstance(stored, bytes):
        return Kll.from_bytes(stored)
    return stored.merged if isinstance(stored, LateSketch) else stored
