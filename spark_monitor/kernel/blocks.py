"""Numeric states of all values of one slice key side by side, so that a batch updates them all in a few array operations.

The same numbers as ``NumericState`` holds, one row per slice value; ``states`` gives them back as such.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from spark_monitor.kernel.cells import SliceCells
from spark_monitor.kernel.groups import Segments
from spark_monitor.kernel.hashes import SliceHashes
from spark_monitor.states.distinct import ALL, K_SLICE, Distinct, hash_numbers
from spark_monitor.states.frequent import Frequent
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.moments import Moments
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.sums import two_sum

COUNT, NULLS, NANS, HIGH, LOW = range(5)


class SliceBlock:
    """Rows of arrays for the slice values 0, 1, 2, ... of one window, version, slice key and column."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.totals = np.zeros((0, 5), dtype=np.int64)
        self.cells = SliceCells(grid.cells)
        self.n = np.zeros(0, dtype=np.int64)
        self.mean, self.low, self.m2 = np.zeros(0), np.zeros(0), np.zeros(0)
        self.minimum, self.maximum = np.zeros(0), np.zeros(0)
        self.hashes = SliceHashes()

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.cells.nbytes + self.totals.nbytes + 6 * self.n.nbytes + self.hashes.nbytes

    def _grow(self, size: int) -> None:
        more = max(size, 2 * self.n.size) - self.n.size if size > self.n.size else 0
        if more:
            self.totals = np.pad(self.totals, ((0, more), (0, 0)))
            self.n, self.mean = np.pad(self.n, (0, more)), np.pad(self.mean, (0, more))
            self.low, self.m2 = np.pad(self.low, (0, more)), np.pad(self.m2, (0, more))
            self.minimum = np.pad(self.minimum, (0, more), constant_values=np.inf)
            self.maximum = np.pad(self.maximum, (0, more), constant_values=-np.inf)

    def add_rows(self, codes: Integers, counts: npt.NDArray[np.int64]) -> None:
        """Add ``counts`` (one row per code; columns rows, nulls, NaN, +Inf, -Inf) to the totals."""
        self._grow(int(codes.max(initial=-1)) + 1)
        self.totals[codes] += counts

    def add_values(self, segments: Segments, values: Floats, cells: Integers) -> None:
        """Add finite values, arranged by slice value, and the cell of each."""
        filled = segments.sizes > 0
        codes, sizes = segments.codes[filled], segments.sizes[filled]
        if not codes.size:
            return
        starts = segments.bounds[:-1][filled]
        self._grow(int(codes.max()) + 1)
        least, most = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        self.minimum[codes] = np.minimum(self.minimum[codes], least)
        self.maximum[codes] = np.maximum(self.maximum[codes], most)
        with np.errstate(over="ignore", invalid="ignore"):
            self._merge_moments(codes, sizes, *_moments(values, starts, sizes, least, most))
        self.cells.add(np.repeat(codes, sizes), cells)

    def _merge_moments(self, codes: Integers, sizes: Integers, mean: Floats, low: Floats, m2: Floats) -> None:
        """``Moments.merge``, all slice values at once."""
        before = self.n[codes]
        n = before + sizes
        swapped = before < sizes
        most, most_low = np.where(swapped, mean, self.mean[codes]), np.where(swapped, low, self.low[codes])
        least, least_low = np.where(swapped, self.mean[codes], mean), np.where(swapped, self.low[codes], low)
        share = np.minimum(before, sizes) / n
        delta = np.where(before > 0, (least - most) + (least_low - most_low), 0.0)
        total, lost = two_sum(most, most_low + delta * share)
        spread = delta * (delta * np.maximum(before, sizes) * share)
        apart = ~np.isfinite(delta)
        self.mean[codes] = np.where(apart, most * (1 - share) + least * share, total)
        self.low[codes] = np.where(apart, 0.0, lost)
        self.m2[codes] += m2 + np.where(apart, np.inf, spread)
        self.n[codes] = n

    def states(self) -> Iterator[tuple[int, NumericState]]:
        """Every slice value that was met, as a state of its own."""
        hashes = hash_numbers(self.grid.edges)
        order = np.argsort(hashes)
        hashes = hashes[order]
        for code in np.flatnonzero(self.totals[:, COUNT]).tolist():
            cells = self.cells.of(code)
            on_edges = Distinct(max(hashes.size, K_SLICE), ALL, hashes[cells[1::2][order] > 0])
            yield code, self._state(code, cells, on_edges.merge(self.hashes.of(code)))

    def _state(self, code: int, cells: Integers, distinct: Distinct) -> NumericState:
        count, nulls, nans, high, low = self.totals[code].tolist()
        n = int(self.n[code])
        return NumericState(
            grid=self.grid,
            count=count,
            nulls=nulls,
            nans=nans,
            positive_infinities=high,
            negative_infinities=low,
            minimum=float(self.minimum[code]) + 0.0 if n else float("nan"),
            maximum=float(self.maximum[code]) + 0.0 if n else float("nan"),
            moments=Moments(n, float(self.mean[code]), float(self.m2[code]), float(self.low[code])),
            cells=cells,
            distinct=distinct,
            frequent=Frequent({}),
            sketch=None,
        )


def _moments(values: Floats, starts: Integers, sizes: Integers, least: Floats, most: Floats) -> tuple[Floats, Floats, Floats]:
    """``Moments.of`` for every segment: the means, what they lack, and the sums of squared deviations."""
    mean = np.add.reduceat(values, starts) / sizes
    if not np.isfinite(mean).all():
        mean = np.add.reduceat(values / np.repeat(sizes, sizes), starts)
    mean = np.clip(mean, least, most)
    deviations = values - np.repeat(mean, sizes)
    rest = np.add.reduceat(deviations, starts) / sizes
    deviations *= deviations
    m2 = np.add.reduceat(deviations, starts)
    apart = ~(np.isfinite(rest) & np.isfinite(m2))
    rest[apart] = 0.0
    mean, low = two_sum(mean, rest)
    return mean, low, np.where(apart, np.inf, np.maximum(m2 - sizes * rest * rest, 0.0))
