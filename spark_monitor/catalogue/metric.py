"""What a metric says of itself, and the decorators by which a function in one file becomes a metric.

>>> from spark_monitor.catalogue.metric import quality_metric
>>> @quality_metric("percent_negative", range=(0, 100), worse="higher", unit="percent", register=False)
... def percent_negative(current, baseline):
...     '''Negative values in percent of the rows.'''
...     return 100.0 * current.negatives / current.count
>>> percent_negative.metric.family, percent_negative.metric.description
('quality', 'Negative values in percent of the rows.')
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from spark_monitor.errors import MonitorError

Family = Literal["profile", "quality", "drift", "correlation", "model", "fairness", "custom", "system", "pipeline", "cost"]
Group = Literal["performance", "drift", "quality", "system", "pipeline", "cost"]
Worse = Literal["higher", "lower", "both"]
ColumnKind = Literal["numeric", "categorical", "any", "pair", "answer", ":table"]
Function = Callable[..., Any]
ANY_NUMBER = (-math.inf, math.inf)
PERCENT = (0.0, 100.0)
SHARE = (0.0, 1.0)
NOT_NEGATIVE = (0.0, math.inf)

GROUPS: Final[Mapping[Family, Group]] = {
    **dict.fromkeys(("model", "fairness", "custom"), "performance"),
    **dict.fromkeys(("drift", "correlation"), "drift"),
    **dict.fromkeys(("profile", "quality"), "quality"),
    "system": "system",
    "pipeline": "pipeline",
    "cost": "cost",
}
"""Among which numbers people are shown those of a family; the first part of MLflow's keys."""


@dataclass(frozen=True)
class Metric:
    """One entry of the catalogue: everything that rules, tables, views, documents, MLflow and reports know of a metric.

    ``compute`` takes blocks (states of many dimensions, whose attributes are arrays of length S) and returns an array of S exact
    values, an ``Interval`` of arrays, or a mapping from class to one of these. ``databricks_column`` names its column of a wide
    table; without one it is a row of ``metrics`` (``model_metrics`` for family ``model``). ``tasks`` are the tasks of models that
    have it, ``needs`` what its states are made from (``score``, ``prediction``, ``label``, ...). ``headline`` orders what is
    shown first: 0 sums a model up. ``settings`` are defaults that belong to the metric, such as k. ``sentence`` says a value to a
    person who does not know the name, with ``{}`` where the value stands.
    """

    name: str
    family: Family
    compute: Function
    range: tuple[float, float] = ANY_NUMBER
    worse: Worse = "higher"
    unit: str | None = None
    dataset: str = "predictions"
    columns: tuple[ColumnKind, ...] = ("any",)
    tasks: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    databricks_column: str | None = None
    headline: int | None = None
    per_class: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    sentence: str | None = None
    by_stage: bool = False
    """Of a model metric: a stage of the product computes it; others, such as a plug-in's, are computed from the scores."""

    @property
    def description(self) -> str:
        """The first sentence of its docstring."""
        text = (self.compute.__doc__ or "").strip()
        return text.split("\n", 1)[0]

    @property
    def group(self) -> Group:
        """Among which numbers it is shown."""
        return GROUPS[self.family]

    @property
    def module(self) -> str:
        """The module that defines it."""
        return self.compute.__module__

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise MonitorError(f"metric {self.name!r}: a name is made of letters, digits and _.")
        if not self.description:
            raise MonitorError(f"metric {self.name}: {self.module} gives no docstring. Say in one sentence what it is.")
        if self.sentence is not None and self.sentence.count("{}") != 1:
            raise MonitorError(f"metric {self.name}: its sentence {self.sentence!r} must have {{}} once, where the value stands.")
        if self.range[0] > self.range[1]:
            raise MonitorError(f"metric {self.name}: its range {self.range} ends before it begins.")


DECORATED: dict[str, Metric] = {}
"""Every metric whose module was imported, by name; `registry` imports the modules."""


def drift_metric(
    name: str, *, columns: tuple[ColumnKind, ...] = ("numeric", "categorical"), **about: Any
) -> Callable[[Function], Function]:
    """A distance between two blocks: ``function(baseline, current)``."""
    return _decorator(name, **{"family": "drift", "columns": columns, **about})


def quality_metric(name: str, *, columns: tuple[ColumnKind, ...] = ("any",), **about: Any) -> Callable[[Function], Function]:
    """Whether data is sound: ``function(current, baseline)``; ``baseline`` may be None."""
    return _decorator(name, **{"family": "quality", "columns": columns, **about})


def model_metric(name: str, **about: Any) -> Callable[[Function], Function]:
    """How well a model does: ``function(scores)`` on states of predictions against labels."""
    return _decorator(name, **{"family": "model", "columns": (":table",), **about})


def fairness_metric(name: str, **about: Any) -> Callable[[Function], Function]:
    """How differently a model treats two groups: ``function(slice, rest)``."""
    return _decorator(name, **{"family": "fairness", "columns": (":table",), **about})


def operation_metric(name: str, *, dataset: str = "operations", **about: Any) -> Callable[[Function], Function]:
    """How a serving system, a pipeline or a bill behaves: ``function(current)``."""
    families = {"operations": "system", "pipelines": "pipeline", "costs": "cost"}
    if dataset not in families:
        raise MonitorError(f"metric {name}: unknown dataset {dataset!r}. Known: {', '.join(families)}.")
    return _decorator(name, **{"family": families[dataset], "dataset": dataset, "columns": (":table",), **about})


def _decorator(name: str, *, register: bool = True, **about: Any) -> Callable[[Function], Function]:
    def decorate(function: Function) -> Function:
        metric = Metric(name=name, compute=function, **about)
        if register:
            there = DECORATED.get(name)
            if there is not None and (there.module, there.compute.__qualname__) != (metric.module, function.__qualname__):
                raise MonitorError(f"metric {name}: defined in {there.module} and again in {metric.module}. Rename one of them.")
            DECORATED[name] = metric
        # A function has no such attribute for the type checker; whoever imports it finds its metric there.
        function.metric = metric  # type: ignore[attr-defined]
        return function

    return decorate


def metric_of(function: Function) -> Metric:
    """What a decorated function says of itself."""
    metric: Metric = vars(function)["metric"]
    return metric
