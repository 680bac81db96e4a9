"""The KLL quantile sketch, in Apache DataSketches' own binary image, fed in bulk and merged without chance.

A KLL sketch holds items on levels; an item on level l stands for 2^l values. Level h of L levels may hold about
k (2/3)^(L-1-h) items; when the whole is over capacity, the lowest full level is sorted and every second item moves up.
Source: Karnin, Lang, Liberty, "Optimal quantile approximation in streams" (2016), arXiv:1603.05346, and the layout of
``kll_doubles_sketch`` in datasketches-cpp. The random choices are drawn from the values themselves, so the same input gives the
same bytes, and parts of equal size do not err in the same direction; DataSketches' own update draws from the clock.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.grid import Floats
from spark_monitor.states.sketch_image import EMPTY, FAMILY, FULL, MIN_LEVEL_WIDTH, SHORT, SINGLE, SORTED, exact_image

K = 1024
K_FREEZE = 8192
LEAST_K, MOST_K = 8, 65535
MOST_LEVELS = 60
_REMEMBERED = 1 << 12


@dataclass(frozen=True, eq=False)
class Kll:
    """A sketch of ``n`` finite values: sorted items per level, the exact minimum and maximum.

    >>> sketch = Kll.of(np.arange(100_000.0))
    >>> sketch.n, abs(float(sketch.quantiles([0.5])[0]) - 50_000) <= sketch.rank_error * 100_000
    (100000, True)
    """

    k: int
    n: int
    levels: tuple[Floats, ...]
    minimum: float
    maximum: float

    @classmethod
    def empty(cls, k: int = K) -> Kll:
        """The sketch of no value."""
        return cls(k=k, n=0, levels=(np.empty(0),), minimum=float("nan"), maximum=float("nan"))

    @classmethod
    def of(cls, values: npt.ArrayLike, k: int = K) -> Kll:
        """The sketch of finite values in any order."""
        return cls.of_sorted(np.sort(np.asarray(values, dtype=np.float64).ravel()), k)

    @classmethod
    def of_sorted(cls, values: Floats, k: int = K, *, bits: int | None = None) -> Kll:
        """The sketch of finite values in increasing order: l compactions at once, l = floor(log2(n / k)), none below 2k values.

        Every 2^l-th value from one random offset goes to level l, the n mod 2^l left over (the greatest) stay on level 0 and are
        exact. The rank of any value is off by less than 2^l, and by zero on average. ``bits`` is ``bits_of(values)``, if known.
        """
        n = values.size
        if n == 0:
            return cls.empty(k)
        level = fed_level(n, k)
        whole = (n >> level) << level
        offset = fed_offset(bits_of(values) if bits is None else bits, n, level) if level else 0
        return cls.of_fed(n, k, values[offset : whole : 1 << level], values[whole:], float(values[0]), float(values[-1]))

    @classmethod
    def of_fed(cls, n: int, k: int, sampled: Floats, rest: Floats, minimum: float, maximum: float) -> Kll:
        """The sketch of n values of which those on level ``fed_level(n, k)`` and those left over are known: see ``of_sorted``."""
        level = fed_level(n, k)
        # Copied, since what is kept is far less than all, with one zero, since sorting leaves -0.0 and 0.0 in any order.
        levels = (rest + 0.0, *(np.empty(0) for _ in range(level - 1)), sampled + 0.0) if level else (sampled + 0.0,)
        return cls(k=k, n=n, levels=levels, minimum=minimum + 0.0, maximum=maximum + 0.0)._compressed()

    def merge(self, other: Kll) -> Kll:
        """The sketch of both; both must have the same k, since the result could only be as good as the coarser one."""
        if self.k != other.k:
            raise StateError(f"sketch: k = {self.k} cannot be merged with k = {other.k}; the result would fall to the smaller.")
        if not self.n or not other.n:
            return other if other.n else self
        height = max(len(self.levels), len(other.levels))
        merged = Kll(
            k=self.k,
            n=self.n + other.n,
            levels=tuple(_joined(self._level(h), other._level(h)) for h in range(height)),
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
        )
        return merged._compressed()

    def _level(self, height: int) -> Floats:
        return self.levels[height] if height < len(self.levels) else np.empty(0)

    def _compressed(self) -> Kll:
        """Move every second item of the lowest full level up until the whole fits."""
        levels = list(self.levels)
        if sum(level.size for level in levels) <= capacity(self.k, len(levels)):
            return self
        while sum(level.size for level in levels) > capacity(self.k, len(levels)):
            height = next(h for h, level in enumerate(levels) if level.size >= level_capacity(self.k, len(levels), h))
            if height + 1 == len(levels):
                levels.append(np.empty(0))
            items = levels[height]
            odd = items.size & 1
            kept, moved = items[:odd], items[odd + (_drawn(bits_of(items), items.size, self.n) & 1) :: 2]
            levels[height], levels[height + 1] = kept, _joined(levels[height + 1], moved)
        return replace(self, levels=tuple(levels))

    @property
    def is_exact(self) -> bool:
        """Whether every value is kept, on the only level."""
        return len(self.levels) == 1

    @property
    def rank_error(self) -> float:
        """Bound on |rank - true rank| / n for one rank at 99 % (``bound_of``), 0 while every value is kept."""
        return 0.0 if self.is_exact else bound_of(self.k)

    def weighted(self) -> tuple[Floats, npt.NDArray[np.int64]]:
        """The items in increasing order and, beside each, how many values it and those before it stand for."""
        if self.is_exact:
            return self.levels[0], np.arange(1, self.n + 1)
        items = np.concatenate(self.levels)
        weights = np.repeat([1 << h for h in range(len(self.levels))], [level.size for level in self.levels])
        order = np.argsort(items, kind="stable")
        return items[order], np.cumsum(weights[order])

    def quantiles(self, ranks: npt.ArrayLike) -> Floats:
        """The smallest item x with F(x) >= rank, for ranks in [0, 1]; the exact minimum and maximum at 0 and 1."""
        ranks = np.asarray(ranks, dtype=np.float64)
        if not self.n:
            return np.full(ranks.shape, np.nan)
        items, below = self.weighted()
        positions = np.ceil(ranks * self.n - 1e-9 * self.n)
        values = items[np.minimum(np.searchsorted(below, positions, side="left"), items.size - 1)]
        return np.where(ranks <= 0, self.minimum, np.where(ranks >= 1, self.maximum, values))

    def cdf(self, points: npt.ArrayLike) -> Floats:
        """F(x), the fraction of values <= x."""
        return self._fraction(points, "right")

    def cdf_left(self, points: npt.ArrayLike) -> Floats:
        """F(x^-), the fraction of values < x."""
        return self._fraction(points, "left")

    def points(self) -> Floats:
        """The distinct items: where F steps."""
        return np.unique(np.concatenate(self.levels))

    def _fraction(self, points: npt.ArrayLike, side: Literal["left", "right"]) -> Floats:
        items, below = self.weighted()
        positions = np.searchsorted(items, np.asarray(points, dtype=np.float64), side=side)
        return np.asarray(np.append(0, below)[positions] / max(self.n, 1))

    def to_bytes(self) -> bytes:
        """The image that DataSketches (C++, Java, Python), Spark's ``kll_*`` functions and Databricks read."""
        if self.is_exact:
            return exact_image(self.k, self.levels[0].astype("<f8").tobytes())
        sizes = [level.size for level in self.levels]
        starts = capacity(self.k, len(sizes)) - sum(sizes) + np.cumsum([0, *sizes[:-1]])
        head = FULL.pack(5, 1, FAMILY, SORTED, self.k, MIN_LEVEL_WIDTH, 0, self.n, self.k, len(sizes), 0)
        ends = struct.pack("<dd", self.minimum, self.maximum)
        return head + starts.astype("<u4").tobytes() + ends + np.concatenate(self.levels).astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Kll:
        """The sketch that an image holds; a StateError where the bytes are not such an image."""
        try:
            return _parsed(data)
        except (struct.error, ValueError, OverflowError) as error:
            raise StateError(f"sketch: {len(data)} bytes that are not a KLL image of doubles ({error}).") from error


def bound_of(k: int) -> float:
    """How far one rank of a sketch that does not hold every value may be off at 99 %: 2.296 / k^0.9723 (DataSketches)."""
    return float(2.296 / k**0.9723)


@lru_cache(maxsize=_REMEMBERED)
def level_capacity(k: int, levels: int, height: int) -> int:
    """How many items level ``height`` of ``levels`` may hold: round(k (2/3)^(levels - 1 - height)), at least 8."""
    depth = levels - height - 1
    thirds: int = 3**depth
    return max(MIN_LEVEL_WIDTH, (((2 * k) << depth) // thirds + 1) >> 1)


@lru_cache(maxsize=_REMEMBERED)
def capacity(k: int, levels: int) -> int:
    """How many items a sketch of so many levels may hold."""
    return sum(level_capacity(k, levels, height) for height in range(levels))


def fed_level(n: int, k: int) -> int:
    """The level on which a sketch that is fed n values at once keeps some of them: floor(log2(n / k)), 0 below 2k."""
    return max(0, (n // k).bit_length() - 1)


def fed_offset(bits: int, n: int, level: int) -> int:
    """The rank of the first value that is kept on this level, drawn from the values' bits."""
    return _drawn(bits, n, level) & ((1 << level) - 1)


def _joined(first: Floats, second: Floats) -> Floats:
    if not first.size or not second.size:
        return first if first.size else second
    return np.sort(np.concatenate([first, second]))


def _mixed(number: int) -> int:
    """Sixty-four well mixed bits of a number (splitmix64)."""
    mask = (1 << 64) - 1
    number = (number + 0x9E3779B97F4A7C15) & mask
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & mask
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & mask
    return number ^ (number >> 31)


def bits_of(values: Floats) -> int:
    """The sum of the bits of values in increasing order, modulo 2^64: it depends on all of them.

    Zeros count nothing, whatever their sign: numpy's sort turns some of -0.0 and 0.0 into each other, on some processors.

    >>> bits_of(np.array([-0.0, 0.0, 0.0])), bits_of(np.array([-1.0, -0.0, 1.0])) == bits_of(np.array([-1.0, 0.0, 1.0]))
    (0, True)
    """
    first, last = np.searchsorted(values, 0.0, "left"), np.searchsorted(values, 0.0, "right")
    parts = values[:first], values[last:]
    return sum(int(np.add.reduce(part.view(np.uint64))) for part in parts) % (1 << 64)


def _drawn(bits: int, size: int, salt: int) -> int:
    """Sixty-four well mixed bits from those of so many values."""
    return _mixed(bits ^ _mixed(salt ^ size << 32))


def _parsed(data: bytes) -> Kll:
    preamble, version, family, flags, k, width, _ = SHORT.unpack_from(data)
    if family != FAMILY or width != MIN_LEVEL_WIDTH or version not in (1, 2) or not LEAST_K <= k <= MOST_K:
        raise StateError(f"sketch: family {family}, version {version}, k {k}, m {width}: not a KLL image of doubles.")
    if flags & EMPTY:
        if len(data) != SHORT.size:
            raise StateError(f"sketch: {len(data)} bytes: not the KLL image of an empty sketch.")
        return Kll.empty(k)
    if flags & SINGLE:
        (item,) = struct.unpack_from("<d", data, SHORT.size)
        if len(data) != SHORT.size + 8 or np.isnan(item):
            raise StateError(f"sketch: {len(data)} bytes that hold {item}: not a KLL image of one double.")
        return Kll(k=k, n=1, levels=(np.array([item]),), minimum=item, maximum=item)
    _, _, _, _, _, _, _, n, _, height, _ = FULL.unpack_from(data)
    if preamble != 5 or not 1 <= height <= MOST_LEVELS:
        raise StateError(f"sketch: preamble {preamble} and {height} levels: not a KLL image of doubles.")
    starts = struct.unpack_from(f"<{height}I", data, FULL.size)
    bounds = [start - starts[0] for start in (*starts, capacity(k, height))]
    offset = FULL.size + 4 * height
    minimum, maximum = struct.unpack_from("<dd", data, offset)
    items = np.frombuffer(data, "<f8", bounds[-1], offset + 16)
    if offset + 16 + items.nbytes != len(data) or any(high < low for low, high in pairwise(bounds)):
        raise StateError(f"sketch: {len(data)} bytes do not fit {items.size} items on {height} levels.")
    levels = tuple(np.sort(items[low:high]).astype(np.float64, copy=False) for low, high in pairwise(bounds))
    if not (items.size and all(minimum <= level[0] and level[-1] <= maximum for level in levels if level.size)):
        raise StateError(f"sketch: {items.size} items that do not lie between {minimum} and {maximum}.")
    if sum(level.size << h for h, level in enumerate(levels)) != n:
        raise StateError(f"sketch: the items stand for another number of values than the {n} it claims.")
    return Kll(k=k, n=n, levels=levels, minimum=minimum, maximum=maximum)
