"""Known units: the factor that leads from one to another, by name and the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

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
    0.3048**-2: "square metres to square feet",
    0.45359237: "pounds to kilograms",
    28.349523125: "ounces to grams",
    3.785411784: "US gallons to litres",
    33.8638866: "inches of mercury to hectopascals",
    6.894757293: "psi to kilopascals",
    4.184: "kilocalories to kilojoules",
    10.0: "a factor of ten, such as centimetres to millimetres",
    12.0: "years to months, or amounts of a month to those of a year",
    24.0: "days to hours",
    60.0: "minutes to seconds, or hours to minutes",
    100.0: "such as euros to cents, metres to centimetres, or fractions to percent",
    1000.0: "such as seconds to milliseconds, or kilometres to metres",
    1024.0: "such as KiB to bytes",
    3600.0: "hours to seconds",
    86400.0: "days to seconds",
    1e6: "such as seconds to microseconds",
    1e9: "such as seconds to nanoseconds",
}
"""Known factors and what they lead from and to; the other way round is named as well."""

CELSIUS_TO_FAHRENHEIT: Final = (1.8, 32.0)

DIGITS_TYPED: Final = (5, 4, 3, 2)
ROUNDED: Final = 5e-3
"""A factor with fewer decimals that is off by more is another one."""


def as_typed(factor: float) -> list[float]:
    """A known factor, and how people write it: with some decimals, to multiply or to divide by.

    >>> as_typed(1.609344)[:4]
    [1.609344, 1.60934, 1.6093, 1.609]
    """
    multiplied = [round(factor, digits) for digits in DIGITS_TYPED]
    divided = [1 / one for digits in DIGITS_TYPED if (one := round(1 / factor, digits))]
    return list(dict.fromkeys(one for one in (factor, *multiplied, *divided) if abs(one / factor - 1) <= ROUNDED))


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
    ('miles to kilometres (mph to km/h)', 'such as cents to euros, centimetres to metres, or percent to fractions', None)
    """
    off, name = min((abs(factor / one - 1), name) for one, name in both_ways())
    return name if off <= 1e-3 else None
