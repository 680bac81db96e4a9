"""Which windows a window is measured against besides the baseline: those a lag before it, or those that lie just before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import Granularity, parse_zone
from spark_monitor.windowing.windows import window_of, windows_between

SEASONAL, ROLLING = "SEASONAL", "ROLLING"


@dataclass(frozen=True)
class Reference:
    """A reference by its name: the windows ``lags`` before, or the ``windows`` before; of several the merge."""

    name: str
    lags: tuple[timedelta, ...] = ()
    windows: int = 0

    @property
    def drift_type(self) -> str:
        """What drift from it is called."""
        return SEASONAL if self.lags else ROLLING

    def before(self, one: DueWindow, granularity: Granularity, zone: str) -> list[DueWindow]:
        """The windows that this one is measured against, the latest last.

        >>> from spark_monitor.windowing.periods import parse_every, parse_timestamp
        >>> week = DueWindow("1 week", window_of(parse_timestamp("2013-09-16"), parse_every("1 week"), "UTC"))
        >>> [due.window.text for due in Reference("year", (timedelta(days=364),)).before(week, parse_every("1 week"), "UTC")]
        ['2012-09-17 to 2012-09-24']
        >>> [due.window.text for due in Reference("two", windows=2).before(week, parse_every("1 week"), "UTC")]
        ['2013-09-02 to 2013-09-09', '2013-09-09 to 2013-09-16']
        """
        start = one.window.start
        if self.lags:
            moments = (_by_clock(start, lag, parse_zone(zone)) for lag in self.lags)
            windows = [window_of(moment, granularity, zone) for moment in moments]
        else:
            reach = timedelta(hours=granularity.nominal_hours) * (self.windows + 1) * 2
            windows = windows_between(start - reach, start, granularity, zone)[-self.windows :]
        return [DueWindow(one.granularity, window) for window in sorted(set(windows)) if window.end <= start]


def _by_clock(start: datetime, lag: timedelta, clock: tzinfo) -> datetime:
    """So much earlier on the monitor's clock, which may have been set in between."""
    return (start.astimezone(clock).replace(tzinfo=None) - lag).replace(tzinfo=clock).astimezone(UTC)


def pairs(
    due: Sequence[DueWindow], references: Sequence[Reference], granularities: Sequence[Granularity], zone: str
) -> list[tuple[DueWindow, DueWindow, Reference]]:
    """Every due window with each window of each reference."""
    by_label = {granularity.label: granularity for granularity in granularities}
    return [
        (one, before, reference)
        for one in due
        for reference in references
        for before in reference.before(one, by_label[one.granularity], zone)
    ]
