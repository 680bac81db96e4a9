"""The frozen edges of one numeric column, and the exact cell of every value between them.

With edges e_0 < ... < e_{B-1} there are 2B + 1 cells: cell 2i + 1 is the edge e_i itself, cell 2i the open interval below it,
cell 2B the open interval above the last. So F(e_i) and its left limit are sums of counts, exact whatever the data. Zero is
always an edge, so zeros and negatives are read from the cells.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

INNER_EDGES = 1023
OUTER_EDGES = 32
OUTER_FIRST_STEP = 1 / 64
OUTER_GROWTH = 2.0
MAX_EDGES = 8192
_TABLE_BITS = 16
TABLES_KEPT = 64
_NARROW_SPREAD = 2.0**-20
SHARED = MAX_EDGES + 1
"""Added to a table's entry whose key several edges share."""

_CACHED = 1 << 15
"""So many values, and what is worked out of them, stay in a processor's nearer caches."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Strictly increasing finite edges, zero among them.

    >>> grid = Grid.of([1.0, 2.0])
    >>> grid.edges.tolist(), grid.cells
    ([0.0, 1.0, 2.0], 7)
    >>> grid.codes(np.array([-5.0, 0.0, 0.5, 1.0, 9.0])).tolist()
    [0, 1, 2, 3, 6]
    """

    edges: Floats

    def __post_init__(self) -> None:
        edges = np.asarray(self.edges, dtype=np.float64) + 0.0  # a copy, in which -0.0 is 0.0
        if edges.ndim != 1 or edges.size < 1 or edges.size > MAX_EDGES:
            raise StateError(f"grid: {edges.shape} edges; a one-dimensional array of 1 to {MAX_EDGES} is needed.")
        if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all() and (edges == 0.0).any()):
            raise StateError("grid: the edges must be finite, strictly increasing and hold 0.")
        edges.flags.writeable = False
        object.__setattr__(self, "edges", edges)

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Grid:
        """The grid whose edges are the distinct finite ``values`` and zero."""
        finite = np.asarray(values, dtype=np.float64).ravel()
        return cls(np.unique(np.append(finite[np.isfinite(finite)], 0.0) + 0.0))

    @classmethod
    def trivial(cls) -> Grid:
        """The grid of a column that has no baseline: zero is its only edge."""
        return cls.of([])

    @property
    def cells(self) -> int:
        """The number of cells, 2B + 1."""
        return 2 * self.edges.size + 1

    @property
    def is_trivial(self) -> bool:
        """Whether this grid was made without a baseline."""
        return self.edges.size == 1

    @cached_property
    def grid_id(self) -> str:
        """Sixteen hexadecimal digits that are equal exactly for equal edges."""
        return hashlib.sha256(self.edges.tobytes()).hexdigest()[:16]

    @cached_property
    def zero(self) -> int:
        """The position of the edge 0."""
        return int(np.searchsorted(self.edges, 0.0))

    def counts_of_sorted(self, values: Floats) -> Integers:
        """Counts per cell, int64[2B+1], of finite values in increasing order.

        >>> Grid.of([1.0]).counts_of_sorted(np.array([-1.0, 0.0, 0.0, 0.5, 3.0])).tolist()
        [1, 2, 1, 0, 1]
        """
        if values.size < self.edges.size:
            return np.bincount(self.codes_by_search(values), minlength=self.cells).astype(np.int64)
        ranks = np.empty(self.cells + 1, dtype=np.int64)
        ranks[0] = 0
        left = np.searchsorted(values, self.edges, side="left")
        ranks[1:-1:2] = ranks[2:-1:2] = left
        # Only edges that occur have values at them; of a continuous column these are few.
        occurring = np.flatnonzero(values[np.minimum(left, values.size - 1)] == self.edges)
        ranks[2 * occurring + 2] = np.searchsorted(values, self.edges[occurring], side="right")
        ranks[-1] = values.size
        return np.diff(ranks)

    def codes_by_search(self, values: Floats) -> Integers:
        """The cell of every finite value by binary search: the plain definition, used for few values."""
        left = np.searchsorted(self.edges, values, side="left")
        # A value beyond the last edge is held against that edge, which it exceeds.
        return np.asarray(left + left + (self.edges.take(left, mode="clip") == values), dtype=np.int64)

    def codes(self, values: Floats) -> Integers:
        """The cell of every finite value, int64[n]; a table look-up, corrected by comparing with the edges, so exact."""
        if values.size < self.edges.size:
            return self.codes_by_search(values)
        return table_of(self).codes(values)

    def __getstate__(self) -> dict[str, Floats]:
        """Only the edges travel."""
        return {"edges": self.edges}

    def __setstate__(self, state: dict[str, Floats]) -> None:
        object.__setattr__(self, "edges", state["edges"])


@lru_cache(maxsize=TABLES_KEPT)
def table_of(grid: Grid) -> LookUp:
    """The better look-up table of a grid; those of the grids used last are kept, since each takes half a megabyte."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        affine, ordered = AffineLookUp(grid.edges), OrderedLookUp(grid.edges)
    return affine if affine.crowded <= ordered.crowded else ordered


class LookUp:
    """Number of edges below a value, guessed from a monotone key of the value and corrected by comparison.

    Two values with key(x) < key(e) satisfy x < e, so ``below[key(x)]`` counts edges that are certainly below x. Of the edges
    that share its key the first is compared at once; where there are more, ``SHARED`` marks the key and a search decides.
    """

    crowded: float

    def __init__(self, edges: Floats, *, size: int) -> None:
        self._edges = edges
        self._next = np.append(edges, np.inf)
        self._previous = np.insert(edges, 0, -np.inf)
        per_key = np.bincount(self.keys(edges), minlength=size)
        self.below = np.cumsum(per_key) - per_key + SHARED * (per_key > 1)
        self.crowded = float(np.maximum(per_key - 1, 0).sum())

    def edges_below(self) -> tuple[Integers, npt.NDArray[np.bool_]]:
        """For every key how many edges have a lesser one, and whether several edges share it."""
        shared = self.below >= SHARED
        return self.below - SHARED * shared, shared

    def keys(self, values: Floats) -> npt.NDArray[np.int64]:
        raise AssertionError("a table has keys")

    def codes(self, values: Floats) -> Integers:
        """The cells, so many values at a time that what is worked out in between stays in the processor's cache."""
        codes = np.empty(values.size, dtype=np.int64)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for low in range(0, values.size, _CACHED):
                self._cells(values[low : low + _CACHED], codes[low : low + _CACHED])
        return codes

    def _cells(self, values: Floats, into: Integers) -> None:
        ranks = self.below.take(self.keys(values))
        shared = np.flatnonzero(ranks >= SHARED)
        ranks[shared] -= SHARED
        ranks += values >= self._next.take(ranks)
        ranks[shared] = np.searchsorted(self._edges, values[shared], side="right")
        np.add(ranks, ranks, out=into)
        into -= values == self._previous.take(ranks)


class AffineLookUp(LookUp):
    """Keys are equal steps between the first and the last edge that matter: good for bell shapes and uniform data."""

    def __init__(self, edges: Floats) -> None:
        # The outer edges are far away by design; the table resolves what lies between the 2 % and 98 % edges best.
        low, high = _core(edges)
        # Python's floats overflow to inf without a warning. Where the range exceeds a double, all values share one key.
        width = (high - low) * 1.25
        start, scale = low - width / 10, (1 << _TABLE_BITS) / width if width > 0 else 0.0
        usable = bool(np.isfinite([start, width, scale]).all())
        self.low, self.scale = (start, scale) if usable else (0.0, 0.0)
        super().__init__(edges, size=(1 << _TABLE_BITS) + 1)

    def keys(self, values: Floats) -> npt.NDArray[np.int64]:
        steps = values - self.low
        steps *= self.scale
        np.maximum(steps, 0.0, out=steps)
        np.minimum(steps, float(1 << _TABLE_BITS), out=steps)
        return steps.astype(np.int64)


class OrderedLookUp(LookUp):
    """Keys are the leading bits of the value as float32, in numeric order: good for data over many orders of magnitude."""

    _SIGN = np.int32(-(2**31))

    def __init__(self, edges: Floats) -> None:
        low, high = _core(edges)
        first, last = (int(key) for key in self._ordered(np.array([low, high])))
        self.shift = 0
        while ((last - first) >> self.shift) > (1 << _TABLE_BITS):
            self.shift += 1
        self.first = (first >> self.shift) - 1
        self.size = (last >> self.shift) - self.first + 1
        super().__init__(edges, size=self.size + 1)

    @staticmethod
    def _ordered(values: Floats) -> npt.NDArray[np.int64]:
        """Integers in the order of the values: the bits of a float32, the negative ones reversed."""
        bits = values.astype(np.float32).view(np.int32)
        flipped = np.where(bits < 0, OrderedLookUp._SIGN - bits, bits)
        return flipped.astype(np.int64)

    def keys(self, values: Floats) -> npt.NDArray[np.int64]:
        keys = self._ordered(values)
        keys >>= self.shift
        keys -= self.first
        np.maximum(keys, 0, out=keys)
        np.minimum(keys, self.size, out=keys)
        return keys


def _core(edges: Floats) -> tuple[float, float]:
    """The range in which most values will fall: the edges without the far outer ones."""
    if edges.size > 4 * OUTER_EDGES:
        return float(edges[OUTER_EDGES]), float(edges[-1 - OUTER_EDGES])
    return float(edges[0]), float(edges[-1])


def grid_from_quantiles(quantiles: npt.ArrayLike, atoms: npt.ArrayLike, minimum: float, maximum: float) -> Grid:
    """A grid from the baseline's quantiles, its frequent values and edges outside its range.

    The outer edges stand at ``maximum + r * 2^j`` and ``minimum - r * 2^j`` for j = 0..31, with r = 1/64 of the range, so data
    that leaves the range still has resolution.

    >>> grid = grid_from_quantiles([1.0, 2.0, 2.0, 3.0], [2.0], 1.0, 3.0)
    >>> bool(grid.edges[0] < -1e6), [x for x in grid.edges.tolist() if 0 <= x <= 3]
    (True, [0.0, 0.5, 0.75, 0.875, 0.9375, 0.96875, 1.0, 2.0, 3.0])
    """
    if not (np.isfinite(minimum) and np.isfinite(maximum)):
        return Grid.trivial()
    inner = np.concatenate([np.ravel(np.asarray(part, dtype=np.float64)) for part in (quantiles, atoms, [minimum, maximum])])
    with np.errstate(over="ignore"):
        # Halved before subtracting: the range of a column may exceed the largest double.
        spread = (maximum / 2 - minimum / 2) * 2
        scale = spread if spread > 0 else max(abs(maximum), 1.0) * _NARROW_SPREAD * 64
        steps = scale * OUTER_FIRST_STEP * OUTER_GROWTH ** np.arange(OUTER_EDGES)
        return Grid.of(np.concatenate([inner, maximum + steps, minimum - steps]))
