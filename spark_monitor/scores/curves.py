"""Metrics of the order of scores besides the area under the ROC curve: precision at each recall, separation, the best rows.

Cells that hold several scores leave the order of their rows open: ``value`` is then the middle of what it can be, and
``value_error`` half the difference; with one score in a cell, a tie, the rows count as scikit-learn counts ties.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from spark_monitor.scores.metric import scored
from spark_monitor.scores.metric_value import MetricValue, metric_value, undefined
from spark_monitor.scores.probability import without_scores
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.grid import Floats
from spark_monitor.states.proportions import Z, recovered, wilson

PERCENTAGES = (1, 5, 10)
SCORED = ("score", "label")


class Descending(NamedTuple):
    """Cells from the highest score down: positives and negatives [2B+1] in each, and whether it holds several scores."""

    positives: Floats
    negatives: Floats
    mixed: np.ndarray


def descending(state: ScoreState) -> Descending:
    """The cells of a state that hold rows, the highest score first."""
    used = state.used_cells[::-1]
    # Cells of an edge (odd) hold one score; of the open ones the atom says whether they do.
    mixed = np.isnan(state.atoms[used >> 1]) & (used & 1 == 0)
    return Descending(state.positives[used].astype(float), state.negatives[used].astype(float), mixed)


def refused(state: ScoreState, *, both: bool = True) -> MetricValue | None:
    """What a metric of order is where rows of a kind are missing."""
    if not state.scored:
        return without_scores(state)
    positives, negatives = state.positive_rows, state.negative_rows
    if not positives or (both and not negatives):
        missing = "positives" if not positives else "negatives"
        return undefined(state.scored, f"There are no {missing} among the {state.scored:,} labelled rows with a score.")
    return None


@scored("average_precision", "binary", state=ScoreState, needs=SCORED)
def average_precision(state: ScoreState) -> MetricValue:
    """The mean, over the positive rows, of the fraction of positives among rows that score as high: sum (R_n - R_n-1) P_n.

    As scikit-learn's ``average_precision_score``. The interval is normal on the logit scale with variance A (1 - A) / positives
    (Boyd, Eng and Page 2013).

    >>> average_precision(ScoreState.empty().update([True, True, False, False], [0.9, 0.4, 0.4, 0.1])).value
    0.8333333333333333
    """
    no = refused(state, both=False)
    if no:
        return no
    cells = descending(state)
    low, high = _precision_sums(cells)
    positives = float(cells.positives.sum())
    value, error = (low + high) / 2 / positives, (high - low) / 2 / positives
    bounds = _logit(value - error, positives)[0], _logit(value + error, positives)[1]
    return metric_value(value, bounds, state.scored, within=(0.0, 1.0), value_error=error)


def _precision_sums(cells: Descending) -> tuple[float, float]:
    """The least and the greatest sum of precisions over the positives: in a mixed cell negatives or positives come first."""
    p, n = cells.positives, cells.negatives
    above, false = np.cumsum(p) - p, np.cumsum(n) - n
    with np.errstate(divide="ignore", invalid="ignore"):
        tied = np.where(p > 0, p * (above + p) / (above + p + false + n), 0.0)
        best = np.where(p > 0, p * (above + p) / (above + p + false), 0.0)
        worst = p - (false + n) * np.log((above + p + false + n) / np.where(above + false + n > 0, above + false + n, 1.0))
    # Positives alone have an order as well: each counts those above it, so that of several scores fewer than of a tie.
    worst = np.where(p > 0, np.maximum(worst, 0.0), 0.0)
    low, high = (np.where(cells.mixed & (p > 0), one, tied) for one in (np.minimum(worst, tied), np.maximum(best, tied)))
    return float(low.sum()), float(high.sum())


def _logit(value: float, rows: float) -> tuple[float, float]:
    """Wilson's interval of a fraction of so many rows, and no narrower than the normal one on the logit scale."""
    lower, upper = (float(bound) for bound in wilson(value * rows, rows))
    if 0.0 < value < 1.0:
        middle, move = math.log(value / (1 - value)), Z / math.sqrt(rows * value * (1 - value))
        lower = min(lower, 1 / (1 + math.exp(min(-(middle - move), 700.0))))
        upper = max(upper, 1 / (1 + math.exp(-min(middle + move, 700.0))))
    return lower, upper


@scored("ks_score", "binary", state=ScoreState, needs=SCORED)
def ks_score(state: ScoreState) -> MetricValue:
    """The largest difference of the fraction of positives and of negatives that score at or above a threshold.

    The two-sample Kolmogorov-Smirnov distance of positives' and negatives' scores. The interval recovers the two fractions'
    Wilson intervals at the threshold where it is attained.

    >>> ks_score(ScoreState.empty().update([True, True, False, False], [0.9, 0.4, 0.4, 0.1])).value
    0.5
    """
    no = refused(state)
    if no:
        return no
    cells = descending(state)
    positives, negatives = cells.positives.sum(), cells.negatives.sum()
    true, false = np.cumsum(cells.positives), np.cumsum(cells.negatives)
    attained = np.abs(true / positives - false / negatives)
    place = int(attained.argmax())
    before = np.r_[0.0, true[:-1]], np.r_[0.0, false[:-1]]
    inside = np.maximum(true / positives - before[1] / negatives, false / negatives - before[0] / positives)
    low = float(attained.max())
    high = max(low, float(np.max(inside[cells.mixed], initial=0.0)))
    rates = np.array([true[place] / positives, false[place] / negatives])
    bounds = wilson(np.array([true[place], false[place]]), np.array([positives, negatives]))
    weights = np.array([1.0, -1.0]) if rates[0] >= rates[1] else np.array([-1.0, 1.0])
    below, above = _difference(rates, *bounds, weights)
    value, error = (low + high) / 2, (high - low) / 2
    return metric_value(value, (low - below, high + above), state.scored, within=(0.0, 1.0), value_error=error)


def _difference(values: Floats, lower: Floats, upper: Floats, weights: Floats) -> tuple[float, float]:
    """Half-widths of a weighted sum with weights of either sign, from each one's own interval."""
    turned = weights < 0
    flipped = np.where(turned, -values, values), np.where(turned, -upper, lower), np.where(turned, -lower, upper)
    return recovered(*flipped, np.abs(weights))


class Top(NamedTuple):
    """The best rows: how many, and how many of them are positive, at least and at most."""

    rows: float
    low: float
    high: float


def top(state: ScoreState, percent: float) -> Top:
    """The given percentage of the rows, one at least, by score; rows tied with the last of them count by their fraction."""
    cells = descending(state)
    sizes = cells.positives + cells.negatives
    target = float(sizes.sum()) * percent / 100
    rows = max(math.ceil(round(target, 9)), 1) if state.positives.dtype.kind == "i" else target
    ends = np.cumsum(sizes)
    place = min(int(np.searchsorted(ends, rows)), sizes.size - 1)
    before = float(cells.positives[:place].sum())
    taken = min(max(rows - float(ends[place] - sizes[place]), 0.0), float(sizes[place]))
    positives = float(cells.positives[place])
    if not cells.mixed[place] or taken == sizes[place]:
        fraction = positives * taken / float(sizes[place])
        return Top(rows, before + fraction, before + fraction)
    return Top(rows, before + max(0.0, taken - float(cells.negatives[place])), before + min(positives, taken))


def _fraction(low: float, high: float, whole: float, count: int, *, scale: float = 1.0, highest: float = 1.0) -> MetricValue:
    """A fraction of the best rows times a scale, with Wilson's interval around what it can be."""
    bounds = float(wilson(low, whole)[0]) * scale, float(wilson(high, whole)[1]) * scale
    value, error = (low + high) / 2 / whole * scale, (high - low) / 2 / whole * scale
    return metric_value(value, bounds, count, within=(0.0, highest), value_error=error)


ROUNDED = "(rounded up to whole rows; of rows with weights that part of their sum)"


def _precision_at(percent: int) -> Callable[[ScoreState], MetricValue]:
    @scored(
        f"precision_at_{percent}",
        "binary",
        state=ScoreState,
        needs=SCORED,
        description=f"Share of positives among the {percent} per cent of rows with the highest scores {ROUNDED}.",
    )
    def compute(state: ScoreState) -> MetricValue:
        if not state.scored:
            return without_scores(state)
        best = top(state, percent)
        return _fraction(best.low, best.high, best.rows, state.scored)

    return compute


def _recall_at(percent: int) -> Callable[[ScoreState], MetricValue]:
    @scored(
        f"recall_at_{percent}",
        "binary",
        state=ScoreState,
        needs=SCORED,
        description=f"Share of the positives that are among the {percent} per cent of rows with the highest scores {ROUNDED}.",
    )
    def compute(state: ScoreState) -> MetricValue:
        best = refused(state, both=False) or top(state, percent)
        if isinstance(best, MetricValue):
            return best
        return _fraction(best.low, best.high, float(state.positive_rows), state.scored)

    return compute


precision_at = {percent: _precision_at(percent) for percent in PERCENTAGES}
recall_at = {percent: _recall_at(percent) for percent in PERCENTAGES}


@scored("lift_at_10", "binary", state=ScoreState, range=(0.0, math.inf), needs=SCORED)
def lift_at_10(state: ScoreState) -> MetricValue:
    """How many times as frequent positives are among the tenth of rows with the highest scores as among all.

    >>> state = ScoreState.empty().update([True] + [False] * 9, np.arange(10)[::-1] / 10)
    >>> lift_at_10(state).value
    10.0
    """
    best = refused(state, both=False) or top(state, 10)
    if isinstance(best, MetricValue):
        return best
    scale = float(state.positive_rows + state.negative_rows) / best.rows
    return _fraction(best.low, best.high, float(state.positive_rows), state.scored, scale=scale, highest=math.inf)
