"""A fall of a model metric, in all rows and in slices, and what it is probably due to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from spark_monitor.diagnosis.groups import WHOLE, Slice


@dataclass(frozen=True)
class Score:
    """A metric's value, the rows it rests on and its standard error; 0 where that is not known."""

    value: float
    count: float
    error: float = 0.0


def mean(scores: Sequence[Score]) -> Score | None:
    """The mean of independent scores, each weighted by its rows, with its standard error; None of no rows.

    >>> mean([Score(0.6, 100, 0.03), Score(0.8, 100, 0.04)])
    Score(value=0.7, count=200, error=0.025)
    """
    rows = sum(score.count for score in scores)
    if not rows:
        return None
    value = sum(score.value * score.count for score in scores) / rows
    return Score(value, rows, math.sqrt(sum((score.error * score.count) ** 2 for score in scores)) / rows)


@dataclass(frozen=True)
class Fall:
    """A model metric in its failing windows beside what it was before the incident, in all rows and in slices."""

    metric: str
    lower_is_worse: bool
    now: Score
    before: Score
    slices_now: Mapping[Slice, Score] = field(default_factory=dict)
    slices_before: Mapping[Slice, Score] = field(default_factory=dict)
    estimated_now: float | None = None
    estimated_before: float | None = None
    rate_now: Score | None = None
    rate_before: Score | None = None
    place: Slice = WHOLE
    """What ``now`` and ``before`` are about: all rows, or the one slice that fails."""

    searched_now: Mapping[Slice, Score] = field(default_factory=dict)
    searched_before: Mapping[Slice, Score] = field(default_factory=dict)
    """Slices that the monitor's file does not name: crosses of its own, and bins of features."""

    @property
    def change(self) -> float:
        """How much it moved."""
        return self.now.value - self.before.value

    @property
    def is_worse(self) -> bool:
        """Whether it moved to the bad side."""
        return self.change < 0 if self.lower_is_worse else self.change > 0

    @property
    def expected_part(self) -> float | None:
        """The part of the change that the inputs alone make one expect, 0 to 1; None without estimates.

        >>> Fall("auc", True, Score(0.6, 9), Score(0.8, 9), estimated_now=0.75, estimated_before=0.8).expected_part
        0.25
        """
        if self.estimated_now is None or not self.change:
            return None
        before = self.before.value if self.estimated_before is None else self.estimated_before
        return round(min(max((self.estimated_now - before) / self.change, 0.0), 1.0), 6)


@dataclass(frozen=True)
class Cause:
    """What an incident is probably due to: shares add up to 1, None where none is known or other causes divide the whole."""

    kind: str
    what: str
    share: float | None
    sentence: str
