"""How much more windows differ than chance explains: what sampling and calibration leave out of an estimate's interval.

What labels depend on is never quite the same in two windows. With the residual t_i of window i of the labelled baseline and its
sampling variance v_i, w_i = 1 / v_i and Q = sum w_i (t_i - t)^2 around their weighted mean, the variance between windows is
T = max(0, (Q - (k - 1)) / (sum w_i - sum w_i^2 / sum w_i)): DerSimonian and Laird, "Meta-analysis in clinical trials" (1986). A
later window differs from the mean of k by sqrt(T (1 + 1 / k)), and as k windows do not tell T well, by as many times more as
Student's quantile of k - 2 degrees exceeds the normal one: Higgins, Thompson and Spiegelhalter, "A re-evaluation of
random-effects meta-analysis" (2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from spark_monitor.estimation.calibration import SEED, Calibration
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.cell_errors import ABSOLUTE, ERROR, FOURTH, SQUARED, CellErrorsState
from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.proportions import CONFIDENCE, Z

FEWEST_WINDOWS = 4
"""Fewer windows do not say how much windows differ."""
FEWEST_LABELLED = 30
"""A window of fewer labelled rows is left out."""
_LEAST = 1e-9
_NEAREST = 1e-4
_POWERS = ((ERROR, SQUARED), (ABSOLUTE, SQUARED), (SQUARED, FOURTH))
Step = tuple[float, float]
"""A residual and its sampling variance."""


@dataclass(frozen=True)
class Dispersion:
    """Standard deviations between windows: of the labels' log-odds by calibration; of errors by `ERROR`, `ABSOLUTE`, `SQUARED`.

    That of the mean error is in the label's unit, those of the mean absolute and squared error in relation to these. ``slopes``
    are by how many times more or less log-odds differ from their mean, by calibration.
    """

    log_odds: tuple[float, ...] = ()
    errors: tuple[float, float, float] = (0.0, 0.0, 0.0)
    slopes: tuple[float, ...] = ()

    def of_calibration(self, place: int) -> float:
        """That of the calibration at this place; 0 where none is known."""
        return self.log_odds[place] if place < len(self.log_odds) else 0.0

    def slope_of(self, place: int) -> float:
        """That of the slope of the calibration at this place; 0 where none is known."""
        return self.slopes[place] if place < len(self.slopes) else 0.0

    @property
    def is_known(self) -> bool:
        """Whether windows were seen to differ."""
        return any(self.log_odds) or any(self.errors) or any(self.slopes)


NO_DISPERSION = Dispersion()


def between_windows(residuals: Floats, variances: Floats) -> float:
    """The deviation of a later window from the mean of these, by their residuals and the sampling variances of these.

    It is that of a normal distribution whose 95 % interval is the prediction interval.

    >>> between_windows(np.array([-1.0, 0.0, 0.0, 1.0]), np.full(4, 0.01))
    1.988913
    >>> between_windows(np.array([-0.1, 0.0, 0.0, 0.1]), np.full(4, 0.01))
    0.0
    """
    count = residuals.size
    if count < FEWEST_WINDOWS:
        return 0.0
    weights = 1 / variances
    scatter = float(np.dot(weights, np.square(residuals - np.average(residuals, weights=weights))))
    scale = float(weights.sum() - np.square(weights).sum() / weights.sum())
    variance = max(scatter - (count - 1), 0.0) / scale * (1 + 1 / count)
    return float(round(np.sqrt(variance) * stdtrit(count - 2, (1 + CONFIDENCE) / 2) / Z, 6))


def dispersion_of_scores(windows: Sequence[ScoreState], calibration: Calibration) -> tuple[float, float]:
    """Those of the log-odds of labels and of their slope: of each window one step of Newton's method towards its labels."""
    shifts, slopes = [], []
    for window in windows:
        shift, slope = score_steps(window, calibration)
        if window.scored < FEWEST_LABELLED:
            continue
        shifts += [] if shift is None else [shift]
        slopes += [] if slope is None else [slope]
    return between_windows(*_columns(shifts)), between_windows(*_columns(slopes))


def score_steps(window: ScoreState, calibration: Calibration) -> tuple[Step | None, Step | None]:
    """By what log-odds are higher than the calibration says, and by how many times steeper, each with its sampling variance.

    One step of Newton's method for a logistic regression on the log-odds around their mean; None where its rows do not tell.
    """
    state = window.effective()
    positives, negatives = (np.asarray(side, dtype=float) for side in (state.positives, state.negatives))
    rows, expected = positives + negatives, calibration.of_cells(window).probabilities[0]
    odds, weights = log_odds(expected), rows * expected * (1 - expected)
    information, left = float(weights.sum()), positives - rows * expected
    if information <= _LEAST:
        return None, None
    around = odds - float(np.dot(weights, odds)) / information
    of_slope = float(np.dot(weights, np.square(around)))
    slope = (float(np.dot(around, left)) / of_slope, 1 / of_slope) if of_slope > _LEAST else None
    return (float(left.sum()) / information, 1 / information), slope


def log_odds(probabilities: Floats) -> Floats:
    """Of probabilities, as far as they are from 0 and 1."""
    inside = np.clip(probabilities, _NEAREST, 1 - _NEAREST)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def dispersion_of_errors(windows: Sequence[CellErrorsState], whole: CellErrorsState) -> tuple[float, float, float]:
    """Those of the mean error, and of the mean absolute and squared error in relation to what the cells let expect."""
    dispersions = []
    for place in range(len(_POWERS)):
        steps = [error_steps(window, whole, place) for window in windows]
        dispersions.append(between_windows(*_columns([step for step in steps if step is not None])))
    return dispersions[0], dispersions[1], dispersions[2]


def error_steps(window: CellErrorsState, whole: CellErrorsState, place: int, *, as_now: bool = False) -> Step | None:
    """How far a window's mean error, absolute or squared error is from what cells let expect, and the sampling variance of that.

    None where its rows do not tell; of the last two in relation to what is expected. Errors that are no longer what they were
    scatter as they do now: with ``as_now`` their own variance counts where it is larger.
    """
    first, second = _POWERS[place]
    used, n = whole.labelled > 0, np.maximum(whole.labelled, 1).astype(float)
    rows = np.where(used, window.labelled, 0).astype(float)
    count = float(rows.sum())
    if count < FEWEST_LABELLED:
        return None
    means, squares = whole.sums[first] / n, whole.sums[second] / n
    share, variances = rows / count, np.maximum(squares - np.square(means), 0.0)
    expected, spread = float(np.dot(share, means)), float(np.dot(share, variances)) / count
    scale = 1.0 if first == ERROR else expected
    if not (scale > 0 and spread > 0 and np.isfinite([scale, spread]).all()):
        return None
    mean = float(window.sums[first].sum()) / count
    window_spread = (float(window.sums[second].sum()) / count - mean**2) / count if as_now else 0.0
    return (mean - expected) / scale, max(spread, window_spread) / scale**2


def _columns(steps: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    residuals, variances = np.array(steps, dtype=np.float64).reshape(-1, 2).T
    return residuals, variances


def shifted(
    probabilities: Floats, deviation: float, place: int = 0, slope: float = 0.0, rows: Floats | Integers | None = None
) -> Floats:
    """Probabilities, float64[R, C], each draw's log-odds moved by as much as a window may differ; evenly spread quantiles.

    ``slope`` is the deviation of the slope around the mean of log-odds at so many ``rows`` by cell, float64[C].

    >>> shifted(np.full((3, 1), 0.5), 0.0).ravel().tolist()
    [0.5, 0.5, 0.5]
    """
    if not deviation and not slope:
        return probabilities
    draws = probabilities.shape[0]
    quantiles = ndtri((np.arange(draws) + 0.5) / draws)
    moves = deviation * quantiles[np.random.default_rng(SEED + place).permutation(draws)][:, None]
    if slope:
        logits, middle = log_odds(probabilities), probabilities * (1 - probabilities) * (1 if rows is None else rows)
        center = (logits * middle).sum(axis=1, keepdims=True) / np.maximum(middle.sum(axis=1, keepdims=True), _LEAST)
        steeper = np.random.default_rng([SEED, place]).permutation(draws)
        moves = moves + slope * quantiles[steeper][:, None] * (logits - center)
    odds = np.exp(moves)
    return np.asarray(probabilities * odds / (1 - probabilities + probabilities * odds))
