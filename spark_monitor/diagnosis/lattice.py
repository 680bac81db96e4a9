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

MOSTLY: Final = 0.65
"""So many where single values are compared, of which some may be others: a wrong factor reaches a half."""

LEAST_VALUES: Final = 8
EXACT: Final = 1e-3
"""How far from a whole number of steps a value may lie: what float arithmetic leaves; chance gives one in 500."""

MOST_DECIMALS: Final = 4
TYPED: Final = 1e-9
"""A factor is one of so many decimals where it is off by no more, relatively."""

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
    step, new_step, digits, digits_before = step_of(was), step_of(values), precision(values), precision(was)
    if step is None:
        return []

    def is_told(factor: float, offset: float, least: float = IMAGES) -> bool:
        # Where the values now have a step of their own, those of before must have become multiples of it: of values that were
        # rounded after they were changed, many a factor turns the coarser ones back into multiples of a finer step.
        back = on_lattice((values - offset) / factor, step, digits) >= least
        return back and (new_step is None or on_lattice(was * factor + offset, new_step, digits_before) >= least)

    # Cents times any factor of two decimals are multiples of a hundredth of a cent: so fine a step tells none of them.
    told = [one for one in changes if is_told(*one)]
    return [(factor, offset) for factor, offset in told if not any(is_told(one, offset, MOSTLY) for one in neighbours(factor))]


def neighbours(factor: float) -> list[float]:
    """The factors beside one that has few decimals, or divides by such a number: with as many, of its sign. None of any other.

    >>> [round(1 / one, 3) for one in neighbours(1 / 2.2)], neighbours(60.0), neighbours(-1.0), neighbours(0.45359237)
    ([2.0, 2.1, 2.3, 2.4], [58.0, 59.0, 61.0, 62.0], [-3.0, -2.0], [])
    """
    for decimals in range(MOST_DECIMALS + 1):
        for turned in (False, True):
            number = 1 / factor if turned else factor
            if number and abs(round(number, decimals) / number - 1) <= TYPED:
                beside = [round(number + one * 10.0**-decimals, decimals) for one in (-2, -1, 1, 2)]
                return [1 / one if turned else one for one in beside if one * number > 0]
    return []


def step_of(values: Floats) -> float | None:
    """The coarsest step that values other than zero are multiples of; None where there is none.

    >>> step_of(np.array([0.1, 0.2, 0.7])), step_of(np.array([1.15078, 2.30156]))
    (0.1, None)
    """
    digits = precision(values)
    return next((one for one in STEPS if on_lattice(values, one, digits) >= ON_STEP), None)


def leading(was: Floats, values: Floats, factors: Iterable[float]) -> list[float]:
    """The factors that lead from one step to the other, both ways, as far as values are multiples of one.

    Half of the tenths are twice a tenth, and every tenth is half of one: of values that both have a step, a factor that does not
    lead from one to the other explains many by chance.

    >>> tenths = np.arange(1, 40) / 10
    >>> [leading(tenths, tenths * 2, [2.0]), leading(tenths, tenths + 3, [2.0, 0.5])]
    [[2.0], []]
    """
    step, new_step, digits, digits_before = step_of(was), step_of(values), precision(values), precision(was)
    back = [one for one in factors if step is None or on_lattice(values / one, step, digits) >= MOSTLY]
    return [one for one in back if new_step is None or on_lattice(was * one, new_step, digits_before) >= MOSTLY]


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
