"""The vocabulary of rules: what the catalogue of metrics says, and the metrics that are not in it yet."""

from __future__ import annotations

import math
from typing import Final

from spark_monitor.catalogue.registry import catalogue

_DRIFT = (
    "ks population_stability_index js_distance wasserstein_distance hellinger_distance tv_distance l_infinity_distance "
    "chi_squared_test percent_null_delta avg_delta count_delta percent_zeros_delta percent_distinct_delta"
)
_MODEL = (
    "roc_auc_score log_loss brier_score accuracy_score balanced_accuracy_score precision recall f1_score base_rate "
    "mean_absolute_error mean_squared_error root_mean_squared_error r2_score mean_absolute_percentage_error mean_error "
    "precision_macro recall_macro f1_score_macro precision_weighted recall_weighted f1_score_weighted "
    "expected_calibration_error label_coverage label_duplicates label_conflicts"
)

KNOWN_METRICS: Final[dict[str, str]] = {
    **{metric.name: metric.family for metric in catalogue().metrics.values()},
    **dict.fromkeys(_DRIFT.split(), "drift"),
    **dict.fromkeys(_MODEL.split(), "model"),
}
"""Every metric a rule may name, and the family whose table holds it. Drift is drift from the baseline."""

_SCORED = "roc_auc_score log_loss brier_score expected_calibration_error"
_LABELS = "label_coverage label_duplicates label_conflicts"
_CLASSES = "accuracy_score balanced_accuracy_score precision recall f1_score"
_AVERAGED = "precision_macro recall_macro f1_score_macro precision_weighted recall_weighted f1_score_weighted"
_REGRESSION = "mean_absolute_error mean_squared_error root_mean_squared_error r2_score mean_absolute_percentage_error mean_error"

SCORED_METRICS: Final = frozenset(_SCORED.split())
"""Metrics that are computed from a score."""

METRICS_OF_TASK: Final[dict[str, frozenset[str]]] = {
    "binary": frozenset(f"{_SCORED} {_CLASSES} base_rate {_LABELS}".split()),
    "multiclass": frozenset(f"{_CLASSES} {_AVERAGED} {_LABELS}".split()),
    "regression": frozenset(f"{_REGRESSION} {_LABELS}".split()),
    "none": frozenset(),
}
"""The metrics of a model that each task has."""

_SHARES = (
    "ks js_distance hellinger_distance tv_distance l_infinity_distance chi_squared_test roc_auc_score brier_score base_rate "
    "expected_calibration_error label_coverage"
)
_PERCENTAGES = "percent_null percent_nan percent_zeros percent_distinct"
_PERCENTAGE_DELTAS = "percent_null_delta percent_zeros_delta percent_distinct_delta"
_NOT_NEGATIVE = (
    "count num_nulls num_nan num_inf stddev distinct_count population_stability_index wasserstein_distance log_loss "
    "mean_absolute_error mean_squared_error root_mean_squared_error mean_absolute_percentage_error "
    "label_duplicates label_conflicts"
)

RANGES: Final[dict[str, tuple[float, float]]] = {
    **{metric.name: metric.range for metric in catalogue().metrics.values()},
    **dict.fromkeys(f"{_SHARES} {_CLASSES} {_AVERAGED}".split(), (0.0, 1.0)),
    **dict.fromkeys(_PERCENTAGES.split(), (0.0, 100.0)),
    **dict.fromkeys(_PERCENTAGE_DELTAS.split(), (-100.0, 100.0)),
    **dict.fromkeys(_NOT_NEGATIVE.split(), (0.0, math.inf)),
    "r2_score": (-math.inf, 1.0),
}
"""The least and the greatest value of the metrics that cannot have any; ``chi_squared_test`` is judged by Cramer's V."""

METRIC_ALIASES: Final[dict[str, str]] = {
    **catalogue().aliases,
    "ks_test": "ks",
    "psi": "population_stability_index",
    "js": "js_distance",
    "wasserstein": "wasserstein_distance",
    "bias": "mean_error",
}
"""Other names that people write, and the name that is stored."""


def canonical_metric(name: str) -> str:
    """The stored name of a metric; unknown names are returned as they are.

    >>> canonical_metric("psi"), canonical_metric("ks")
    ('population_stability_index', 'ks')
    """
    return METRIC_ALIASES.get(name, name)
