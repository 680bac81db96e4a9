"""The smallest distinct hashes of every slice value of one column side by side: ``Distinct`` for many at once.

Only values that are no edge of the grid come here; the cells tell which edges occur.
"""

from __future__ import annotations

import numpy as np

from spark_monitor.states.distinct import ALL, K_SLICE, Distinct, Hashes
from spark_monitor.states.grid import Integers

_HELD = 1 << 14
_EVERY = np.uint64(ALL - 1)
_SAMPLED = 4 * K_SLICE
_TABLE_PER_ROW = 16


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

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._limits.nbytes + 16 * sum(part.size for part in self._hashes)

    def add(self, codes: Integers, hashes: Hashes) -> None:
        """Add the hash of every row and the slice value of each."""
        self._grow(int(codes.max(initial=-1)) + 1)
        if codes.size <= _HELD:
            self._hold(codes, hashes, self._limits)
            return
        # Of a slice with many rows the smallest hashes most likely suffice; where they do not, the others follow.
        rows = np.bincount(codes, minlength=self._limits.size)
        fair = np.full(rows.size, _EVERY)
        many = rows > _SAMPLED
        fair[many] = (_SAMPLED / rows[many] * ALL).astype(np.uint64)
        fair[rows == 0] = 0
        first = np.minimum(fair, self._limits)
        self._hold(codes, hashes, first)
        if (first < self._limits)[rows > 0].any():
            self._settle()
        short = (self._limits > first) & (rows > 0)
        if short.any():
            left = short.take(codes) & (hashes > first.take(codes))
            self._hold(codes[left], hashes[left], self._limits)

    def add_known(self, codes: Integers, positions: Integers, known: Hashes) -> None:
        """The same where row i has the hash ``known[positions[i]]``: pairs that repeat cost next to nothing."""
        size = int(codes.max(initial=-1)) + 1
        if size * known.size > _TABLE_PER_ROW * codes.size:
            self.add(codes, known[positions])
            return
        found = np.zeros(size * known.size, dtype=np.bool_)
        found[codes * known.size + positions] = True
        pairs = np.flatnonzero(found)
        self.add(pairs // known.size, known[pairs % known.size])

    def held(self) -> tuple[Integers, Hashes, Hashes]:
        """The slice value and the hash of everything kept, in that order, and the largest hash that matters of each value."""
        if self._bounds is None:
            self._settle()
        return self._codes[0], self._hashes[0], self._limits

    @classmethod
    def of_held(cls, codes: Integers, hashes: Hashes, limits: Hashes) -> SliceHashes:
        """What ``held`` gave."""
        found = cls()
        found._codes, found._hashes, found._limits = [codes], [hashes], limits
        return found

    def absorb(self, other: SliceHashes, places: Integers) -> None:
        """Merge with others, whose slice value i is value ``places[i]`` here."""
        codes, hashes, limits = other.held()
        self._grow(int(places.max(initial=-1)) + 1)
        self._settle()
        self._limits[places] = np.minimum(self._limits[places], limits[: places.size])
        kept = self._hashes[0] <= self._limits[self._codes[0]]
        self._codes, self._hashes = [self._codes[0][kept]], [self._hashes[0][kept]]
        self._hold(places[codes], hashes, self._limits)
        self._settle()

    def of(self, code: int) -> Distinct:
        """What is known of one slice value."""
        if self._bounds is None:
            self._settle()
            self._bounds = np.searchsorted(self._codes[0], np.arange(self._limits.size + 1))
        if code >= self._limits.size:
            return Distinct.empty(K_SLICE)
        kept = self._hashes[0][self._bounds[code] : self._bounds[code + 1]]
        return Distinct(K_SLICE, int(self._limits[code]) + 1, kept)

    def _grow(self, size: int) -> None:
        if size > self._limits.size:
            self._limits = np.append(self._limits, np.full(max(size, 2 * self._limits.size) - self._limits.size, _EVERY))

    def _hold(self, codes: Integers, hashes: Hashes, limits: Hashes) -> None:
        near = np.flatnonzero(hashes <= limits.max(initial=0))  # of few slice values, most hashes are above every limit
        if near.size < hashes.size:
            codes, hashes = codes.take(near), hashes.take(near)
        below = np.flatnonzero(hashes <= limits.take(codes))
        self._codes.append(codes.take(below))
        self._hashes.append(hashes.take(below))
        self._bounds = None
        if sum(part.size for part in self._hashes) > max(_HELD, 2 * K_SLICE * self._limits.size):
            self._settle()

    def _settle(self) -> None:
        """Each hash once per slice value, in order, and no more than ``K_SLICE`` of them."""
        codes = np.concatenate([np.empty(0, dtype=np.int64), *self._codes])
        hashes = np.concatenate([np.empty(0, dtype=np.uint64), *self._hashes])
        order = _order(codes, hashes)
        codes, hashes = codes[order], hashes[order]
        first = np.ones(codes.size, dtype=np.bool_)
        first[1:] = (codes[1:] != codes[:-1]) | (hashes[1:] != hashes[:-1])
        codes, hashes = codes[first], hashes[first]
        place = np.arange(codes.size) - np.searchsorted(codes, np.arange(self._limits.size))[codes]
        dropped = place == K_SLICE
        self._limits[codes[dropped]] = hashes[dropped] - np.uint64(1)
        kept = place < K_SLICE
        self._codes, self._hashes = [codes[kept]], [hashes[kept]]


def _order(codes: Integers, hashes: Hashes) -> Integers:
    """The order by code, then by hash; small codes are sorted by numpy's radix sort, four times faster than ``lexsort``."""
    if codes.size and codes.max() >= 1 << 16:
        return np.lexsort((hashes, codes))
    order = np.argsort(hashes)
    return np.asarray(order[np.argsort(codes[order].astype(np.uint16), kind="stable")])
