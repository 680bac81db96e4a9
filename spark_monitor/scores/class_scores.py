"""Metrics of the scores of several classes: how probable the true class was, how high it ranked, how well each is separated."""

from __future__ import annotations

import math

import numpy as np

from spark_monitor.scores.means import mean_of
from spark_monitor.scores.metric import MetricValues, scored
from spark_monitor.scores.metric_value import ALL_NULL, NO_LABELS, MetricValue, metric_value, undefined
from spark_monitor.scores.ranking import roc_auc_score
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.proportions import recovered, wilson

SCORED = ("scores", "label")
TOP = 2
LISTED_TOP = (1, 2, 3, 5, 10)


def refusal(state: ClassScoresState) -> MetricValue | None:
    """What every metric is where no row has a known class and its scores."""
    if state.used:
        return None
    if not state.count:
        return undefined(0, "There is no labelled row.", status=NO_LABELS)
    return undefined(0, f"None of the {state.count:,} labelled rows has a class with a score.", status=ALL_NULL)


def _note(state: ClassScoresState) -> str | None:
    parts = []
    if state.strangers:
        parts.append(f"{state.strangers:,} labels are of a class that has no score.")
    if state.uneven:
        parts.append(f"The scores of {state.uneven:,} rows do not add up to 1.")
    return " ".join(parts) or None


@scored("log_loss", "multiclass", state=ClassScoresState, range=(0.0, math.inf), worse="higher", headline=1, needs=SCORED)
def log_loss(state: ClassScoresState) -> MetricValue:
    """Mean of -log(score of the true class), clipped to [eps, 1 - eps], eps = 2^-52, as scikit-learn's."""
    within = (0.0, math.inf)
    return refusal(state) or mean_of(
        state.losses[0], state.losses[1], state.cube, state.used, within=within, message=_note(state)
    )


@scored("top_k_accuracy", "multiclass", state=ClassScoresState, per_class=True, needs=SCORED)
def top_k_accuracy(state: ClassScoresState) -> MetricValues:
    """Share of rows whose class is among the k with the highest scores: k = 2, and other k as classes; Wilson's interval.

    Of equal scores the class that comes later counts as higher, as in scikit-learn's ``top_k_accuracy_score``.

    >>> state = ClassScoresState.empty(("a", "b", "c")).update(np.array([0]), np.array([[0.3, 0.6, 0.1]]))
    >>> {key: found.value for key, found in top_k_accuracy(state).items()}
    {None: 1.0, '1': 0.0, '2': 1.0}
    """
    refused = refusal(state)
    if refused:
        return {None: refused}
    hits = np.cumsum(state.ranks)
    intervals: dict[str | None, MetricValue] = {None: _hit(state, float(hits[min(TOP, hits.size) - 1]))}
    return intervals | {str(k): _hit(state, float(hits[k - 1])) for k in LISTED_TOP if k < hits.size}


def _hit(state: ClassScoresState, rows: float) -> MetricValue:
    lower, upper = wilson(rows, state.used)
    return metric_value(rows / state.used, (float(lower), float(upper)), state.used, within=(0.0, 1.0), message=_note(state))


@scored("roc_auc_ovr_macro", "multiclass", state=ClassScoresState, headline=2, needs=SCORED)
def roc_auc_ovr_macro(state: ClassScoresState) -> MetricValue:
    """The mean, over classes, of the area under the ROC curve of a class against the rest; each class weighs the same.

    As scikit-learn's ``roc_auc_score(multi_class="ovr", average="macro")``. The interval recovers the classes' own.
    """
    refused = refusal(state)
    if refused:
        return refused
    areas = [roc_auc_score(one) for one in state.states]
    absent = [name for name, area in zip(state.classes, areas, strict=True) if area.value is None]
    if absent:
        return undefined(state.used, f"There is no labelled row of class {', '.join(absent[:5])}, or of no other class.")
    values, errors, lower, upper = (
        np.array([getattr(area, name) for area in areas], dtype=float) for name in ("value", "value_error", "lower", "upper")
    )
    # Areas share rows: half-widths are added, not squared, as far as they are certain errors.
    weights = np.full(values.size, 1 / values.size)
    below, above = recovered(values, lower, upper, weights)
    value, error = float(values.mean()), float(errors.mean())
    bounds = value - max(below, error), value + max(above, error)
    return metric_value(value, bounds, state.used, within=(0.0, 1.0), value_error=error, message=_note(state))
