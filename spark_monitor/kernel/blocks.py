"""Numeric states of all values of one slice key side by side, so that a batch updates them all in a few array operations.

The same numbers as ``NumericState`` holds, one row per slice value; ``states`` gives them back as such.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from spark_monitor.kernel.groups import Segments
from spark_monitor.states.distinct import ALL, K_SLICE, Distinct, Hashes
from spark_monitor.states.frequent import Frequent
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.numeric import Moments, NumericState

COUNT, NULLS, NANS, HIGH, LOW = range(5)
_HASHES_HELD = 1 << 14


class SliceBlock:
    """Rows of arrays for the slice values 0, 1, 2, ... of one window, version, slice key and column."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.totals = np.zeros((0, 5), dtype=np.int64)
        self.cells = np.zeros((0, grid.cells), dtype=np.int64)
        self.n = np.zeros(0, dtype=np.int64)
        self.mean, self.m2 = np.zeros(0), np.zeros(0)
        self.minimum, self.maximum = np.zeros(0), np.zeros(0)
        self._codes: list[Integers] = []
        self._hashes: list[Hashes] = []
        self._theta = ALL

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.cells.nbytes + self.totals.nbytes + 5 * self.n.nbytes + sum(16 * part.size for part in self._hashes)

    def _grow(self, size: int) -> None:
        more = max(size, 2 * self.n.size) - self.n.size if size > self.n.size else 0
        if more:
            self.totals = np.pad(self.totals, ((0, more), (0, 0)))
            self.cells = np.pad(self.cells, ((0, more), (0, 0)))
            self.n, self.mean, self.m2 = np.pad(self.n, (0, more)), np.pad(self.mean, (0, more)), np.pad(self.m2, (0, more))
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
        self.minimum[codes] = np.minimum(self.minimum[codes], np.minimum.reduceat(values, starts))
        self.maximum[codes] = np.maximum(self.maximum[codes], np.maximum.reduceat(values, starts))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.add.reduceat(values, starts) / sizes
            if not np.isfinite(mean).all():
                mean = np.add.reduceat(values / np.repeat(sizes, sizes), starts)
            deviations = values - np.repeat(mean, sizes)
            deviations *= deviations
            self._merge_moments(codes, sizes, mean, np.add.reduceat(deviations, starts))
        self._count_cells(codes, sizes, cells)

    def _merge_moments(self, codes: Integers, sizes: Integers, mean: Floats, m2: Floats) -> None:
        """Chan's merge, all slice values at once."""
        before = self.n[codes]
        n = before + sizes
        share = sizes / n
        delta = np.where(before > 0, mean - self.mean[codes], mean)
        self.m2[codes] += m2 + np.where(before > 0, delta * delta * before * share, 0.0)
        self.mean[codes] = np.where(before > 0, self.mean[codes] + delta * share, mean)
        self.n[codes] = n

    def _count_cells(self, codes: Integers, sizes: Integers, cells: Integers) -> None:
        width = self.grid.cells
        if codes.size * width > 16 * max(cells.size, 1):
            np.add.at(self.cells, (np.repeat(codes, sizes), cells), 1)
            return
        flat = np.repeat(np.arange(codes.size) * width, sizes)
        flat += cells
        self.cells[codes] += np.bincount(flat, minlength=codes.size * width).reshape(codes.size, width)

    def add_hashes(self, codes: Integers, hashes: Hashes, theta: int) -> None:
        """Add the hashes below ``theta`` (all of those there were) with the slice value of each."""
        self._codes.append(codes)
        self._hashes.append(hashes)
        self._theta = min(self._theta, theta)
        if sum(part.size for part in self._hashes) > _HASHES_HELD:
            self._settle_hashes()

    def _settle_hashes(self) -> None:
        """Each hash once per slice value, those at or above theta dropped."""
        if not self._hashes:
            return
        codes, hashes = np.concatenate(self._codes), np.concatenate(self._hashes)
        if self._theta < ALL:
            below = hashes < np.uint64(self._theta)
            codes, hashes = codes[below], hashes[below]
        order = np.lexsort((hashes, codes))
        codes, hashes = codes[order], hashes[order]
        first = np.ones(codes.size, dtype=bool)
        first[1:] = (codes[1:] != codes[:-1]) | (hashes[1:] != hashes[:-1])
        self._codes, self._hashes = [codes[first]], [hashes[first]]

    def states(self) -> Iterator[tuple[int, NumericState]]:
        """Every slice value that was met, as a state of its own."""
        self._settle_hashes()
        codes = self._codes[0] if self._codes else np.empty(0, dtype=np.int64)
        hashes = self._hashes[0] if self._hashes else np.empty(0, dtype=np.uint64)
        bounds = np.searchsorted(codes, np.arange(self.n.size + 1))
        for code in np.flatnonzero(self.totals[:, COUNT]).tolist():
            kept = hashes[bounds[code] : bounds[code + 1]]
            yield code, self._state(code, Distinct(kept.size + K_SLICE, self._theta, kept).trimmed(K_SLICE))

    def _state(self, code: int, distinct: Distinct) -> NumericState:
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
            moments=Moments(n, float(self.mean[code]), float(self.m2[code])),
            cells=self.cells[code],
            distinct=distinct,
            frequent=Frequent({}),
            sketch=None,
        )
