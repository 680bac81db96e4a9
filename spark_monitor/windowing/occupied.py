"""Windows found from the times of the rows: which hold any, how long the times without rows are, which rows are far away.

Times come as bunches: the first and the last timestamp and the number of rows of a short stretch. A stretch is no longer than the
shortest window, so that the two timestamps say exactly which windows hold a row.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from spark_monitor.windowing.periods import Granularity, parse_zone
from spark_monitor.windowing.windows import Window, window_of

FAR, FAR_WINDOWS = timedelta(days=366), 100
"""Rows so long before the next ones, in time and in windows, are far away ..."""

STRAY_FRACTION = 0.01
"""... and have a wrong time where there are so few of them: they are counted and reported, and make no windows."""

GAP_WINDOWS = 30
"""A time without rows that is longer than the lookback and than so many windows is one statement, not a row per window."""

BEGINNING = datetime.min.replace(tzinfo=UTC)
HALF_HOUR, HOUR, HALF_DAY, DAY = timedelta(minutes=30), timedelta(hours=1), timedelta(hours=12), timedelta(days=1)
Span = tuple[datetime, datetime]


@dataclass(frozen=True, order=True)
class Bunch:
    """Rows of one stretch of time: the first and the last timestamp, and how many."""

    first: datetime
    last: datetime
    rows: int


@dataclass(frozen=True)
class Strays:
    """Rows whose times lie far before all others, which begin at ``begin``."""

    rows: int
    first: datetime
    last: datetime
    begin: datetime

    @property
    def message(self) -> str:
        """The sentence for a person."""
        few = "1 row has a time" if self.rows == 1 else f"{self.rows:,} rows have times"
        span = f"{self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M} UTC"
        return (
            f"{few} far before all others ({span}; the others begin at {self.begin:%Y-%m-%d %H:%M}): no window is made of them. "
            "Correct or remove them, set windows.min_time, or name their windows with --from and --to."
        )


def stretch_of(granularity: Granularity) -> timedelta:
    """A stretch of time that meets at most two windows of this granularity, whatever clocks do.

    >>> stretch_of(Granularity("hour")), stretch_of(Granularity("month"))
    (datetime.timedelta(seconds=1800), datetime.timedelta(days=1))
    """
    if granularity.unit == "hour":
        return HALF_HOUR if granularity.multiple == 1 else HOUR
    return HALF_DAY if granularity.unit == "day" else DAY


def reach_of(granularity: Granularity, lookback: timedelta) -> timedelta:
    """How long a time without rows may be for each of its windows to be a row.

    >>> reach_of(Granularity("week"), timedelta(days=30)).days, reach_of(Granularity("hour"), timedelta(days=30)).days
    (210, 30)
    """
    return max(lookback, GAP_WINDOWS * timedelta(hours=granularity.nominal_hours))


def without_strays(
    bunches: Sequence[Bunch], granularity: Granularity, *, total: int | None = None
) -> tuple[list[Bunch], Strays | None]:
    """The bunches in order without those few that lie far before the rest, and what these are; of ``total`` rows, if known.

    >>> days = [Bunch(datetime(2024, 1, day, tzinfo=UTC), datetime(2024, 1, day, 9, tzinfo=UTC), 500) for day in (1, 2)]
    >>> kept, strays = without_strays([Bunch(datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), 1), *days],
    ...                               Granularity("day"))
    >>> kept == days, strays.rows
    (True, 1)
    """
    ordered = sorted(bunches)
    every = sum(bunch.rows for bunch in ordered) if total is None else total
    before, cut = 0, 0
    for place in range(1, len(ordered)):
        before += ordered[place - 1].rows
        if before >= STRAY_FRACTION * (every - before):
            break
        if is_far(ordered[place - 1].last, ordered[place].first, granularity):
            cut = place
    if not cut:
        return ordered, None
    away = ordered[:cut]
    return ordered[cut:], Strays(sum(bunch.rows for bunch in away), away[0].first, away[-1].last, ordered[cut].first)


def is_far(last: datetime, following: datetime, granularity: Granularity) -> bool:
    """Whether the time between two rows is longer than any pause."""
    return following - last > max(FAR, FAR_WINDOWS * timedelta(hours=granularity.nominal_hours))


def occupied_windows(bunches: Iterable[Bunch], granularity: Granularity, zone: str) -> list[Window]:
    """The windows that hold a row, in order, those that are not closed included."""
    clock, occupied = parse_zone(zone), list[Window]()
    for moment in (moment for bunch in sorted(bunches) for moment in (bunch.first, bunch.last)):
        if not occupied or moment >= occupied[-1].end:
            occupied.append(window_of(moment, granularity, clock))
    return occupied


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order and apart.

    >>> [(start.day, end.day) for start, end in joined((datetime(2024, 1, a), datetime(2024, 1, b)) for a, b in [(5, 7), (1, 6)])]
    [(1, 7)]
    """
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@dataclass(frozen=True)
class Occupied:
    """What the times in some spans say: the windows with rows, in order. Nothing comes after ``until``."""

    windows: Sequence[Window]
    spans: Sequence[Span]
    until: datetime
    reach: timedelta
    present: Collection[Window] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "present", frozenset(self.windows))

    def is_due(self, window: Window) -> bool | None:
        """Whether a window that nobody handled is to be: it holds rows, begins a gap, or lies in a short one; None: not known.

        Windows before the first row, and those deep in a long gap, are not.
        """
        if window in self.present:
            return True
        since, before = self._row_before(window)
        if before and since == window.start:
            return True
        following, after = self._row_after(window)
        if following - since > self.reach or since == BEGINNING:
            return False
        return True if before and after else None

    def _row_before(self, window: Window) -> tuple[datetime, bool]:
        """Since when there is no row, and whether that is known; else the beginning of what was looked at."""
        place = bisect_right(self.windows, window.start, key=lambda one: one.end)
        looked = self._span(window)[0]
        last = self.windows[place - 1].end if place else BEGINNING
        return (last, True) if last >= looked else (looked, False)

    def _row_after(self, window: Window) -> tuple[datetime, bool]:
        """When rows come again, and whether that is known; else the end of what was looked at."""
        place = bisect_left(self.windows, window.end, key=lambda one: one.start)
        looked = self._span(window)[1]
        following = self.windows[place].start if place < len(self.windows) else self.until
        return (following, True) if following <= looked else (looked, False)

    def _span(self, window: Window) -> Span:
        place = bisect_right(self.spans, window.start, key=lambda span: span[0]) - 1
        if place < 0 or self.spans[place][1] < min(window.end, self.until):
            return window.start, window.end
        return self.spans[place]
