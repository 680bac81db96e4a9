"""The values that a column holds most often, with counts that are never too high.

A part keeps its most frequent items and remembers how often any other could have occurred (``dropped``). After merging, an item's
true count lies in [count, count + dropped], and an item that is not listed occurs at most ``dropped`` times.
Source: Agarwal et al., "Mergeable summaries" (2012), in the form that adds bounds.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.grid import Floats

Item = TypeVar("Item", bound=Hashable)

CAPACITY = 256
SHOWN = 20
MOST_ITEMS = 1 << 20


@dataclass(frozen=True)
class Frequent(Generic[Item]):
    """Counts of the most frequent items and the bound on what was left out.

    >>> part = Frequent.of({"a": 5, "b": 1}).merge(Frequent.of({"a": 2}))
    >>> part.top(), part.dropped
    ([('a', 7), ('b', 1)], 0)
    """

    counts: Mapping[Item, int]
    dropped: int = 0
    capacity: int = CAPACITY

    @classmethod
    def of(cls, counts: Mapping[Item, int], dropped: int = 0, capacity: int = CAPACITY) -> Frequent[Item]:
        """The state of these counts, cut to ``capacity`` items; equal counts are kept in the items' order."""
        if len(counts) <= capacity:
            return cls(counts, dropped, capacity)
        ranked = sorted(counts.items(), key=_rank)
        return cls(dict(ranked[:capacity]), dropped + ranked[capacity][1], capacity)

    @classmethod
    def stored(cls, items: Sequence[Item], counts: Sequence[int], dropped: int, capacity: int = CAPACITY) -> Frequent[Item]:
        """The state whose parts were read from untrusted bytes."""
        by_item = dict(zip(items, counts, strict=True))
        bounded = 0 <= dropped < 1 << 63 and len(by_item) <= capacity <= MOST_ITEMS and capacity > 0
        if len(by_item) != len(items) or min(counts, default=1) < 1 or not bounded:
            raise StateError(f"frequent values: {len(items)} items of which {capacity} may be kept, {dropped} dropped: damaged.")
        return cls(by_item, dropped, capacity)

    def merge(self, other: Frequent[Item]) -> Frequent[Item]:
        """Counts added, the bounds too."""
        merged = dict(self.counts)
        for item, count in other.counts.items():
            merged[item] = merged.get(item, 0) + count
        return Frequent.of(merged, self.dropped + other.dropped, min(self.capacity, other.capacity))

    def top(self, most: int = SHOWN) -> list[tuple[Item, int]]:
        """The most frequent items that certainly occur more often than any that was left out."""
        sure = [(item, count) for item, count in self.counts.items() if count > self.dropped]
        return sorted(sure, key=_rank)[:most]


def _rank(entry: tuple[Hashable, int]) -> tuple[int, Hashable]:
    return -entry[1], entry[0]


def frequent_of_sorted(values: Floats) -> Frequent[float]:
    """The frequent ones of finite values in increasing order.

    A run of at least w = ceil(n / 256) equal values covers a position that is a multiple of w, so only values at such positions
    are looked at; any other value occurs fewer than w times.

    >>> found = frequent_of_sorted(np.array([1.0, 2.0, 2.0, 2.0, 3.0]))
    >>> found.top(1), found.dropped
    ([(2.0, 3)], 0)
    """
    if not values.size:
        return Frequent({})
    step = -(-values.size // CAPACITY)
    candidates = values[::step]
    candidates = candidates[np.append(True, candidates[1:] != candidates[:-1])]
    first = np.searchsorted(values, candidates, side="left")
    # A run is long enough where the value that stands step - 1 places after its first is the same.
    last = first + step - 1
    kept = np.flatnonzero((last < values.size) & (values[np.minimum(last, values.size - 1)] == candidates))
    candidates = candidates[kept]
    counts = np.searchsorted(values, candidates, side="right") - first[kept]
    named = dict(zip((candidates + 0.0).tolist(), counts.tolist(), strict=True))
    return Frequent(named, dropped=step - 1)
