"""What every entry of the catalogue of model metrics says about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from spark_monitor.scores.interval import Interval

Task = Literal["binary", "multiclass", "regression"]
State = TypeVar("State")
Intervals = Mapping[str | None, Interval]
"""One interval per class; the key None is the metric without a class."""


@dataclass(frozen=True)
class Metric(Generic[State]):
    """One metric: the name that rules and tables use, its task, the state it is computed from and how."""

    name: str
    task: Task
    state: type[State]
    description: str
    lowest: float
    highest: float
    compute: Callable[[State], Intervals]

    def of(self, state: Any) -> Intervals:
        """The intervals of a state, which must be of this metric's kind."""
        if not isinstance(state, self.state):
            raise TypeError(f"metric {self.name}: needs a {self.state.__name__}, found a {type(state).__name__}.")
        return self.compute(state)


def single(function: Callable[[State], Interval]) -> Callable[[State], Intervals]:
    """A function to one interval as one to intervals per class."""

    def compute(state: State) -> Intervals:
        return {None: function(state)}

    return compute
