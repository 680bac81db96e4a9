"""The vocabulary of rules: what the catalogue of metrics says, and the metrics that are not in it yet."""

from __future__ import annotations

from typing import Final

from spark_monitor.catalogue.registry import catalogue

KNOWN_METRICS: Final[dict[str, str]] = {
    **{metric.name: metric.family for metric in catalogue().metrics.values()},
}
"""Every metric a rule may name, and the family whose table holds it. Drift is drift from the baseline."""

TASKS: Final = ("binary", "multiclass", "regression", "none")

SCORED_METRICS: Final = frozenset(
    metric.name for metric in catalogue().of("model", task="binary") if "score" in metric.needs and metric.tasks
)
"""Metrics of a binary model that are computed from a score."""

METRICS_OF_TASK: Final[dict[str, frozenset[str]]] = {
    task: frozenset() if task == "none" else catalogue().names("model", task=task) for task in TASKS
}
"""The metrics of a model that each task has."""

RANGES: Final[dict[str, tuple[float, float]]] = {metric.name: metric.range for metric in catalogue().metrics.values()}
"""The least and the greatest value of the metrics that cannot have any; ``chi_squared_test`` is judged by Cramer's V."""

METRIC_ALIASES: Final[dict[str, str]] = {
    **catalogue().aliases,
}
"""Other names that people write, and the name that is stored."""


def canonical_metric(name: str) -> str:
    """The stored name of a metric; unknown names are returned as they are.

    >>> canonical_metric("psi"), canonical_metric("ks")
    ('population_stability_index', 'ks')
    """
    return METRIC_ALIASES.get(name, name)
