"""A change of unit where a season moves a column from window to window: the baseline holds all hours, a window one of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, TypeGuard

import numpy as np

from spark_monitor.diagnosis.findings import SAME_FACTOR
from spark_monitor.diagnosis.looks import LEAST_ROWS, Evidence, Look
from spark_monitor.diagnosis.moments import FAR, is_of_all
from spark_monitor.diagnosis.percentiles import distance, median_ratio
from spark_monitor.diagnosis.units import Fit, unit_fit

MUCH_NEARER: Final = 0.5
"""The window before must lie so much nearer to what its season was than to that in the other unit."""


def of_season(evidence: Evidence) -> Fit | None:
    """The change that leads from the same hour a day before to now, where the window before was still as its own hour was.

    A day with more wind than the one before is so in all of its hours: it moves the window before as well, and is no other unit.

    >>> night, noon = (Look(count=900, quantiles=tuple(np.linspace(start, start + 9.0, 101))) for start in (2.0, 20.0))
    >>> changed = Look(count=900, quantiles=tuple(np.array(noon.quantiles) * 1.8 + 32.0))
    >>> of_season(Evidence(changed, before=night, season=noon, season_before=night)).name
    'degrees Celsius to Fahrenheit'
    >>> of_season(Evidence(noon, before=night, season=noon, season_before=night)) is None
    True
    """
    now, before, was, was_before = evidence.now, evidence.before, evidence.season, evidence.season_before
    if not (_has_shape(now) and _has_shape(before) and _has_shape(was) and _has_shape(was_before)):
        return None
    others = _expected(was, before, was_before) + _expected(before, was, was_before)
    fit = next((fit for fit in _fits(was, now, *others) if fit.name is not None), None)
    if fit is None or not _is_unchanged(fit, was_before.quantiles, before.quantiles):
        return None
    if _has_shape(evidence.season_earlier) and not _is_unchanged(fit, was.quantiles, evidence.season_earlier.quantiles):
        return None  # the day before was the odd one
    return fit if 1 / FAR < abs(fit.factor) < FAR or is_of_all(fit.factor, was, now) else None


def is_denied(fit: Fit, evidence: Evidence) -> bool:
    """Whether a change of unit leads from the baseline to a window, but not from what its season makes one expect of it.

    A windy noon is 1.609 times all hours together, and what every noon is.

    >>> noon = Look(count=900, quantiles=tuple(np.linspace(20.0, 29.0, 101)))
    >>> is_denied(Fit(1.609344), Evidence(noon, season=noon)), is_denied(Fit(1.609344), Evidence(noon))
    (True, False)
    """
    now, was, before, was_before = evidence.now, evidence.season, evidence.before, evidence.season_before
    if not (_has_shape(now) and _has_shape(was)):
        return False
    expected: list[Sequence[float]] = [was.quantiles]
    if _has_shape(before) and _has_shape(was_before) and not evidence.by_weekday:
        expected += _expected(was, before, was_before)
    fits_alike = any(math.isclose(one.factor, fit.factor, rel_tol=SAME_FACTOR) for one in _fits(was, now, was.quantiles))
    return not fits_alike or any(_is_unchanged(fit, one, now.quantiles) for one in expected)


def _fits(was: Look, now: Look, *others: Sequence[float]) -> list[Fit]:
    """The changes from a look as it is, and from other percentiles for it, which samples of few rows may tell better."""
    rows, atoms = (was.filled, now.filled), was.atoms
    fits = (
        unit_fit(quantiles, now.quantiles, atoms_before=atoms, atoms=now.atoms, rows=rows)
        for quantiles in dict.fromkeys((was.quantiles, *map(tuple, others)))
    )
    return [fit for fit in fits if fit is not None]


def _has_shape(look: Look | None) -> TypeGuard[Look]:
    return look is not None and len(look.quantiles) == 101 and look.filled >= LEAST_ROWS


def _expected(look: Look, now: Look, before: Look) -> list[Sequence[float]]:
    """A look as it would be if it had gone on as another did from ``before`` to ``now``: by its ratio, and by its step."""
    values, one, two = (np.array(each.quantiles) for each in (look, before, now))
    ratio, step = median_ratio(one, two), float(np.median(two) - np.median(one))
    by_ratio = [] if ratio is None else [tuple((values * ratio).tolist())]
    return [*by_ratio, tuple((values + step).tolist())]


def _is_unchanged(fit: Fit, expected: Sequence[float], seen: Sequence[float]) -> bool:
    """Whether what is seen lies much nearer to what was expected than to that in the other unit."""
    one, two = np.array(expected), np.array(seen)
    return distance(one, two) <= MUCH_NEARER * distance(np.sort(one * fit.factor + fit.offset), two)
