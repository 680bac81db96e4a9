"""How many different values a column holds: the k smallest of 64-bit hashes (bottom-k, "k minimum values").

All hashes below a threshold theta are kept. Their number divided by theta / 2^64 estimates the distinct count; while theta is
2^64 nothing was dropped and the count is exact. A relative standard error of 1 / sqrt(k - 2) holds otherwise.
Source: Bar-Yossef et al., "Counting distinct elements in a data stream" (2002); Beyer et al. (2007) for the unbiased form.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError
from spark_monitor.states.grid import Floats

Hashes = npt.NDArray[np.uint64]

K_WINDOW = 1024
K_SLICE = 128
MOST_K = 1 << 16
ALL = 1 << 64
LONG_TEXT_BYTES = 256
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_WORD = np.uint64(0x9E3779B97F4A7C15)
_CACHED = 1 << 14
"""So many numbers, and what is worked out of them, stay in a processor's nearest cache."""

_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


@dataclass(frozen=True, eq=False)
class Distinct:
    """Distinct hashes in increasing order, all below ``theta``.

    >>> Distinct.of(hash_numbers(np.array([1.0, 2.0, 2.0, -0.0, 0.0]))).count
    3
    """

    k: int
    theta: int
    hashes: Hashes

    @classmethod
    def empty(cls, k: int = K_WINDOW) -> Distinct:
        """The state of no value."""
        return cls(k, ALL, np.empty(0, dtype=np.uint64))

    @classmethod
    def of(cls, hashes: Hashes, k: int = K_WINDOW, *, theta: int = ALL) -> Distinct:
        """The state of values whose hashes are given in any order; those at or above ``theta`` were dropped before."""
        candidates = _smallest(hashes, 4 * k)
        unique = _once(candidates)
        if unique.size <= k < hashes.size and candidates.size < hashes.size:
            unique = _once(hashes)
        return cls(k, theta, unique)._trimmed()

    @classmethod
    def of_sorted(cls, values: Floats, k: int = K_WINDOW, *, theta: int = ALL) -> Distinct:
        """The state of finite values in increasing order; hashes at or above ``theta`` are known not to matter.

        Each value is hashed once, and different values have different hashes, since the hash can be undone.
        """
        if not values.size:
            return cls.empty(k)
        first = np.empty(values.size, dtype=np.bool_)
        first[0] = True
        np.not_equal(values[1:], values[:-1], out=first[1:])
        many = int(np.count_nonzero(first))
        if many * 2 < values.size:
            values = values[first]
        # Of many different values the smallest hashes most likely suffice; where they do not, all are looked at.
        fair = 4 * k * ALL // many if many > 4 * k else ALL
        state = cls(k, theta, _once(hashes_below(values, min(theta, fair))))
        if fair < theta and state.hashes.size <= k:
            state = cls(k, theta, _once(hashes_below(values, theta)))
        return state._trimmed()

    @classmethod
    def of_candidates(cls, hashes: Hashes, k: int = K_WINDOW, *, theta: int = ALL) -> Distinct:
        """The state of values of whose hashes below ``theta`` at least the k smallest are given, each once, in any order."""
        return cls(k, theta, np.sort(hashes))._trimmed()

    @classmethod
    def stored(cls, k: int, theta: int, hashes: np.ndarray) -> Distinct:
        """The state whose parts were read from untrusted bytes."""
        if not (1 <= k <= MOST_K and 1 <= theta <= ALL and hashes.dtype == np.uint64 and hashes.size <= k):
            raise StateError(f"distinct count: {hashes.size} hashes of type {hashes.dtype}, k = {k}, threshold {theta}.")
        if (hashes[1:] <= hashes[:-1]).any() or (hashes.size and int(hashes[-1]) >= theta):
            raise StateError("distinct count: its hashes do not increase up to its threshold.")
        return cls(k, theta, hashes)

    def update(self, hashes: Hashes) -> Distinct:
        """This state and more values; only hashes below theta can matter."""
        if self.theta < ALL:
            hashes = hashes[hashes < np.uint64(self.theta)]
        return self.merge(Distinct.of(hashes, self.k)) if hashes.size else self

    def merge(self, other: Distinct) -> Distinct:
        """The state of both: the union below the smaller threshold, cut back to the smaller k."""
        theta = min(self.theta, other.theta)
        return Distinct(min(self.k, other.k), theta, _once(np.concatenate([self.hashes, other.hashes])))._trimmed()

    def trimmed(self, k: int) -> Distinct:
        """The same, keeping at most ``k`` hashes."""
        return Distinct(min(k, self.k), self.theta, self.hashes)._trimmed()

    def _trimmed(self) -> Distinct:
        hashes, theta = self.hashes, self.theta
        if theta < ALL:
            hashes = hashes[: int(np.searchsorted(hashes, np.uint64(theta), side="left"))]
        if hashes.size > self.k:
            hashes, theta = hashes[: self.k], int(hashes[self.k])
        return Distinct(self.k, theta, hashes)

    @property
    def count(self) -> int:
        """The distinct count: exact while ``is_exact``, else an estimate, which is more than the hashes that are kept."""
        kept = self.hashes.size
        return kept if self.is_exact else max(round(kept / (self.theta / ALL)), kept + 1)

    @property
    def is_exact(self) -> bool:
        """Whether nothing was dropped."""
        return self.theta >= ALL

    @property
    def relative_error(self) -> float:
        """The relative standard error of ``count``."""
        return 0.0 if self.is_exact else 1 / max(self.hashes.size - 2, 1) ** 0.5


def _smallest(hashes: Hashes, most: int) -> Hashes:
    return np.partition(hashes, most)[:most] if hashes.size > most else hashes


def _once(hashes: Hashes) -> Hashes:
    """Every hash once, in order; for few of them a sort is faster than ``np.unique``, which builds a table."""
    ordered = np.sort(hashes)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if ordered.size else ordered


def hash_numbers(values: Floats) -> Hashes:
    """A 64-bit hash of every number (splitmix64 of its bits); -0.0 and 0.0 are one value."""
    hashes = np.empty(values.size, dtype=np.uint64)
    for low in range(0, values.size, _CACHED):
        part = _scrambled(values[low : low + _CACHED])
        np.bitwise_xor(part, part >> _SHIFTS[2], out=hashes[low : low + _CACHED])
    return hashes


def hashes_below(values: Floats, theta: int) -> Hashes:
    """The hashes below ``theta`` of finite numbers, in the order of these; what ``hash_numbers`` gives, but less work.

    >>> bool(hashes_below(np.arange(9.0), ALL).size == 9 and (hashes_below(np.arange(9.0), 1 << 62) < 1 << 62).all())
    True
    """
    if theta >= ALL:
        return hash_numbers(values)
    # The last step leaves the upper bits alone, so they tell which hashes are far too large.
    most = np.uint64(theta | (1 << 33) - 1)
    parts = [np.empty(0, dtype=np.uint64)]
    for low in range(0, values.size, _CACHED):
        part = _scrambled(values[low : low + _CACHED])
        parts.append(part[part <= most])
    hashes = np.concatenate(parts)
    hashes ^= hashes >> _SHIFTS[2]
    return np.asarray(hashes[hashes < np.uint64(theta)])


def _scrambled(values: Floats) -> Hashes:
    """Splitmix64 of the numbers' bits up to its last step."""
    with np.errstate(invalid="ignore"):  # a NaN of other bits, which a column may hold, is none to be warned of
        bits = (values + 0.0).view(np.uint64)
    bits += _WORD
    bits ^= bits >> _SHIFTS[0]
    bits *= _FIRST
    bits ^= bits >> _SHIFTS[1]
    bits *= _SECOND
    return bits


def hash_texts(strings: pa.Array) -> Hashes:
    """A 64-bit hash of every string or binary value, eight bytes at a time across all of them; nulls hash as empty.

    >>> hashes = hash_texts(pa.array(["a", "b", "a", ""]))
    >>> bool(hashes[0] == hashes[2]), len(set(hashes.tolist()))
    (True, 3)
    """
    binary = pc.fill_null(strings, "" if pa.types.is_string(strings.type) or pa.types.is_large_string(strings.type) else b"")
    binary = binary.cast(pa.large_binary())
    lengths = np.asarray(pc.binary_length(binary).to_numpy(zero_copy_only=False), dtype=np.int64)
    offsets = np.frombuffer(binary.buffers()[1], dtype=np.int64)[binary.offset : binary.offset + len(binary)]
    content = binary.buffers()[2]
    data = np.zeros((content.size if content else 0) + 8, dtype=np.uint8)
    data[: data.size - 8] = np.frombuffer(content, dtype=np.uint8) if content else 0
    hashes = lengths.astype(np.uint64) * _WORD
    short = np.flatnonzero(lengths <= LONG_TEXT_BYTES)
    for start in range(0, int(lengths[short].max(initial=0)), 8):
        short = short[lengths[short] > start]
        hashes[short] = _absorb(hashes[short], _words(data, offsets[short] + start, lengths[short] - start))
    for index in np.flatnonzero(lengths > LONG_TEXT_BYTES):
        # Long strings are rare and cost more to read than to loop over.
        digest = hashlib.blake2b(binary[int(index)].as_py(), digest_size=8).digest()
        hashes[index] = np.frombuffer(digest, dtype=np.uint64)[0]
    return _absorb(hashes, np.zeros(hashes.size, dtype=np.uint64))


def _words(data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], left: npt.NDArray[np.int64]) -> Hashes:
    """The eight bytes at each start as one word, those past the text's end set to zero."""
    words = np.lib.stride_tricks.sliding_window_view(data, 8)[starts].copy().view(np.uint64).ravel()
    unused = (8 * np.clip(8 - left, 0, 7)).astype(np.uint64)
    return (words << unused) >> unused


def _absorb(hashes: Hashes, words: Hashes) -> Hashes:
    mixed = (hashes ^ words) + _WORD
    mixed = (mixed ^ (mixed >> _SHIFTS[0])) * _FIRST
    mixed = (mixed ^ (mixed >> _SHIFTS[1])) * _SECOND
    return np.asarray(mixed ^ (mixed >> _SHIFTS[2]))
