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
from spark_monitor.states.grid import Floats
from spark_monitor.states.proportions import CONFIDENCE, Z

FEWEST_WINDOWS = 4
"""Fewer windows do not say how much windows differ."""
FEWEST_LABELLED = 30
"""A window of fewer labelled rows is left out."""
_LEAST = 1e-9


@dataclass(frozen=True)
class Dispersion:
    """Standard deviations between windows: of the labels' log-odds by calibration; of errors by `ERROR`, `ABSOLUTE`, `SQUARED`.

    That of the mean error is in the label's unit, those of the mean absolute and squared error in relation to these.
    """

    log_odds: tuple[float, ...] = ()
    errors: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def of_calibration(self, place: int) -> float:
        """That of the calibration at this place; 0 where none is known."""
        return self.log_odds[place] if place < len(self.log_odds) else 0.0

    @property
    def is_known(self) -> bool:
        """Whether windows were seen to differ."""
        return any(self.log_odds) or any(self.errors)


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


def dispersion_of_scores(windows: Sequence[ScoreState], calibration: Calibration) -> float:
    """That of the log-odds of labels: of each window one step of Newton's method towards the shift that its labels ask for."""
    steps = []
    for window in windows:
        state = window.effective()
        if window.scored < FEWEST_LABELLED:
            continue
        positives, negatives = (np.asarray(side, dtype=float) for side in (state.positives, state.negatives))
        rows, expected = positives + negatives, calibration.probabilities[0]
        information = float(np.dot(rows, expected * (1 - expected)))
        if information > _LEAST:
            steps.append((float((positives - rows * expected).sum()) / information, 1 / information))
    return between_windows(*_columns(steps))


def dispersion_of_errors(windows: Sequence[CellErrorsState], whole: CellErrorsState) -> tuple[float, float, float]:
    """Those of the mean error, and of the mean absolute and squared error in relation to what the cells let expect."""
    used = whole.labelled > 0
    n = np.maximum(whole.labelled, 1).astype(float)
    found = []
    for first, second in ((ERROR, SQUARED), (ABSOLUTE, SQUARED), (SQUARED, FOURTH)):
        means, squares = whole.sums[first] / n, whole.sums[second] / n
        variances, steps = np.maximum(squares - np.square(means), 0.0), []
        for window in windows:
            rows = np.where(used, window.labelled, 0).astype(float)
            if rows.sum() < FEWEST_LABELLED:
                continue
            share = rows / rows.sum()
            expected, spread = float(np.dot(share, means)), float(np.dot(share, variances)) / float(rows.sum())
            scale = 1.0 if first == ERROR else expected
            if scale > 0 and spread > 0 and np.isfinite([scale, spread]).all():
                residual = float(window.sums[first].sum() / rows.sum()) - expected
                steps.append((residual / scale, spread / scale**2))
        found.append(between_windows(*_columns(steps)))
    return found[0], found[1], found[2]


def _columns(steps: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
    residuals, variances = np.array(steps, dtype=np.float64).reshape(-1, 2).T
    return residuals, variances


def shifted(probabilities: Floats, deviation: float, place: int = 0) -> Floats:
    """Probabilities, float64[R, C], each draw's log-odds moved by as much as a window may differ; evenly spread quantiles.

    >>> shifted(np.full((3, 1), 0.5), 0.0).ravel().tolist()
    [0.5, 0.5, 0.5]
    """
    if not deviation:
        return probabilities
    draws = probabilities.shape[0]
    moves = deviation * ndtri((np.random.default_rng(SEED + place).permutation(draws) + 0.5) / draws)[:, None]
    odds = np.exp(moves)
    return np.asarray(probabilities * odds / (1 - probabilities + probabilities * odds))
