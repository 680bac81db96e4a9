"""Which metrics stand at the head, per kind of model: the one that sums it up, those beside it, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.vocabulary import TASKS


def _shown(task: str) -> tuple[str, ...]:
    """The headline metrics of a task, in their order."""
    if task == "none":
        return ()
    whole = [metric for metric in catalogue().of("model", task=task) if task == "binary" or not metric.per_class]
    return tuple(name for _, name in sorted((metric.headline, metric.name) for metric in whole if metric.headline is not None))


SHOWN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({task: _shown(task) for task in TASKS})
"""Metrics of the model that are published and reported; the first sums the model up."""

WITHOUT_SCORES: Final = "f1_score"
"""What sums up a binary model that writes classes and no probabilities."""

LABEL_COVERAGE: Final = "label_coverage"
LAST: Final = 1_000
"""The place of metrics that have none."""

LINKED: Final = 4
"""Of the metrics shown, the first of these are linked to the logged model, beside the bounds of the first, coverage and drift."""


def main_metric(config: MonitorConfig) -> str | None:
    """The metric that sums a model up; None where nothing says performance."""
    task = config.model.task
    if config.labels is None or not SHOWN[task]:
        return None
    return WITHOUT_SCORES if task == "binary" and config.predictions.score is None else SHOWN[task][0]


def shown_metrics(task: str) -> tuple[str, ...]:
    """The metrics of a task that are published and reported: those of the list, then what the catalogue puts at the head.

    >>> shown_metrics("binary")[0]
    'roc_auc_score'
    """
    listed = SHOWN[task]
    headed = [metric for metric in catalogue().of("model") if metric.headline is not None and task in metric.tasks]
    ordered = sorted(headed, key=lambda metric: (metric.headline or 0, metric.name))
    return tuple(dict.fromkeys([*listed, *(metric.name for metric in ordered)])) if listed else ()


def higher_is_better(metric: str) -> bool:
    """Whether larger values of a metric are better, as the catalogue says; so they are of one that it does not have.

    >>> higher_is_better("roc_auc_score"), higher_is_better("log_loss")
    (True, False)
    """
    entry = catalogue().metrics.get(metric)
    return entry is None or entry.worse == "lower"


def place_of(metric: str) -> int:
    """The place of a metric among those of its family: what the catalogue puts at the head comes first.

    >>> place_of("requests") < place_of("latency_p95") < place_of("active_hosts")
    True
    """
    entry = catalogue().metrics.get(metric)
    return LAST if entry is None or entry.headline is None else entry.headline
