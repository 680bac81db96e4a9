"""The vocabulary of rules: what the catalogue of metrics says, and the metrics that are not in it yet."""

from __future__ import annotations

import math
from typing import Final

from spark_monitor.catalogue.registry import catalogue

_DRIFT = (
    "ks population_stability_index js_distance wasserstein_distance hellinger_distance tv_distance l_infinity_distance "
    "chi_squared_test percent_null_delta avg_delta count_delta percent_zeros_delta percent_distinct_delta"
)

KNOWN_METRICS: Final[dict[str, str]] = {
    **{metric.name: metric.family for metric in catalogue().metrics.values()},
    **dict.fromkeys(_DRIFT.split(), "drift"),
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

_SHARES = "ks js_distance hellinger_distance tv_distance l_infinity_distance chi_squared_test"
_PERCENTAGES = "percent_null percent_nan percent_zeros percent_distinct"
_PERCENTAGE_DELTAS = "percent_null_delta percent_zeros_delta percent_distinct_delta"
_NOT_NEGATIVE = "count num_nulls num_nan num_inf stddev distinct_count population_stability_index wasserstein_distance"

RANGES: Final[dict[str, tuple[float, float]]] = {
    **{metric.name: metric.range for metric in catalogue().metrics.values()},
    **dict.fromkeys(_SHARES.split(), (0.0, 1.0)),
    **dict.fromkeys(_PERCENTAGES.split(), (0.0, 100.0)),
    **dict.fromkeys(_PERCENTAGE_DELTAS.split(), (-100.0, 100.0)),
    **dict.fromkeys(_NOT_NEGATIVE.split(), (0.0, math.inf)),
}
"""The least and the greatest value of the metrics that cannot have any; ``chi_squared_test`` is judged by Cramer's V."""

METRIC_ALIASES: Final[dict[str, str]] = {
    **catalogue().aliases,
    "ks_test": "ks",
    "psi": "population_stability_index",
    "js": "js_distance",
    "wasserstein": "wasserstein_distance",
}
"""Other names that people write, and the name that is stored."""


def canonical_metric(name: str) -> str:
    """The stored name of a metric; unknown names are returned as they are.

    >>> canonical_metric("psi"), canonical_metric("ks")
    ('population_stability_index', 'ks')
    """
    return METRIC_ALIASES.get(name, name)
