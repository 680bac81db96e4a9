"""Another unit: the factor between two distributions of one column, and the name of the units that it leads from and to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.diagnosis.lattice import told_by_decimals

UNITS: Final[Mapping[float, str]] = {
    1.609344: "miles to kilometres (mph to km/h)",
    1.852: "nautical miles to kilometres (knots to km/h)",
    1.852 / 1.609344: "knots to mph",
    3.6: "m/s to km/h",
    1 / 0.44704: "m/s to mph",
    3600 / 1852: "m/s to knots",
    0.3048: "feet to metres",
    0.9144: "yards to metres",
    2.54: "inches to centimetres",
    25.4: "inches to millimetres",
    0.45359237: "pounds to kilograms",
    28.349523125: "ounces to grams",
    3.785411784: "US gallons to litres",
    33.8638866: "inches of mercury to hectopascals",
    6.894757293: "psi to kilopascals",
    4.184: "kilocalories to kilojoules",
    10.0: "a factor of ten, such as centimetres to millimetres",
    60.0: "minutes to seconds, or hours to minutes",
    100.0: "such as euros to cents, metres to centimetres, or shares to percent",
    1000.0: "such as seconds to milliseconds, or kilometres to metres",
    1024.0: "such as KiB to bytes",
    3600.0: "hours to seconds",
    86400.0: "days to seconds",
    1e6: "such as seconds to microseconds",
    1e9: "such as seconds to nanoseconds",
}
"""Known factors and what they lead from and to; the other way round is named as well."""

CELSIUS_TO_FAHRENHEIT: Final = (1.8, 32.0)
LEVELS: Final = tuple(range(5, 100, 5))
"""Percentiles that two distributions are compared at."""

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

CLOSELY, CLOSE_NOISE = 0.0006, 2.5
"""What a change that only the shape tells may leave: a hundredth at every percentile, about, beside noise."""

LATTICE_VALUES: Final = 4
LATTICE_SHARE: Final = 0.3
"""Of the frequent values, counted by rows, so many must be those of before in another unit; and so many different ones."""

WHOLE_SHARE: Final = 0.8
"""The same where whole numbers become whole numbers by a small factor, which chance does as well."""

SMALL_FACTOR: Final = 10.0
NEAR: Final = 1.35
"""Known factors are tried by decimals where they lie within so much of the ratio of the distributions."""

LEAST_KNOWN: Final = 1.05
DIGITS_TYPED: Final = (5, 4, 3, 2)
ROUNDED: Final = 5e-3
"""A factor with fewer decimals that is off by more is another one."""

SAMPLING: Final = 2.0
"""Two samples of equal distributions are rarely so many times sqrt(1/n + 1/m) apart, about; nor is the ratio of their medians."""

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
    apart = distance(one, two)
    told = _by_values(one, two, atoms_before, atoms)
    if told is not None:
        return told
    noise = math.sqrt(1 / max(rows[0], 1) + 1 / max(rows[1], 1))
    by_decimals = _held(_by_decimals(one, two, (*atoms_before, *before), (*atoms, *current)), one, two)
    exact = [fit for fit in by_decimals if fit.distance <= 2 * CLOSE + SAMPLING * noise and fit.distance <= apart / 2]
    if exact:
        return replace(min(exact, key=lambda fit: fit.distance), exact=True)
    fits = _held([*_scaled(one, two, noise), *_other_scales(one, two)], one, two)
    good = [fit for fit in fits if fit.distance <= apart / 2 and _leaves_little(fit, one, two, apart, noise)]
    return min(good, key=lambda fit: (fit.distance, fit.offset != 0)) if good else None


def _leaves_little(fit: Fit, one: Floats, two: Floats, apart: float, noise: float) -> bool:
    """Whether next to nothing is left, or little of so much that hardly anything else could have moved it there and kept it."""
    if apart < TELLING * noise:
        return False
    return fit.distance <= min(CLOSE, FAR_BETTER * apart) or is_close(one * fit.factor + fit.offset, two, noise)


def is_close(one: Floats, two: Floats, noise: float) -> bool:
    """Whether two distributions, given by percentiles, differ by no more than a little beside the noise of two samples.

    The mean of d^2 / (p (1 - p)) over the percentiles p, d being how far the other is from p there, is at most 2.5 times
    1/n + 1/m, ``noise`` squared (Anderson and Darling's statistic, whose mean is 1 where nothing differs), and a little.

    >>> one = np.linspace(1.0, 2.0, 101)
    >>> is_close(one, one + 0.01, 0.0), is_close(one, one + 0.1, 0.02)
    (True, False)
    """
    two = np.sort(two)
    low = np.searchsorted(two, np.sort(one), side="left") / (two.size - 1)
    high = np.searchsorted(two, np.sort(one), side="right") / (two.size - 1)
    p = np.linspace(0.0, 1.0, one.size)
    inner = slice(min(LEVELS), max(LEVELS) + 1)
    off = np.maximum(np.maximum(low - p, p - high), 0.0)[inner]
    return bool((off**2 / (p * (1 - p))[inner]).mean() <= CLOSELY + CLOSE_NOISE * noise**2)


def _held(fits: Iterable[Fit], one: Floats, two: Floats) -> list[Fit]:
    """Fits with what they leave between the two distributions."""
    return [Fit(fit.factor, fit.offset, distance(one * fit.factor + fit.offset, two), fit.name) for fit in fits]


def _by_decimals(one: Floats, two: Floats, before: Sequence[float], now: Sequence[float]) -> list[Fit]:
    """Known changes near the ratio of the two distributions that turn steps of before into the values of now."""
    ratio = median_ratio(one, two)
    near = () if ratio is None or max(ratio, 1 / ratio) < LEAST_KNOWN else both_ways()
    close = [(factor, name) for factor, name in near if ratio is not None and 1 / NEAR <= factor / ratio <= NEAR]
    fits = [Fit(one, name=name) for factor, name in close for one in as_typed(factor)]
    known = {(fit.factor, fit.offset): fit for fit in (*fits, *_other_scales(one, two))}
    return [known[change] for change in told_by_decimals(before, now, known)]


def distance(one: Floats, two: Floats) -> float:
    """The largest difference of two distribution functions that are given by their percentiles, about the KS distance.

    >>> distance(np.arange(101.0), np.arange(101.0) + 10.0)
    0.1
    """
    grid = np.concatenate([one, two])
    f = np.searchsorted(np.sort(one), grid, side="right") / one.size
    g = np.searchsorted(np.sort(two), grid, side="right") / two.size
    f_left = np.searchsorted(np.sort(one), grid, side="left") / one.size
    g_left = np.searchsorted(np.sort(two), grid, side="left") / two.size
    # Where values repeat, the nearer of the two limits: a shift of one value's place is none of its mass.
    return round(float(np.minimum(np.abs(f - g), np.abs(f_left - g_left)).max()), 2)


def _by_values(one: Floats, two: Floats, before: Mapping[float, int], now: Mapping[float, int]) -> Fit | None:
    """The change that turns the frequent values of before into those of now, whatever the two distributions are."""
    ratio = median_ratio(one, two)
    factor = None if ratio is None else lattice_factor(before, now, near=ratio)
    if factor is not None:
        return replace(_named(factor), exact=True)
    was, values, rows = _values(before, now)
    if min(was.size, values.size) < LATTICE_VALUES or explained(was, values, rows) >= LATTICE_SHARE / 2:
        return None
    fits = [fit for fit in _other_scales(one, two) if explained(was * fit.factor + fit.offset, values, rows) >= LATTICE_SHARE]
    best = max(fits, key=lambda fit: explained(was * fit.factor + fit.offset, values, rows), default=None)
    return None if best is None else replace(best, exact=True)


def as_typed(factor: float) -> list[float]:
    """A known factor, and how people write it: with some decimals, to multiply or to divide by.

    >>> as_typed(1.609344)[:4]
    [1.609344, 1.60934, 1.6093, 1.609]
    """
    multiplied = [round(factor, digits) for digits in DIGITS_TYPED]
    divided = [1 / one for digits in DIGITS_TYPED if (one := round(1 / factor, digits))]
    return list(dict.fromkeys(one for one in (factor, *multiplied, *divided) if abs(one / factor - 1) <= ROUNDED))


def _scaled(one: Floats, two: Floats, noise: float) -> list[Fit]:
    ratio = median_ratio(one, two)
    if ratio is None or max(ratio, 1 / ratio) < LEAST_CHANGE:
        return []
    variation = min(float(one.std()) / max(abs(float(one.mean())), 1e-300), 1.0)
    named = _named(ratio, room=max(SNAP, SAMPLING * noise * variation))
    return [named] if named.name is not None or max(ratio, 1 / ratio) >= UNKNOWN_CHANGE else []


def median_ratio(one: Floats, two: Floats) -> float | None:
    """The median of two distributions' ratio at the same percentiles, leaving out those near zero; None where signs differ.

    >>> median_ratio(np.arange(101.0), np.arange(101.0) * 2)
    2.0
    """
    low, high = one[list(LEVELS)], two[list(LEVELS)]
    size = np.abs(low).max()
    telling = np.abs(low) > 0.05 * size
    if size == 0 or telling.sum() < len(LEVELS) // 2:
        return None
    ratio = float(np.median(high[telling] / low[telling]))
    return ratio if ratio > 0 and np.isfinite(ratio) else None


def lattice_factor(before: Mapping[float, int], now: Mapping[float, int], *, near: float) -> float | None:
    """The factor by which the values that are frequent now are those that were before; None where they are not.

    Candidates are the ratios of the frequent values within a factor of two of ``near``, and the known units' factors.

    >>> mph = {5.75: 9, 6.9: 7, 8.05: 5, 9.2: 4, 10.35: 3}
    >>> lattice_factor(mph, {value * 1.609344: count for value, count in mph.items()}, near=1.4)
    1.609344
    """
    was, values, rows = _values(before, now)
    if was.size < LATTICE_VALUES or values.size < LATTICE_VALUES:
        return None
    known = [factor for factor, _ in both_ways() if near / 2 <= factor <= near * 2]
    ratios = np.round(np.divide.outer(values, was).ravel(), 6)
    common, counts = np.unique(ratios[(ratios > near / 2) & (ratios < near * 2)], return_counts=True)
    others = common[np.argsort(-counts, kind="stable")][:20].tolist()
    best = max([*known, *others], key=lambda factor: explained(was * factor, values, rows), default=1.0)
    share = explained(was * best, values, rows)
    return float(best) if share >= _least_share(was, values, float(best)) and explained(was, values, rows) < share / 2 else None


def _least_share(was: Floats, values: Floats, factor: float) -> float:
    """How much a factor must explain: more where whole numbers are turned into whole numbers by a small one."""
    whole = bool((was == np.round(was)).mean() > 0.5 and (values == np.round(values)).mean() > 0.5)
    return WHOLE_SHARE if whole and max(factor, 1 / factor) < SMALL_FACTOR else LATTICE_SHARE


def _values(before: Mapping[float, int], now: Mapping[float, int]) -> tuple[Floats, Floats, Floats]:
    """The frequent values of before, those of now, and the rows of these; zero is zero in every unit."""
    was = np.array(sorted(value for value in before if value != 0), dtype=np.float64)
    values = np.array([value for value in now if value != 0], dtype=np.float64)
    return was, values, np.array([now[value] for value in values.tolist()], dtype=np.float64)


def explained(wanted: Floats, values: Floats, rows: Floats) -> float:
    """The share of the rows of frequent values that are among the wanted ones, 0 where fewer than ``LATTICE_VALUES`` are.

    >>> explained(np.arange(1.0, 9.0), np.array([1.0, 2.0, 3.0, 4.0, 4.5]), np.ones(5))
    0.8
    """
    wanted = np.sort(wanted)
    place = np.searchsorted(wanted, values).clip(0, wanted.size - 1)
    nearest = np.minimum(np.abs(wanted[place] - values), np.abs(wanted[np.maximum(place - 1, 0)] - values))
    same = nearest <= 1e-6 * np.abs(values)
    return float(rows[same].sum() / rows.sum()) if same.sum() >= LATTICE_VALUES else 0.0


def _other_scales(one: Floats, two: Floats) -> list[Fit]:
    """Changes that are no factor: degrees, and the sign."""
    slope, offset = CELSIUS_TO_FAHRENHEIT
    fits = [
        Fit(slope, offset, name="degrees Celsius to Fahrenheit"),
        Fit(1 / slope, -offset / slope, name="degrees Fahrenheit to Celsius"),
    ]
    if one[50] * two[50] < 0:
        return [*fits, Fit(-1.0, name="the sign is flipped")]
    return fits


def _named(factor: float, *, room: float = 1e-4) -> Fit:
    """A factor with the units that it leads from and to; one that lies near a known unit's becomes that."""
    known = [(off, one, name) for one, name in both_ways() if (off := abs(factor / one - 1)) <= room]
    # Where several are near, powers of ten come first: thousands are more common than KiB.
    best = min(known, key=lambda entry: (not math.log10(entry[1]).is_integer(), entry[0]), default=None)
    return Fit(factor) if best is None else Fit(best[1], name=best[2])


def both_ways() -> list[tuple[float, str]]:
    """Every known factor with its name, and the other way round.

    >>> min(factor for factor, name in both_ways() if "metres to feet" in name)
    3.280839895013123
    """
    back = [(1 / factor, f"the reverse of {name}") for factor, name in UNITS.items() if " to " not in name]
    turned = [(1 / factor, _turned(name)) for factor, name in UNITS.items() if " to " in name]
    return [*UNITS.items(), *turned, *back]


def _turned(name: str) -> str:
    """The name of a change of unit the other way round.

    >>> _turned("miles to kilometres (mph to km/h)"), _turned("such as euros to cents, or kilometres to metres")
    ('kilometres to miles (km/h to mph)', 'such as cents to euros, or metres to kilometres')
    """
    text, _, beside = name.partition(" (")
    parts = []
    for part in text.split(", "):
        lead = next((word for word in ("such as ", "or ", "a factor of ten") if part.startswith(word)), "")
        one, _, other = part.removeprefix(lead).partition(" to ")
        parts.append(f"{lead}{other} to {one}" if other else part)
    return ", ".join(parts) + (f" ({_turned(beside.rstrip(')'))})" if beside else "")


def unit_name(factor: float) -> str | None:
    """The units of a factor that is a known one's within a per mille.

    >>> unit_name(1.6093), unit_name(0.01), unit_name(1.3)
    ('miles to kilometres (mph to km/h)', 'such as cents to euros, centimetres to metres, or percent to shares', None)
    """
    off, name = min((abs(factor / one - 1), name) for one, name in both_ways())
    return name if off <= 1e-3 else None
