"""Columns that no longer go with others as they did: their values may stand in other rows, though they are spread as before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.text.formatting import harmless, number

TOGETHER: Final = 0.3
"""Columns go together where their correlation in the baseline is this, or as far below zero."""

LEFT: Final = 0.25
"""They no longer do where so much of it is left at most."""

NAMED: Final = 3
"""So many of the others are named."""


@dataclass(frozen=True)
class Pair:
    """Two columns, how they are correlated in a window, and how they were in the baseline; ``surely`` where it is not chance."""

    columns: tuple[str, str]
    now: float
    before: float
    surely: bool = True

    @property
    def is_parted(self) -> bool:
        """Whether the two went together and do no longer."""
        return self.surely and self.went_together and self.now * _sign(self.before) <= LEFT * abs(self.before)

    @property
    def went_together(self) -> bool:
        """Whether the baseline has the two together."""
        return abs(self.before) >= TOGETHER


def broken_at(problems: Iterable[Problem], timestamp: int) -> set[str]:
    """The columns of problems that go on then: one that was well again long ago is no reason of its column's to part now."""
    return {column for one in problems for column in one.columns if one.goes_on_at(timestamp)}


def _sign(value: float) -> float:
    return 1.0 if value > 0 else -1.0


def parted_causes(now: Iterable[Pair], earlier: Iterable[Pair] = (), *, broken: Collection[str] = ()) -> list[Cause]:
    """The columns that explain most pairs which parted in a window and had not in ``earlier`` ones, the one of most first.

    A pair that parted before moves by itself, as those of the weather do. A column whose values stand in other rows goes with no
    other: one that still goes with some is not named. Of two columns that parted from each other alone nobody can say which it
    is. Columns that are ``broken`` have a cause.

    >>> pairs = [Pair(("a", "b"), 0.0, 0.8), Pair(("b", "c"), 0.02, 0.4), Pair(("a", "c"), 0.5, 0.5)]
    >>> [(cause.what, cause.sentence) for cause in parted_causes(pairs)][0][0]
    'b'
    """
    long_ago = {pair.columns for pair in earlier if pair.is_parted}
    pairs = list(now)
    in_place = {name for pair in pairs if pair.went_together and not pair.is_parted for name in pair.columns}
    left = [pair for pair in pairs if pair.is_parted and pair.columns not in long_ago and not set(pair.columns) & set(broken)]
    left = [pair for pair in left if not in_place.issuperset(pair.columns)]
    causes = []
    while left:
        counts = {name: sum(name in pair.columns for pair in left) for pair in left for name in pair.columns}
        counts = {name: count for name, count in counts.items() if name not in in_place}
        most = max(counts.values())
        column = min(name for name, count in counts.items() if count == most)
        pairs_of_column = sorted((pair for pair in left if column in pair.columns), key=lambda pair: -abs(pair.before))
        causes.append(_cause(column, pairs_of_column))
        left = [pair for pair in left if column not in pair.columns]
    return causes


def _cause(column: str, pairs: Sequence[Pair]) -> Cause:
    others = [
        f"{harmless(_other(pair, column))} (correlation {number(pair.now)}, in the baseline {number(pair.before)})"
        for pair in pairs[:NAMED]
    ]
    whose = "its values" if len(pairs) > 1 else f"its values, or those of {harmless(_other(pairs[0], column))},"
    sentence = f"{harmless(column)}: it no longer goes with {' and '.join(others)}; {whose} may stand in other rows."
    return Cause("correlation", column, None, sentence)


def _other(pair: Pair, column: str) -> str:
    return next((name for name in pair.columns if name != column), column)
