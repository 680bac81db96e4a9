"""Strings of time, read: how often ("1 week"), how long ("14 days"), when ("2013-09-02T00:00:00Z"), where ("Europe/Berlin").

Configuration and the command line hold strings; everything after them holds the values made here. No clock is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from typing import Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import ConfigError

Unit = Literal["minute", "hour", "day", "week", "month", "quarter", "year"]
MINUTE: Unit = "minute"
UNITS: tuple[Unit, ...] = get_args(Unit)[1:]
"""Units of a prediction table's windows; a serving log's may be minutes as well."""
NOMINAL_HOURS: dict[Unit, float] = {
    "minute": 1 / 60,
    "hour": 1,
    "day": 24,
    "week": 168,
    "month": 730.485,
    "quarter": 2191.455,
    "year": 8765.82,
}
HOURS_THAT_DIVIDE_A_DAY = (1, 2, 3, 4, 6, 8, 12)
MINUTES_THAT_DIVIDE_AN_HOUR = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
LARGEST_MULTIPLE = 999
LARGEST_DURATION_DAYS = 36_525
DURATION_UNITS = (MINUTE, "hour", "day", "week")
TRIGGER_UNITS = ("second", "minute", "hour")
AVAILABLE_NOW, EVERY_MINUTE, LONGEST_TRIGGER = "available-now", "1 minute", timedelta(hours=24)
FIRST_YEAR, LAST_YEAR = 1900, 9000

_COUNTED = re.compile(r"(\d{1,9})\s+([a-z]+?)s?")


@dataclass(frozen=True, order=False)
class Granularity:
    """How long the windows of a monitor are: an integer of hours, days, weeks, months, quarters or years."""

    unit: Unit
    multiple: int = 1

    @property
    def label(self) -> str:
        """The canonical text, as stored in the column ``granularity``."""
        return f"{self.multiple} {self.unit}{'' if self.multiple == 1 else 's'}"

    @property
    def nominal_hours(self) -> float:
        """The mean length, for comparing granularities; real windows differ with months and clock changes."""
        return self.multiple * NOMINAL_HOURS[self.unit]

    def is_coarser_than(self, other: Granularity) -> bool:
        """Whether these windows are the longer ones.

        >>> parse_every("1 month").is_coarser_than(parse_every("4 weeks"))
        True
        """
        return self.nominal_hours > other.nominal_hours


def parse_every(text: str, *, minutes: bool = False) -> Granularity:
    """The granularity that a string such as "1 week" names; ``minutes`` are allowed where a serving log is cut.

    >>> parse_every("2 weeks")
    Granularity(unit='week', multiple=2)
    >>> parse_every("1 weeks").label, parse_every("5 minutes", minutes=True).label
    ('1 week', '5 minutes')
    """
    units, finest = ((MINUTE, *UNITS), "5 minutes, ") if minutes else (UNITS, "")
    example = f"{finest}1 hour, 6 hours, 1 day, 2 weeks, 1 month, 1 quarter or 1 year"
    multiple, unit = _counted(text, allowed=units, example=example)
    singular = next(name for name in units if name == unit)
    if not 1 <= multiple <= LARGEST_MULTIPLE:
        raise ConfigError(f'found "{text}". Allowed: 1 to {LARGEST_MULTIPLE} {unit}s.')
    if unit == "hour" and multiple not in HOURS_THAT_DIVIDE_A_DAY:
        hours = ", ".join(str(hours) for hours in HOURS_THAT_DIVIDE_A_DAY)
        raise ConfigError(f'found "{text}". Hours must divide a day: {hours}. For longer windows write days, such as "1 day".')
    if unit == MINUTE and multiple not in MINUTES_THAT_DIVIDE_AN_HOUR:
        allowed = ", ".join(map(str, MINUTES_THAT_DIVIDE_AN_HOUR))
        raise ConfigError(f'found "{text}". Minutes must divide an hour: {allowed}. For longer windows write hours.')
    return Granularity(singular, multiple)


def parse_duration(text: str) -> timedelta:
    """The length of time that a string such as "14 days" names: minutes, hours, days or weeks, zero allowed.

    >>> parse_duration("14 days"), parse_duration("30 minutes"), parse_duration("0 days")
    (datetime.timedelta(days=14), datetime.timedelta(seconds=1800), datetime.timedelta(0))
    """
    count, unit = _counted(text, allowed=DURATION_UNITS, example="30 minutes, 12 hours, 14 days, 2 weeks or 0 days")
    hours = count * NOMINAL_HOURS[next(name for name in NOMINAL_HOURS if name == unit)]
    if hours > LARGEST_DURATION_DAYS * NOMINAL_HOURS["day"]:
        raise ConfigError(f'found "{text}". Allowed: at most {LARGEST_DURATION_DAYS} days (100 years).')
    return timedelta(**{f"{unit}s": count})


def parse_trigger(text: str) -> timedelta | None:
    """How often a job that goes on looks for news: an interval such as "1 minute"; None for "available-now", which is once.

    >>> parse_trigger("30 seconds"), parse_trigger("available-now")
    (datetime.timedelta(seconds=30), None)
    """
    if text.strip().lower() == AVAILABLE_NOW:
        return None
    match = _COUNTED.fullmatch(text.strip().lower())
    interval = timedelta(**{f"{match[2]}s": int(match[1])}) if match is not None and match[2] in TRIGGER_UNITS else None
    if interval is None or not timedelta(seconds=1) <= interval <= LONGEST_TRIGGER:
        raise ConfigError(
            f'found "{text}". Allowed: {AVAILABLE_NOW}, or an interval from 1 second to 24 hours as an integer and a unit '
            f'({", ".join(TRIGGER_UNITS)}), such as "30 seconds" or "1 minute".'
        )
    return interval


def parse_timestamp(text: str) -> datetime:
    """The UTC timestamp that an ISO 8601 date or date-time names; without an offset it is read as UTC.

    >>> parse_timestamp("2013-09-02").isoformat(), parse_timestamp("2013-09-02T02:00+02:00").isoformat()
    ('2013-09-02T00:00:00+00:00', '2013-09-02T00:00:00+00:00')
    """
    allowed = "Allowed: an ISO date or date-time, such as 2013-09-02 or 2013-09-02T06:00:00Z (UTC unless an offset is given)"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f'found "{text}", which is not a timestamp. {allowed}.') from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ConfigError(f'found "{text}". {allowed}, in the years {FIRST_YEAR} to {LAST_YEAR}.')
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_zone(name: str) -> tzinfo:
    """The time zone of an IANA name; UTC needs no time zone database.

    >>> parse_zone("UTC")
    datetime.timezone.utc
    """
    if name == "UTC":
        return UTC
    try:
        zone = ZoneInfo(name)
        pc.assume_timezone(pa.scalar(0, pa.timestamp("us")), name)  # Arrow places local times, and does not know every name
        return zone
    except (KeyError, ValueError, OSError):
        names = {zone.lower(): zone for zone in available_timezones()}
        close = get_close_matches(name.lower(), list(names), n=1)
        hint = f' Did you mean "{names[close[0]]}"?' if close else ""
        raise ConfigError(f'unknown time zone "{name}". Allowed: an IANA name such as UTC or Europe/Berlin.{hint}') from None


def _counted(text: str, *, allowed: tuple[str, ...], example: str) -> tuple[int, str]:
    match = _COUNTED.fullmatch(text.strip().lower())
    if match is None or match[2] not in allowed:
        raise ConfigError(f'found "{text}". Allowed: an integer and a unit ({", ".join(allowed)}), such as {example}.')
    return int(match[1]), match[2]
