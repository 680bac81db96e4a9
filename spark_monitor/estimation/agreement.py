"""Which final windows agree with the newest of them: what labels depend on may have changed, for good or for a while.

A window's residuals against the labelled baseline are compared, each with its sampling variance and with how much windows of the
baseline differ beyond chance. Where the newest final window agrees with another one, those that disagree with it are of another
time, such as before a change of concept or while a feature was broken. Where it agrees with none, nobody can tell which of them
is: all are taken together, and how they differ is part of the interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spark_monitor.estimation.dispersion import (
    FEWEST_WINDOWS,
    Dispersion,
    between_windows,
    error_steps,
    score_steps,
)
from spark_monitor.estimation.likeness import Profile, is_like
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.grid import Floats

if TYPE_CHECKING:
    from spark_monitor.estimation.estimator import Estimator

APART = 3.0
"""Residuals further apart than so many of their standard deviations disagree."""
ENOUGH_ROWS = 20_000
"""Older windows are left out once the newer ones have so many labelled rows."""
FEWEST_RECALIBRATED = 2_000
"""Final windows with fewer labelled rows together do not replace the baseline's calibration."""
_UNKNOWN = 1e9


@dataclass(frozen=True, eq=False)
class Final:
    """A final window: the state of its labelled rows, how many there are, and what all its answers look like."""

    state: Any
    labelled: int
    profile: Profile | None = None


def calibrating(newest_first: Sequence[Final], baseline: Estimator | None, profile: Profile | None = None) -> list[Final]:
    """The final windows that calibrate a window with such answers, the newest first; none where they have too few rows.

    ``baseline`` is the labelled baseline's estimator.
    """
    if baseline is None:
        return _enough(newest_first, 1)
    alike = [one for one in newest_first if is_like(profile, one.profile, baseline.usual)]
    if baseline.windows < FEWEST_WINDOWS or len(alike) < 2:
        return _enough(alike, 1)
    agreeing = [
        alike[place] for place in newest_agreeing(*residuals([one.state for one in alike], baseline), deviations(baseline))
    ]
    return _enough(agreeing, FEWEST_WINDOWS) or _enough(alike, FEWEST_WINDOWS)


def _enough(newest_first: Sequence[Final], fewest: int) -> list[Final]:
    """The newest that have rows enough, at least so many windows where there are."""
    kept: list[Final] = []
    rows = 0
    for one in newest_first:
        if rows >= ENOUGH_ROWS and len(kept) >= fewest:
            break
        kept.append(one)
        rows += one.labelled
    return kept if rows >= FEWEST_RECALIBRATED else []


def residuals(states: Sequence[Any], baseline: Estimator) -> tuple[Floats, Floats]:
    """What labels leave of what the baseline lets expect, and the sampling variances of that, float64[n, D] each."""
    rows = []
    for state in states:
        if isinstance(state, CellErrorsState) and baseline.errors is not None:
            steps = [error_steps(state, baseline.errors, place, as_now=True) for place in range(3)]
        else:
            parts = state.states if isinstance(state, ClassScoresState) else (state,)
            steps = [step for pair in zip(parts, baseline.calibrations, strict=True) for step in score_steps(*pair)]
        rows.append([(0.0, _UNKNOWN) if step is None else step for step in steps])
    steps_of = np.array(rows, dtype=np.float64)
    return steps_of[..., 0], steps_of[..., 1]


def deviations(baseline: Estimator) -> Floats:
    """How much windows of the baseline differ beyond chance in each of the residuals, float64[D]."""
    if baseline.errors is not None:
        return np.array(baseline.dispersion.errors)
    places = range(len(baseline.calibrations))
    pairs = [(baseline.dispersion.of_calibration(place), baseline.dispersion.slope_of(place)) for place in places]
    return np.array(pairs).ravel()


def newest_agreeing(values: Floats, variances: Floats, between: Floats) -> list[int]:
    """The windows, the newest first, that agree with the newest and with each other taken together; all where none does.

    >>> values, variances, between = np.array([[0.0], [0.1], [3.0], [0.0]]), np.full((4, 1), 0.01), np.zeros(1)
    >>> newest_agreeing(values, variances, between), newest_agreeing(values[2:], variances[2:], between)
    ([0, 1, 3], [0, 1])
    """
    kept, mean, variance = [0], values[0], variances[0]
    for place in range(1, len(values)):
        spread = np.sqrt(variance + variances[place] + 2 * np.square(between))
        if (np.abs(values[place] - mean) > APART * spread).any():
            continue
        kept.append(place)
        weights = 1 / variance, 1 / variances[place]
        mean = (mean * weights[0] + values[place] * weights[1]) / (weights[0] + weights[1])
        variance = 1 / (weights[0] + weights[1])
    return kept if len(kept) > 1 else list(range(len(values)))


def dispersion_among(finals: Sequence[Final], baseline: Estimator) -> Dispersion:
    """How much windows differ beyond chance: the baseline's or the final ones' among each other, whichever is more."""
    if len(finals) < FEWEST_WINDOWS:
        return baseline.dispersion
    values, variances = residuals([one.state for one in finals], baseline)
    among = [between_windows(*columns) for columns in zip(values.T, variances.T, strict=True)]
    most = np.maximum(among, deviations(baseline)).tolist()
    if baseline.errors is not None:
        return Dispersion(errors=(most[0], most[1], most[2]))
    return Dispersion(tuple(most[::2]), slopes=tuple(most[1::2]))
