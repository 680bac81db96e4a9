"""Precision, recall and F1 of a model with several classes: per class, and averaged over the classes.

A class without a denominator (never predicted, say) has no metric of its own; in the averages it counts as 0, as in scikit-learn,
and the message says so. The interval of an average is the wider of two on each side: the delta method's over the multinomial
cells (as the Wilson interval of a fraction with that error), which knows that one error touches two classes, and the one
recovered from the classes' own Wilson intervals, which stays honest where every row is right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spark_monitor.scores.classification import (
    LISTED_CLASSES,
    SHARE,
    ClassCounts,
    f1_of,
    precision_of,
    recall_of,
    refusal,
    too_many,
)
from spark_monitor.scores.metric import MetricValues, scored
from spark_monitor.scores.metric_value import UNSUPPORTED, MetricValue, metric_value, undefined
from spark_monitor.states.classes import NO_CLASS
from spark_monitor.states.confusion import OTHER, ConfusionState
from spark_monitor.states.grid import Floats
from spark_monitor.states.proportions import as_a_share, recovered, wilson


@dataclass(frozen=True, eq=False)
class ClassMetric:
    """One metric of every class, float64[K], as correct / denominator, and how it follows from the cells.

    ``per_label`` and ``per_prediction`` say which of labelled(k) and predicted(k) are in the denominator, each with weight
    ``scale``: recall 1 and 0, precision 0 and 1, F1 = tp / (labelled / 2 + predicted / 2).
    """

    values: Floats
    lower: Floats
    upper: Floats
    denominators: Floats
    per_label: float
    per_prediction: float


def _class_metric(state: ConfusionState, per_label: float, per_prediction: float) -> ClassMetric:
    labelled, predicted, correct = (totals[:NO_CLASS] for totals in (state.labelled, state.predicted, state.correct))
    denominators = per_label * labelled + per_prediction * predicted
    values = np.divide(correct, denominators, out=np.zeros(correct.size), where=denominators > 0)
    both = bool(per_label and per_prediction)
    lower, upper = wilson(correct, labelled + predicted - correct if both else denominators)
    if both:
        lower, upper = 2 * lower / (1 + lower), 2 * upper / (1 + upper)
    defined = denominators > 0
    return ClassMetric(
        values, np.where(defined, lower, values), np.where(defined, upper, 1.0), denominators, per_label, per_prediction
    )


def _deviation(state: ConfusionState, metric: ClassMetric, weights: Floats, *, weighted: bool) -> float:
    """The delta method's standard error of sum_k w_k m_k, cells multinomial; labelled fractions vary where they are the weights.

    With fractions p_ab of the cells, the derivative by p_ab is [a = b] w_a / d_a - [label a in d_a] w_a m_a / d_a - [prediction b
    in d_b] w_b m_b / d_b (+ m_a where weighted), d the denominators' fractions; the variance is (sum p g^2 - (sum p g)^2) / n.
    """
    n = state.count
    slope = np.divide(weights * n, metric.denominators, out=np.zeros(weights.size), where=metric.denominators > 0)
    label, guess, fraction = state.labels, state.predictions, state.counts / n
    gradient = np.where(label == guess, slope[label], 0.0)
    gradient -= metric.per_label * (slope * metric.values)[label] + metric.per_prediction * (slope * metric.values)[guess]
    if weighted:
        gradient += metric.values[label]
    mean = float(np.dot(fraction, gradient))
    return math.sqrt(max(float(np.dot(fraction, np.square(gradient))) - mean * mean, 0.0) / n)


def _average(state: ConfusionState, per_label: float, per_prediction: float, *, weighted: bool) -> MetricValue:
    refused = refusal(state) or too_many(state)
    if refused:
        return refused
    metric = _class_metric(state, per_label, per_prediction)
    size = len(state.classes)
    weights = state.labelled[:NO_CLASS] / state.count if weighted else np.full(size, 1 / size)
    value = min(float(np.dot(weights, metric.values)), 1.0)
    low, high = as_a_share(value, _deviation(state, metric, weights, weighted=weighted))
    below, above = recovered(metric.values, metric.lower, metric.upper, weights)
    bounds = min(low, value - below), max(high, value + above)
    return metric_value(value, bounds, state.count, within=SHARE, message=_zeros(metric))


def _zeros(metric: ClassMetric) -> str | None:
    absent = int(np.count_nonzero(metric.denominators == 0))
    if not absent:
        return None
    sentence = f"{absent:,} of {metric.values.size:,} classes have no denominator and count as 0, as in scikit-learn"
    return f"{sentence}; the interval takes them as unknown."


@scored("precision_macro", "multiclass", state=ConfusionState, headline=10, needs=("prediction", "label"))
def precision_macro(state: ConfusionState) -> MetricValue:
    """The mean of the classes' precisions.

    >>> from spark_monitor.states.classes import canonical_labels
    >>> state = ConfusionState.empty().update(canonical_labels(["a", "a", "b"]), canonical_labels(["a", "b", "b"]))
    >>> precision_macro(state).value
    0.75
    """
    return _average(state, 0.0, 1.0, weighted=False)


@scored("recall_macro", "multiclass", state=ConfusionState, headline=11, needs=("prediction", "label"))
def recall_macro(state: ConfusionState) -> MetricValue:
    """The mean of the classes' recalls."""
    return _average(state, 1.0, 0.0, weighted=False)


@scored("f1_score_macro", "multiclass", state=ConfusionState, headline=0, needs=("prediction", "label"))
def f1_score_macro(state: ConfusionState) -> MetricValue:
    """The mean of the classes' F1 scores."""
    return _average(state, 0.5, 0.5, weighted=False)


@scored("precision_weighted", "multiclass", state=ConfusionState, headline=13, needs=("prediction", "label"))
def precision_weighted(state: ConfusionState) -> MetricValue:
    """The classes' precisions, weighted by their labelled rows."""
    return _average(state, 0.0, 1.0, weighted=True)


@scored("recall_weighted", "multiclass", state=ConfusionState, headline=14, needs=("prediction", "label"))
def recall_weighted(state: ConfusionState) -> MetricValue:
    """The classes' recalls, weighted by their labelled rows: the accuracy."""
    return _average(state, 1.0, 0.0, weighted=True)


@scored("f1_score_weighted", "multiclass", state=ConfusionState, headline=12, needs=("prediction", "label"))
def f1_score_weighted(state: ConfusionState) -> MetricValue:
    """The classes' F1 scores, weighted by their labelled rows."""
    return _average(state, 0.5, 0.5, weighted=True)


def _per_class(name: str, of: Callable[[ClassCounts, int], MetricValue], description: str) -> None:
    """Define one interval for each of the most frequent classes; the rest is reported as left out."""

    @scored(name, "multiclass", state=ConfusionState, description=description)
    def compute(state: ConfusionState) -> MetricValues:
        refused = refusal(state)
        if refused:
            return {None: refused}
        labelled, predicted, correct = (totals[:NO_CLASS] for totals in (state.labelled, state.predicted, state.correct))
        places = np.sort(np.argsort(-(labelled + predicted), kind="stable")[:LISTED_CLASSES])
        intervals: dict[str | None, MetricValue] = {
            state.classes[k]: of(ClassCounts(*(totals[k].item() for totals in (labelled, predicted, correct))), state.count)
            for k in places
        }
        left = len(state.classes) - places.size
        if left or state.overflowed:
            many = "An unknown number of" if state.overflowed else f"{left:,}"
            intervals[OTHER] = undefined(state.count, f"{many} classes with fewer rows are not listed.", status=UNSUPPORTED)
        return intervals


_per_class("precision", precision_of, "Share of a class's rows among those predicted as the class.")
_per_class("recall", recall_of, "Share of a class's rows that are predicted as the class.")
_per_class("f1_score", f1_of, "Harmonic mean of a class's precision and recall.")
