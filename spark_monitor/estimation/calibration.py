"""From scores to probabilities: weighted isotonic regression on the cells of the labelled baseline, and how far it may be off.

The fraction of positives in each cell of the score is made monotone by pooling adjacent violators (Barlow et al. 1972;
``scipy.optimize.isotonic_regression``). How far it may be off is drawn: labels of the baseline's rows are drawn anew from the
fitted shares, always with the same seed, and fitted again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.states.binary import ScoreState
from spark_monitor.states.grid import Floats

REPLICATES = 60
SEED = 20_130_901


@dataclass(frozen=True, eq=False)
class Calibration:
    """``probabilities`` float64[1 + R, cells]: of a positive in each cell, as fitted and in R redrawn baselines; ``scores`` [C].

    ``rows`` are the baseline's labelled rows with a score.
    """

    probabilities: Floats
    scores: Floats
    rows: int

    def of_cells(self, state: ScoreState) -> Calibration:
        """This calibration for a state's cells; by their scores where it was made on other edges, as of an earlier release."""
        if self.scores.size == state.grid.cells:
            return self
        scores = cell_scores(state)
        return Calibration(np.stack([np.interp(scores, self.scores, one) for one in self.probabilities]), scores, self.rows)


def calibrate(labelled: ScoreState, *, replicates: int = REPLICATES) -> Calibration | None:
    """The calibration that a labelled baseline gives; None where it has not both kinds of labels.

    >>> state = ScoreState.empty().update([True, False, True, False], [0.9, 0.8, 0.3, 0.1])
    >>> calibrate(state, replicates=1).probabilities.shape[0]
    2
    """
    rows, state = labelled.scored, labelled.effective()
    positives, total = state.positives.astype(float), (state.positives + state.negatives).astype(float)
    used = state.used_cells
    if not positives.sum() or positives.sum() == total.sum():
        return None
    fitted = _isotonic(positives[used] / total[used], total[used])
    random = np.random.default_rng(SEED)
    size = np.maximum(np.round(total[used]), 1).astype(np.int64)
    drawn = [_isotonic(random.binomial(size, fitted) / size, total[used]) for _ in range(replicates)]
    cells = np.arange(total.size)
    return Calibration(np.stack([np.interp(cells, used, one) for one in (fitted, *drawn)]), cell_scores(labelled), rows)


def _isotonic(shares: Floats, weights: Floats) -> Floats:
    # Half a second to import, which every worker would pay for: the catalogue imports this file.
    from scipy.optimize import isotonic_regression

    return np.clip(np.asarray(isotonic_regression(shares, weights=weights).x, dtype=np.float64), 0.0, 1.0)


def cell_scores(state: ScoreState) -> Floats:
    """A score that stands for each cell, from 0 to 1: its edge or its only score, else its middle."""
    edges = np.clip(state.grid.edges, 0.0, 1.0)
    between = np.r_[0.0, edges], np.r_[edges, 1.0]
    middles = np.where(np.isnan(state.atoms), (between[0] + between[1]) / 2, np.clip(state.atoms, 0.0, 1.0))
    scores = np.empty(2 * edges.size + 1)
    scores[::2], scores[1::2] = middles, edges
    return scores
