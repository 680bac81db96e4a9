"""The vocabulary of rules: what the catalogue of metrics says, and the metrics that are not in it yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
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


LOWER_IS_WORSE: Final = frozenset(metric.name for metric in catalogue().metrics.values() if metric.worse == "lower")
"""Metrics of which small values are the bad ones."""

EITHER_IS_WORSE: Final = frozenset(
    ["base_rate", "mean_error", "count_delta", "avg_delta", "percent_null_delta", "percent_zeros_delta", "percent_distinct_delta"]
) | {metric.name for metric in catalogue().metrics.values() if metric.worse == "both"}
"""Metrics that must move neither way."""

MEANT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("auc", "roc_auc", "auroc"), "roc_auc_score"),
    **dict.fromkeys(("accuracy", "acc"), "accuracy_score"),
    **dict.fromkeys(("f1", "f1_macro", "f_score"), "f1_score"),
    **dict.fromkeys(("null_rate", "nulls", "missing", "missing_rate", "null_percent"), "percent_null"),
    **dict.fromkeys(("brier", "brier_loss"), "brier_score"),
    **dict.fromkeys(("rows", "row_count", "num_rows"), "count"),
    **dict.fromkeys(("ece", "calibration"), "expected_calibration_error"),
    **dict.fromkeys(("drift", "kolmogorov_smirnov", "ks_statistic"), "ks"),
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mape": "mean_absolute_percentage_error",
    "r2": "r2_score",
    "logloss": "log_loss",
    "mean": "avg",
    "std": "stddev",
    "jensen_shannon": "js_distance",
}
"""Names from elsewhere, and the metric that is probably meant: suggested, never taken."""

_CUSTOM: ContextVar[Mapping[str, str]] = ContextVar("custom metrics of a monitor", default=MappingProxyType({}))


@contextmanager
def custom_metrics(worse: Mapping[str, str]) -> Iterator[None]:
    """Within it, rules may name these custom metrics of the monitor; ``worse`` says which values of each are the bad ones."""
    token = _CUSTOM.set(dict(worse))
    try:
        yield
    finally:
        _CUSTOM.reset(token)


def is_known(name: str) -> bool:
    """Whether a rule may name this metric."""
    return name in KNOWN_METRICS or name in _CUSTOM.get()


def worse_values(name: str) -> str:
    """Which values of a metric are the bad ones: lower, higher or both; both where nothing says it.

    >>> worse_values("roc_auc_score"), worse_values("ks"), worse_values("count")
    ('lower', 'higher', 'both')
    """
    side = _CUSTOM.get().get(name)
    if side is not None:
        return side
    if name in LOWER_IS_WORSE:
        return "lower"
    return "both" if name in EITHER_IS_WORSE or name not in KNOWN_METRICS else "higher"
