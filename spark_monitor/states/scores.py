"""The states of predictions against labels: binary scores, classes and numbers, and how labels of any type become classes."""

from __future__ import annotations

from spark_monitor.states.binary import ScoreState
from spark_monitor.states.classes import ClassCodes, canonical_label, canonical_labels, threshold_classes
from spark_monitor.states.confusion import MAX_CLASSES, OTHER, ConfusionState
from spark_monitor.states.regression import RegressionState
from spark_monitor.states.score_grids import default_score_grid, score_grid

__all__ = [
    "MAX_CLASSES",
    "OTHER",
    "ClassCodes",
    "ConfusionState",
    "RegressionState",
    "ScoreState",
    "canonical_label",
    "canonical_labels",
    "default_score_grid",
    "score_grid",
    "threshold_classes",
]
