"""Another unit: the factor between two distributions of one column, and the name of the units that it leads from and to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.diagnosis.frequent_values import LATTICE_SHARE, LATTICE_VALUES, explained, frequent, lattice_factor
from spark_monitor.diagnosis.known_units import CELSIUS_TO_FAHRENHEIT, as_typed, both_ways
from spark_monitor.diagnosis.lattice import told_by_decimals
from spark_monitor.diagnosis.percentiles import LEVELS, distance, is_close, median_ratio

SNAP: Final = 0.02
"""A factor that lies so near a known one is taken for it, where values themselves cannot tell."""

LEAST_CHANGE: Final = 1.5
"""Smaller factors are drift, not another unit, where values themselves cannot tell."""

UNKNOWN_CHANGE: Final = 5.0
"""A factor that is no known unit's must be at least so large."""

CLOSE: Final = 0.1
"""The largest distance of two distributions, in shares of rows, that a change which values tell may leave."""

FAR_BETTER: Final = 0.125
"""Or it leaves an eighth of the distance that was there at most, and no more than ``CLOSE``."""

TELLING: Final = 3.0
"""In fewer rows than tell a distance by so many times the noise, the shape fits this factor and others."""


NEAR: Final = 1.35
"""Known factors are tried by decimals where they lie within so much of the ratio of the distributions."""

LEAST_KNOWN: Final = 1.05

SAMPLING: Final = 2.0
"""Two samples of equal distributions are rarely so many times sqrt(1/n + 1/m) apart, about; nor is the ratio of their medians."""

NEARLY_ALL: Final = 0.8
"""A factor that explains so much of the frequent values' rows needs no other reason."""

WIDE: Final = 3.0
"""The ratio of two samples' medians is hardly ever off by so many times sqrt(1/n + 1/m) of their variation."""

BESIDE_POWER: Final = 0.03
FAR_POWER: Final = 99.0
MANY_ROWS: Final = 1_000_000


@dataclass(frozen=True)
class Fit:
    """current = factor x before + offset; ``distance`` is what is left between the two distributions, 0 to 1."""

    factor: float
    offset: float = 0.0
    distance: float = 0.0
    name: str | None = None
    exact: bool = False
    """Whether it was read from single values, not from the shape of the distribution."""

    ratio: float | None = None
    """Of a factor that so few rows do not tell from another known one: the ratio that was seen; ``name`` has both units. Of one
    that they only make likely: itself."""

    rivals: tuple[tuple[float, str], ...] = ()
    """The known factors that so few rows do not tell apart, with their units."""


SIGN: Final = Fit(-1.0, name="the sign is flipped")
_SLOPE, _OFFSET = CELSIUS_TO_FAHRENHEIT
DEGREES: Final = (
    Fit(_SLOPE, _OFFSET, name="degrees Celsius to Fahrenheit"),
    Fit(1 / _SLOPE, -_OFFSET / _SLOPE, name="degrees Fahrenheit to Celsius"),
)


def unit_fit(
    before: Sequence[float],
    current: Sequence[float],
    *,
    atoms_before: Mapping[float, int],
    atoms: Mapping[float, int],
    rows: tuple[int, int] = (MANY_ROWS, MANY_ROWS),
) -> Fit | None:
    """The change of unit that leads from one distribution to another, None where none does.

    Both are given by their 101 quantiles and by their frequent values with counts; ``rows`` are the numbers of values of both.
    The factor is read from values that repeat, or are counted in steps, exactly; else it is the median ratio of the percentiles,
    taken for a known unit's where it is near one.

    >>> values = np.linspace(2.0, 40.0, 101)
    >>> fit = unit_fit(values, values * 1.6, atoms_before={}, atoms={})
    >>> fit.factor, fit.name
    (1.609344, 'miles to kilometres (mph to km/h)')
    """
    one, two = np.asarray(before, dtype=np.float64), np.asarray(current, dtype=np.float64)
    if one.size != two.size or one.size < max(LEVELS) or not (np.isfinite(one).all() and np.isfinite(two).all()):
        return None
    apart, noise = distance(one, two), math.sqrt(1 / max(rows[0], 1) + 1 / max(rows[1], 1))
    by_values = _by_values(one, two, atoms_before, atoms, noise)
    if by_values is not None:
        return by_values
    by_decimals = _held(_by_decimals(one, two, (*atoms_before, *before), (*atoms, *current)), one, two)
    # Every step has the same multiples on both sides of zero: of a sign the shape must tell more.
    close = {fit: CLOSE * (1 if fit.factor == SIGN.factor else 2) + SAMPLING * noise for fit in by_decimals}
    exact = [fit for fit in by_decimals if fit.distance <= close[fit] and fit.distance <= apart / 2]
    if exact:
        return replace(min(exact, key=lambda fit: fit.distance), exact=True)
    fits = _held([*_scaled(one, two, noise), *_other_scales(one, two)], one, two)
    good = [fit for fit in fits if fit.distance <= apart / 2 and _leaves_little(fit, one, two, apart, noise)]
    good = [fit for fit in good if fit.offset == 0 or _tells_offset(fit, one, two, noise)]
    return min(good, key=lambda fit: (fit.distance, fit.offset != 0)) if good else None


def _may_be_ratio(factor: float, ratio: float, one: Floats, noise: float) -> bool:
    """Whether a factor lies as near to the ratio of two samples' middles as samples of so many rows make it.

    >>> few, many = (math.sqrt(1 / rows + 1 / rows) for rows in (30, 3_000))
    >>> values = np.linspace(10.0, 50.0, 101)
    >>> [_may_be_ratio(0.5, 0.62, values, noise) for noise in (few, many)]
    [True, False]
    """
    # A median's standard error is 1 / (2 f sqrt(n)), f the density there: a fifth of the values over how far these reach.
    variation = float(one[60] - one[40]) / (2 * 0.2 * max(abs(float(one[50])), 1e-300))
    return abs(math.log(abs(factor / ratio))) <= SNAP + WIDE * noise * variation


def _leaves_little(fit: Fit, one: Floats, two: Floats, apart: float, noise: float) -> bool:
    """Whether next to nothing is left, or little of so much that hardly anything else could have moved it there and kept it."""
    if apart < TELLING * noise:
        return False
    return fit.distance <= min(CLOSE, FAR_BETTER * apart) or is_close(one * fit.factor + fit.offset, two, noise)


def _tells_offset(fit: Fit, one: Floats, two: Floats, noise: float) -> bool:
    """Whether a change with an offset leaves surely less than the bare ratio: of thousands 32 more or less tells nothing.

    So kilometres, whose ratio few rows leave a little off 1.609, are not taken for degrees, whose 1.8 is not far.
    """
    ratio = median_ratio(one, two)
    return ratio is None or fit.distance + noise / 2 <= distance(one * ratio, two)


def _held(fits: Iterable[Fit], one: Floats, two: Floats) -> list[Fit]:
    """Fits with what they leave between the two distributions."""
    return [replace(fit, distance=distance(one * fit.factor + fit.offset, two)) for fit in fits]


def _by_decimals(one: Floats, two: Floats, before: Sequence[float], now: Sequence[float]) -> list[Fit]:
    """Known changes near the ratio of the two distributions that turn steps of before into the values of now."""
    ratio = median_ratio(one, two)
    near = () if ratio is None or max(ratio, 1 / ratio) < LEAST_KNOWN else both_ways()
    close = [(factor, name) for factor, name in near if ratio is not None and 1 / NEAR <= factor / ratio <= NEAR]
    fits = [Fit(one, name=name) for factor, name in close for one in as_typed(factor)]
    candidates = {(fit.factor, fit.offset): fit for fit in (*fits, *_other_scales(one, two))}
    return [candidates[change] for change in told_by_decimals(before, now, candidates)]


def _by_values(one: Floats, two: Floats, before: Mapping[float, int], now: Mapping[float, int], noise: float) -> Fit | None:
    """The change that turns nearly all frequent values of before into those of now, whatever the two distributions are.

    Of values that hardly repeat, half of the frequent ones are by chance those of before times a factor, 0.5 say: one that turns
    only some of them must be the ratio of the two distributions as well.
    """
    ratio = median_ratio(one, two)
    factor = None if ratio is None else lattice_factor(before, now, near=ratio)
    was, values, rows = frequent(before, now)
    if factor is not None and (
        explained(was * factor, values, rows) >= NEARLY_ALL or _may_be_ratio(factor, ratio or factor, one, noise)
    ):
        return replace(_named(factor), exact=True)
    if min(was.size, values.size) < LATTICE_VALUES or explained(was, values, rows) >= LATTICE_SHARE / 2:
        return None
    fits = [fit for fit in _other_scales(one, two) if explained(was * fit.factor + fit.offset, values, rows) >= LATTICE_SHARE]
    best = max(fits, key=lambda fit: explained(was * fit.factor + fit.offset, values, rows), default=None)
    return None if best is None else replace(best, exact=True)


def _scaled(one: Floats, two: Floats, noise: float) -> list[Fit]:
    ratio = median_ratio(one, two)
    if ratio is None or max(ratio, 1 / ratio) < LEAST_CHANGE:
        return []
    variation = min(float(one.std()) / max(abs(float(one.mean())), 1e-300), 1.0)
    fit = _named(ratio, room=max(SNAP, SAMPLING * noise * variation))
    return [fit] if fit.name is not None or max(ratio, 1 / ratio) >= UNKNOWN_CHANGE else []


def _other_scales(one: Floats, two: Floats) -> list[Fit]:
    """Changes that are no factor: degrees, and the sign."""
    # Of values of both signs the middle may be nothing, or nearly: the whole shape tells.
    has_sign = one[50] * two[50] < 0 or one[LEVELS[0]] < 0 < one[LEVELS[-1]]
    return [*DEGREES, SIGN] if has_sign else list(DEGREES)


def _named(factor: float, *, room: float = 1e-4) -> Fit:
    """A factor with the units that it leads from and to; one that lies near a known unit's becomes that."""
    units = sorted((off, one, name) for one, name in both_ways() if (off := abs(factor / one - 1)) <= room)
    # Beside a power of ten what is hardly another number does not count: thousands are more common than KiB.
    powers = [one for _, one, _ in units if is_power(one)]
    units = [entry for entry in units if is_power(entry[1]) or not any(abs(entry[1] / one - 1) <= BESIDE_POWER for one in powers)]
    if not units:
        return Fit(factor)
    best = units[0]
    rival = next((name for _, one, name in units if one != best[1]), None)
    if rival is None:
        return known_unit_fit(best[1], best[2], room=room)
    rivals = tuple((one, name) for _, one, name in units)
    return Fit(best[1], name=f"{best[2]}, or {rival}", ratio=factor, rivals=rivals)


def known_unit_fit(factor: float, name: str, *, room: float) -> Fit:
    """A known unit's factor, where the one that was seen may be off by ``room``, relatively: if that is much, it is only likely.

    Hundreds, thousands and more are not doubted: hardly anything else is so near to them.

    >>> known_unit_fit(60.0, "minutes to seconds", room=0.01).name, known_unit_fit(60.0, "minutes to seconds", room=0.06).name
    ('minutes to seconds', 'perhaps minutes to seconds')
    """
    is_sure = room <= SNAP or (is_power(factor) and max(factor, 1 / factor) >= FAR_POWER)
    return Fit(factor, name=name) if is_sure else Fit(factor, name=f"perhaps {name}", ratio=factor)


def is_power(factor: float) -> bool:
    """Whether a factor is a power of ten.

    >>> is_power(0.001), is_power(60.0)
    (True, False)
    """
    return math.log10(factor).is_integer()
