"""A change of unit told by frequent values: those of now are those of before, times a factor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.diagnosis.known_units import both_ways
from spark_monitor.diagnosis.lattice import leading

LATTICE_VALUES: Final = 4
LATTICE_SHARE: Final = 0.3
"""Of the frequent values, counted by rows, so many must be those of before in another unit; and so many different ones."""

WHOLE_SHARE: Final = 0.8
"""The same where whole numbers become whole numbers by a small factor, which chance does as well."""

SMALL_FACTOR: Final = 10.0
LEAST_FACTOR: Final = 1.05


def lattice_factor(before: Mapping[float, int], now: Mapping[float, int], *, near: float) -> float | None:
    """The factor by which the values that are frequent now are those that were before; None where they are not.

    Candidates are the ratios of the frequent values within a factor of two of ``near``, and the known units' factors.

    >>> mph = {5.75: 9, 6.9: 7, 8.05: 5, 9.2: 4, 10.35: 3}
    >>> lattice_factor(mph, {value * 1.609344: count for value, count in mph.items()}, near=1.4)
    1.609344
    """
    was, values, rows = frequent(before, now)
    if was.size < LATTICE_VALUES or values.size < LATTICE_VALUES:
        return None
    units = [factor for factor, _ in both_ways() if near / 2 <= factor <= near * 2]
    ratios = np.round(np.divide.outer(values, was).ravel(), 6)
    common, counts = np.unique(ratios[(ratios > near / 2) & (ratios < near * 2)], return_counts=True)
    others = common[np.argsort(-counts, kind="stable")][:20].tolist()
    # A factor near 1 is none: it is how a small step looks beside large values.
    candidates = leading(was, values, (one for one in (*units, *others) if max(one, 1 / one) >= LEAST_FACTOR))
    best = max(candidates, key=lambda factor: explained(was * factor, values, rows), default=1.0)
    share = explained(was * best, values, rows)
    return float(best) if share >= _least_share(was, values, float(best)) and explained(was, values, rows) < share / 2 else None


def _least_share(was: Floats, values: Floats, factor: float) -> float:
    """How much a factor must explain: more where whole numbers are turned into whole numbers by a small one."""
    whole = bool((was == np.round(was)).mean() > 0.5 and (values == np.round(values)).mean() > 0.5)
    return WHOLE_SHARE if whole and max(factor, 1 / factor) < SMALL_FACTOR else LATTICE_SHARE


def frequent(before: Mapping[float, int], now: Mapping[float, int]) -> tuple[Floats, Floats, Floats]:
    """The frequent values of before, those of now, and the rows of these; zero is zero in every unit."""
    was = np.array(sorted(value for value in before if value != 0), dtype=np.float64)
    values = np.array([value for value in now if value != 0], dtype=np.float64)
    return was, values, np.array([now[value] for value in values.tolist()], dtype=np.float64)


def explained(targets: Floats, values: Floats, rows: Floats) -> float:
    """The share of the rows of frequent values that are among the wanted ones, 0 where fewer than ``LATTICE_VALUES`` are.

    >>> explained(np.arange(1.0, 9.0), np.array([1.0, 2.0, 3.0, 4.0, 4.5]), np.ones(5))
    0.8
    """
    targets = np.sort(targets)
    place = np.searchsorted(targets, values).clip(0, targets.size - 1)
    nearest = np.minimum(np.abs(targets[place] - values), np.abs(targets[np.maximum(place - 1, 0)] - values))
    same = nearest <= 1e-6 * np.abs(values)
    return float(rows[same].sum() / rows.sum()) if same.sum() >= LATTICE_VALUES else 0.0
