"""How many rows repeat a key that another row has: the rows of the keys with the smallest hashes, counted by key.

Which keys are looked at does not depend on how often they occur, so they are a fair sample of all keys, and every row of a
sampled key is counted. While no key was dropped (theta is 2^64) the answer is exact.
Source: bottom-k sampling as in Bar-Yossef et al. (2002), with the multiplicity kept beside each hash.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.distinct import ALL, Hashes
from spark_monitor.states.grid import Integers
from spark_monitor.states.stored import counts

TAG = "REPT"
K_REPEATS = 8192
MOST_K = 1 << 20


@dataclass(frozen=True, eq=False)
class RepeatState:
    """Rows that have the key, and of all keys whose hash lies below ``theta`` the hash and the number of rows.

    >>> state = RepeatState.empty().update(np.array([7, 5, 7], dtype=np.uint64))
    >>> state.count, state.sampled_rows, state.sampled_keys, state.is_exact
    (3, 3, 2, True)
    """

    k: int
    theta: int
    count: int
    hashes: Hashes
    counts: Integers

    @classmethod
    def empty(cls, k: int = K_REPEATS) -> RepeatState:
        """The state of no row."""
        return cls(k, ALL, 0, np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int64))

    def update(self, hashes: Hashes) -> RepeatState:
        """This state and the hash of the key of every row, in any order."""
        rows = int(hashes.size)
        below = hashes if self.theta >= ALL else hashes[hashes < np.uint64(self.theta)]
        theta = self.theta
        if below.size > 4 * self.k:
            # Of many different keys the smallest hashes suffice; where so few are left that they do not, all are counted.
            likely = int(np.partition(below, 2 * self.k)[2 * self.k])
            some = _counted(below[below < np.uint64(likely)])
            if some[0].size > self.k:
                return self.merge(RepeatState(self.k, min(theta, likely), rows, *some)._trimmed())
        return self.merge(RepeatState(self.k, theta, rows, *_counted(below))._trimmed())

    def merge(self, other: RepeatState) -> RepeatState:
        """The state of both: the keys below the smaller threshold, their rows added, cut back to the smaller k."""
        hashes = np.concatenate([self.hashes, other.hashes])
        many = np.concatenate([self.counts, other.counts])
        theta = min(self.theta, other.theta)
        if theta < ALL:
            kept = hashes < np.uint64(theta)
            hashes, many = hashes[kept], many[kept]
        merged = _summed(hashes, many)
        return RepeatState(min(self.k, other.k), theta, self.count + other.count, *merged)._trimmed()

    def _trimmed(self) -> RepeatState:
        if self.hashes.size <= self.k:
            return self
        return RepeatState(self.k, int(self.hashes[self.k]), self.count, self.hashes[: self.k], self.counts[: self.k])

    @property
    def is_exact(self) -> bool:
        """Whether no key was dropped."""
        return self.theta >= ALL

    @property
    def sampled_rows(self) -> int:
        """Rows of the sampled keys."""
        return int(self.counts.sum())

    @property
    def sampled_keys(self) -> int:
        """Sampled keys."""
        return int(self.hashes.size)

    @property
    def sampled_squares(self) -> int:
        """Sum of the squared rows of each sampled key."""
        return int((self.counts * self.counts).sum())

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.hashes.nbytes + self.counts.nbytes

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        meta = {"k": self.k, "theta": str(self.theta), "rows": self.count}
        return pack(TAG, meta, {"hashes": self.hashes, "more": self.counts - 1})

    @classmethod
    def from_bytes(cls, data: bytes) -> RepeatState:
        """The state that ``to_bytes`` wrote."""
        meta, arrays = unpack(data, TAG)
        try:
            k, theta, rows, hashes = int(meta["k"]), int(meta["theta"]), int(meta["rows"]), arrays["hashes"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise StateError(f"repeat state: damaged ({type(error).__name__}: {error}).") from error
        if not (1 <= k <= MOST_K and 1 <= theta <= ALL and hashes.dtype == np.uint64 and hashes.size <= k):
            raise StateError(f"repeat state: {hashes.size} hashes of type {hashes.dtype}, k = {k}, threshold {theta}.")
        many = counts(arrays, "more", hashes.size) + 1
        if (hashes[1:] <= hashes[:-1]).any() or (hashes.size and int(hashes[-1]) >= theta) or int(many.sum()) > rows:
            raise StateError("repeat state: its hashes do not increase up to its threshold, or it counts too many rows.")
        return cls(k, theta, rows, hashes, many)


def _counted(hashes: Hashes) -> tuple[Hashes, Integers]:
    return _summed(hashes, np.ones(hashes.size, dtype=np.int64))


def _summed(hashes: Hashes, many: Integers) -> tuple[Hashes, Integers]:
    """Every hash once, in order, with its rows."""
    if not hashes.size:
        return hashes, many
    order = np.argsort(hashes, kind="stable")
    hashes, many = hashes[order], many[order]
    starts = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1]))
    return hashes[starts], np.add.reduceat(many, starts)
