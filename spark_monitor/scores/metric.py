"""How a function of one state of predictions against labels becomes a metric of the catalogue.

A metric of the catalogue is a function of `Scores`, the states of one window, version and slice. Most are functions of one of
these states, some of another state for another task: ``scored`` puts them under one name.

>>> from spark_monitor.scores import present
>>> from spark_monitor.states.scores import RegressionState
>>> rows = present("regression", RegressionState.empty().update([1.0, 2.0], [1.0, 3.0]))
>>> [row["value"] for row in rows if row["metric"] == "mean_error"]
[0.5]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from spark_monitor.catalogue.metric import DECORATED, SHARE, Worse, model_metric
from spark_monitor.scores.metric_value import MetricValue

Task = Literal["binary", "multiclass", "regression"]
MetricValues = Mapping[str | None, MetricValue]
"""One interval per class; the key None is the metric without a class."""
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Settings:
    """What metrics need besides states: costs of (false positive, false negative, true positive, true negative), and k."""

    costs: tuple[float, float, float, float] | None = None
    k: int = 10


@dataclass(frozen=True)
class Scores:
    """What is known of a model in one window, version and slice: its task, its states by kind, and the settings.

    What plug-ins read: ``state(kind)``, and the counts of a binary model at its threshold.

    >>> from spark_monitor.scores.classification import binary_confusion
    >>> some = Scores("binary", (binary_confusion([1, 1, 0], [1, 0, 1]),))
    >>> some.true_positives, some.false_positives, some.false_negatives, some.true_negatives
    (1.0, 1.0, 1.0, 0.0)
    """

    task: str
    states: tuple[Any, ...]
    settings: Settings = field(default_factory=Settings)

    def state(self, kind: type) -> Any | None:
        """The state of a kind; None where there is none."""
        return next((state for state in self.states if isinstance(state, kind)), None)

    @property
    def count(self) -> int:
        """Labelled rows."""
        return max((int(state.count) for state in self.states), default=0)

    def _cell(self, label: str, prediction: str) -> float:
        from spark_monitor.states.confusion import ConfusionState

        state = self.state(ConfusionState)
        return 0.0 if state is None else float(state.cell(label, prediction))

    @property
    def true_positives(self) -> float:
        """Positive rows that are predicted so, or their weight."""
        return self._cell("1", "1")

    @property
    def false_positives(self) -> float:
        """Negative rows that are predicted positive."""
        return self._cell("0", "1")

    @property
    def false_negatives(self) -> float:
        """Positive rows that are predicted negative."""
        return self._cell("1", "0")

    @property
    def true_negatives(self) -> float:
        """Negative rows that are predicted so."""
        return self._cell("0", "0")


@dataclass(frozen=True)
class TaskMetric:
    """A metric for one task, from one kind of state."""

    name: str
    task: str
    state: type
    description: str
    lowest: float
    highest: float
    compute: Callable[..., Any]
    with_settings: bool = False

    def of(self, state: Any, settings: Settings | None = None) -> MetricValues:
        """The intervals of a state, which must be of this metric's kind; none where the metric needs what is not configured."""
        if not isinstance(state, self.state):
            raise TypeError(f"metric {self.name}: needs a {self.state.__name__}, found a {type(state).__name__}.")
        computed = self.compute(state, settings or Settings()) if self.with_settings else self.compute(state)
        if computed is None:
            return {}
        return {None: computed} if isinstance(computed, MetricValue) else computed


ENTRIES: list[TaskMetric] = []
"""Every metric of the product, once for each task and kind of state, in the order in which they are defined."""


def scored(
    name: str,
    *tasks: Task,
    state: type,
    range: tuple[float, float] = SHARE,
    worse: Worse = "lower",
    headline: int | None = None,
    needs: Sequence[str] = ("label",),
    with_settings: bool = False,
    description: str | None = None,
    **about: Any,
) -> Callable[[Function], Function]:
    """A function of one kind of state as a metric of these tasks; the first of a name says what the metric is."""

    def decorate(function: Function) -> Function:
        sentence = description or (function.__doc__ or "").strip().split("\n", 1)[0]
        ENTRIES.extend(TaskMetric(name, task, state, sentence, *range, function, with_settings) for task in tasks)
        there = DECORATED.get(name)
        if there is not None:
            DECORATED[name] = replace(there, tasks=tuple(dict.fromkeys([*there.tasks, *tasks])))
            return function
        catalogued = {"range": range, "worse": worse, "headline": headline, "needs": tuple(needs), "tasks": tasks, **about}
        model_metric(name, by_stage=True, **catalogued)(_of_scores(name, function, sentence))
        return function

    return decorate


def _of_scores(name: str, function: Callable[..., Any], sentence: str) -> Callable[[Scores], MetricValues]:
    def compute(scores: Scores) -> MetricValues:
        for entry in ENTRIES:
            state = scores.state(entry.state) if entry.name == name and entry.task == scores.task else None
            if state is not None:
                return entry.of(state, scores.settings)
        return {}

    compute.__doc__, compute.__module__, compute.__qualname__ = sentence, function.__module__, f"{name}"
    return compute
