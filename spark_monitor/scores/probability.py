"""How good scores are as probabilities: log loss, Brier score, calibration; and how many rows are positive."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from spark_monitor.scores.means import SAID_FROM, mean_of
from spark_monitor.scores.metric import scored
from spark_monitor.scores.metric_value import ALL_NULL, NO_LABELS, MetricValue, metric_value, undefined
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.grid import Floats
from spark_monitor.states.probabilities import (
    BRIER,
    BRIER_SQUARED,
    CALIBRATION_BINS,
    CLIP,
    LOG_LOSS,
    LOG_LOSS_SQUARED,
)
from spark_monitor.states.proportions import CONFIDENCE, Z, wilson

FEW_OF_A_KIND = 30
"""With fewer rows of one kind, how wrong the scores are for it is hardly known."""

FEW_SURPRISES = 10
"""With fewer rows whose score lies on the other side than their label, how frequent and how dear these are is hardly known."""


def without_scores(state: ScoreState) -> MetricValue:
    """What every metric of scores is where no labelled row has one."""
    if not state.count:
        return undefined(0, "There is no labelled row.", status=NO_LABELS)
    return undefined(0, f"None of the {state.count:,} labelled rows has a score.", status=ALL_NULL)


def _not_probabilities(state: ScoreState) -> MetricValue | None:
    if not state.scored:
        return without_scores(state)
    if state.out_of_range:
        sentence = f"{state.out_of_range:,} of {state.scored:,} scores lie outside [0, 1]"
        return undefined(state.scored, f"{sentence}: they are not probabilities.")
    return None


def _mean_loss(state: ScoreState, loss: int, squared: int, highest: float) -> MetricValue:
    sums, squares, cube = state.losses[loss], state.losses[squared], float(state.cubes[loss // 2])
    mean = mean_of(sums, squares, cube, state.probabilities, within=(0.0, highest), may_hide=False)
    return _with_few_of_a_kind(state, mean, loss)


def _with_few_of_a_kind(state: ScoreState, loss_mean: MetricValue, loss: int) -> MetricValue:
    """The upper bound widened where few rows are positive, or negative, or few scores lie on the other side of their label.

    If k of n rows are of such a kind, its fraction may be p+, Wilson's upper bound; then the mean is larger by at most (p+ - k /
    n) times the largest loss of a row of the kind among the scores that there are.
    """
    if loss_mean.value is None or loss_mean.count < SAID_FROM:
        return loss_mean
    low, high = _score_range(state)
    lowest, highest = _loss(loss, low), _loss(loss, 1 - high)
    rows = float(state.positive_rows + state.negative_rows)
    positives, surprises = float(state.positive_rows), _surprises(state)
    rarer = min((positives, lowest, "positive", FEW_OF_A_KIND), (rows - positives, highest, "negative", FEW_OF_A_KIND))
    against = (surprises, max(lowest, highest), "against their score", FEW_SURPRISES)
    few = [kind for kind in (rarer, against) if kind[0] < kind[3]]
    if not few:
        return loss_mean
    more = max((float(wilson(count, rows)[1]) - count / rows) * worst for count, worst, _, _ in few)
    named = " and ".join(f"{count:,.0f} {kind}" for count, _, kind, _ in few)
    remark = f"Only {named} of {rows:,.0f} rows: the upper bound counts on more, as wrong as the scores allow."
    most = math.inf if loss == LOG_LOSS else 1.0
    upper = None if loss_mean.upper is None else min(max(loss_mean.upper, float(loss_mean.value + more)), most)
    return replace(loss_mean, upper=upper, message=" ".join(filter(None, (loss_mean.message, remark))))


def _score_range(state: ScoreState) -> tuple[float, float]:
    """Bounds of the lowest and the highest score that labelled rows have."""
    used = state.used_cells
    ends = np.r_[0.0, np.clip(state.grid.edges, 0.0, 1.0), 1.0]
    return float(ends[(used + 1) // 2].min()), float(ends[used // 2 + 1].max())


def _surprises(state: ScoreState) -> float:
    """How many rows have a score on the other side of 1/2 than their label."""
    ends = np.r_[0.0, np.clip(state.grid.edges, 0.0, 1.0), 1.0]
    cells = np.arange(state.positives.size)
    below = ends[(cells + 1) // 2] + ends[cells // 2 + 1] < 1
    return float(state.positives[below].sum() + state.negatives[~below].sum())


def _loss(loss: int, given: float) -> float:
    """The loss of a row to whose label the score gave this probability."""
    return -math.log(max(given, CLIP)) if loss == LOG_LOSS else (1 - given) ** 2


@scored("log_loss", "binary", state=ScoreState, headline=1, range=(0.0, math.inf), worse="higher", needs=("score", "label"))
def log_loss(state: ScoreState) -> MetricValue:
    """Mean of -log(probability that the score gave to what happened), scores clipped to [eps, 1 - eps], eps = 2^-52.

    As scikit-learn's ``log_loss`` with labels [0, 1]; exact. The interval is Student's of the rows' losses.

    >>> round(log_loss(ScoreState.empty().update([True, False], [0.8, 0.4])).value, 6)
    0.366985
    """
    return _not_probabilities(state) or _mean_loss(state, LOG_LOSS, LOG_LOSS_SQUARED, math.inf)


@scored("brier_score", "binary", state=ScoreState, headline=2, worse="higher", needs=("score", "label"))
def brier_score(state: ScoreState) -> MetricValue:
    """Mean of (label - score)^2, as scikit-learn's ``brier_score_loss``; exact, with Student's interval.

    >>> round(brier_score(ScoreState.empty().update([True, False], [0.8, 0.4])).value, 6)
    0.1
    """
    return _not_probabilities(state) or _mean_loss(state, BRIER, BRIER_SQUARED, 1.0)


@scored("expected_calibration_error", "binary", state=ScoreState, headline=9, worse="higher", needs=("score", "label"))
def expected_calibration_error(state: ScoreState) -> MetricValue:
    """sum_b n_b / n |positives_b / n_b - mean score_b| over 10 bins of equal width, closed above.

    Naeini, Cooper and Hauskrecht (2015); the bins are those of scikit-learn's ``calibration_curve``. Exact for these rows.
    Chance alone makes it positive, so the lower bound counts only what exceeds chance in each bin (Bonferroni over the bins); the
    upper bound recovers the bins' own, the wider of the gap's standard errors and of Wilson's interval of the bin's positives.

    >>> round(expected_calibration_error(ScoreState.empty().update([True, False], [0.8, 0.8])).value, 6)
    0.3
    """
    refused = _not_probabilities(state)
    if refused:
        return refused
    used = state.bin_counts > 0
    rows, n = state.bin_counts[used].astype(np.float64), state.probabilities
    scores = state.bin_scores[used].sum(axis=1) / rows
    gaps = state.bin_positives[used] / rows - scores
    errors = _gap_errors(gaps, scores, rows, state.bin_squares[used].sum(axis=1))
    fractions, distances = rows / n, np.abs(gaps)
    strict = float(ndtri(1 - (1 - CONFIDENCE) / (2 * CALIBRATION_BINS)))
    value = float(np.dot(fractions, distances))
    (low, high), (lowest, highest) = (wilson(state.bin_positives[used], rows, z) for z in (Z, strict))
    certain = np.minimum(distances - strict * errors, np.maximum(lowest - scores, scores - highest))
    lower = float(np.dot(fractions, np.maximum(certain, 0.0)))
    beyond = np.maximum(Z * errors, np.maximum(high - scores, scores - low) - distances)
    upper = value + math.hypot(*(fractions * beyond).tolist())
    return metric_value(value, (lower, upper), n, within=(0.0, 1.0))


def _gap_errors(gaps: Floats, scores: Floats, rows: Floats, squares: Floats) -> Floats:
    """Standard errors of the bins' mean label minus mean score: the rows' own, at least what calibrated labels would have."""
    seen = np.maximum(squares - rows * np.square(gaps), 0.0) / np.maximum(rows - 1, 1.0)
    calibrated = scores * (1 - scores)
    return np.asarray(np.sqrt(np.maximum(seen, calibrated) / rows))


@scored("base_rate", "binary", state=ScoreState, headline=8, worse="both")
def base_rate(state: ScoreState) -> MetricValue:
    """The fraction of positive rows among all labelled ones, with a score or without; Wilson's interval.

    >>> base_rate(ScoreState.empty().update([True, False, False, False], [0.8, 0.4, 0.1, 0.2])).value
    0.25
    """
    positives, n = state.labelled
    if not n:
        return undefined(0, "There is no labelled row.", status=NO_LABELS)
    lower, upper = wilson(positives, n)
    return metric_value(positives / n, (float(lower), float(upper)), state.count, within=(0.0, 1.0))
