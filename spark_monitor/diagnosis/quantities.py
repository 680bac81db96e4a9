"""What a column measures, as its name says, and which units of that a factor leads from and to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from spark_monitor.text.words import words_of

SAME: Final = 1e-3
"""A factor that is off by no more, relatively, is that of two units."""

PAIRS_NAMED: Final = 2


@dataclass(frozen=True)
class Unit:
    """A unit by its name, how large it is beside others of its quantity, and the words that name it in a column's name."""

    name: str
    size: float
    words: frozenset[str]
    last: frozenset[str] = frozenset()
    """Words that name it at the end of a column's name alone: elsewhere they are others."""


def _unit(name: str, size: float, words: str, last: str = "") -> Unit:
    return Unit(name, size, frozenset(words.split()), frozenset(last.split()))


UNITS_OF: Final[Mapping[str, tuple[Unit, ...]]] = {
    "time": (
        _unit("seconds", 1.0, "seconds secs sec", "s"),
        _unit("milliseconds", 1e-3, "milliseconds millisecond millis ms msec"),
        _unit("minutes", 60.0, "minutes minute mins"),
        _unit("hours", 3600.0, "hours hrs", "h"),
        _unit("days", 86400.0, "days"),
        _unit("microseconds", 1e-6, "microseconds micros usec", "us"),
        _unit("nanoseconds", 1e-9, "nanoseconds nanos ns"),
        _unit("weeks", 604800.0, "weeks"),
        _unit("months", 2629746.0, "months"),
        _unit("years", 31556952.0, "years"),
    ),
    "length": (
        _unit("kilometres", 1e3, "kilometres kilometers kilometre kilometer km kms"),
        _unit("metres", 1.0, "metres meters metre"),
        _unit("centimetres", 1e-2, "centimetres centimeters cm"),
        _unit("millimetres", 1e-3, "millimetres millimeters mm"),
        _unit("miles", 1609.344, "miles mile"),
        _unit("feet", 0.3048, "feet ft"),
        _unit("inches", 0.0254, "inches inch"),
        _unit("yards", 0.9144, "yards"),
        _unit("micrometres", 1e-6, "micrometres micrometers um"),
    ),
    "mass": (
        _unit("kilograms", 1e3, "kilograms kilogram kg kgs"),
        _unit("grams", 1.0, "grams gram", "g"),
        _unit("tonnes", 1e6, "tonnes tonne"),
        _unit("milligrams", 1e-3, "milligrams mg"),
        _unit("pounds", 453.59237, "lb lbs"),
        _unit("ounces", 28.349523125, "oz ounces"),
    ),
    "volume": (
        _unit("litres", 1.0, "litres liters litre liter"),
        _unit("millilitres", 1e-3, "millilitres milliliters ml"),
        _unit("cubic metres", 1e3, "m3"),
        _unit("US gallons", 3.785411784, "gallons gallon"),
    ),
    "speed": (
        _unit("km/h", 1 / 3.6, "kmh kph"),
        _unit("mph", 0.44704, "mph"),
        _unit("m/s", 1.0, "mps"),
        _unit("knots", 1852 / 3600, "knots kts"),
    ),
    "energy": (
        _unit("kWh", 3.6e6, "kwh kilowatthours"),
        _unit("Wh", 3.6e3, "wh watthours"),
        _unit("MWh", 3.6e9, "mwh"),
        _unit("MJ", 1e6, "mj megajoules"),
        _unit("kJ", 1e3, "kj kilojoules"),
        _unit("joules", 1.0, "joules joule"),
        _unit("kilocalories", 4184.0, "kcal calories"),
        _unit("GWh", 3.6e12, "gwh"),
    ),
    "power": (
        _unit("kilowatts", 1e3, "kilowatts kilowatt kw"),
        _unit("watts", 1.0, "watts watt"),
        _unit("megawatts", 1e6, "megawatts mw"),
    ),
    "voltage": (
        _unit("volts", 1.0, "volts volt", "v"),
        _unit("millivolts", 1e-3, "millivolts mv"),
        _unit("kilovolts", 1e3, "kilovolts kv"),
    ),
    "current": (_unit("amperes", 1.0, "amperes amps"), _unit("milliamperes", 1e-3, "milliamperes milliamps")),
    "pressure": (
        _unit("hectopascals", 100.0, "hectopascals hpa mbar millibar"),
        _unit("bars", 1e5, "bars", "bar"),
        _unit("kilopascals", 1e3, "kilopascals kpa"),
        _unit("pascals", 1.0, "pascals pascal"),
        _unit("psi", 6894.757293168, "psi"),
        _unit("inches of mercury", 3386.38866, "inhg"),
        _unit("millimetres of mercury", 133.322387415, "mmhg"),
    ),
    "temperature": (
        _unit("degrees", 1.0, "celsius fahrenheit degc degf"),
        _unit("tenths of degrees", 0.1, ""),
        _unit("hundredths of degrees", 0.01, ""),
        _unit("thousandths of degrees", 0.001, ""),
    ),
    "money": (
        _unit("euros or dollars", 1.0, "euros eur usd gbp chf dollars"),
        _unit("cents", 0.01, "cents cent pence"),
        _unit("thousands", 1e3, ""),
        _unit("millions", 1e6, ""),
    ),
    "information": (
        _unit("kB", 1e3, "kb kilobytes"),
        _unit("bytes", 1.0, "bytes"),
        _unit("MB", 1e6, "mb megabytes"),
        _unit("GB", 1e9, "gb gigabytes"),
        _unit("KiB", 1024.0, "kib"),
        _unit("MiB", 1024.0**2, "mib"),
        _unit("GiB", 1024.0**3, "gib"),
    ),
    "frequency": (
        _unit("kilohertz", 1e3, "khz"),
        _unit("hertz", 1.0, "hz hertz"),
        _unit("megahertz", 1e6, "mhz"),
        _unit("revolutions per minute", 1 / 60, "rpm"),
        _unit("gigahertz", 1e9, "ghz"),
    ),
    "fraction": (
        _unit("fractions", 1.0, "fraction ratio share"),
        _unit("percent", 1e-2, "percent pct percentage"),
        _unit("basis points", 1e-4, "bps"),
    ),
}
"""The units of each quantity, the commonest first: of several pairs with one factor the first are named."""

NOUNS: Final[Mapping[str, str]] = {
    **dict.fromkeys(["duration", "latency", "elapsed", "delay", "wait", "uptime", "runtime", "dwell"], "time"),
    **dict.fromkeys(["distance", "length", "height", "width", "depth", "altitude", "elevation", "visibility", "visib"], "length"),
    **dict.fromkeys(("weight", "mass"), "mass"),
    **dict.fromkeys(("speed", "gust"), "speed"),
    **dict.fromkeys(["amount", "price", "cost", "revenue", "income", "salary", "fee", "fare", "balance", "premium"], "money"),
    **dict.fromkeys(("temperature", "temp", "dewp"), "temperature"),
    **{name: name for name in ("energy", "voltage", "pressure")},
}
"""Words that say what is measured, though not in which unit."""

SHARED: Final[Mapping[float, frozenset[str]]] = {
    1.609344: frozenset({"length", "speed"}),
    1.852: frozenset({"length", "speed"}),
    12.0: frozenset({"time", "money"}),
}
"""Factors whose names are those of several quantities, both ways."""


@dataclass(frozen=True)
class Measured:
    """What a column measures, and in which unit, where its name says so."""

    quantity: str
    unit: Unit | None = None


def measured_by(column: str) -> Measured | None:
    """What a column's name says that it measures; None where it says nothing, or of what per what.

    >>> measured_by("kwh_yesterday").unit.name, measured_by("wind_speed").quantity, measured_by("price_per_kg"), measured_by("x1")
    ('kWh', 'speed', None, None)
    """
    words = words_of(column)
    if not words or "per" in words or words[0] in ("number", "count", "num"):
        return None
    units = {
        (quantity, unit)
        for quantity, several in UNITS_OF.items()
        for unit in several
        if unit.words & set(words) or (len(words) > 1 and words[-1] in unit.last)
    }
    nouns = {NOUNS[word] for word in words if word in NOUNS}
    if len(units) > 1 or len(nouns) > 1:
        return None
    if units:
        quantity, unit = units.pop()
        return Measured(quantity, unit) if nouns <= {quantity} else None
    return Measured(nouns.pop()) if nouns else None


def units_between(measured: Measured, factor: float) -> str | None:
    """The units of one quantity that a factor leads from and to, from the column's own unit where that is known.

    >>> units_between(measured_by("kwh_yesterday"), 1000.0), units_between(measured_by("weight_g"), 0.001)
    ('kWh to Wh', 'grams to kilograms')
    >>> units_between(measured_by("distance"), 1000.0), units_between(measured_by("voltage"), 3.6)
    ('such as kilometres to metres, or metres to millimetres', None)
    """
    units = UNITS_OF[measured.quantity]
    sources = units if measured.unit is None else (measured.unit,)
    pairs = [
        f"{one.name} to {other.name}"
        for one in sources
        for other in units
        if one is not other and abs(one.size / other.size / factor - 1) <= SAME
    ]
    if len(pairs) <= 1:
        return next(iter(pairs), None)
    return f"such as {', or '.join(pairs[:PAIRS_NAMED])}"


def units_of(column: str, factor: float, name: str | None) -> str | None:
    """What a factor's units are called for a column: by what its name says it measures, else as the factor is known.

    A factor that is none of the quantity's units has no name: what other quantities have such a factor says nothing of it.

    >>> units_of("latency", 1000.0, "such as seconds to milliseconds, or kilometres to metres")
    'such as seconds to milliseconds, or milliseconds to microseconds'
    >>> units_of("wind_speed", 1.609344, "miles to kilometres (mph to km/h)")
    'miles to kilometres (mph to km/h)'
    >>> units_of("voltage", 3.6, "m/s to km/h"), units_of("x1", 3.6, "m/s to km/h")
    (None, 'm/s to km/h')
    """
    measured = measured_by(column)
    if measured is None or factor <= 0:
        return name
    hedge = "perhaps " if name is not None and name.startswith("perhaps ") else ""
    if any(measured.quantity in quantities and _is_factor(factor, one) for one, quantities in SHARED.items()):
        return name
    units = units_between(measured, factor)
    return None if units is None else f"{hedge}{units}"


def is_of_quantity(column: str, factor: float) -> bool:
    """Whether a column's name says that it measures something of which two units have this factor, from its own where known.

    >>> is_of_quantity("weight_kg", 1 / 0.45359237), is_of_quantity("weight_kg", 1 / 0.44704), is_of_quantity("x1", 1000.0)
    (True, False, False)
    """
    measured = measured_by(column)
    return measured is not None and factor > 0 and units_between(measured, factor) is not None


def _is_factor(factor: float, other: float) -> bool:
    """Whether a factor is another, or leads the other way."""
    return abs(max(factor, 1 / factor) / other - 1) <= SAME
