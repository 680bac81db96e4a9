"""How a number moves over windows: from when on it is another (a change point), and how fast it goes on (a slope)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtrit

from spark_monitor.catalogue.interval import Floats

LEAST_WINDOWS: Final = 8
LEAST_SIDE: Final = 2
"""So many windows stand at least on either side of a change point."""

SHUFFLES: Final = 499
SIGNIFICANT: Final = 0.05
_SEED: Final = 20
SLOPE_WINDOWS: Final = 4


@dataclass(frozen=True)
class Trend:
    """A series of n windows: the ``onset`` is the place of the first window after its change point, None where none stands out.

    ``pvalue`` is how often a series without a change point has one as strong. ``before`` and ``after`` are the means on both
    sides; ``slope`` is that of the windows from the onset on (of all without one), by unit of time, with its 95 % interval; NaN
    for fewer than four.
    """

    onset: int | None
    pvalue: float
    before: float
    after: float
    slope: float
    lower: float
    upper: float

    @property
    def is_going_on(self) -> bool:
        """Whether it surely rises or falls."""
        return self.lower > 0 or self.upper < 0


def trend(times: Sequence[float], values: Sequence[float]) -> Trend | None:
    """The trend of a series whose values are finite, in the order of time; None for fewer than eight.

    The change point is where the cumulative sum S_k of deviations from the mean is farthest from 0 for its place, max over k of
    S_k^2 / (k (n - k)); how strong that is without any change tell shuffles of the series (always the same ones). It is looked
    for in the values and, where these go on rising or falling, in the differences to the line of the windows before, so that a
    slow drift begins where it leaves the level and not half-way. The slope is that of least squares, its interval Student's.
    Sources: Page, "Continuous inspection schemes" (1954); Pettitt, "A non-parametric approach to change points" (1979).

    >>> found = trend(range(12), [1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 5.0, 5.1, 4.9, 5.0, 5.1, 4.9])
    >>> (found.onset, round(found.before, 2), round(found.after, 2), found.is_going_on) if found else None
    (6, 1.0, 5.0, False)
    """
    at, series = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if series.size < LEAST_WINDOWS:
        return None
    split, strength = _change_point(series)
    shuffled = np.random.default_rng(_SEED).permuted(np.tile(series, (SHUFFLES, 1)), axis=1)
    stronger = np.count_nonzero(_strengths(shuffled).max(axis=1) >= strength)
    pvalue = (1 + stronger) / (1 + SHUFFLES)
    if pvalue > SIGNIFICANT:
        return Trend(None, pvalue, float(series.mean()), float(series.mean()), *_slope(at, series))
    onset = _bend(at, series, split)
    return Trend(onset, pvalue, float(series[:onset].mean()), float(series[onset:].mean()), *_slope(at[onset:], series[onset:]))


def _strengths(series: Floats) -> Floats:
    """float64[..., n - 2 LEAST_SIDE + 1]: S_k^2 / (k (n - k)) for every place that a change point can have."""
    n = series.shape[-1]
    k = np.arange(LEAST_SIDE, n - LEAST_SIDE + 1)
    sums = np.cumsum(series - series.mean(axis=-1, keepdims=True), axis=-1)[..., LEAST_SIDE - 1 : n - LEAST_SIDE]
    return np.asarray(sums * sums / (k * (n - k)))


def _change_point(series: Floats) -> tuple[int, float]:
    strengths = _strengths(series)
    place = int(np.argmax(strengths))
    return place + LEAST_SIDE, float(strengths[place])


def _bend(at: Floats, series: Floats, split: int) -> int:
    """Where the series leaves its level: the change point, or the bend of a level and a line where these fit it better."""
    residual = _spread(series[:split]) + _spread(series[split:])
    best, least = split, residual
    for bend in range(LEAST_SIDE, series.size - LEAST_SIDE):
        rise = np.maximum(at - at[bend - 1], 0.0)
        design = np.column_stack([np.ones(series.size), rise])
        left = series - design @ np.linalg.lstsq(design, series, rcond=None)[0]
        if float(left @ left) < least:
            best, least = bend, float(left @ left)
    return best


def _spread(values: Floats) -> float:
    deviations = values - values.mean()
    return float(deviations @ deviations)


def _slope(at: Floats, series: Floats) -> tuple[float, float, float]:
    """The slope of least squares with its interval; NaN for few windows."""
    n = series.size
    if n < SLOPE_WINDOWS:
        return np.nan, np.nan, np.nan
    centred = at - at.mean()
    width = float(centred @ centred)
    slope = float(centred @ series) / width
    left = series - series.mean() - slope * centred
    error = np.sqrt(float(left @ left) / (n - 2) / width)
    rounding = n * float(np.finfo(np.float64).eps) * float(np.abs(series).max()) / float(at[-1] - at[0])
    reach = float(stdtrit(n - 2, 0.975)) * float(error) + rounding
    return slope, slope - reach, slope + reach
