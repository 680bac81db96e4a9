"""What scores are worth as probabilities, summed over rows: losses by label, and bins of equal width."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from spark_monitor.states.grid import Floats, Integers
from spark_monitor.states.sums import pair_of

CALIBRATION_BINS = 10
CLIP = float(np.finfo(np.float64).eps)
LOSSES = 4
LOG_LOSS, LOG_LOSS_SQUARED, BRIER, BRIER_SQUARED = range(LOSSES)


def counted(numbers: Integers, weights: Floats | None, size: int) -> npt.NDArray[Any]:
    """Rows of each number, or their weight."""
    totals = np.bincount(numbers, weights=weights, minlength=size)
    # Of no row numpy counts integers, whatever the weights are.
    return totals.astype(np.int64 if weights is None else np.float64)


def losses_of(labels: npt.NDArray[np.bool_], scores: Floats, squared: Floats, weights: Floats | None) -> tuple[Floats, Floats]:
    """Sums of -log(probability of what happened), clipped to [eps, 1 - eps] as in scikit-learn, and of the squared error."""
    given = np.clip(np.where(labels, scores, 1.0 - scores), CLIP, 1.0 - CLIP)
    logarithmic = -np.log(given)
    terms = [logarithmic, np.square(logarithmic), squared, np.square(squared)]
    cubes = [terms[LOG_LOSS_SQUARED] * logarithmic, terms[BRIER_SQUARED] * squared]
    if weights is not None:
        terms, cubes = [weights * term for term in terms], [weights * cube for cube in cubes]
    return np.stack([pair_of(term) for term in terms]), np.array([float(np.sum(cube)) for cube in cubes])


def bins_of(
    labels: npt.NDArray[np.bool_], scores: Floats, squared: Floats, weights: Floats | None
) -> tuple[Integers, Integers, Floats, Floats]:
    """Of each bin of scores: rows, positives, and the sums of scores and of squared errors."""
    inner = np.linspace(0.0, 1.0, CALIBRATION_BINS + 1)[1:-1]
    bins = np.searchsorted(inner, scores)
    rows = counted(bins, weights, CALIBRATION_BINS)
    positives = counted(bins[labels], None if weights is None else weights[labels], CALIBRATION_BINS)
    terms = (scores, squared) if weights is None else (weights * scores, weights * squared)
    sums = (np.bincount(bins, weights=values, minlength=CALIBRATION_BINS) for values in terms)
    means, spreads = (np.stack([total, np.zeros(CALIBRATION_BINS)], axis=-1) for total in sums)
    return rows, positives, means, spreads
