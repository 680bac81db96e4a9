"""The thresholds of many checks as arrays, and which numbers lie beyond them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spark_monitor.rules.limits import Bounds, Floats

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ends:
    """The thresholds of S checks, NaN where there is none, and whether the threshold itself is forbidden."""

    below: Floats
    above: Floats
    below_included: Flags
    above_included: Flags

    @classmethod
    def of(cls, bounds: Sequence[Bounds | None]) -> Ends:
        """One place for each."""
        below = [bound.below if bound is not None else None for bound in bounds]
        above = [bound.above if bound is not None else None for bound in bounds]
        return cls(
            np.array([math.nan if side is None else side.value for side in below], dtype=np.float64),
            np.array([math.nan if side is None else side.value for side in above], dtype=np.float64),
            np.array([side is not None and side.operator == "<=" for side in below], dtype=np.bool_),
            np.array([side is not None and side.operator == ">=" for side in above], dtype=np.bool_),
        )

    @property
    def given(self) -> Flags:
        """Where there is a limit."""
        return np.asarray(~np.isnan(self.below) | ~np.isnan(self.above), dtype=np.bool_)

    def broken(self, lower: Floats, upper: Floats) -> Flags:
        """Where every number of [lower, upper] is forbidden."""
        return self._above(lower) | self._below(upper)

    def kept(self, lower: Floats, upper: Floats) -> Flags:
        """Where no number of [lower, upper] is forbidden."""
        return ~(self._above(upper) | self._below(lower))

    def _above(self, numbers: Floats) -> Flags:
        return np.asarray((numbers > self.above) | (self.above_included & (numbers == self.above)), dtype=np.bool_)

    def _below(self, numbers: Floats) -> Flags:
        return np.asarray((numbers < self.below) | (self.below_included & (numbers == self.below)), dtype=np.bool_)
