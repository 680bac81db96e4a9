"""The state of a numeric column: counts, moments, exact cells on the frozen grid, quantile sketch, distinct and frequent values.

Dates and timestamps are epoch seconds here, booleans 0 and 1, arrays and maps their sizes.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.codec import Arrays, pack, unpack
from spark_monitor.states.distinct import ALL, K_SLICE, Distinct
from spark_monitor.states.frequent import SHOWN, Frequent, frequent_of_sorted
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.moments import Moments
from spark_monitor.states.sketch import K, Kll
from spark_monitor.states.stored import counts, floats

TAG = "NUMS"


@dataclass(frozen=True, eq=False)
class NumericState:
    """What is known of a numeric column in one window, version and slice.

    >>> state = NumericState.empty(Grid.of([1.0, 2.0])).update(np.array([1.0, 1.5, np.nan, np.inf]), nulls=2)
    >>> state.count, state.nulls, state.nans, state.finite, state.mean
    (6, 2, 1, 2, 1.25)
    """

    grid: Grid
    count: int
    nulls: int
    nans: int
    positive_infinities: int
    negative_infinities: int
    minimum: float
    maximum: float
    moments: Moments
    cells: Integers
    distinct: Distinct
    frequent: Frequent[float]
    sketch: Kll | None

    @classmethod
    def empty(cls, grid: Grid, *, k: int | None = K) -> NumericState:
        """The state of no row; ``k`` is the sketch's, None keeps no sketch (as in slices)."""
        sketch = Kll.empty(k) if k else None
        distinct = Distinct.empty() if k else Distinct.empty(K_SLICE)
        nothing, nan = np.zeros(grid.cells, dtype=np.int64), float("nan")
        return cls(grid, 0, 0, 0, 0, 0, nan, nan, Moments(), nothing, distinct, Frequent({}), sketch)

    @classmethod
    def of_sorted(cls, values: Floats, grid: Grid, *, nulls: int = 0, k: int = K, theta: int = ALL) -> NumericState:
        """The state of values in increasing order, NaN last; hashes at or above ``theta`` are not looked at."""
        nans = values.size - int(np.searchsorted(values, np.nan)) if values.size and np.isnan(values[-1]) else 0
        low = int(np.searchsorted(values, -np.inf, side="right")) if values.size and values[0] == -np.inf else 0
        numbers = values[: values.size - nans]
        high = numbers.size - int(np.searchsorted(numbers, np.inf)) if numbers.size and numbers[-1] == np.inf else 0
        finite = numbers[low : numbers.size - high]
        return cls(
            grid=grid,
            count=values.size + nulls,
            nulls=nulls,
            nans=nans,
            positive_infinities=high,
            negative_infinities=low,
            minimum=float(finite[0]) + 0.0 if finite.size else float("nan"),
            maximum=float(finite[-1]) + 0.0 if finite.size else float("nan"),
            moments=Moments.of(finite),
            cells=grid.counts_of_sorted(finite),
            distinct=Distinct.of_sorted(finite, theta=theta),
            frequent=frequent_of_sorted(finite),
            sketch=Kll.of_sorted(finite, k),
        )

    def update(self, values: npt.ArrayLike, *, nulls: int = 0) -> NumericState:
        """This state and more rows: values in any order (NaN and the infinities among them) and a number of nulls."""
        batch = np.sort(np.asarray(values, dtype=np.float64).ravel())
        more = NumericState.of_sorted(batch, self.grid, nulls=nulls, k=self.sketch.k if self.sketch else K)
        return self.merge(more if self.sketch else more.as_slice())

    def as_slice(self) -> NumericState:
        """The same without sketch and frequent values, as slices are kept: their atoms are read from the cells."""
        return replace(self, sketch=None, frequent=Frequent({}), distinct=self.distinct.trimmed(K_SLICE))

    def merge(self, other: NumericState) -> NumericState:
        """The state of both; both must be on the same grid."""
        if self.grid is not other.grid and self.grid.grid_id != other.grid.grid_id:
            raise StateError(f"numeric state: on grid {self.grid.grid_id}, cannot be merged with one on {other.grid.grid_id}.")
        if (self.sketch is None) != (other.sketch is None):
            raise StateError("numeric state: one has a sketch and one has none; merge windows with windows, slices with slices.")
        sketch = self.sketch.merge(other.sketch) if self.sketch and other.sketch else None
        # Of values that are all known the frequent ones are known as well, however the parts came together.
        is_exact = sketch is not None and sketch.is_exact
        return NumericState(
            grid=self.grid,
            count=self.count + other.count,
            nulls=self.nulls + other.nulls,
            nans=self.nans + other.nans,
            positive_infinities=self.positive_infinities + other.positive_infinities,
            negative_infinities=self.negative_infinities + other.negative_infinities,
            minimum=float(np.fmin(self.minimum, other.minimum)),
            maximum=float(np.fmax(self.maximum, other.maximum)),
            moments=self.moments.merge(other.moments),
            cells=self.cells + other.cells,
            distinct=self.distinct.merge(other.distinct),
            frequent=frequent_of_sorted(sketch.levels[0]) if is_exact and sketch else self.frequent.merge(other.frequent),
            sketch=sketch,
        )

    @property
    def finite(self) -> int:
        """Number of finite values."""
        return self.count - self.nulls - self.nans - self.positive_infinities - self.negative_infinities

    @property
    def mean(self) -> float:
        """Mean of the finite values; nan where there is none."""
        return self.moments.mean if self.moments.n else float("nan")

    @property
    def m2(self) -> float:
        """Sum of squared deviations from the mean."""
        return self.moments.m2

    @property
    def stddev(self) -> float:
        """Sample standard deviation of the finite values; nan below two."""
        return self.moments.stddev

    @property
    def zeros(self) -> int:
        """Number of values equal to zero, -0.0 among them."""
        return int(self.cells[2 * self.grid.zero + 1])

    @property
    def negatives(self) -> int:
        """Number of finite values below zero."""
        return int(self.cells[: 2 * self.grid.zero + 1].sum())

    @property
    def distinct_count(self) -> int:
        """Distinct finite values, exact while few, else within the state's relative error; never more than there are."""
        return min(self.distinct.count, self.finite)

    @property
    def frequent_items(self) -> list[tuple[float, int]]:
        """The most frequent values and their counts, exact for edges of the grid, otherwise never too high."""
        atoms = self.cells[1::2]
        order = np.argsort(-atoms, kind="stable")[:SHOWN]
        exact = {float(self.grid.edges[i]): int(atoms[i]) for i in order if atoms[i]}
        counts = {**self.frequent.counts, **exact}
        listed = counts if self.sketch is None else {v: c for v, c in counts.items() if v in exact or c > self.frequent.dropped}
        return sorted(listed.items(), key=lambda entry: (-entry[1], entry[0]))[:SHOWN]

    def to_bytes(self) -> bytes:
        """The state's bytes, the sketch's image among them."""
        return self._packed(None if self.sketch is None else self.sketch.to_bytes(), inside=True)

    def to_parts(self) -> tuple[bytes, bytes | None]:
        """The state's bytes without the sketch, and the sketch's image to be stored beside them."""
        image = None if self.sketch is None else self.sketch.to_bytes()
        return self._packed(image, inside=False), image

    def _packed(self, image: bytes | None, *, inside: bool) -> bytes:
        meta = {
            "grid": self.grid.grid_id,
            "theta": str(self.distinct.theta),
            "k": self.distinct.k,
            "dropped": self.frequent.dropped,
            "sketch": None if image is None else zlib.crc32(image),
        }
        totals = [self.count, self.nulls, self.nans, self.positive_infinities, self.negative_infinities, self.moments.n]
        arrays: dict[str, npt.NDArray[Any]] = {
            "totals": np.array(totals, dtype=np.int64),
            "moments": np.array([self.minimum, self.maximum, self.moments.mean, self.moments.m2, self.moments.low]),
            "cells": self.cells,
            "hashes": self.distinct.hashes,
            "items": np.array(list(self.frequent.counts.keys()), dtype=np.float64),
            "item_counts": np.array(list(self.frequent.counts.values()), dtype=np.int64),
        }
        if image is not None and inside:
            arrays["sketch"] = np.frombuffer(image, dtype=np.uint8)
        return pack(TAG, meta, arrays)

    @classmethod
    def from_bytes(cls, data: bytes, grid: Grid, *, sketch: bytes | None = None) -> NumericState:
        """The state that ``to_bytes`` wrote on this grid; ``sketch`` is the image where it is stored beside the state."""
        meta, arrays = unpack(data, TAG)
        if meta.get("grid") != grid.grid_id:
            raise StateError(f"numeric state: was made on grid {meta.get('grid')}, the grid given is {grid.grid_id}.")
        try:
            return _restored(meta, arrays, grid, sketch)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            raise StateError(f"numeric state: damaged ({type(error).__name__}: {error}).") from error


def _restored(meta: Mapping[str, Any], arrays: Arrays, grid: Grid, image: bytes | None) -> NumericState:
    count, nulls, nans, high, low, n = counts(arrays, "totals", 6).tolist()
    minimum, maximum, mean, m2, mean_low = floats(arrays, "moments", 5).tolist()
    cells = counts(arrays, "cells", grid.cells)
    if cells.sum() != n or n != count - nulls - nans - high - low:
        raise StateError("numeric state: its cells do not add up to its counts.")
    sound = all(map(math.isfinite, (minimum, maximum, mean, mean_low))) and m2 >= 0 and minimum <= maximum
    if not (sound if n else math.isnan(minimum) and math.isnan(maximum) and mean == m2 == mean_low == 0):
        raise StateError(f"numeric state: {n} values from {minimum} to {maximum} with mean {mean} and M2 {m2} cannot be.")
    if "sketch" in arrays:
        if meta["sketch"] is None:
            raise StateError("numeric state: it says that it has no sketch and brings one.")
        image = arrays["sketch"].tobytes()
    return NumericState(
        grid=grid,
        count=count,
        nulls=nulls,
        nans=nans,
        positive_infinities=high,
        negative_infinities=low,
        minimum=minimum,
        maximum=maximum,
        moments=Moments(n, mean, m2, mean_low),
        cells=cells,
        distinct=Distinct.stored(int(meta["k"]), int(meta["theta"]), arrays["hashes"]),
        frequent=_frequent(arrays, int(meta["dropped"])),
        sketch=None if meta["sketch"] is None else _sketch(image, meta["sketch"], n),
    )


def _frequent(arrays: Arrays, dropped: int) -> Frequent[float]:
    items = floats(arrays, "items")
    if not np.isfinite(items).all():
        raise StateError("numeric state: a frequent value is not finite.")
    return Frequent.stored(items.tolist(), counts(arrays, "item_counts", items.size).tolist(), dropped)


def _sketch(image: bytes | None, checksum: object, n: int) -> Kll:
    if image is None:
        raise StateError("numeric state: its sketch is stored beside it and was not given.")
    if zlib.crc32(image) != checksum:
        raise StateError("numeric state: the sketch given is damaged or belongs to another state.")
    sketch = Kll.from_bytes(image)
    if sketch.n != n:
        raise StateError(f"numeric state: of {n} values, its sketch of {sketch.n}.")
    return sketch


def profile_column(values: npt.ArrayLike, grid: Grid | None = None, *, nulls: int = 0) -> NumericState:
    """The state of one array, without Spark.

    >>> profile_column(np.array([3.0, 1.0, 2.0])).mean
    2.0
    """
    return NumericState.empty(grid or Grid.trivial()).update(values, nulls=nulls)
