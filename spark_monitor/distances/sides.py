"""What the distances need to know of the two states they compare; the states themselves are not imported."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]


class Edges(Protocol):
    """The frozen edges of a numeric column."""

    @property
    def edges(self) -> Floats: ...
    @property
    def grid_id(self) -> str: ...


class Sketch(Protocol):
    """A quantile sketch: the steps of its distribution function, their ranks, and how far one rank may be off."""

    @property
    def rank_error(self) -> float: ...
    def points(self) -> Floats: ...
    def cdf(self, points: npt.ArrayLike, /) -> Floats: ...


class NumericSide(Protocol):
    """One side of a numeric comparison."""

    @property
    def grid(self) -> Edges: ...
    @property
    def count(self) -> int: ...
    @property
    def nulls(self) -> int: ...
    @property
    def nans(self) -> int: ...
    @property
    def positive_infinities(self) -> int: ...
    @property
    def negative_infinities(self) -> int: ...
    @property
    def finite(self) -> int: ...
    @property
    def zeros(self) -> int: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...
    @property
    def mean(self) -> float: ...
    @property
    def distinct_count(self) -> int: ...
    @property
    def cells(self) -> Integers: ...
    @property
    def sketch(self) -> Sketch | None: ...


class Texts(Protocol):
    """The baseline's categories."""

    @property
    def texts(self) -> tuple[str, ...]: ...
    @property
    def categories_id(self) -> str: ...


class CategoricalSide(Protocol):
    """One side of a categorical comparison."""

    @property
    def categories(self) -> Texts: ...
    @property
    def count(self) -> int: ...
    @property
    def nulls(self) -> int: ...
    @property
    def counts(self) -> Integers: ...
    @property
    def other(self) -> int: ...
    @property
    def distinct_count(self) -> int: ...


def same_grid(first: NumericSide, second: NumericSide) -> bool:
    """Whether the cells of both mean the same intervals."""
    return first.grid is second.grid or first.grid.grid_id == second.grid.grid_id


def same_categories(first: CategoricalSide, second: CategoricalSide) -> bool:
    """Whether the counts of both mean the same texts."""
    return first.categories is second.categories or first.categories.categories_id == second.categories.categories_id
