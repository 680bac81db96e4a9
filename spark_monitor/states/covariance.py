"""How numeric columns move together: products of their values, pair by pair over the rows in which both have one.

Values are taken in the baseline's standard deviations from the baseline's mean, which makes the sums stable; merging is
adding. What a missing value takes away is kept only for the columns that have any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.stored import counts, floats

TAG = "COVA"
BLOCK_ROWS = 4096
"""So many rows are multiplied at once that they stay in the processor's outer cache."""

FARTHEST = 1e60
"""Values lie at most so many standard deviations away, so that no fourth power is too large for a double."""


@dataclass(frozen=True, eq=False)
class CovarianceState:
    """Sums over ``count`` rows of D columns.

    ``present`` int64[D] counts values, ``powers`` float64[4, D] are the sums of values and their second, third and fourth powers,
    ``products`` float64[D, D] the sums of x_i x_j over the rows that have both, ``norms`` the sum of each row's (sum of x_i^2)^2.
    ``incomplete`` int64[m] are the columns with missing values; for each of them ``both`` int64[D, m] counts the rows that have i
    as well, over which ``sums`` and ``squares`` float64[D, m] sum x_i and x_i^2.

    >>> state = CovarianceState.empty(("a", "b")).update([[1.0, 2.0, 3.0], [2.0, 4.0, np.nan]])
    >>> state.products.tolist(), state.pair_counts.tolist(), state.pair_sums.tolist()
    ([[14.0, 10.0], [10.0, 20.0]], [[3, 2], [2, 2]], [[6.0, 3.0], [6.0, 6.0]])
    """

    names: tuple[str, ...]
    count: int
    present: Integers
    powers: Floats
    products: Floats
    norms: float
    incomplete: Integers
    both: Integers
    sums: Floats
    squares: Floats

    @classmethod
    def empty(cls, names: Sequence[str]) -> CovarianceState:
        """The state of no row of these columns."""
        size = len(names)
        none = np.zeros(size, dtype=np.int64), np.zeros((4, size)), np.zeros((size, size)), 0.0
        wide = np.zeros((size, 0))
        return cls(tuple(names), 0, *none, none[0][:0], wide.astype(np.int64), wide, wide)

    @classmethod
    def of(cls, names: Sequence[str], values: Floats, missing: npt.NDArray[np.bool_] | None = None) -> CovarianceState:
        """The state of float64[D, n]; ``missing`` bool[D, n] says where there is no value, and there ``values`` are 0."""
        size, rows = values.shape
        gone = np.zeros(size, dtype=np.int64) if missing is None else np.count_nonzero(missing, axis=1).astype(np.int64)
        incomplete = np.flatnonzero(gone)
        powers, products, norms = np.zeros((4, size)), np.zeros((size, size)), 0.0
        pairs = np.zeros((incomplete.size, incomplete.size))
        sums, squares = np.zeros((size, incomplete.size)), np.zeros((size, incomplete.size))
        for low in range(0, rows, BLOCK_ROWS):
            block = values[:, low : low + BLOCK_ROWS]
            squared, ones = block * block, np.ones(block.shape[1])
            products += block @ block.T
            powers[0] += block @ ones
            powers[2] += row_products(squared, block)
            powers[3] += row_products(squared, squared)
            lengths = np.ones(size) @ squared
            norms += float(lengths @ lengths)
            if missing is not None and incomplete.size:
                there = (~missing[incomplete, low : low + BLOCK_ROWS]).astype(np.float64)
                pairs += there @ there.T
                sums += block @ there.T
                squares += squared @ there.T
        powers[1] = np.diagonal(products)
        both = np.tile(rows - gone[incomplete], (size, 1))
        both[incomplete] = np.rint(pairs).astype(np.int64)
        return cls(tuple(names), rows, rows - gone, powers, products, norms, incomplete, both, sums, squares)

    def update(self, values: npt.ArrayLike) -> CovarianceState:
        """This state and more rows, float64[D, n]; what is not finite is missing."""
        rows = np.array(values, dtype=np.float64).reshape(len(self.names), -1)
        missing = ~np.isfinite(rows)
        rows[missing] = 0.0
        return self.merge(CovarianceState.of(self.names, np.clip(rows, -FARTHEST, FARTHEST), missing if missing.any() else None))

    def merge(self, other: CovarianceState) -> CovarianceState:
        """The state of both."""
        if self.names != other.names:
            raise StateError(f"covariance state: of {len(self.names)} columns, the other of {len(other.names)} or of others.")
        incomplete = np.union1d(self.incomplete, other.incomplete)
        sums, more = self._widened(incomplete), other._widened(incomplete)
        return CovarianceState(
            self.names,
            self.count + other.count,
            self.present + other.present,
            self.powers + other.powers,
            self.products + other.products,
            self.norms + other.norms,
            incomplete,
            sums[0] + more[0],
            sums[1] + more[1],
            sums[2] + more[2],
        )

    def _widened(self, incomplete: Integers) -> tuple[Integers, Floats, Floats]:
        """What is kept for each of these columns, more than this state's own: a column without gaps takes nothing away."""
        wide = (1, incomplete.size)
        both = np.tile(self.present[:, None], wide)
        sums, squares = np.tile(self.powers[0][:, None], wide), np.tile(self.powers[1][:, None], wide)
        places = np.searchsorted(incomplete, self.incomplete)
        both[:, places], sums[:, places], squares[:, places] = self.both, self.sums, self.squares
        return both, sums, squares

    @property
    def nbytes(self) -> int:
        """About how many bytes are held."""
        return self.products.nbytes + self.powers.nbytes + 3 * self.both.nbytes

    @cached_property
    def pair_counts(self) -> Integers:
        """int64[D, D]: rows that have both columns."""
        pairs = np.minimum(self.present[:, None], self.present[None, :])
        pairs[:, self.incomplete] = self.both
        pairs[self.incomplete, :] = self.both.T
        return pairs

    @cached_property
    def pair_sums(self) -> Floats:
        """float64[D, D]: the sum of column i over the rows that have column j as well."""
        return self._pairwise(self.powers[0], self.sums)

    @cached_property
    def pair_squares(self) -> Floats:
        """float64[D, D]: the same of its squares."""
        return self._pairwise(self.powers[1], self.squares)

    def _pairwise(self, every: Floats, where: Floats) -> Floats:
        matrix = np.tile(every[:, None], (1, len(self.names)))
        matrix[:, self.incomplete] = where
        return matrix

    def only(self, names: Sequence[str]) -> CovarianceState:
        """The state of some of its columns; ``norms`` stay those of all."""
        places = np.array([self.names.index(name) for name in names], dtype=np.int64)
        incomplete = np.flatnonzero(np.isin(places, self.incomplete))
        columns = np.searchsorted(self.incomplete, places[incomplete])
        cut = np.ix_(places, columns)
        return CovarianceState(
            tuple(names),
            self.count,
            self.present[places],
            self.powers[:, places],
            self.products[np.ix_(places, places)],
            self.norms,
            incomplete,
            self.both[cut],
            self.sums[cut],
            self.squares[cut],
        )

    def to_bytes(self) -> bytes:
        """The state's bytes; of the products one of each two equal ones."""
        lower = self.products[np.tril_indices(len(self.names))]
        arrays = {"present": self.present, "powers": self.powers.ravel(), "products": lower, "norms": np.array([self.norms])}
        gaps = {"incomplete": self.incomplete, "both": self.both.ravel()}
        sums = {"sums": self.sums.ravel(), "squares": self.squares.ravel()}
        return pack(TAG, {"names": list(self.names), "rows": self.count}, {**arrays, **gaps, **sums})

    @classmethod
    def from_bytes(cls, data: bytes) -> CovarianceState:
        """The state that ``to_bytes`` wrote."""
        meta, arrays = unpack(data, TAG)
        try:
            names, rows = tuple(meta["names"]), int(meta["rows"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise StateError(f"covariance state: damaged ({type(error).__name__}: {error}).") from error
        if any(not isinstance(name, str) for name in names) or len(set(names)) != len(names):
            raise StateError("covariance state: its columns are not named once each.")
        size = len(names)
        present, incomplete = counts(arrays, "present", size), counts(arrays, "incomplete")
        wide = size * incomplete.size
        products = np.zeros((size, size))
        lower = np.tril_indices(size)
        products[lower] = floats(arrays, "products", size * (size + 1) // 2)
        products.T[lower] = products[lower]
        powers = floats(arrays, "powers", 4 * size).reshape(4, size)
        both = counts(arrays, "both", wide).reshape(size, -1) if wide else np.zeros((size, 0), dtype=np.int64)
        sums, squares = (floats(arrays, name, wide).reshape(size, incomplete.size) for name in ("sums", "squares"))
        norms = floats(arrays, "norms", 1)
        if not (np.array_equal(incomplete, np.flatnonzero(present < rows)) and (present <= rows).all() and rows >= 0):
            raise StateError(f"covariance state: of {rows} rows it counts more than there are, or other columns as incomplete.")
        if both.max(initial=0) > rows or not all(np.isfinite(part).all() for part in (products, powers, sums, squares, norms)):
            raise StateError("covariance state: a sum is no number, or more values than rows are counted.")
        return cls(names, rows, present, powers, products, float(norms[0]), incomplete, both, sums, squares)


def row_products(one: Floats, other: Floats) -> Floats:
    """The inner product of each row with the other's: ``np.vecdot``, which numpy has from version 2 on, to its last bit."""
    products: Floats = (one[:, np.newaxis, :] @ other[:, :, np.newaxis])[:, 0, 0]
    return products
