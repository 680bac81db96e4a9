"""Which rows err much: a shallow tree of features and the prediction, grown on the labelled baseline.

Leaves are the cells of a `CellErrorsState`: the baseline says how large errors are in each, a window how its rows spread over
them. Where rows move to where the model errs more, the error that is to be expected moves with them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.stored import floats, integers

TAG = "TREE"
LEAVES = 32
FEWEST_ROWS = 100
"""A leaf of fewer labelled rows would not say how large errors are."""
BINS = 64
LEAF = -1


@dataclass(frozen=True, eq=False)
class ErrorTree:
    """``feature`` int64[N] is the column that a node asks (-1: a leaf), ``bound`` float64[N] below which rows go to ``low``,
    others and those without a number to ``high``, int64[N]; a leaf's ``low`` is its number. ``names`` are the columns.

    >>> tree = ErrorTree(("age",), np.array([0, -1, -1]), np.array([5.0, 0, 0]), np.array([1, 0, 1]), np.array([2, 0, 0]))
    >>> tree.leaves, tree.leaf_of(np.array([[3.0], [7.0], [np.nan]])).tolist()
    (2, [0, 1, 1])
    """

    names: tuple[str, ...]
    feature: Integers
    bound: Floats
    low: Integers
    high: Integers

    @property
    def leaves(self) -> int:
        """How many leaves there are."""
        return int(np.count_nonzero(self.feature == LEAF))

    @property
    def cells(self) -> tuple[float, ...]:
        """The edges between the leaves' numbers, as a state of errors by cell takes them."""
        return tuple(number + 0.5 for number in range(self.leaves - 1))

    def leaf_of(self, features: Floats) -> Integers:
        """The leaf of each row, int64[n], from its features, float64[n, F]."""
        node = np.zeros(features.shape[0], dtype=np.int64)
        rows = np.arange(features.shape[0])
        while rows.size:
            asked = self.feature[node[rows]]
            inner = asked != LEAF
            rows, asked = rows[inner], asked[inner]
            at = node[rows]
            node[rows] = np.where(features[rows, asked] < self.bound[at], self.low[at], self.high[at])
        return np.asarray(self.low[node])

    def to_bytes(self) -> bytes:
        """The tree's bytes."""
        arrays = {"feature": self.feature, "bound": self.bound, "low": self.low, "high": self.high}
        return pack(TAG, {"names": list(self.names)}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> ErrorTree:
        """The tree that ``to_bytes`` wrote; whatever would lead nowhere is refused."""
        meta, arrays = unpack(data, TAG)
        names, feature = meta.get("names"), integers(arrays, "feature")
        size = feature.size
        bound, low, high = floats(arrays, "bound", size), integers(arrays, "low", size), integers(arrays, "high", size)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not size:
            raise StateError("error tree: its columns have no names, or it has no node.")
        inner, places = feature != LEAF, np.arange(size)
        is_valid = (feature >= LEAF).all() and (feature < len(names)).all()
        # Children come after their parent, so every way ends.
        later = (low[inner] > places[inner]).all() and (high[inner] > places[inner]).all()
        within = (low[inner] < size).all() and (high[inner] < size).all()
        numbered = np.array_equal(np.sort(low[~inner]), np.arange(size - np.count_nonzero(inner)))
        if not (is_valid and later and within and numbered):
            raise StateError("error tree: its nodes do not lead to its leaves.")
        return cls(tuple(names), feature, bound, low, high)


def grow(names: tuple[str, ...], features: Floats, errors: Floats) -> ErrorTree:
    """The tree that tells rows of large errors from those of small ones: float64[n, F] and float64[n], in any order.

    Best first, up to 32 leaves of 100 rows at least, by the fall of the squared deviations of |error| (Breiman et al. 1984), at
    bounds between 64 bins of about equal size. Rows without a number are above every bound.

    >>> ages = np.arange(1000.0)[:, None]
    >>> tree = grow(("age",), ages, np.where(ages[:, 0] < 500, 1.0, 5.0))
    >>> tree.leaves > 1, 480 < float(tree.bound[0]) < 520
    (True, True)
    """
    order = np.lexsort((*features.T, errors))
    values, sizes = np.where(np.isnan(features[order]), np.inf, features[order]), np.abs(errors[order])
    return _Growing(values, sizes, [_bounds(column[np.isfinite(column)]) for column in values.T]).tree(names)


def _bounds(numbers: Floats) -> Floats:
    """Where bins of about equal size meet; none where there is no number."""
    if not numbers.size:
        return np.zeros(0)
    return np.asarray(np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])))


class _Growing:
    """Nodes of a tree that is being grown, each with its rows and its best cut."""

    def __init__(self, values: Floats, sizes: Floats, bounds: list[Floats]) -> None:
        self._sizes, self._bounds = sizes, bounds
        pairs = zip(bounds, values.T, strict=True)
        self._bins = np.stack([np.searchsorted(edges, column, side="right") for edges, column in pairs])

    def tree(self, names: tuple[str, ...]) -> ErrorTree:
        rows = [np.arange(self._sizes.size)]
        cuts = [self._best(rows[0])]
        children: dict[int, tuple[int, int]] = {}
        while len(rows) - len(children) < LEAVES:
            open_nodes = [place for place in range(len(rows)) if place not in children and cuts[place][0] > 0]
            if not open_nodes:
                break
            place = max(open_nodes, key=lambda one: (cuts[one][0], -one))
            _, feature, number = cuts[place]
            below = self._bins[feature, rows[place]] <= number
            children[place] = len(rows), len(rows) + 1
            for part in (rows[place][below], rows[place][~below]):
                rows.append(part)
                cuts.append(self._best(part))
        return self._numbered(names, cuts, children, len(rows))

    def _best(self, rows: Integers) -> tuple[float, int, int]:
        """How much the best cut of these rows explains, the feature, and the last bin below it."""
        sizes = self._sizes[rows]
        best = (0.0, LEAF, 0)
        for feature, bounds in enumerate(self._bounds):
            bins = self._bins[feature, rows]
            counted = np.bincount(bins, minlength=bounds.size + 1).cumsum()[:-1].astype(float)
            summed = np.bincount(bins, weights=sizes, minlength=bounds.size + 1).cumsum()[:-1]
            left, total = rows.size - counted, float(sizes.sum())
            usable = (counted >= FEWEST_ROWS) & (left >= FEWEST_ROWS)
            if not usable.any():
                continue
            n, m, s = counted[usable], left[usable], summed[usable]
            fall = s * s / n + (total - s) ** 2 / m - total * total / rows.size
            place = int(np.argmax(fall))
            # Falls that rounding makes are none.
            if fall[place] > max(best[0], 1e-9 * float(np.square(sizes).sum())):
                best = float(fall[place]), feature, int(np.flatnonzero(usable)[place])
        return best

    def _numbered(
        self, names: tuple[str, ...], cuts: list[tuple[float, int, int]], children: dict[int, tuple[int, int]], size: int
    ) -> ErrorTree:
        feature, bound = np.full(size, LEAF, dtype=np.int64), np.zeros(size)
        low, high = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        leaves = [place for place in range(size) if place not in children]
        low[leaves] = np.arange(len(leaves))
        for place, (first, second) in children.items():
            _, feature[place], number = cuts[place]
            bound[place] = self._bounds[feature[place]][number]
            low[place], high[place] = first, second
        used = sorted(set(feature[feature != LEAF].tolist()))
        kept = {old: new for new, old in enumerate(used)}
        feature = np.array([kept.get(one, LEAF) for one in feature.tolist()], dtype=np.int64)
        return ErrorTree(tuple(names[one] for one in used), feature, bound, low, high)
