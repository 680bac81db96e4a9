"""Numeric states of all values of one slice key side by side, so that a batch updates them all in a few array operations.

The same numbers as ``NumericState`` holds, one row per slice value; ``states`` gives them back as such.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from spark_monitor.kernel.cells import SliceCells
from spark_monitor.kernel.groups import Mask, Shorts
from spark_monitor.kernel.hashes import SliceHashes
from spark_monitor.states.distinct import Hashes
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.moments import merged_moments
from spark_monitor.states.sums import two_sum

COUNT, NULLS, NANS, HIGH, LOW = range(5)
_MOSTLY = 15 / 16
_HEAD = 1 << 12
_SURE = 1 / 16
"""Deviations from a common guess are good enough for a slice value where its M2 is at least this fraction of their squares."""


@dataclass(frozen=True)
class Part:
    """Rows of one group and column, prepared once for all slice keys.

    ``kept`` are the positions of the finite values (None: all are), whose ``values`` and ``cells`` follow, with their deviations
    from a ``guess`` near the mean and the squares of these; ``specials`` are the positions of nulls, NaN, +Inf and -Inf;
    ``inner`` the positions of the values whose ``hashes`` follow (None: all): the cells tell which edges of the grid occur.
    """

    kept: Integers | None
    values: Floats
    cells: Integers
    guess: float
    deviations: Floats
    squares: Floats
    specials: tuple[Integers, ...]
    inner: Integers | None
    hashes: Hashes

    @classmethod
    def of(
        cls, numbers: Floats, nulls: Mask | None, cells: Integers, finite: Mask | None, hashes: Hashes, *, guess: float
    ) -> Part:
        """The rows with these numbers (0 where null), cells and hashes; ``finite`` is None where all are."""
        inner = (cells & 1) == 0
        kept: Integers | None = None
        specials: tuple[Integers, ...] = ()
        if finite is not None:
            inner &= finite
            kept = np.flatnonzero(finite)
            specials = _specials(numbers, np.zeros(numbers.size, dtype=np.bool_) if nulls is None else nulls, finite)
            numbers, cells = numbers.take(kept), cells.take(kept)
        chosen: Integers | None = np.flatnonzero(inner)
        if finite is None and chosen is not None and chosen.size >= _MOSTLY * inner.size:
            chosen = None  # what is on an edge may be hashed too: it is the same value in both places
        with np.errstate(over="ignore", invalid="ignore"):
            deviations = numbers - guess
            squares = deviations * deviations
        return cls(
            kept, numbers, cells, guess, deviations, squares, specials, chosen, hashes if chosen is None else hashes.take(chosen)
        )


def _specials(numbers: Floats, absent: Mask, finite: Mask) -> tuple[Integers, ...]:
    """The positions of nulls, NaN, +Inf and -Inf; the last three are looked for only where there are any."""
    others = np.flatnonzero(~(finite | absent))
    rest = numbers[others]
    return np.flatnonzero(absent), others[np.isnan(rest)], others[rest == np.inf], others[rest == -np.inf]


@dataclass(frozen=True)
class Sums:
    """For every slice value the sums of the deviations from a guess and of their squares, its least and its greatest value."""

    guess: float
    sums: Floats
    squares: Floats
    least: Floats = field(default_factory=lambda: np.zeros(0))
    greatest: Floats = field(default_factory=lambda: np.zeros(0))


def _chosen(values: Floats, codes: Integers, asked: Mask) -> tuple[Floats, Integers]:
    rows = np.flatnonzero(asked.take(codes))
    return values[rows], codes[rows]


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
            zeros = np.zeros(more)
            self.totals = np.concatenate([self.totals, np.zeros((more, 5), dtype=np.int64)])
            self.n = np.concatenate([self.n, np.zeros(more, dtype=np.int64)])
            self.mean, self.low, self.m2 = (np.concatenate([part, zeros]) for part in (self.mean, self.low, self.m2))
            self.minimum = np.concatenate([self.minimum, np.full(more, np.inf)])
            self.maximum = np.concatenate([self.maximum, np.full(more, -np.inf)])

    def count(self, codes: Integers, rows: Integers, part: Part) -> Integers:
        """Count rows; how many finite values each slice value has among them."""
        size = rows.size
        self._grow(size)
        self.totals[:size, COUNT] += rows
        finite = rows
        for place, positions in enumerate(part.specials, start=NULLS):
            if positions.size:
                many = np.bincount(codes[positions], minlength=size)
                self.totals[:size, place] += many
                finite = finite - many
        return finite

    def add_sums(self, totals: Integers, sums: Sums, rows_of: Callable[[Mask], tuple[Floats, Integers]]) -> None:
        """Add rows whose cells are counted already: the counts of each slice value, and sums about a guess.

        ``rows_of`` gives the finite values of some slice values, and the slice value of each.
        """
        size = len(totals)
        self._grow(size)
        self.totals[:size] += totals
        sizes = totals[:, COUNT] - totals[:, NULLS:].sum(axis=1)
        met = np.flatnonzero(sizes)
        if not met.size:
            return
        self.minimum[met] = np.minimum(self.minimum[met], sums.least[met])
        self.maximum[met] = np.maximum(self.maximum[met], sums.greatest[met])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            moments = self._about(sums, sizes, rows_of)
            self._merge_moments(met, sizes[met], *(numbers[met] for numbers in moments))

    def add_values(self, codes: Integers, sizes: Integers, part: Part) -> None:
        """Add the finite values, whose extremes are known: the slice value of each, and how many each slice value has."""
        met = np.flatnonzero(sizes)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            sums = np.asarray(np.bincount(codes, part.deviations, minlength=sizes.size), dtype=np.float64)
            squares = np.asarray(np.bincount(codes, part.squares, minlength=sizes.size), dtype=np.float64)
            moments = self._about(Sums(part.guess, sums, squares), sizes, lambda asked: _chosen(part.values, codes, asked))
            self._merge_moments(met, sizes[met], *(numbers[met] for numbers in moments))
        self.cells.add(codes, part.cells)

    def _about(
        self, sums: Sums, sizes: Integers, rows_of: Callable[[Mask], tuple[Floats, Integers]]
    ) -> tuple[Floats, Floats, Floats]:
        """Mean, what it lacks, and M2 of every slice value's new rows, from deviations that all slice keys share.

        Where a slice value lies far from the guess for its own spread, its deviations are taken from its own mean.
        """
        rest = sums.sums / sizes
        m2 = sums.squares - sums.sums * rest
        mean, low = two_sum(np.full(sizes.size, sums.guess), rest)
        unsure = (sizes > 0) & ~((m2 >= sums.squares * _SURE) & np.isfinite(m2))
        if unsure.any():
            values, codes = rows_of(unsure)
            least, most = self.minimum[: sizes.size], self.maximum[: sizes.size]
            moments = _moments(values, codes, np.where(unsure, sizes, 0), least, most)
            mean, low, m2 = (np.where(unsure, there, here) for there, here in zip(moments, (mean, low, m2), strict=True))
        return mean, low, m2

    def _merge_moments(self, codes: Integers, sizes: Integers, mean: Floats, low: Floats, m2: Floats) -> None:
        """``Moments.merge``, all slice values at once."""
        kept = self.n[codes], self.mean[codes], self.low[codes], self.m2[codes]
        self.mean[codes], self.low[codes], self.m2[codes] = merged_moments(kept, (sizes, mean, low, m2))
        self.n[codes] += sizes

    @property
    def met(self) -> Integers:
        """The slice values that have rows."""
        return np.flatnonzero(self.totals[:, COUNT])

    def absorb(self, other: SliceBlock, places: Integers) -> None:
        """Merge with another block, whose slice value i is value ``places[i]`` here."""
        size = places.size
        self._grow(int(places.max(initial=-1)) + 1)
        self.totals[places] += other.totals[:size]
        self.minimum[places] = np.minimum(self.minimum[places], other.minimum[:size])
        self.maximum[places] = np.maximum(self.maximum[places], other.maximum[:size])
        filled = np.flatnonzero(other.n[:size])
        if filled.size:
            with np.errstate(over="ignore", invalid="ignore"):
                moments = other.mean[filled], other.low[filled], other.m2[filled]
                self._merge_moments(places[filled], other.n[filled], *moments)
        self.cells.absorb(other.cells, places)
        self.hashes.absorb(other.hashes, places)


@dataclass(frozen=True)
class KeyedRows:
    """A part's rows by one slice key: its block, the slice value of every row, how many rows each has; the values once more."""

    block: SliceBlock
    codes: Integers
    rows: Integers
    short: Shorts | None = None


def add_part(part: Part, keys: Sequence[KeyedRows]) -> None:
    """Add a part's rows to the block of every slice key, all but their hashes; what the keys share is worked out once."""
    sizes = [key.block.count(key.codes, key.rows, part) for key in keys]
    if not part.values.size:
        return
    codes = [key.codes if part.kept is None else key.codes.take(part.kept) for key in keys]
    for low, high in ((0, _HEAD), (_HEAD, part.values.size)):
        _extend(
            part.values[low:high], [(key.block, rows[low:high], many) for key, rows, many in zip(keys, codes, sizes, strict=True)]
        )
    for key, rows, many in zip(keys, codes, sizes, strict=True):
        key.block.add_values(rows, many, part)


def _extend(values: Floats, keys: Sequence[tuple[SliceBlock, Integers, Integers]]) -> None:
    """Least and greatest values: only those beyond the innermost of all slice values' own can be new ones."""
    met = [np.flatnonzero(sizes) for _, _, sizes in keys]
    lower = np.flatnonzero(values < max(block.minimum[slices].max() for (block, _, _), slices in zip(keys, met, strict=True)))
    higher = np.flatnonzero(values > min(block.maximum[slices].min() for (block, _, _), slices in zip(keys, met, strict=True)))
    least, greatest = values.take(lower), values.take(higher)
    for block, codes, _ in keys:
        if lower.size:
            np.minimum.at(block.minimum, codes.take(lower), least)
        if higher.size:
            np.maximum.at(block.maximum, codes.take(higher), greatest)


def _moments(values: Floats, codes: Integers, sizes: Integers, least: Floats, most: Floats) -> tuple[Floats, Floats, Floats]:
    """``Moments.of`` for every code: the means, what they lack, and the sums of squared deviations; undefined without values."""
    mean: Floats = np.bincount(codes, values, minlength=sizes.size) / sizes
    if not np.isfinite(mean[sizes > 0]).all():
        mean = np.asarray(np.bincount(codes, values / sizes[codes], minlength=sizes.size), dtype=np.float64)
    mean = np.clip(mean, least, most)
    deviations = values - mean[codes]
    rest = np.bincount(codes, deviations, minlength=sizes.size) / sizes
    deviations *= deviations
    m2 = np.bincount(codes, deviations, minlength=sizes.size)
    apart = ~(np.isfinite(rest) & np.isfinite(m2))
    rest[apart] = 0.0
    mean, low = two_sum(mean, rest)
    return mean, low, np.where(apart, np.inf, np.maximum(m2 - sizes * rest * rest, 0.0))
