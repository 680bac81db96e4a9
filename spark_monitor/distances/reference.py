"""A numeric side with what many comparisons with it would compute again: its distribution function and its bins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spark_monitor.distances.bins import Bins, bins_of
from spark_monitor.distances.sides import Counts, Floats, Integers, NumericSide


def cumulative_shares(cells: Integers) -> Floats:
    """F at the right end of every cell, float64[2B+1]: F(e_i) at 2i + 1, F(e_i^-) at 2i; all nan without values.

    >>> cumulative_shares(np.array([1, 2, 1])).tolist()
    [0.25, 0.75, 1.0]
    """
    through = np.cumsum(cells)
    return through / through[-1] if through[-1] else np.full(through.shape, np.nan)


@dataclass(frozen=True, eq=False)
class Reference:
    """A state to compare many others with; everything is computed at most once."""

    state: NumericSide

    @classmethod
    def of(cls, side: NumericSide | Reference) -> Reference:
        """The side itself where it is a reference already."""
        return side if isinstance(side, Reference) else cls(side)

    @property
    def has_edges(self) -> bool:
        """Whether the grid is one that was made from data: a column without a baseline has the single edge 0."""
        return self.state.grid.edges.size > 1

    @cached_property
    def shares(self) -> Floats:
        """F at the right end of every cell."""
        return cumulative_shares(self.state.cells)

    @cached_property
    def bins(self) -> Bins:
        """The bins that this side defines."""
        return bins_of(self.state.cells)

    @cached_property
    def counts(self) -> Counts:
        """This side's counts on its own bins."""
        return self.bins.counts(self.state)
