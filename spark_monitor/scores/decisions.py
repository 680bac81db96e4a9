"""Metrics of decisions: what the positives' and the negatives' errors are worth together, from the confusion matrix."""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.scores.classification import SHARE, ClassCounts, class_counts, proportion, refusal, too_many
from spark_monitor.scores.metric import Settings, scored
from spark_monitor.scores.metric_value import MetricValue, metric_value, undefined
from spark_monitor.states.classes import NEGATIVE, POSITIVE
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.grid import Floats
from spark_monitor.states.proportions import Z, recovered, wilson
from spark_monitor.text.formatting import counted

PREDICTED = ("prediction", "label")
_HALF_A_ROW = 0.5


@scored("specificity", "binary", state=ConfusionState, needs=PREDICTED)
def specificity(state: ConfusionState) -> MetricValue:
    """The fraction of negative predictions among the negative labels; Wilson's interval.

    >>> from spark_monitor.scores.classification import binary_confusion
    >>> specificity(binary_confusion([0, 0, 0, 1], [0, 0, 1, 1])).value
    0.6666666666666666
    """
    refused = refusal(state)
    if refused:
        return refused
    counts = class_counts(state, NEGATIVE)
    if not counts.labelled:
        return undefined(state.count, f"There is no negative label in {counted(state.count, 'row')}.")
    return proportion(counts.correct, counts.labelled, state.count)


def fbeta_of(counts: ClassCounts, beta: float, count: int) -> MetricValue:
    """(1 + b^2) tp / ((1 + b^2) tp + b^2 fn + fp), and the interval of its three cells.

    F is a ratio of cells; the delta method over the multinomial gives its standard error, and Wilson's interval of a fraction
    with that error its bounds. Where no row is wrong, or none right, the fraction tp / (tp + fp + fn) bounds it at the dearer
    error.
    """
    square, tp = beta * beta, counts.correct
    fn, fp = counts.labelled - tp, counts.predicted - tp
    if not tp + fn + fp:
        return undefined(count, f"The class is neither a label nor predicted in any of {counted(count, 'row')}.")
    denominator = (1 + square) * tp + square * fn + fp
    value = (1 + square) * tp / denominator
    dear, cheap = max(square, 1.0), min(square, 1.0)
    low, high = (float(bound) for bound in wilson(tp, tp + fn + fp))
    certain = tuple((1 + square) * j / ((1 + square) * j + cost * (1 - j)) for j, cost in ((low, dear), (high, cheap)))
    if not tp or not fn + fp:
        return metric_value(value, (certain[0], certain[1]), count, within=SHARE)
    slopes = ((1 + square) * (1 - value)) ** 2 * tp + value**2 * (square**2 * fn + fp)
    rows = value * (1 - value) * denominator**2 / slopes
    lower, upper = (float(bound) for bound in wilson(value * rows, rows))
    return metric_value(value, (lower, upper), count, within=SHARE)


@scored("fbeta_0_5", "binary", state=ConfusionState, needs=PREDICTED)
def fbeta_0_5(state: ConfusionState) -> MetricValue:
    """F with beta 0.5: precision counts twice as much as recall."""
    return refusal(state) or fbeta_of(class_counts(state, POSITIVE), 0.5, state.count)


@scored("fbeta_2", "binary", state=ConfusionState, needs=PREDICTED)
def fbeta_2(state: ConfusionState) -> MetricValue:
    """F with beta 2: recall counts twice as much as precision.

    >>> from spark_monitor.scores.classification import binary_confusion
    >>> round(fbeta_2(binary_confusion([1, 1, 0, 0], [1, 0, 0, 0])).value, 6)
    0.555556
    """
    return refusal(state) or fbeta_of(class_counts(state, POSITIVE), 2.0, state.count)


@scored("matthews_corrcoef", "binary", "multiclass", state=ConfusionState, range=(-1.0, 1.0), needs=PREDICTED)
def matthews_corrcoef(state: ConfusionState) -> MetricValue:
    """The correlation of labels and predictions: (c n - sum t p) / sqrt((n^2 - sum p^2)(n^2 - sum t^2)), as scikit-learn's.

    c are right rows, t and p rows per labelled and predicted class (Gorodkin 2004). The interval is the delta method's over the
    cells on Fisher's scale. Not defined where all labels or all predictions are of one class.

    >>> from spark_monitor.scores.classification import binary_confusion
    >>> round(matthews_corrcoef(binary_confusion([1, 1, 0, 0], [1, 0, 0, 0])).value, 6)
    0.57735
    """
    refused = refusal(state) or too_many(state)
    if refused:
        return refused
    labels, guesses, rows = state.labels, state.predictions, state.counts.astype(float)
    value, _ = _correlation(labels, guesses, rows, len(state.classes))
    if math.isnan(value):
        return undefined(state.count, "All labels, or all predictions, are of one class.")
    smoothed = _smoothed(state)
    middle, deviation = _correlation(*smoothed, len(state.classes))
    scale = math.atanh(max(min(middle, 1 - 1e-12), -1 + 1e-12))
    move = Z * deviation / max(1 - middle**2, 1e-12)
    bounds = math.tanh(scale - move), math.tanh(scale + move)
    return metric_value(value, (min(bounds[0], value), max(bounds[1], value)), state.count, within=(-1.0, 1.0))


def _smoothed(state: ConfusionState) -> tuple[np.ndarray, np.ndarray, Floats]:
    """The cells, each with half a row more; of two classes all four, so that what was not seen is not impossible."""
    size = len(state.classes)
    if size > 2:
        return state.labels, state.predictions, state.counts.astype(float)
    places = np.arange(size)
    labels, guesses = np.repeat(places, size), np.tile(places, size)
    return labels, guesses, state.matrix.ravel().astype(float) + _HALF_A_ROW


def _correlation(labels: np.ndarray, guesses: np.ndarray, rows: Floats, size: int) -> tuple[float, float]:
    """The coefficient and its standard error."""
    n = float(rows.sum())
    fraction = rows / n
    true, predicted = (np.bincount(side, weights=fraction, minlength=size) for side in (labels, guesses))
    right = float(fraction[labels == guesses].sum())
    a, b = 1 - float(np.dot(predicted, predicted)), 1 - float(np.dot(true, true))
    if a <= 1e-15 or b <= 1e-15:
        return math.nan, math.nan
    covariance, scale = right - float(np.dot(true, predicted)), math.sqrt(a * b)
    gradient = ((labels == guesses) - predicted[labels] - true[guesses]) / scale
    gradient = gradient + covariance / scale * (predicted[guesses] / a + true[labels] / b)
    mean = float(np.dot(fraction, gradient))
    variance = max(float(np.dot(fraction, np.square(gradient))) - mean * mean, 0.0) / n
    return max(min(covariance / scale, 1.0), -1.0), math.sqrt(variance)


@scored(
    "cost_loss",
    "binary",
    state=ConfusionState,
    range=(-math.inf, math.inf),
    worse="higher",
    needs=(*PREDICTED, "costs"),
    with_settings=True,
)
def cost_loss(state: ConfusionState, settings: Settings) -> MetricValue | None:
    """The mean cost of a row, from what false and true positives and negatives cost (`model.costs`).

    >>> from spark_monitor.scores.classification import binary_confusion
    >>> cost_loss(binary_confusion([1, 1, 0, 0], [1, 0, 0, 0]), Settings(costs=(1.0, 10.0, 0.0, 0.0))).value
    2.5
    """
    if settings.costs is None:
        return None
    refused = refusal(state)
    if refused:
        return refused
    cells = (("0", "1"), ("1", "0"), ("1", "1"), ("0", "0"))
    rows, costs = np.array([state.cell(*cell) for cell in cells], dtype=float), np.array(settings.costs)
    fractions, bounds = rows / state.count, wilson(rows, np.full(4, float(state.count)))
    value, least = float(np.dot(fractions, costs)), float(costs.min())
    # Costs count from the least one: what every row costs is not uncertain.
    below, above = recovered(fractions, *bounds, costs - least)
    return metric_value(value, (value - below, value + above), state.count, within=(least, float(costs.max())))
