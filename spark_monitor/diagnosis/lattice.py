"""A change of unit told by decimals: values that were multiples of a step (cents, tenths, whole numbers) are its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats

STEPS: Final = (100.0, 10.0, 5.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.001, 0.0001)
"""Steps that values are measured or counted in, the coarsest first."""

ON_STEP: Final = 0.98
IMAGES: Final = 0.9
"""So many of the baseline's values are multiples of its step, and of the values now are images of such multiples."""

LEAST_VALUES: Final = 8
EXACT: Final = 1e-3
"""How far from a whole number of steps a value may lie: what float arithmetic leaves; chance gives one in 500."""

Change = tuple[float, float]
"""Factor and offset: current = factor x before + offset."""


def told_by_decimals(before: Sequence[float], now: Sequence[float], changes: Iterable[Change]) -> list[Change]:
    """Those of the changes under which multiples of the step of before become the values of now.

    >>> cents = np.arange(1, 60) * 0.37
    >>> told_by_decimals(cents, cents * 0.45359237, [(0.44704, 0.0), (0.45359237, 0.0)])
    [(0.45359237, 0.0)]
    """
    was, values = (np.unique(np.asarray(given, dtype=np.float64)) for given in (before, now))
    was, values = was[was != 0], values[values != 0]
    if min(was.size, values.size) < LEAST_VALUES:
        return []
    step = next((one for one in STEPS if on_lattice(was, one, precision(was)) >= ON_STEP), None)
    if step is None:
        return []
    digits = precision(values)
    return [(factor, offset) for factor, offset in changes if on_lattice((values - offset) / factor, step, digits) >= IMAGES]


def precision(values: Floats) -> float:
    """How far values may be off by their own arithmetic, relatively: fractions that single precision holds were made in it.

    >>> precision(np.array([1.5, 2.25])), precision(np.array([0.1, 0.2]))
    (2e-07, 1e-12)
    """
    fractions = values[values != np.round(values)]
    return 2e-7 if fractions.size and bool((fractions == fractions.astype(np.float32)).all()) else 1e-12


def on_lattice(values: Floats, step: float, digits: float = 2e-7) -> float:
    """The share of the values that are multiples of a step; ``digits`` is how far off they are by their arithmetic, relatively.

    >>> on_lattice(np.array([0.1, 0.2, 0.25]), 0.1).__round__(2)
    0.67
    """
    places = values / step
    off = np.abs(places - np.round(places))
    room = EXACT + digits * np.abs(places)
    return float(((off <= room) & (room < 0.05)).mean())
