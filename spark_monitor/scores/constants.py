"""What the best constant predictor would have got: beside each headline metric ``<name>_constant``.

A model that does no better than a constant has learnt nothing. The constant is the best one for the metric on these very
labels, so the number depends on them alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from spark_monitor.scores.classification import class_counts
from spark_monitor.scores.classification import refusal as no_predictions
from spark_monitor.scores.curves import refused
from spark_monitor.scores.means import mean_of
from spark_monitor.scores.metric import Function, Task, scored
from spark_monitor.scores.metric_value import MetricValue, metric_value, undefined
from spark_monitor.scores.probability import without_scores
from spark_monitor.scores.regression import POSITIVE_RANGE
from spark_monitor.scores.regression import refusal as no_numbers
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.classes import NO_CLASS, POSITIVE
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.magnitudes import Magnitudes
from spark_monitor.states.proportions import wilson
from spark_monitor.states.regression import RegressionState
from spark_monitor.text.formatting import counted

SUFFIX = "_constant"
ROUNDING = 1e-9
"""Moments of labels are known so well."""
CELLS_AGREE = 0.1
"""Labels' cells tell their sixth moment where they tell the second so well."""
Bounds = tuple[float, float]


def _constant(name: str, *tasks: Task, state: type, range: Bounds = (0.0, 1.0)) -> Callable[[Function], Function]:
    """Define ``<name>_constant``: the metric of the best constant predictor on the same labels."""
    description = f"{name} of the best constant predictor on the same labels."
    return scored(f"{name}{SUFFIX}", *tasks, state=state, range=range, worse="both", description=description)


def _of_fraction(state: ScoreState, function: Callable[[float], float], peak: float | None = None) -> MetricValue:
    """A function of the positives' fraction, over Wilson's interval of it; ``peak`` is a fraction where the function turns."""
    if not state.scored:
        return without_scores(state)
    positives = float(state.positive_rows)
    total = positives + float(state.negative_rows)
    return _moved(positives, total, state.scored, function, peak)


def _moved(
    positives: float, total: float, count: int, function: Callable[[float], float], peak: float | None = None
) -> MetricValue:
    low, high = (float(bound) for bound in wilson(positives, total))
    ends = [low, positives / total, high, *([peak] if peak is not None and low < peak < high else [])]
    values = [function(end) for end in ends]
    return metric_value(values[1], (min(values), max(values)), count, within=POSITIVE_RANGE)


def _entropy(fraction: float) -> float:
    return -sum(p * math.log(p) for p in (fraction, 1 - fraction) if p > 0)


@_constant("log_loss", "binary", state=ScoreState, range=POSITIVE_RANGE)
def log_loss_constant(state: ScoreState) -> MetricValue:
    """The entropy of the labels: the log loss of always giving their fraction of positives.

    >>> round(log_loss_constant(ScoreState.empty().update([True, False], [0.8, 0.4])).value, 6)
    0.693147
    """
    return _of_fraction(state, _entropy, 0.5)


@_constant("brier_score", "binary", state=ScoreState)
def brier_score_constant(state: ScoreState) -> MetricValue:
    """p (1 - p): the Brier score of always giving the fraction p of positives."""
    return _of_fraction(state, lambda p: p * (1 - p), 0.5)


@_constant("roc_auc_score", "binary", state=ScoreState)
def roc_auc_score_constant(state: ScoreState) -> MetricValue:
    """One half: a constant orders nothing."""
    return refused(state) or _of_fraction(state, lambda _: 0.5)


@_constant("average_precision", "binary", state=ScoreState)
def average_precision_constant(state: ScoreState) -> MetricValue:
    """The fraction of positives."""
    return refused(state, both=False) or _of_fraction(state, lambda p: p)


@_constant("expected_calibration_error", "binary", state=ScoreState)
def expected_calibration_error_constant(state: ScoreState) -> MetricValue:
    """Zero: always giving the fraction of positives is calibrated."""
    return _of_fraction(state, lambda _: 0.0)


def _largest_fraction(state: ConfusionState) -> tuple[float, float]:
    labelled = state.labelled[:NO_CLASS]
    return float(labelled.max(initial=0)), max(float(np.count_nonzero(labelled)), 1.0)


@_constant("accuracy_score", "binary", "multiclass", state=ConfusionState)
def accuracy_score_constant(state: ConfusionState) -> MetricValue:
    """The fraction of the most frequent label.

    >>> from spark_monitor.scores.classification import binary_confusion
    >>> accuracy_score_constant(binary_confusion([1, 0, 0, 0], [1, 1, 0, 0])).value
    0.75
    """
    return no_predictions(state) or _moved(_largest_fraction(state)[0], state.count, state.count, lambda p: p)


@_constant("balanced_accuracy_score", "binary", "multiclass", state=ConfusionState)
def balanced_accuracy_score_constant(state: ConfusionState) -> MetricValue:
    """One over the number of labelled classes."""
    return no_predictions(state) or _moved(0.0, 1.0, state.count, lambda _: 1 / _largest_fraction(state)[1])


@_constant("precision", "binary", state=ConfusionState)
def precision_constant(state: ConfusionState) -> MetricValue:
    """The fraction of positives: always predicting the positive class."""
    return _of_positives(state, lambda p: p)


@_constant("recall", "binary", state=ConfusionState)
def recall_constant(state: ConfusionState) -> MetricValue:
    """One: always predicting the positive class."""
    return _of_positives(state, lambda _: 1.0)


@_constant("f1_score", "binary", state=ConfusionState)
def f1_score_constant(state: ConfusionState) -> MetricValue:
    """2 p / (1 + p) with the fraction p of positives: always predicting the positive class."""
    return _of_positives(state, lambda p: 2 * p / (1 + p))


def _of_positives(state: ConfusionState, function: Callable[[float], float]) -> MetricValue:
    refused = no_predictions(state)
    if refused:
        return refused
    positives = class_counts(state, POSITIVE).labelled
    if not positives:
        return undefined(state.count, f"There is no positive label in {counted(state.count, 'row')}.")
    return _moved(positives, state.count, state.count, function)


def _averaged(name: str, function: Callable[[float, float], float]) -> None:
    """Averages over classes of always predicting the most frequent label."""

    @_constant(name, "multiclass", state=ConfusionState)
    def compute(state: ConfusionState) -> MetricValue:
        refused = no_predictions(state)
        if refused:
            return refused
        largest, classes = _largest_fraction(state)
        return _moved(largest, state.count, state.count, lambda p: function(p, classes))


_averaged("precision_macro", lambda p, classes: p / classes)
_averaged("recall_macro", lambda _, classes: 1 / classes)
_averaged("f1_score_macro", lambda p, classes: 2 * p / (1 + p) / classes)
_averaged("precision_weighted", lambda p, _: p * p)
_averaged("recall_weighted", lambda p, _: p)
_averaged("f1_score_weighted", lambda p, _: p * 2 * p / (1 + p))


@_constant("mean_squared_error", "regression", state=RegressionState, range=POSITIVE_RANGE)
def mean_squared_error_constant(state: RegressionState) -> MetricValue:
    """The labels' variance (over n): always predicting their mean.

    >>> mean_squared_error_constant(RegressionState.empty().update([1.0, 3.0], [1.0, 1.0])).value
    1.0
    """
    refused = no_numbers(state)
    if refused:
        return refused
    n, value, fourth = state.usable, _variance(state), float(state.central[1])
    sums = np.array([value * n, 0.0]), np.array([fourth, 0.0])
    return mean_of(*sums, _sixth(state, fourth), n, within=POSITIVE_RANGE, tail=(state.highs.merge(state.lows), 2))


def _sixth(state: RegressionState, fourth: float) -> float:
    """The sum of sixth powers of the labels' distances from their mean, by their cells; where those are wide, a normal's."""
    second = _variance(state) * state.usable
    if not 0 < second < math.inf or not math.isfinite(fourth):
        return math.inf
    low, high = _label_cells(state.lows, state.highs)
    rows = np.concatenate([state.lows.rows[::-1], state.highs.rows])
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.square((low + high) / 2 - state.label_mean)
        known, cubes = float(np.dot(rows, squares)), float(np.dot(rows, squares**3))
    usual = 5 / 3 * fourth * (fourth / second)
    return cubes if abs(known - second) <= CELLS_AGREE * second and math.isfinite(cubes) else usual


@_constant("root_mean_squared_error", "regression", state=RegressionState, range=POSITIVE_RANGE)
def root_mean_squared_error_constant(state: RegressionState) -> MetricValue:
    """The labels' standard deviation (over n): always predicting their mean."""
    from spark_monitor.scores.regression import root_of

    return root_of(mean_squared_error_constant(state))


@_constant("mean_absolute_error", "regression", state=RegressionState, range=POSITIVE_RANGE)
def mean_absolute_error_constant(state: RegressionState) -> MetricValue:
    """The mean distance of the labels from their median: always predicting it; counted in cells that grow by 1 per cent."""
    refused = no_numbers(state)
    if refused:
        return refused
    low, high = _label_cells(state.lows, state.highs)
    rows = np.concatenate([state.lows.rows[::-1], state.highs.rows])
    total = float(rows.sum())
    place = int(np.searchsorted(np.cumsum(rows), total / 2))
    distances = np.abs((low + high) / 2 - (low[place] + high[place]) / 2)
    # Of the median's place in its cell no more matters than the cell's rows: the others are balanced.
    error = float(np.dot(rows, (high - low) / 2) + rows[place] * (high[place] - low[place]) / 2) / total
    counted = float(np.dot(rows, distances)) / total
    least, most = _within_moments(state, max(counted - error, 0.0), counted + error)
    value = counted if least <= counted <= most else (least + most) / 2
    with np.errstate(over="ignore", invalid="ignore"):
        squares = max(float(np.dot(rows, np.square(distances))), _variance(state) * total)
        sums = np.array([value * total, 0.0]), np.array([squares, 0.0])
        mean = mean_of(*sums, float(np.dot(rows, distances**3)), total, within=POSITIVE_RANGE)
    bottom, top = (0.0 if mean.lower is None else mean.lower), (math.inf if mean.upper is None else mean.upper)
    bounds, error = (bottom - (value - least), top + (most - value)), max(most - value, value - least)
    return metric_value(value, bounds, state.usable, within=POSITIVE_RANGE, value_error=error, message=mean.message)


def _within_moments(state: RegressionState, least: float, most: float) -> tuple[float, float]:
    """Bounds of the mean distance from the median, narrowed by the labels' moments where cells are wide beside their spread.

    It is at most the standard deviation, and at least half the mean distance from the mean, which is at least m2^(3/2) / m4^(1/2)
    (Hoelder's inequality).
    """
    variance = _variance(state)
    fourth = float(state.central[1]) / state.usable
    if not math.isfinite(variance) or not math.isfinite(fourth):
        return least, most
    low = math.sqrt(variance) * (variance / math.sqrt(fourth)) / 2 if fourth > 0 else 0.0
    most = min(most, math.sqrt(variance) * (1 + ROUNDING))
    return min(max(least, low * (1 - ROUNDING)), most), most


def _variance(state: RegressionState) -> float:
    """The labels' variance over n; 0 where they are all one, of which sums of weighted squares leave what rounding left."""
    return 0.0 if state.least_label == state.greatest_label else max(float(state.label_m2) / state.usable, 0.0)


def _label_cells(lows: Magnitudes, highs: Magnitudes) -> tuple[np.ndarray, np.ndarray]:
    """The ends of the labels' cells in increasing order."""
    below, above = lows.bounds(), highs.bounds()
    return np.concatenate([-below[1][::-1], above[0]]), np.concatenate([-below[0][::-1], above[1]])


@_constant("r2_score", "regression", state=RegressionState)
def r2_score_constant(state: RegressionState) -> MetricValue:
    """Zero: always predicting the labels' mean explains none of their variance."""
    return no_numbers(state) or _moved(0.0, 1.0, state.usable, lambda _: 0.0)
