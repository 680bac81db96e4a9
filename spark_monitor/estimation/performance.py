"""Metrics from expected labels: of each cell of the score the rows that are predicted so, and the probability of a positive.

Confidence-based performance estimation (Kuleshov and Liang 2015; Humblot-Renaux et al.; NannyML's CBPE): the confusion matrix
and the curves follow from calibrated probabilities without a label, as long as labels depend on scores as they did.
All functions work on R draws at once: counts float64[R, C].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spark_monitor.estimation.calibration import SEED, Calibration
from spark_monitor.estimation.dispersion import shifted
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.probabilities import CLIP

DRAWN_CELLS = 128
"""About as many groups of cells are drawn as the deviation of any metric needs: 2,049 cost eight times as much for the same."""


@dataclass(frozen=True, eq=False)
class Expected:
    """Rows of each cell, by predicted class and label, float64[R, C]: of R draws, or as expected; cells ascend."""

    true_positives: Floats
    false_positives: Floats
    false_negatives: Floats
    true_negatives: Floats
    scores: Floats

    @property
    def positives(self) -> Floats:
        """Rows of each cell with a positive label."""
        return self.true_positives + self.false_negatives

    @property
    def negatives(self) -> Floats:
        """Rows of each cell with a negative label."""
        return self.false_positives + self.true_negatives


def expected_labels(
    answers: ScoreState, calibration: Calibration, deviation: float = 0.0, place: int = 0, slope: float = 0.0
) -> tuple[Expected, Expected]:
    """The labels that a window's scores let expect, float64[1, C], and draws of them: of the calibration, and of labels given it.

    ``deviation`` is that of the labels' log-odds between windows, beyond chance, ``slope`` that of their slope; ``place`` the
    class that scores are of. Draws only tell how far the expected value may be off: they are of some 128 groups of
    neighbouring cells, float64[R, G].
    """
    calibration = calibration.of_cells(answers)
    used = answers.used_cells
    sides = answers.positives[used], answers.negatives[used]
    probabilities, scores = np.take(calibration.probabilities, used, axis=1), cell_of(answers, calibration)[used]
    expected = _labels(sides, tuple(side * probabilities[:1] for side in sides), scores)
    if used.size > DRAWN_CELLS:
        sides, probabilities, scores = _grouped(sides, probabilities, scores)
    random, rows = np.random.default_rng(SEED), sides[0] + sides[1]
    moved = shifted(probabilities[1:], deviation, place, slope, rows)
    return expected, _labels(sides, tuple(_drawn(random, side, moved) for side in sides), scores)


def _labels(sides: Sequence[Any], positive: Sequence[Floats], scores: Floats) -> Expected:
    """By side, predicted positive or negative: rows of each cell, and those of them with a positive label."""
    return Expected(positive[0], sides[0] - positive[0], positive[1], sides[1] - positive[1], scores)


def _grouped(sides: Sequence[Any], probabilities: Floats, scores: Floats) -> tuple[tuple[Any, ...], Floats, Floats]:
    """Neighbouring cells together: their rows, and the mean probability and score of these.

    A group ends where the decision turns, so that the few rows of one side have no share in the probabilities of the other's.
    """
    turns = np.flatnonzero(np.diff(sides[0] > 0)) + 1
    starts = np.union1d(np.linspace(0, scores.size, DRAWN_CELLS, endpoint=False).astype(np.int64), turns[:DRAWN_CELLS])
    rows = np.asarray(sides[0] + sides[1], dtype=np.float64)
    total = np.add.reduceat(rows, starts)
    means = [np.add.reduceat(one * rows, starts, axis=-1) / total for one in (probabilities, scores)]
    return tuple(np.add.reduceat(side, starts) for side in sides), np.clip(means[0], 0.0, 1.0), means[1]


def _drawn(random: np.random.Generator, rows: Floats | Integers, probabilities: Floats) -> Floats:
    """Positives among the rows of each cell; of weights among as many equal rows, a fraction of one being there as often."""
    if rows.dtype.kind == "i":
        return random.binomial(np.asarray(rows, dtype=np.int64), probabilities).astype(float)
    parts = rows - np.floor(rows)
    equal = np.maximum(np.floor(rows) + (random.random(probabilities.shape) < parts), 1.0)
    return np.asarray(random.binomial(equal.astype(np.int64), probabilities) * (rows / equal), dtype=np.float64)


def cell_of(answers: ScoreState, calibration: Calibration) -> Floats:
    """The score that stands for each cell: the window's only one where there is only one."""
    scores = calibration.scores.copy()
    has_atom = ~np.isnan(answers.atoms)
    scores[::2][has_atom] = np.clip(answers.atoms[has_atom], 0.0, 1.0)
    return scores


def binary_metrics(labels: Expected) -> dict[str, Floats]:
    """Every metric of a binary model that follows, float64[R] each; NaN where a draw does not define it."""
    tp, fp, fn, tn = (
        side.sum(axis=1)
        for side in (labels.true_positives, labels.false_positives, labels.false_negatives, labels.true_negatives)
    )
    n, area = tp + fp + fn + tn, roc_auc(labels)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall, specificity = tp / (tp + fp), tp / (tp + fn), tn / (tn + fp)
        correlation = (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
        return {
            "roc_auc_score": area,
            "gini": 2 * area - 1,
            "average_precision": average_precision(labels),
            "ks_score": _separation(labels),
            "log_loss": _log_loss(labels),
            "brier_score": _brier(labels),
            "base_rate": (tp + fn) / n,
            "accuracy_score": (tp + tn) / n,
            "balanced_accuracy_score": (recall + specificity) / 2,
            "precision": precision,
            "recall": recall,
            "specificity": specificity,
            "f1_score": 2 * tp / (2 * tp + fp + fn),
            "fbeta_0_5": 1.25 * tp / (1.25 * tp + 0.25 * fn + fp),
            "fbeta_2": 5 * tp / (5 * tp + 4 * fn + fp),
            "matthews_corrcoef": correlation,
        }


def roc_auc(labels: Expected) -> Floats:
    """The area under the ROC curve of each draw, ties and cells counting half."""
    positives, negatives = labels.positives, labels.negatives
    below = np.cumsum(negatives, axis=1) - negatives
    won = (positives * (below + negatives / 2)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(won / (positives.sum(axis=1) * negatives.sum(axis=1)))


def average_precision(labels: Expected) -> Floats:
    """Average precision of each draw, a cell's rows counting as tied."""
    positives, negatives = labels.positives[:, ::-1], labels.negatives[:, ::-1]
    true, rows = np.cumsum(positives, axis=1), np.cumsum(positives + negatives, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(rows > 0, positives * true / rows, 0.0).sum(axis=1) / positives.sum(axis=1))


def _separation(labels: Expected) -> Floats:
    sides = [np.cumsum(side, axis=1) for side in (labels.positives, labels.negatives)]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.max(np.abs(sides[0] / sides[0][:, -1:] - sides[1] / sides[1][:, -1:]), axis=1, initial=0.0))


def _log_loss(labels: Expected) -> Floats:
    given = np.clip(labels.scores, CLIP, 1 - CLIP)
    loss = labels.positives @ -np.log(given) + labels.negatives @ -np.log1p(-given)
    return np.asarray(loss / (labels.positives + labels.negatives).sum(axis=1))


def _brier(labels: Expected) -> Floats:
    loss = labels.positives @ np.square(1 - labels.scores) + labels.negatives @ np.square(labels.scores)
    return np.asarray(loss / (labels.positives + labels.negatives).sum(axis=1))


def class_metrics(labels: list[Expected]) -> dict[str, Floats]:
    """Metrics of several classes, each against the rest; expected labels add up to the rows."""
    right = np.stack([one.true_positives.sum(axis=1) for one in labels])
    labelled = np.stack([one.positives.sum(axis=1) for one in labels])
    predicted = np.stack([(one.true_positives + one.false_positives).sum(axis=1) for one in labels])
    n = predicted.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        labelled = np.maximum(labelled * n / labelled.sum(axis=0), right)
        precision = np.where(predicted > 0, right / predicted, 0.0)
        recall = np.where(labelled > 0, right / labelled, 0.0)
        f1 = np.where(labelled + predicted > 0, 2 * right / (labelled + predicted), 0.0)
        shares, accuracy = labelled / labelled.sum(axis=0), right.sum(axis=0) / n
    return {
        "accuracy_score": accuracy,
        "balanced_accuracy_score": recall.mean(axis=0),
        "precision_macro": precision.mean(axis=0),
        "recall_macro": recall.mean(axis=0),
        "f1_score_macro": f1.mean(axis=0),
        "precision_weighted": (shares * precision).sum(axis=0),
        "recall_weighted": (shares * recall).sum(axis=0),
        "f1_score_weighted": (shares * f1).sum(axis=0),
        "roc_auc_ovr_macro": np.mean([roc_auc(one) for one in labels], axis=0),
    }
