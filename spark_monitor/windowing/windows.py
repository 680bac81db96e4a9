"""Windows: half-open UTC intervals whose edges a clock on a wall in the monitor's zone agrees with.

Days begin when the local clock first reads midnight, weeks on Monday, months on the 1st; several days or weeks are counted from a
fixed epoch (1970-01-01, and Monday 1970-01-05), months, quarters and years from January 1970. An edge that the clock skips is the
timestamp of the skip; one that it reads twice is the first. One-hour windows are elapsed hours from the local midnight, so the
night with 25 hours has 25; windows of several hours begin when the clock reads a multiple, so every day has the same number.
Windows of hours nest in days, days in weeks and months, months in quarters and years; weeks do not nest in months.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import day, span
from spark_monitor.windowing.periods import MINUTE, Granularity, parse_duration, parse_every, parse_timestamp, parse_zone
from spark_monitor.windowing.timestamps import EPOCH

__all__ = [
    "Granularity",
    "Window",
    "closed_windows",
    "ordinal",
    "parse_duration",
    "parse_every",
    "parse_timestamp",
    "parts_of",
    "window_of",
    "windows_between",
]

EPOCH_DAY = date(1970, 1, 1)
FIRST_MONDAY = date(1970, 1, 5)
ONE_HOUR, ONE_MINUTE = timedelta(hours=1), timedelta(minutes=1)
ONE_SECOND = timedelta(seconds=1)
MIDNIGHT = time()
MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}
DAYS_OF = {"day": 1, "week": 7}
ONE_DAY = Granularity("day")
LARGEST_NUMBER_OF_WINDOWS = 200_000
"""More windows than this in one answer are a mistake (a year 0001 in the time column), not a monitor."""


@dataclass(frozen=True, order=True)
class Window:
    """The timestamps from ``start``, included, to ``end``, left out; both timezone-aware UTC."""

    start: datetime
    end: datetime

    def __contains__(self, timestamp: datetime) -> bool:
        return self.start <= timestamp < self.end

    @property
    def text(self) -> str:
        """The window as a person reads it: its two edges, and their zone where they are no midnights.

        >>> window_of(datetime(2013, 9, 4, tzinfo=UTC), parse_every("1 week"), "UTC").text
        '2013-09-02 to 2013-09-09'
        """
        return span(self.start, self.end)


def window_of(timestamp: datetime, granularity: Granularity, zone: str | tzinfo) -> Window:
    """The window that holds a timestamp.

    >>> summer = window_of(datetime(2024, 3, 31, 12, tzinfo=UTC), parse_every("1 day"), "Europe/Berlin")
    >>> summer.start.isoformat(), (summer.end - summer.start).total_seconds() / 3600
    ('2024-03-30T23:00:00+00:00', 23.0)
    """
    clock, moment = _zone(zone), _utc(timestamp)
    try:
        if granularity == Granularity("hour"):
            return _elapsed_hour(moment, clock)
        if granularity.unit == MINUTE:
            return _elapsed_minutes(moment, granularity.multiple * ONE_MINUTE, clock)
        index = _index_of(moment, granularity, clock)
        return Window(_edge(index, granularity, clock), _edge(index + 1, granularity, clock))
    except OverflowError:
        raise ConfigError(
            f"found the timestamp {timestamp.isoformat()}, which no window of {granularity.label} can hold."
        ) from None


def windows_between(start: datetime, end: datetime, granularity: Granularity, zone: str | tzinfo) -> list[Window]:
    """Every window that intersects ``[start, end)``, in order and without gaps; none where ``end`` is not after ``start``.

    >>> start, end = parse_timestamp("2013-01-31"), parse_timestamp("2013-02-02")
    >>> [window.text for window in windows_between(start, end, parse_every("1 month"), "UTC")]
    ['2013-01-01 to 2013-02-01', '2013-02-01 to 2013-03-01']
    """
    clock, first, last = _zone(zone), _utc(start), _utc(end)
    if last <= first:
        return []
    if (last - first) / timedelta(hours=granularity.nominal_hours) > LARGEST_NUMBER_OF_WINDOWS:
        excess = f"more than {LARGEST_NUMBER_OF_WINDOWS:,} windows of {granularity.label} from {day(first)} to {day(last)}"
        advice = "Name a shorter range with --from and --to, give longer windows, or correct rows whose time is wrong"
        raise ConfigError(f"found {excess}. {advice}.")
    return list(_from_window(window_of(first, granularity, clock), last, granularity, clock))


def parts_of(window: Window, granularity: Granularity, zone: str | tzinfo) -> list[Window]:
    """The windows of a finer granularity that make up a window; none where an edge of it lies within one of them.

    >>> month = window_of(parse_timestamp("2013-02-01"), parse_every("1 month"), "UTC")
    >>> [len(parts_of(month, parse_every(every), "UTC")) for every in ("1 day", "1 week")]
    [28, 0]
    """
    parts = windows_between(window.start, window.end, granularity, zone)
    return parts if (parts[0].start, parts[-1].end) == (window.start, window.end) else []


def closed_windows(first: datetime, as_of: datetime, granularity: Granularity, zone: str | tzinfo) -> list[Window]:
    """The windows that were closed at ``as_of``, from the one that holds ``first``.

    >>> closed = closed_windows(parse_timestamp("2013-01-02"), parse_timestamp("2013-01-20"), parse_every("1 week"), "UTC")
    >>> [window.text for window in closed]
    ['2012-12-31 to 2013-01-07', '2013-01-07 to 2013-01-14']
    """
    end = _utc(as_of)
    return [window for window in windows_between(first, end, granularity, zone) if window.end <= end]


def ordinal(window: Window, granularity: Granularity, zone: str | tzinfo) -> int:
    """The number of a window, growing by one from window to window; the window of 1970's beginning has 0 (of weeks, -1).

    Where a zone's clock moves by half an hour, two one-hour windows of one night a year share a number.

    >>> monthly = parse_every("1 month")
    >>> [ordinal(window, monthly, "UTC") for window in windows_between(EPOCH, parse_timestamp("1970-03-02"), monthly, "UTC")]
    [0, 1, 2]
    """
    if granularity == Granularity("hour"):
        return (window.start - EPOCH) // ONE_HOUR
    if granularity.unit == MINUTE:
        return (window.start - EPOCH) // (granularity.multiple * ONE_MINUTE)
    return _index_of(_utc(window.start), granularity, _zone(zone))


def _from_window(window: Window, end: datetime, granularity: Granularity, clock: tzinfo) -> Iterator[Window]:
    while window.start < end:
        yield window
        window = window_of(window.end, granularity, clock)


def _elapsed_hour(moment: datetime, clock: tzinfo) -> Window:
    """The elapsed hour since the local day began; a day's last one may be shorter where clocks move by half an hour."""
    index = _index_of(moment, ONE_DAY, clock)
    day_start, day_end = _edge(index, ONE_DAY, clock), _edge(index + 1, ONE_DAY, clock)
    start = day_start + (moment - day_start) // ONE_HOUR * ONE_HOUR
    return Window(start, min(start + ONE_HOUR, day_end))


def _elapsed_minutes(moment: datetime, step: timedelta, clock: tzinfo) -> Window:
    """Minutes that have passed since the elapsed hour began, so that they nest in hours and these in days."""
    hour = _elapsed_hour(moment, clock)
    start = hour.start + (moment - hour.start) // step * step
    return Window(start, min(start + step, hour.end))


def _index_of(moment: datetime, granularity: Granularity, clock: tzinfo) -> int:
    """The number of the window that holds a timestamp: by the local clock, then corrected where the clock was set."""
    index = _index_by_clock(moment.astimezone(clock).replace(tzinfo=None), granularity)
    while _edge(index, granularity, clock) > moment:
        index -= 1
    while _edge(index + 1, granularity, clock) <= moment:
        index += 1
    return index


def _index_by_clock(local: datetime, granularity: Granularity) -> int:
    unit, multiple = granularity.unit, granularity.multiple
    if unit == "hour":
        return ((local.date() - EPOCH_DAY).days * 24 + local.hour) // multiple
    if unit in DAYS_OF:
        return (local.date() - _origin(granularity)).days // (DAYS_OF[unit] * multiple)
    return ((local.year - EPOCH_DAY.year) * 12 + local.month - 1) // (MONTHS_OF[unit] * multiple)


def _edge(index: int, granularity: Granularity, clock: tzinfo) -> datetime:
    return _first_reading(_wall(index, granularity), clock)


def _wall(index: int, granularity: Granularity) -> datetime:
    """What the local clock reads when the window of a number begins."""
    unit, multiple = granularity.unit, granularity.multiple
    if unit == "hour":
        return datetime.combine(EPOCH_DAY, MIDNIGHT) + index * multiple * ONE_HOUR
    if unit in DAYS_OF:
        return datetime.combine(_origin(granularity) + timedelta(days=index * multiple * DAYS_OF[unit]), MIDNIGHT)
    years, months = divmod(index * multiple * MONTHS_OF[unit], 12)
    if not 1 <= EPOCH_DAY.year + years <= date.max.year:
        raise OverflowError("date value out of range")
    return datetime(EPOCH_DAY.year + years, months + 1, 1)


def _origin(granularity: Granularity) -> date:
    return FIRST_MONDAY if granularity.unit == "week" else EPOCH_DAY


def _first_reading(wall: datetime, clock: tzinfo) -> datetime:
    """The first timestamp at which a local clock reads ``wall`` or, where it skips that, anything later."""
    early, late = (wall.replace(tzinfo=clock, fold=fold).astimezone(UTC) for fold in (1, 0))
    if early >= late or late.astimezone(clock).replace(tzinfo=None) == wall:
        return late
    while late - early > ONE_SECOND:
        middle = early + (late - early) // 2 // ONE_SECOND * ONE_SECOND
        skipped = middle.astimezone(clock).replace(tzinfo=None) >= wall
        early, late = (early, middle) if skipped else (middle, late)
    return late


def _zone(zone: str | tzinfo) -> tzinfo:
    return parse_zone(zone) if isinstance(zone, str) else zone


def _utc(timestamp: datetime) -> datetime:
    if timestamp.tzinfo is None:
        raise ValueError(f"found {timestamp.isoformat()} without a time zone: pass timezone-aware timestamps")
    return timestamp.astimezone(UTC)
