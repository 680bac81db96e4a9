"""Metrics of predicted classes: right or wrong, the confusion matrix, and precision, recall and F1 of one class against the rest.

Precision, recall and accuracy are proportions and get Wilson's interval. F1 = 2 J / (1 + J) with J = tp / (tp + fp + fn), which
is a proportion among the rows that are positive by label or by prediction: its Wilson interval, moved through that increasing
function, is F1's. Where a denominator is 0 the metric is not defined, and no number stands in for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from spark_monitor.scores.metric import MetricValues, scored
from spark_monitor.scores.metric_value import ALL_NULL, NO_LABELS, UNSUPPORTED, MetricValue, metric_value, undefined
from spark_monitor.states.classes import BINARY_CLASSES, NO_CLASS, POSITIVE, canonical_labels
from spark_monitor.states.confusion import MAX_CLASSES, OTHER, ConfusionState
from spark_monitor.states.proportions import as_a_share, recovered, wilson
from spark_monitor.text.formatting import counted

LISTED_CLASSES = 100
LISTED_CELLS = 1000
SHARE = (0.0, 1.0)


class ClassCounts(NamedTuple):
    """Rows of one class: labelled so, predicted so, and both."""

    labelled: float
    predicted: float
    correct: float


def class_counts(state: ConfusionState, name: str) -> ClassCounts:
    """The counts of a class, zeros for one that does not occur."""
    if name not in state.classes:
        return ClassCounts(0, 0, 0)
    place = state.classes.index(name)
    return ClassCounts(*(totals[place].item() for totals in (state.labelled, state.predicted, state.correct)))


def refusal(state: ConfusionState) -> MetricValue | None:
    """What every metric is where no row has both a label and a prediction."""
    if state.count:
        return None
    if not state.unpredicted:
        return undefined(0, "There is no labelled row.", status=NO_LABELS)
    return undefined(0, f"None of the {state.unpredicted:,} labelled rows has a prediction.", status=ALL_NULL)


def too_many(state: ConfusionState) -> MetricValue | None:
    """What an average over classes is where not all classes are known."""
    if not state.overflowed:
        return None
    return undefined(state.count, f"There are more than {MAX_CLASSES:,} classes; only those are kept.", status=UNSUPPORTED)


def proportion(successes: float, trials: float, count: int) -> MetricValue:
    """A fraction with Wilson's interval; ``count`` is the number of rows the metric was computed from."""
    lower, upper = wilson(successes, trials)
    return metric_value(successes / trials, (float(lower), float(upper)), count, within=SHARE)


def precision_of(counts: ClassCounts, count: int) -> MetricValue:
    """tp / (tp + fp)."""
    if not counts.predicted:
        return undefined(count, f"The class is never predicted in {counted(count, 'row')}.")
    return proportion(counts.correct, counts.predicted, count)


def recall_of(counts: ClassCounts, count: int) -> MetricValue:
    """tp / (tp + fn)."""
    if not counts.labelled:
        return undefined(count, f"The class is no label of any of {counted(count, 'row')}.")
    return proportion(counts.correct, counts.labelled, count)


def f1_of(counts: ClassCounts, count: int) -> MetricValue:
    """2 tp / (2 tp + fp + fn)."""
    either = counts.labelled + counts.predicted - counts.correct
    if not either:
        return undefined(count, f"The class is neither a label nor predicted in any of {counted(count, 'row')}.")
    lower, upper = (float(2 * bound / (1 + bound)) for bound in wilson(counts.correct, either))
    return metric_value(2 * counts.correct / (counts.labelled + counts.predicted), (lower, upper), count, within=SHARE)


@scored("accuracy_score", "binary", "multiclass", state=ConfusionState, headline=3, needs=("prediction", "label"))
def accuracy_score(state: ConfusionState) -> MetricValue:
    """The fraction of rows whose prediction is the label.

    >>> accuracy_score(binary_confusion([1, 1, 0, 0], [1, 0, 0, 0])).value
    0.75
    """
    return refusal(state) or proportion(state.matches, state.count, state.count)


@scored("balanced_accuracy_score", "binary", "multiclass", state=ConfusionState, headline=7, needs=("prediction", "label"))
def balanced_accuracy_score(state: ConfusionState) -> MetricValue:
    """The mean recall of the classes that occur as labels; of a binary model both must, for else a recall is not known.

    The interval is the wider, on each side, of the one recovered from the recalls' (Zou and Donner 2008) and that of a fraction
    with the standard error sqrt(sum r (1 - r) / n) / K.

    >>> balanced_accuracy_score(binary_confusion([1, 1, 0, 0], [1, 0, 0, 0])).value
    0.75
    """
    refused = refusal(state) or too_many(state)
    if refused:
        return refused
    occurs = state.labelled[:NO_CLASS] > 0
    absent = int(np.count_nonzero(~occurs))
    if (absent or occurs.size < len(BINARY_CLASSES)) and set(state.classes) <= set(BINARY_CLASSES):
        return undefined(state.count, f"No label of {state.count:,} rows is of one of the two classes: its recall is not known.")
    labelled, correct = state.labelled[:NO_CLASS][occurs], state.correct[:NO_CLASS][occurs]
    recalls, weights = correct / labelled, np.full(labelled.size, 1 / labelled.size)
    below, above = recovered(recalls, *wilson(correct, labelled), weights)
    value = float(recalls.mean())
    low, high = as_a_share(value, math.sqrt(float(np.sum(recalls * (1 - recalls) / labelled))) / labelled.size)
    below, above = max(below, value - low), max(above, high - value)
    fraction, remark = occurs.sum() / occurs.size, None
    bounds = (value - below) * fraction, (value + above) * fraction + (1 - fraction)
    if absent:
        remark = (
            f"{absent:,} predicted classes are no label of any row and left out, as in scikit-learn; the interval knows them."
        )
    return metric_value(value, bounds, state.count, within=SHARE, message=remark)


@scored("precision", "binary", state=ConfusionState, headline=4, per_class=True, needs=("prediction", "label"))
def precision(state: ConfusionState) -> MetricValue:
    """The fraction of positive labels among the positive predictions of a binary model.

    >>> precision(binary_confusion([1, 1, 0, 0], [1, 0, 0, 0])).value
    1.0
    """
    return refusal(state) or precision_of(class_counts(state, POSITIVE), state.count)


@scored("recall", "binary", state=ConfusionState, headline=5, per_class=True, needs=("prediction", "label"))
def recall(state: ConfusionState) -> MetricValue:
    """The fraction of positive predictions among the positive labels of a binary model.

    >>> recall(binary_confusion([1, 1, 0, 0], [1, 0, 0, 0])).value
    0.5
    """
    return refusal(state) or recall_of(class_counts(state, POSITIVE), state.count)


@scored("f1_score", "binary", state=ConfusionState, headline=6, per_class=True, needs=("prediction", "label"))
def f1_score(state: ConfusionState) -> MetricValue:
    """The harmonic mean of precision and recall of a binary model.

    >>> round(f1_score(binary_confusion([1, 1, 0, 0], [1, 0, 0, 0])).value, 6)
    0.666667
    """
    return refusal(state) or f1_of(class_counts(state, POSITIVE), state.count)


@scored("base_rate", "binary", state=ConfusionState, headline=8, worse="both")
def base_rate_of_predicted(state: ConfusionState) -> MetricValue:
    """The fraction of positive rows among the labelled ones: here those with a prediction, for models without a score."""
    return refusal(state) or proportion(class_counts(state, POSITIVE).labelled, state.count, state.count)


@scored(
    "confusion_matrix",
    "binary",
    "multiclass",
    state=ConfusionState,
    range=(0.0, math.inf),
    worse="both",
    per_class=True,
    needs=("prediction", "label"),
)
def confusion_matrix(state: ConfusionState) -> MetricValues:
    """Rows per "label|prediction", exact; the interval is what the cell would hold in as many other rows (Wilson's, times n).

    All four cells of a binary model; of a multiclass model the cells that hold rows, the 1,000 fullest. Of rows with weights it
    is their weight. In a class's name a | is written as \\| and a \\ as \\\\, so that a cell has one name.

    >>> {cell: found.value for cell, found in confusion_matrix(binary_confusion([1, 0, 0], [1, 1, 1])).items()}
    {'0|0': 0.0, '0|1': 2.0, '1|0': 0.0, '1|1': 1.0}
    """
    refused = refusal(state)
    if refused:
        return {None: refused}
    cells = dict(_listed_cells(state))
    if set(state.classes) <= set(BINARY_CLASSES) and not state.overflowed:
        cells = {f"{label}|{guess}": state.cell(label, guess) for label in BINARY_CLASSES for guess in BINARY_CLASSES}
    count, scale = state.count, state.scale
    intervals: dict[str | None, MetricValue] = {name: _cell(rows, count, scale) for name, rows in cells.items()}
    left = state.counts.size - len(cells)
    if left > 0:
        intervals[OTHER] = _cell(count - sum(cells.values()), count, scale, f"{left:,} cells with fewer rows, together.")
    return intervals


def _listed_cells(state: ConfusionState) -> list[tuple[str, float]]:
    order = np.argsort(-state.counts, kind="stable")[:LISTED_CELLS]
    names = ("|".join(_escaped(state.name(side[place])) for side in (state.labels, state.predictions)) for place in order)
    return sorted(zip(names, state.counts[order].tolist(), strict=True))


def _escaped(name: str) -> str:
    return name.replace("\\", "\\\\").replace("|", "\\|")


def _cell(rows: float, count: float, scale: float, message: str | None = None) -> MetricValue:
    lower, upper = wilson(rows, count)
    whole = count / scale
    bounds = float(lower) * whole, float(upper) * whole
    return metric_value(float(rows) / scale, bounds, count, within=(0.0, whole), message=message)


def binary_confusion(labels: Sequence[object], predictions: Sequence[object], *, positive: object = 1) -> ConfusionState:
    """The state of a few binary labels and predictions of any type.

    >>> binary_confusion([True, False], ["1", 0.0]).matrix.tolist()
    [[1, 0], [0, 1]]
    """
    truth, guess = (canonical_labels(values).equal_to(positive) for values in (labels, predictions))
    return ConfusionState.empty().update(truth, guess)
