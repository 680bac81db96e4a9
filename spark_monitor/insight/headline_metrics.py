"""Which metrics stand at the head, per kind of model: the one that sums it up, those beside it, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from spark_monitor.config.monitor import MonitorConfig

SHOWN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "binary": (
            "roc_auc_score",
            "log_loss",
            "brier_score",
            "accuracy_score",
            "precision",
            "recall",
            "f1_score",
            "base_rate",
            "expected_calibration_error",
        ),
        "multiclass": (
            "f1_score_macro",
            "accuracy_score",
            "balanced_accuracy_score",
            "precision_macro",
            "recall_macro",
            "f1_score_weighted",
            "precision_weighted",
            "recall_weighted",
        ),
        "regression": (
            "root_mean_squared_error",
            "mean_absolute_error",
            "mean_squared_error",
            "r2_score",
            "mean_absolute_percentage_error",
            "mean_error",
        ),
        "none": (),
    }
)
"""Metrics of the model that are published and reported; the first sums the model up."""

WITHOUT_SCORES: Final = "f1_score"
"""What sums up a binary model that writes classes and no probabilities."""

LABEL_COVERAGE: Final = "label_coverage"

LINKED: Final = 4
"""Of the metrics shown, the first of these are linked to the logged model, beside the bounds of the first, coverage and drift."""

LOWER_IS_BETTER: Final = frozenset(
    {
        "log_loss",
        "brier_score",
        "expected_calibration_error",
        "mean_absolute_error",
        "mean_squared_error",
        "root_mean_squared_error",
        "mean_absolute_percentage_error",
    }
)


def main_metric(config: MonitorConfig) -> str | None:
    """The metric that sums a model up; None where nothing says how well it does."""
    task = config.model.task
    if config.labels is None or not SHOWN[task]:
        return None
    return WITHOUT_SCORES if task == "binary" and config.predictions.score is None else SHOWN[task][0]


def higher_is_better(metric: str) -> bool:
    """Whether larger values of a metric are better.

    >>> higher_is_better("roc_auc_score"), higher_is_better("log_loss")
    (True, False)
    """
    return metric not in LOWER_IS_BETTER
