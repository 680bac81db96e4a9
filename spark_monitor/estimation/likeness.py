"""Whether two windows' answers are alike: what a feature in another unit, or one that is missing, does to scores and predictions.

Of scores it is the distance of Kolmogorov and Smirnov on their cells, the largest of all classes; of predicted numbers how far
their means are apart in standard deviations, and the logarithm of the ratio of these, whichever is larger.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spark_monitor.states.binary import ScoreState
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.grid import Floats
from spark_monitor.states.score_grids import class_steps

BY_CHANCE = 1.63
"""Times sqrt(1/n + 1/m): what the distance of Kolmogorov and Smirnov exceeds by chance once in a hundred times."""
TOLERANCE = 0.02


@dataclass(frozen=True, eq=False)
class Profile:
    """What answers look like: cumulative fractions of rows, float64[K, C], or the mean and the deviation of numbers."""

    rows: float
    shares: Floats | None = None
    mean: float = 0.0
    deviation: float = 0.0


@dataclass(frozen=True)
class Usual:
    """The labelled baseline's answers, and how far windows of it are apart, beyond chance."""

    profile: Profile
    apart: float = 0.0


def profile_of(state: Any) -> Profile | None:
    """What the answers of a state look like; None where it has none, or does not tell."""
    if isinstance(state, CellErrorsState):
        (total, squares), rows = state.predictions.tolist(), float(state.count)
        if not rows or not np.isfinite([total, squares]).all():
            return None
        mean = total / rows
        return Profile(rows, None, mean, float(np.sqrt(max(squares / rows - mean * mean, 0.0))))
    if not isinstance(state, ScoreState | ClassScoresState):
        return None
    states = state.effective().states if isinstance(state, ClassScoresState) else (state.effective(),)
    cells = np.stack([one.positives + one.negatives for one in states]).astype(np.float64)
    counted = float(cells[0].sum())
    shares = np.cumsum(cells, axis=1) / counted if counted else None
    if shares is not None and isinstance(state, ClassScoresState):
        # At the edges that states of earlier releases have as well.
        at = states[0].grid.codes(class_steps())
        shares = np.concatenate([shares[:, at - 1], shares[:, at]], axis=1)
    return None if shares is None else Profile(counted, shares)


def usual_of(whole: Any, windows: Sequence[Any]) -> Usual | None:
    """That of a labelled baseline, by the states of all its rows and of its windows; None where it does not tell."""
    profile = profile_of(whole)
    parts = [one for one in map(profile_of, windows) if one is not None]
    apart = [distance(*pair) - chance(*pair) for pair in itertools.combinations(parts, 2)]
    return None if profile is None else Usual(profile, max(apart, default=0.0))


def distance(one: Profile, other: Profile) -> float:
    """How far two are apart.

    >>> distance(Profile(10, None, 3.0, 2.0), Profile(10, None, 4.0, 2.0))
    0.5
    """
    if one.shares is not None and other.shares is not None:
        return float(np.abs(one.shares - other.shares).max())
    small, large = sorted((one.deviation, other.deviation))
    if not large:
        return 0.0 if one.mean == other.mean else np.inf
    return max(abs(one.mean - other.mean) / large, float(np.log(large / small)) if small else np.inf)


def chance(one: Profile, other: Profile) -> float:
    """What chance explains of a distance."""
    return float(BY_CHANCE * np.sqrt(1 / one.rows + 1 / other.rows))


def is_like(window: Profile | None, final: Profile | None, usual: Usual | None) -> bool:
    """Whether a final window's answers are about as near to a window's as the baseline's are; what does not tell is.

    >>> usual = Usual(Profile(10_000, None, 0.0, 1.0))
    >>> [is_like(Profile(10_000, None, mean, 1.0), Profile(10_000, None, 2.0, 1.0), usual) for mean in (0.1, 1.5)]
    [False, True]
    """
    if window is None or final is None or usual is None:
        return True
    most = max(distance(usual.profile, window), usual.apart) + TOLERANCE + chance(final, window)
    return distance(final, window) <= most
