"""`<name>_constant` of every task against scikit-learn on the best constant predictor itself."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from spark_monitor.scores.catalogue import present
from spark_monitor.scores.classification import binary_confusion
from spark_monitor.states.classes import canonical_labels
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.scores import RegressionState, ScoreState, score_grid


def constants(task: str, *states: object) -> dict[str, dict[str, object]]:
    rows = present(task, *states)
    return {row["metric"]: row for row in rows if row["metric"].endswith("_constant") and row["class"] is None}


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("fraction", [0.0, 0.03, 0.4, 0.9, 1.0])
def test_those_of_a_binary_model(fraction: float, seed: int) -> None:
    random = np.random.default_rng([seed, int(100 * fraction)])
    size = int(random.integers(2, 400))
    labels = (random.random(size) < fraction).astype(int)
    scores = np.round(random.random(size), 2)
    guess = (scores >= 0.5).astype(int)
    found = constants("binary", ScoreState.empty(score_grid()).update(labels == 1, scores), binary_confusion(labels, guess))
    mean, ones = np.full(size, labels.mean()), np.ones(size, dtype=int)
    expected: dict[str, float | None] = {
        "log_loss_constant": oracle.log_loss(labels, mean, labels=[0, 1]),
        "brier_score_constant": oracle.brier_score_loss(labels, mean, labels=[0, 1]),
        "accuracy_score_constant": max(labels.mean(), 1 - labels.mean()),
        "balanced_accuracy_score_constant": 1 / np.unique(labels).size,
        "roc_auc_score_constant": oracle.roc_auc_score(labels, mean) if np.unique(labels).size == 2 else None,
        "average_precision_constant": oracle.average_precision_score(labels, mean) if labels.any() else None,
        "precision_constant": oracle.precision_score(labels, ones) if labels.any() else None,
        "recall_constant": oracle.recall_score(labels, ones) if labels.any() else None,
        "f1_score_constant": oracle.f1_score(labels, ones) if labels.any() else None,
        "expected_calibration_error_constant": 0.0,
    }
    assert {name: row["value"] for name, row in found.items()} == {
        name: None if value is None else pytest.approx(value, abs=1e-12) for name, value in expected.items()
    }
    assert all(row["status"] == "UNDEFINED" and row["message"] for row in found.values() if row["value"] is None)


@pytest.mark.parametrize("seed", range(20))
def test_those_of_several_classes(seed: int) -> None:
    random = np.random.default_rng(seed)
    size, classes = int(random.integers(2, 500)), int(random.integers(2, 6))
    labels = random.choice(classes, size, p=random.dirichlet(np.full(classes, 0.7)))
    guess = np.where(random.random(size) < 0.6, labels, random.choice(classes, size))
    names = np.array(list("abcdef"))
    state = ConfusionState.empty().update(*(canonical_labels(pa.array(names[side])) for side in (labels, guess)))
    found = constants("multiclass", state)
    constant, there = np.full(size, np.bincount(labels).argmax()), np.unique(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where there is one class alone
        expected = {
            "accuracy_score_constant": oracle.accuracy_score(labels, constant),
            "balanced_accuracy_score_constant": oracle.balanced_accuracy_score(labels, constant),
        }
        scores = {"precision": oracle.precision_score, "recall": oracle.recall_score, "f1_score": oracle.f1_score}
        for average in ("macro", "weighted"):
            for name, score in scores.items():
                value = score(labels, constant, average=average, labels=there, zero_division=0)
                expected[f"{name}_{average}_constant"] = value
    assert {name: found[name]["value"] for name in expected} == pytest.approx(expected, abs=1e-12)


LABELS = {
    "around zero": lambda random, size: random.normal(0, 2, size),
    "rounded": lambda random, size: np.round(random.normal(0, 2, size)),
    "long tail": lambda random, size: random.lognormal(0, 2, size),
    "negative": lambda random, size: -random.lognormal(3, 1, size),
    "large beside their spread": lambda random, size: random.normal(1e6, 1, size),
    "two far values": lambda random, size: random.choice([1e6, 1e6 + 3], size, p=[0.8, 0.2]),
    "all one": lambda random, size: np.full(size, 7.3),
    "years": lambda random, size: random.integers(1995, 2025, size).astype(float),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", LABELS)
def test_those_of_numbers(kind: str, seed: int, weighted: bool) -> None:
    """Labels of which a cell of 1 per cent holds all have no exact mean distance: its error says so, and holds."""
    random = np.random.default_rng([seed, len(kind)])
    size = int(random.integers(2, 1_500))
    labels = LABELS[kind](random, size)
    weights = random.integers(1, 5, size).astype(float) if weighted else None
    state = RegressionState.empty().update(labels, labels + random.normal(size=size), weights=weights)
    found = constants("regression", state)
    rows = labels if weights is None else np.repeat(labels, weights.astype(int))
    variance = float(np.var(rows)) if np.ptp(rows) else 0.0
    # Weights are scaled, which rounds the sums of squares of labels that are large beside their spread.
    precision = 1e-3 if weighted else 1e-9
    assert found["mean_squared_error_constant"]["value"] == pytest.approx(variance, rel=precision)
    assert found["root_mean_squared_error_constant"]["value"] == pytest.approx(np.sqrt(variance), rel=precision)
    assert found["r2_score_constant"]["value"] == 0
    absolute, truth = found["mean_absolute_error_constant"], float(np.abs(rows - np.median(rows)).mean())
    value, error = float(str(absolute["value"])), float(str(absolute["value_error"]))
    assert abs(value - truth) <= error * (1 + precision) + 1e-9
    assert error <= 0.52 * np.sqrt(variance) + 1e-9
    lower, upper = absolute["lower"], absolute["upper"]
    # Of tails this long a sample tells no upper bound, and the message says so.
    assert (upper is not None and lower is not None) or (kind in ("long tail", "negative") and absolute["message"])
    assert (0.0 if lower is None else lower) <= truth <= (np.inf if upper is None else upper) + 1e-12
