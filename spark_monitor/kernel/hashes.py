"""The smallest distinct hashes of every slice value of one column side by side: ``Distinct`` for many at once.

Only values that are no edge of the grid come here; the cells tell which edges occur.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from spark_monitor.kernel.groups import Mask, Shorts, order_of
from spark_monitor.states.distinct import ALL, K_SLICE, Distinct, Hashes
from spark_monitor.states.grid import Integers

_HELD = 1 << 14
_EVERY = np.uint64(ALL - 1)
_SAMPLED = 3 * K_SLICE // 2
"""So many hashes of a slice value are expected below its likely limit; fewer than ``K_SLICE`` once in a million times."""

_TABLE_PER_ROW = 16
_SORTED_ALONE = 64
"""With so many hashes each on average, slice values are sorted one by one: faster than an order for all of them."""


class SliceHashes:
    """For each slice value 0, 1, 2, ... its ``K_SLICE`` smallest distinct hashes; ``limits`` are the largest that can matter.

    >>> held = SliceHashes()
    >>> held.add(np.array([1, 0, 1]), np.array([7, 5, 7], dtype=np.uint64))
    >>> [held.of(code).count for code in (0, 1, 2)]
    [1, 1, 0]
    """

    def __init__(self) -> None:
        self._limits = np.zeros(0, dtype=np.uint64)
        self._codes: list[Integers] = []
        self._hashes: list[Hashes] = []
        self._bounds: Integers | None = None
        self._settled = False

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._limits.nbytes + 16 * sum(part.size for part in self._hashes)

    def add(self, codes: Integers, hashes: Hashes) -> None:
        """Add the hash of every row and the slice value of each."""
        add_hashes([Keyed(self, codes, np.bincount(codes))], hashes, None)

    def likely(self, rows: Integers, fraction: float) -> Hashes:
        """The largest hash of each slice value that most likely matters once this fraction of so many rows is in.

        Of a slice with many rows the smallest hashes most likely suffice; ``add_hashes`` looks whether they do.
        """
        self._grow(rows.size)
        if fraction * rows.sum() <= _HELD:
            return self._limits
        fair = np.zeros(self._limits.size, dtype=np.uint64)
        fair[: rows.size][rows > 0] = _EVERY
        many = np.flatnonzero(rows * fraction > _SAMPLED)
        fair[many] = (_SAMPLED / (rows[many] * fraction) * ALL).astype(np.uint64)
        return np.minimum(fair, self._limits)

    def missed(self, likely: Hashes, rows: Integers) -> Mask | None:
        """The slice values of which hashes above the likely ones matter after all; None where there are none."""
        met = np.append(rows > 0, np.zeros(self._limits.size - rows.size, dtype=np.bool_))
        if (likely < self._limits)[met].any():
            self._settle()
        missed = met & (self._limits > likely)
        return missed if missed.any() else None

    def add_positions(self, codes: Integers, positions: Integers, distinct: Hashes) -> None:
        """The same where row i has the hash ``distinct[positions[i]]``: pairs that repeat cost next to nothing."""
        size = int(codes.max(initial=-1)) + 1
        if size * distinct.size > _TABLE_PER_ROW * codes.size:
            self.add(codes, distinct[positions])
            return
        met = np.zeros(size * distinct.size, dtype=np.bool_)
        met[codes * distinct.size + positions] = True
        pairs = np.flatnonzero(met)
        self.add(pairs // distinct.size, distinct[pairs % distinct.size])

    def held(self) -> tuple[Integers, Hashes, Hashes]:
        """The slice value and the hash of everything kept, in that order, and the largest hash that matters of each value."""
        self._settle()
        return self._codes[0], self._hashes[0], self._limits

    @classmethod
    def of_held(cls, codes: Integers, hashes: Hashes, limits: Hashes) -> SliceHashes:
        """What ``held`` gave."""
        held = cls()
        held._codes, held._hashes, held._limits, held._settled = [codes], [hashes], limits, True
        return held

    def absorb(self, other: SliceHashes, places: Integers) -> None:
        """Merge with others, whose slice value i is value ``places[i]`` here."""
        codes, hashes, limits = other.held()
        self._grow(int(places.max(initial=-1)) + 1)
        self._limits[places] = np.minimum(self._limits[places], limits[: places.size])
        self.hold(places[codes], hashes)

    def of(self, code: int) -> Distinct:
        """What is known of one slice value."""
        self._settle()
        if self._bounds is None:
            self._bounds = np.searchsorted(self._codes[0], np.arange(self._limits.size + 1))
        if code >= self._limits.size:
            return Distinct.empty(K_SLICE)
        kept = self._hashes[0][self._bounds[code] : self._bounds[code + 1]]
        return Distinct(K_SLICE, int(self._limits[code]) + 1, kept)

    def _grow(self, size: int) -> None:
        if size > self._limits.size:
            self._limits = np.append(self._limits, np.full(max(size, 2 * self._limits.size) - self._limits.size, _EVERY))

    def hold(self, codes: Integers, hashes: Hashes, limits: Hashes | None = None) -> None:
        """Keep the hashes that are no larger than their slice value's limit (None: than any that can matter)."""
        below = np.flatnonzero(hashes <= (self._limits if limits is None else limits).take(codes))
        self._codes.append(codes.take(below))
        self._hashes.append(hashes.take(below))
        self._bounds, self._settled = None, False
        if sum(part.size for part in self._hashes) > max(_HELD, 2 * K_SLICE * self._limits.size):
            self._settle()

    def _settle(self) -> None:
        """Each hash once per slice value, in order, and no more than ``K_SLICE`` of them."""
        if self._settled:
            return
        codes = np.concatenate([np.empty(0, dtype=np.int64), *self._codes])
        hashes = np.concatenate([np.empty(0, dtype=np.uint64), *self._hashes])
        below = np.flatnonzero(hashes <= self._limits.take(codes))  # a merge may have lowered a limit
        codes, hashes = codes.take(below), hashes.take(below)
        codes, hashes = ordered_hashes(codes, hashes)
        first = np.ones(codes.size, dtype=np.bool_)
        first[1:] = (codes[1:] != codes[:-1]) | (hashes[1:] != hashes[:-1])
        codes, hashes = codes[first], hashes[first]
        place = np.arange(codes.size) - np.searchsorted(codes, np.arange(self._limits.size))[codes]
        dropped = place == K_SLICE
        self._limits[codes[dropped]] = hashes[dropped] - np.uint64(1)
        kept = place < K_SLICE
        self._codes, self._hashes, self._settled = [codes[kept]], [hashes[kept]], True


@dataclass(frozen=True)
class Keyed:
    """The hashes of one slice key, the slice value of every row, and how many rows each value has."""

    held: SliceHashes
    codes: Integers
    rows: Integers
    short: Shorts | None = None


def add_hashes(keys: Sequence[Keyed], hashes: Hashes, inner: Integers | None) -> None:
    """Add rows to every slice key; the hashes are those of the rows ``inner`` (None: of all).

    Most hashes are too large to matter for any slice value that has many rows, and are looked at once for all keys. The few rows
    of rare slice values, of which larger hashes matter, are looked for apart.
    """
    likely, most = likely_limits(keys, hashes.size / max(keys[0].codes.size, 1))
    near = np.flatnonzero(hashes <= most)
    few = hashes.take(near)
    rows = near if inner is None else inner.take(near)
    for key, limits in zip(keys, likely, strict=True):
        key.held.hold(key.codes.take(rows), few, limits)
        rare = limits[: key.rows.size] > most
        if rare.any():
            codes = _inner(key.codes, inner)
            left = np.flatnonzero(rare.take(codes))
            key.held.hold(codes.take(left), hashes.take(left), limits)
        missed = key.held.missed(limits, key.rows)
        if missed is not None:
            codes = _inner(key.codes, inner)
            left = np.flatnonzero(missed.take(codes) & (hashes > limits.take(codes)))
            key.held.hold(codes.take(left), hashes.take(left))


def likely_limits(keys: Sequence[Keyed], fraction: float) -> tuple[list[Hashes], np.uint64]:
    """``SliceHashes.likely`` of every key, and the largest of them among slice values that have many rows."""
    likely = [key.held.likely(key.rows, fraction) for key in keys]
    common = [limits[: key.rows.size][key.rows > _SAMPLED] for key, limits in zip(keys, likely, strict=True)]
    return likely, np.uint64(np.concatenate(common).max(initial=0))


def _inner(codes: Integers, inner: Integers | None) -> Integers:
    return codes if inner is None else codes.take(inner)


def ordered_hashes(codes: Integers, hashes: Hashes) -> tuple[Integers, Hashes]:
    """Both in the order of the code, then of the hash."""
    order = order_of(codes)
    arranged = codes.take(order)
    changes = np.flatnonzero(arranged[1:] != arranged[:-1]) + 1
    if changes.size * _SORTED_ALONE >= codes.size:
        order = np.argsort(hashes)
        return arranged, hashes.take(order).take(order_of(codes.take(order)))
    hashes = hashes.take(order)
    for low, high in pairwise([0, *changes.tolist(), codes.size]):
        hashes[low:high].sort()
    return arranged, hashes
