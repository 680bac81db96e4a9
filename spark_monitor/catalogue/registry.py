"""The one registry of metrics: those of the product, found in its folders, and those of plug-ins."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from spark_monitor.catalogue.metric import ANY_NUMBER, DECORATED, Metric

FOLDERS = ("quality", "distances", "scores", "fairness", "estimation", "operations")
"""Every file of these folders is imported, so that a metric is there as soon as its file is."""

PLUGINS = "spark_monitor.metrics"
"""The entry-point group of packages that add metrics: each entry names a module with decorated functions."""


@dataclass(frozen=True)
class BrokenPlugin:
    """A plug-in that could not be loaded, and why; it becomes a row with status ERROR, never a failed run."""

    name: str
    message: str


@dataclass(frozen=True)
class Catalogue:
    """Every metric by its name, and the plug-ins that are broken."""

    metrics: Mapping[str, Metric]
    broken: tuple[BrokenPlugin, ...] = ()

    @property
    def aliases(self) -> dict[str, str]:
        """Other names that people write, and the name that is stored."""
        return {alias: metric.name for metric in self.metrics.values() for alias in metric.aliases}

    def of(self, *families: str, dataset: str | None = None, task: str | None = None) -> tuple[Metric, ...]:
        """The metrics of families, of a dataset and of a task."""
        return tuple(
            metric
            for metric in self.metrics.values()
            if (not families or metric.family in families)
            and (dataset is None or metric.dataset == dataset)
            and (task is None or not metric.tasks or task in metric.tasks)
        )

    def names(self, *families: str, dataset: str | None = None, task: str | None = None) -> frozenset[str]:
        """Their names."""
        return frozenset(metric.name for metric in self.of(*families, dataset=dataset, task=task))

    def range_of(self, name: str) -> tuple[float, float]:
        """The least and the greatest value that a metric can have."""
        metric = self.metrics.get(name)
        return metric.range if metric is not None else ANY_NUMBER

    def lower_is_worse(self, name: str) -> bool:
        """Whether small values of a metric are the bad ones."""
        metric = self.metrics.get(name)
        return metric is not None and metric.worse == "lower"

    def sentence(self, name: str) -> str | None:
        """What a metric's value means in words, with ``{}`` where the value stands; None where its name says enough."""
        metric = self.metrics.get(name)
        return None if metric is None else metric.sentence


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Every metric there is in this process, by name.

    The order is that of the names and not that of imports, which differs from process to process: what the driver declares as
    columns, a worker fills by place.

    >>> catalogue().metrics["percent_null"].unit
    'percent'
    """
    for folder in FOLDERS:
        package = import_module(f"spark_monitor.{folder}")
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"spark_monitor.{folder}.{module.name}")
    decorated = dict(DECORATED)
    broken = _load_plugins(entry_points(group=PLUGINS), decorated)
    return Catalogue(dict(sorted(DECORATED.items())), tuple(broken))


def _load_plugins(points: Iterable[EntryPoint], decorated: Mapping[str, Metric]) -> list[BrokenPlugin]:
    """Import plug-ins one by one; what a broken one had registered before it broke is taken out again."""
    broken = []
    for point in sorted(points, key=lambda point: point.name):
        before = dict(DECORATED)
        try:
            point.load()
        except Exception as error:  # somebody else's code: whatever it raises is that plug-in's status
            DECORATED.clear()
            DECORATED.update(before)
            broken.append(BrokenPlugin(point.name, f"Plug-in {point.name} could not be loaded: {type(error).__name__}: {error}"))
    return broken
