"""A far change of unit, or of the sign, told by mean and deviation: of slices the distribution is known by the baseline's cells.

Values that leave the baseline's range, or all fall between two of its edges, have no shape there, but their count, mean,
deviation and ends are exact.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from spark_monitor.diagnosis.known_units import both_ways
from spark_monitor.diagnosis.looks import Look
from spark_monitor.diagnosis.units import DEGREES, SIGN, Fit, is_power, known_unit_fit

FAR: Final = 8.0
"""Smaller changes mostly stay within cells that tell their shape."""

TELLING: Final = 0.25
"""The mean must be known so well, relatively; it lies within three times that noise."""

REACH: Final = 3.0
POWER_OF_TEN: Final = 1.0
"""A power of ten is taken where another unit is nearer by less, in parts of the noise."""

SPREAD: Final = 2.5
"""The ratio of deviations, which few rows tell badly, may be off by so much."""

AWAY: Final = 3.0
"""Degrees in another scale lie so many deviations from where they were, where mean and deviation alone tell them."""

SPREAD_OF_SIGN: Final = 1.6
BEYOND_ENDS: Final = 1.0
"""How far the ends may lie beyond the baseline's as they would be, in parts of its range."""

EXACT_END, MOST_ROUNDED = 1e-3, 0.01
"""How far, relatively, an end may lie from where a factor puts it; and where rounding has moved it."""

LEAST_RANGE: Final = 0.3
"""Ends that lie nearer to each other, beside their size, are one value that tells little."""

LEFT_INSIDE: Final = 0.1
"""So much more of the values than expected may lie where they were: of a part that holds a placeholder, the rest does."""


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def by_moments(was: Look, now: Look) -> Fit | None:
    """The change of scale that mean, deviation and ends agree on; None where they do not, or it is near.

    >>> was = Look(count=900, mean=120.0, stddev=110.0, least=0.0, greatest=800.0, quantiles=tuple(np.linspace(0, 800, 101)))
    >>> now = Look(count=60, mean=0.125, stddev=0.1, least=0.001, greatest=0.45, quantiles=(0.45,) * 101)
    >>> by_moments(was, now).factor
    0.001
    """
    degrees = _degrees(was, now)
    if degrees is not None or not was.mean or not now.mean or not was.stddev or not now.stddev:
        return degrees
    noise = was.stddev / abs(was.mean) * math.sqrt(1 / was.filled + 1 / now.filled)
    if not 0 < noise <= TELLING:
        return None
    fit = _near(now.mean / was.mean, noise)
    if fit is not None and is_of_all(fit.factor, was, now):
        return fit
    return _by_ends(was, now, noise)


def _degrees(was: Look, now: Look) -> Fit | None:
    """Degrees in another scale: mean and deviation are where it puts them, and hardly any value where it was.

    >>> from dataclasses import replace
    >>> was = Look(count=4700, mean=18.0, stddev=2.6, least=8.0, greatest=28.0, quantiles=tuple(np.linspace(8, 28, 101)))
    >>> now = Look(count=215, mean=64.2, stddev=4.6, least=51.8, greatest=76.1, quantiles=(80.0,) * 101)
    >>> _degrees(was, now).name, _degrees(was, replace(now, stddev=2.6))
    ('degrees Celsius to Fahrenheit', None)
    """
    if was.mean is None or now.mean is None or not was.stddev or not now.stddev:
        return None
    noise = REACH * math.sqrt(1 / was.filled + 1 / now.filled)
    for fit in DEGREES:
        mean, deviation = fit.factor * was.mean + fit.offset, fit.factor * was.stddev
        is_as_wide = deviation * math.exp(-noise) <= now.stddev <= deviation * math.exp(noise)
        is_there = is_as_wide and abs(now.mean - mean) <= noise * deviation
        if is_there and abs(mean - was.mean) >= AWAY * max(was.stddev, deviation) and is_of_all(fit.factor, was, now, fit.offset):
            return fit
    return None


def _by_ends(was: Look, now: Look, noise: float) -> Fit | None:
    """The known change, near or far, that turns both of the baseline's ends into those of now: of values that come again, such as
    distances of routes, the least and the greatest are there in any part.
    """
    ends, seen = np.array([was.least, was.greatest], dtype=np.float64), np.array([now.least, now.greatest], dtype=np.float64)
    if (
        not np.isfinite([*ends, *seen]).all()
        or (ends > 0).sum() == 1
        or not ends.all()
        or seen[1] - seen[0] < LEAST_RANGE * np.abs(seen).max()
    ):
        return None
    # Whole numbers were rounded after they were changed.
    room = np.maximum(EXACT_END * np.abs(seen), 0.5 * float((seen == np.round(seen)).all()))
    ratio = (now.mean or 0.0) / (was.mean or 1.0)
    exact = [
        Fit(factor, name=name)
        for factor, name in both_ways()
        if (np.abs(ends * factor - seen) <= np.minimum(room, MOST_ROUNDED * np.abs(seen))).all()
        and abs(ratio / factor - 1) <= REACH * noise
    ]
    held = [fit for fit in exact if is_of_all(fit.factor, was, now)]
    return min(held, key=lambda fit: abs(ratio / fit.factor - 1), default=None)


def _near(ratio: float, noise: float) -> Fit | None:
    """The known far change that is nearest to a ratio of means; powers of ten are the commonest."""
    if abs(ratio + 1) <= REACH * noise:
        return SIGN
    off = [(abs(math.log(ratio) - math.log(factor)) / noise, factor, name) for factor, name in both_ways() if ratio > 0]
    units = [(away - POWER_OF_TEN * is_power(factor), factor, name) for away, factor, name in off if away <= REACH]
    far = [one for one in units if max(one[1], 1 / one[1]) >= FAR]
    return known_unit_fit(min(far)[1], min(far)[2], room=REACH * noise) if far else None


@np.errstate(over="ignore", divide="ignore", invalid="ignore")
def is_of_all(factor: float, was: Look, now: Look, offset: float = 0.0) -> bool:
    """Whether deviation and ends are those of all values times a factor, and none of them is left where it was."""
    if None in (was.least, was.greatest, now.least, now.greatest, was.stddev, now.stddev):
        return False
    spread = np.float64(now.stddev or 0.0) / np.float64(was.stddev or 0.0) / abs(factor)
    allowed = SPREAD_OF_SIGN if factor == -1.0 else SPREAD
    if not 1 / allowed <= spread <= allowed:
        return False
    ends = np.array([was.least, was.greatest], dtype=np.float64)
    low, high = np.sort(ends * factor + offset)
    room = BEYOND_ENDS * (high - low)
    within = low - room <= (now.least or 0.0) and (now.greatest or 0.0) <= high + room
    inside, expected = _inside(np.array(now.quantiles), ends), _inside(np.array(was.quantiles) * factor + offset, ends)
    return within and inside <= expected + LEFT_INSIDE


def _inside(values: np.ndarray, ends: np.ndarray) -> float:
    return float(((values >= ends[0]) & (values <= ends[1])).mean())
