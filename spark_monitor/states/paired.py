"""The state of rows that several model versions scored: each version's states of them, in parts that are cut alike.

A row's part follows from its id, so the same rows stand in the same part of every version. What two versions' metrics have in
common is seen by leaving out one part of both at a time, without ever bringing the two answers to a row together.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states import binary, class_scores, confusion, regression
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.codec import pack, tag_of, unpack
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.grid import Grid
from spark_monitor.states.regression import RegressionState

TAG = "PAIR"
PARTS = 20
"""As many parts as tell how far a difference may be off, and no more, as each is a state of its own."""

Answered = ScoreState | ConfusionState | RegressionState | ClassScoresState
_READ: Mapping[str, Any] = {
    confusion.TAG: ConfusionState.from_bytes,
    regression.TAG: RegressionState.from_bytes,
    class_scores.TAG: ClassScoresState.from_bytes,
}
Place = tuple[str, int]


@dataclass(frozen=True, eq=False)
class PairedState:
    """Of one version: ``parts`` by the versions that scored the same rows (JSON, in order) and the number of the part.

    >>> state = RegressionState.empty().update([1.0, 2.0], [1.0, 1.0])
    >>> whole = PairedState.empty().update('["1","2"]', 3, [state]).update('["1","2"]', 4, [state])
    >>> whole.count, sorted(whole.parts)
    (4, [('["1","2"]', 3), ('["1","2"]', 4)])
    """

    parts: Mapping[Place, tuple[Answered, ...]] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> PairedState:
        """The state of no row."""
        return cls()

    def update(self, versions: str, part: int, states: Iterable[Answered]) -> PairedState:
        """This state and the states of more rows of one part."""
        return self.merge(PairedState({(versions, part): tuple(states)}))

    def merge(self, other: PairedState) -> PairedState:
        """The state of both."""
        merged = dict(self.parts)
        for place, states in other.parts.items():
            merged[place] = _merged(merged[place], states) if place in merged else states
        return PairedState(merged)

    @property
    def count(self) -> int:
        """Labelled rows that another version scored too."""
        return sum(int(states[0].count) for states in self.parts.values())

    @property
    def nbytes(self) -> int:
        """Memory that the states' arrays take, about."""
        return sum(getattr(state, "nbytes", 1 << 12) for states in self.parts.values() for state in states)

    def by_part(self, versions: Iterable[str]) -> dict[int, tuple[Answered, ...]]:
        """The states of each part, of the rows that these sets of versions scored."""
        wanted = set(versions)
        merged: dict[int, tuple[Answered, ...]] = {}
        for (name, part), states in sorted(self.parts.items(), key=lambda one: one[0]):
            if name in wanted:
                merged[part] = _merged(merged[part], states) if part in merged else states
        return merged

    def to_bytes(self) -> bytes:
        """The state's bytes; those of its parts are among them."""
        places = sorted(self.parts)
        parts = [[state.to_bytes() for state in self.parts[place]] for place in places]
        lengths = [[len(one) for one in several] for several in parts]
        meta = {"places": [list(place) for place in places], "lengths": lengths}
        joined = b"".join(itertools.chain.from_iterable(parts))
        return pack(TAG, meta, {"states": np.frombuffer(joined, dtype=np.uint8)})

    @classmethod
    def from_bytes(cls, data: bytes, grid: Grid | None = None) -> PairedState:
        """The state that ``to_bytes`` wrote; ``grid`` is that of its scores."""
        meta, arrays = unpack(data, TAG)
        try:
            places = [(str(name), int(part)) for name, part in meta["places"]]
            lengths = [[int(one) for one in several] for several in meta["lengths"]]
            raw = np.asarray(arrays["states"], dtype=np.uint8).tobytes()
        except (KeyError, ValueError, TypeError) as error:
            raise StateError(f"paired state: damaged ({type(error).__name__}: {error}).") from error
        flat = [one for several in lengths for one in several]
        if len(places) != len(lengths) or len(set(places)) != len(places) or min(flat, default=0) < 0 or sum(flat) != len(raw):
            raise StateError("paired state: its parts do not add up.")
        if any(not 0 <= part < PARTS for _, part in places) or any(not several for several in lengths):
            raise StateError("paired state: a part has no number or no state.")
        states = _read(raw, flat, grid)
        return cls({place: tuple(itertools.islice(states, len(several))) for place, several in zip(places, lengths, strict=True)})


def _read(raw: bytes, lengths: Iterable[int], grid: Grid | None) -> Iterator[Answered]:
    start = 0
    for length in lengths:
        data = raw[start : start + length]
        start += length
        tag = tag_of(data)
        if tag == binary.TAG:
            if grid is None:
                raise StateError("paired state: holds scores, and no grid of scores is given.")
            yield ScoreState.from_bytes(data, grid)
        elif tag in _READ:
            yield _READ[tag](data)
        else:
            raise StateError(f"paired state: a part of kind {tag!r} is not read.")


def _merged(first: tuple[Answered, ...], second: tuple[Answered, ...]) -> tuple[Answered, ...]:
    if [type(one) for one in first] != [type(one) for one in second]:
        raise StateError("paired state: parts of different kinds cannot be merged.")
    # Their types are the same, as was just checked.
    return tuple(one.merge(two) for one, two in zip(first, second, strict=True))  # type: ignore[arg-type]


def merged_but_one(parts: list[tuple[Answered, ...]]) -> list[tuple[Answered, ...]]:
    """Of each part the merge of all others, in twice as many merges as there are parts.

    >>> states = [(RegressionState.empty().update([float(n)], [0.0]),) for n in range(3)]
    >>> [others[0].count for others in merged_but_one(states)]
    [2, 2, 2]
    """
    before = list(itertools.accumulate(parts, _merged))
    after = list(itertools.accumulate(reversed(parts), _merged))[::-1]
    inner = [_merged(before[place - 1], after[place + 1]) for place in range(1, len(parts) - 1)]
    return [after[1], *inner, before[-2]]


def merged_all(parts: list[tuple[Answered, ...]]) -> tuple[Answered, ...]:
    """The merge of all parts."""
    return reduce(_merged, parts)
