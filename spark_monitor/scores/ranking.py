"""The area under the ROC curve from cells: certain for these rows up to a stated error, with an interval for all rows."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit, gammaincinv

from spark_monitor.scores.metric import scored
from spark_monitor.scores.metric_value import MetricValue, metric_value, undefined
from spark_monitor.scores.probability import without_scores
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.proportions import CONFIDENCE, FEW, Z

_EXACT_PAIRS = 2**61
_HALVINGS = 60
ASSUMED_ROWS = 5


@scored("roc_auc_score", "binary", state=ScoreState, headline=0, needs=("score", "label"))
def roc_auc_score(state: ScoreState) -> MetricValue:
    """The probability that a positive row has a higher score than a negative one, ties counting half.

    With p_i, n_i positives and negatives in cell i, N_<i the negatives in cells below, P and N their totals:
    the area is at least L = sum p_i N_<i (+ p_i n_i / 2 where all scores of the cell are equal) and at most L + sum p_i n_i over
    the cells that hold several scores, both over P N. ``value`` is the middle, ``value_error`` half the difference: whatever
    scikit-learn computes from the rows lies between, and the error is 0 where no such cell holds both kinds.
    [lower, upper] adds the sampling error on the logit scale: DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988), in
    which Hanley and McNeil's (1982) counts for 5 rows of the rarer kind, because DeLong's alone is too small with few rows and an
    area near 1 (coverage 87 % for 20 positives at 0.96; mixed, 95 to 99 %). An area of exactly 0 or 1 gets the score interval
    with Hanley and McNeil's variance (Newcombe 2006). What few pairs of rows make, above or below the area, may be as little as
    Poisson's bound of so few events.

    >>> state = ScoreState.empty().update([True, True, False, False], [0.9, 0.4, 0.4, 0.1])
    >>> area = roc_auc_score(state)
    >>> area.value, area.value_error
    (0.875, 0.0)
    """
    positives, negatives = state.positive_rows, state.negative_rows
    if not state.scored:
        return without_scores(state)
    if not positives or not negatives:
        missing = "negatives" if positives else "positives"
        return undefined(state.scored, f"There are no {missing} among the {state.scored:,} labelled rows with a score.")
    mixed = _mixed(state)
    below = np.cumsum(state.negatives) - state.negatives
    won, tied = _pairs(state.positives, below), _pairs(state.positives, state.negatives)
    uncertain = _pairs(state.positives[::2][mixed], state.negatives[::2][mixed])
    value = (2 * won + tied) / (2 * positives * negatives)
    error = uncertain / (2 * positives * negatives)
    bounds = _bounds(state, value, error, positives, negatives)
    return metric_value(value, bounds, state.scored, within=(0.0, 1.0), value_error=error)


@scored("gini", "binary", state=ScoreState, range=(-1.0, 1.0), needs=("score", "label"))
def gini(state: ScoreState) -> MetricValue:
    """Twice the area under the ROC curve, less one: 0 for scores that say nothing, 1 for perfect order.

    >>> gini(ScoreState.empty().update([True, True, False, False], [0.9, 0.4, 0.4, 0.1])).value
    0.75
    """
    area = roc_auc_score(state)
    if area.value is None or area.value_error is None:
        return area
    lower, upper = (None if bound is None else 2 * bound - 1 for bound in (area.lower, area.upper))
    return MetricValue(2 * area.value - 1, 2 * area.value_error, lower, upper, area.count)


def _mixed(state: ScoreState) -> np.ndarray:
    """The open cells that hold several scores."""
    return np.isnan(state.atoms)


def _pairs(first: Integers, second: Integers) -> float:
    """sum first_i second_i, exact also where it exceeds 64 bits."""
    if first.dtype.kind == "f":
        return float(np.dot(first, second))
    if int(first.sum()) * int(second.max(initial=0)) < _EXACT_PAIRS:
        return int(np.dot(first, second))
    return int(sum(a * b for a, b in zip(first.tolist(), second.tolist(), strict=True)))


def _bounds(state: ScoreState, value: float, error: float, positives: float, negatives: float) -> tuple[float, float]:
    low, high = max(value - error, 0.0), min(value + error, 1.0)
    deviation = math.sqrt(_variance(state, value, positives, negatives))
    lower = _logit_bound(low, -Z * deviation) if 0 < low < 1 else _score_bound(low, 0.0, positives, negatives)
    upper = _logit_bound(high, Z * deviation) if 0 < high < 1 else _score_bound(high, 1.0, positives, negatives)
    return min(lower, low * _of_few(low, deviation)), max(upper, 1 - (1 - high) * _of_few(1 - high, deviation))


def _of_few(part: float, deviation: float) -> float:
    """What a part may be at least, as a fraction, where few pairs of rows make it: Poisson's bound of a count as uncertain."""
    events = (part / deviation) ** 2 if deviation else math.inf
    return float(gammaincinv(events, 1 - CONFIDENCE)) / events if 0 < events <= FEW else 1.0


def _variance(state: ScoreState, value: float, positives: float, negatives: float) -> float:
    assumed, fewest = hanley_mcneil_variance(value, positives, negatives), min(positives, negatives)
    if fewest < 2:
        return assumed
    seen = _delong_variance(state, value, positives, negatives)
    return (fewest * seen + ASSUMED_ROWS * assumed) / (fewest + ASSUMED_ROWS)


def _delong_variance(state: ScoreState, value: float, positives: float, negatives: float) -> float:
    """Var(A) = S10 / P + S01 / N from the placements of every cell, for two rows or more of each kind."""
    above = positives - np.cumsum(state.positives) + state.positives / 2
    below = np.cumsum(state.negatives) - state.negatives / 2
    of_positives = _spread(state.positives, below / negatives, value) / positives
    return of_positives + _spread(state.negatives, above / positives, value) / negatives


def _spread(rows: Integers, placements: Floats, value: float) -> float:
    return float(np.dot(rows, np.square(placements - value))) / (float(rows.sum()) - 1)


def _logit_bound(area: float, move: float) -> float:
    """The bound on the logit scale, where the area's distribution is more symmetric: it never leaves [0, 1]."""
    return float(expit(math.log(area / (1 - area)) + move / (area * (1 - area))))


def _score_bound(area: float, end: float, positives: float, negatives: float) -> float:
    """The farthest area, between ``area`` and ``end``, from which the one seen is at most z standard errors away."""
    near, far = area, end
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        if (area - middle) ** 2 <= Z * Z * hanley_mcneil_variance(middle, positives, negatives):
            near = middle
        else:
            far = middle
    return far


def hanley_mcneil_variance(area: float, positives: float, negatives: float) -> float:
    """(A (1 - A) + (P - 1)(A / (2 - A) - A^2) + (N - 1)(2 A^2 / (1 + A) - A^2)) / (P N).

    Hanley and McNeil, "The meaning and use of the area under a ROC curve" (1982).

    >>> round(hanley_mcneil_variance(0.8, 50, 50) ** 0.5, 4)
    0.0445
    """
    first = (positives - 1) * (area / (2 - area) - area * area)
    second = (negatives - 1) * (2 * area * area / (1 + area) - area * area)
    return max(area * (1 - area) + first + second, 0.0) / (positives * negatives)
