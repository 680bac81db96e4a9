"""The state of ranked groups, such as the answers to queries: sums over groups of what each group's order is worth.

A group's rows are ordered by score, the highest first. Rows of equal score have no order of their own: the discounted gain is
their mean over all orders, the other numbers are kept for the best and for the worst order. Where rows have weights, a group's
weight is the mean of theirs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.stored import counts, floats
from spark_monitor.states.weighting import Weighting, added

TAG = "GRPS"
NDCG, MAP, MRR, HIT = range(4)
_METRICS = 4
_TOTALS = ("groups", "without", "rows", "unranked")


@dataclass(frozen=True, eq=False)
class GroupedState:
    """``groups`` counted, ``without`` groups in which no row is relevant (they count nowhere else), ``rows`` labelled rows that
    are ranked, ``unranked`` those without a score, a group or a finite label.

    ``sums`` float64[4, 3] hold for ndcg, average precision, reciprocal rank and hit, all but the third of the first k rows: the
    sum over groups in the worst order, in the best one, and of the squares of the middle. With ``weighting``, that of the groups,
    they are sums of weights times these.

    >>> state = GroupedState.empty(10).update(np.array([7, 7, 7]), np.array([0.9, 0.5, 0.1]), np.array([0.0, 1.0, 0.0]))
    >>> state.groups, state.sums[MRR].tolist()
    (1, [0.5, 0.5, 0.25])
    """

    k: int
    groups: int
    without: int
    rows: int
    sums: Floats
    unranked: int = 0
    weighting: Weighting | None = None

    @classmethod
    def empty(cls, k: int) -> GroupedState:
        """The state of no group."""
        return cls(k, 0, 0, 0, np.zeros((_METRICS, 3)))

    def update(self, groups: Integers, scores: Floats, relevances: Floats, *, weights: Floats | None = None) -> GroupedState:
        """This state and whole groups: the group of each row, its score, how relevant it is, and its weight.

        Rows whose score is NaN, or whose relevance is not finite, are not ranked. A negative relevance is worth nothing.
        """
        usable = ~np.isnan(scores) & np.isfinite(relevances)
        unranked = int(usable.size - np.count_nonzero(usable))
        groups, scores, relevances = groups[usable], scores[usable], relevances[usable]
        order = np.lexsort((-scores, groups))
        groups, scores, relevances = groups[order], scores[order], relevances[order]
        bounds = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1], True]) if groups.size else np.zeros(1, dtype=np.int64)
        worth = [_worth(scores[low:high], relevances[low:high], self.k) for low, high in itertools.pairwise(bounds)]
        defined = np.array([one is not None for one in worth], dtype=np.bool_)
        each = np.ones(defined.size)
        if weights is not None and defined.size:
            each = np.add.reduceat(weights[usable][order], bounds[:-1]) / np.diff(bounds)
        each = each[defined]
        sums = np.zeros((_METRICS, 3))
        if defined.any():
            both = np.stack([one for one in worth if one is not None])
            squares = np.square(both.mean(axis=2))
            sums = np.concatenate([np.tensordot(each, both, axes=1), (each @ squares)[:, None]], axis=1)
        weighting = None if weights is None else Weighting.of(each)
        totals = int(defined.sum()), int(defined.size - defined.sum()), int(groups.size)
        return self.merge(GroupedState(self.k, *totals, sums, unranked, weighting))

    def merge(self, other: GroupedState) -> GroupedState:
        """The state of both; no group may be in both."""
        if self.k != other.k:
            raise StateError(f"groups: of the first {self.k} rows, cannot be merged with those of the first {other.k}.")
        totals = (one + two for one, two in zip(self._totals, other._totals, strict=True))
        groups, without, rows, unranked = totals
        weighting = added(self.weighting, self.groups, other.weighting, other.groups)
        return GroupedState(self.k, groups, without, rows, self.sums + other.sums, unranked, weighting)

    @property
    def total(self) -> float:
        """What the groups count together: their number, or their weights' sum."""
        return float(self.groups) if self.weighting is None else self.weighting.total

    @property
    def worth(self) -> float:
        """How many groups of equal weight know as much."""
        return float(self.groups) if self.weighting is None else self.weighting.effective

    @property
    def _totals(self) -> tuple[int, int, int, int]:
        return self.groups, self.without, self.rows, self.unranked

    @property
    def count(self) -> int:
        """Labelled rows, ranked or not."""
        return self.rows + self.unranked

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        totals = np.array(self._totals, dtype=np.int64)
        meta = {"k": self.k} | ({} if self.weighting is None else {"weights": self.weighting.stored()})
        return pack(TAG, meta, {"totals": totals, "sums": self.sums.ravel()})

    @classmethod
    def from_bytes(cls, data: bytes) -> GroupedState:
        """The state that ``to_bytes`` wrote."""
        meta, arrays = unpack(data, TAG)
        k, totals = meta.get("k"), counts(arrays, "totals").tolist()
        if len(totals) not in (len(_TOTALS) - 1, len(_TOTALS)):
            raise StateError(f"groups: found {len(totals)} totals. Expected: {', '.join(_TOTALS)}.")
        # What older versions wrote does not say how many rows were not ranked.
        groups, without, rows, unranked = [*totals, 0][: len(_TOTALS)]
        sums = floats(arrays, "sums", 3 * _METRICS).reshape(_METRICS, 3)
        if not np.isfinite(sums).all() or type(k) is not int or k < 1 or groups > rows:
            raise StateError(f"groups: {groups} groups of {rows} rows with such sums cannot be.")
        weighting = Weighting.restored(meta.get("weights"))
        if weighting is not None and weighting.rows != groups:
            raise StateError(f"groups: weights of {weighting.rows} groups, there are {groups}.")
        return cls(k, groups, without, rows, sums, unranked, weighting)


def _worth(scores: Floats, relevances: Floats, k: int) -> Floats | None:
    """ndcg, average precision, reciprocal rank and hit of one group, [4, 2]: worst and best order of equal scores."""
    relevant, gains = relevances > 0, np.maximum(relevances, 0.0)
    if not relevant.any():
        return None
    gain = _discounted(scores, gains, k) / _discounted(-np.arange(float(gains.size)), -np.sort(-gains), k)
    worst, best = (_ordered(relevant[np.lexsort((sign * relevant, -scores))], k) for sign in (1, -1))
    return np.array([[gain, gain], *zip(worst, best, strict=True)])


def _discounted(scores: Floats, relevances: Floats, k: int) -> float:
    """Discounted cumulative gain of the first k rows, averaged over the orders of equal scores; gain is the relevance itself."""
    discount = np.where(np.arange(scores.size) < k, 1 / np.log2(np.arange(scores.size) + 2), 0.0)
    _, tie = np.unique(-scores, return_inverse=True)
    size = np.bincount(tie)
    return float(np.dot(np.bincount(tie, weights=discount) / size, np.bincount(tie, weights=relevances)))


def _ordered(relevant: np.ndarray, k: int) -> tuple[float, float, float]:
    """Average precision of the first k rows, reciprocal rank of the first relevant one, and whether one is among the k."""
    places = np.flatnonzero(relevant)
    inside = places[places < k]
    precision = (np.arange(inside.size) + 1) / (inside + 1)
    return float(precision.sum() / places.size), 1.0 / float(places[0] + 1), float(inside.size > 0)
