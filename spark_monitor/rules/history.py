"""The windows before a window: which of them belong to the limit of one that is due, the same weekday or hour where it can be."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from spark_monitor.windowing.periods import MINUTE, Granularity, parse_every, parse_zone
from spark_monitor.windowing.timestamps import ONE_MICROSECOND, timestamp_of

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR
WEEK_DAYS: Final = 7
_LONGEST_HOURS: Final = {"hour": 1, "day": 25, "week": 169, "month": 745, "quarter": 2209, "year": 8785}
"""The longest that a window of each unit can be, clock changes included."""


def reach(granularity: str, windows: int) -> int:
    """How many microseconds back the windows lie that a history of ``windows`` may need.

    Half as many again may be absent: a week without rows, or a day's only version, leaves the limit its n windows.

    >>> reach("1 week", 8) // HOUR, reach("1 day", 2) // DAY, reach("1 hour", 3) // DAY, reach("5 minutes", 14) // DAY
    (2197, 22, 4, 3)
    """
    every, needed = parse_every(granularity, minutes=True), windows + max(windows // 2, 1)
    if every.unit == MINUTE:
        return DAY * (-(-needed * every.multiple // 60) + 1)
    return HOUR * _LONGEST_HOURS[every.unit] * every.multiple * (needed * (_cycle(every) or 1) + 1)


def _cycle(every: Granularity) -> int | None:
    """After how many windows the same weekday or hour of the day comes again; None for longer windows."""
    if every.unit == "day" and every.multiple == 1:
        return WEEK_DAYS
    return 24 // every.multiple if every.unit == "hour" else None


def phases(starts: Integers, granularity: str, zone: str) -> Integers | None:
    """The weekday of daily windows, the hour of hourly and shorter ones, by the monitor's clock; None for longer windows.

    >>> phases(np.array([0, DAY, 7 * DAY]), "1 day", "UTC").tolist(), phases(np.array([0]), "1 week", "UTC")
    ([3, 4, 3], None)
    """
    every = parse_every(granularity, minutes=True)
    if every.unit != MINUTE and _cycle(every) is None:
        return None
    local = starts + np.array([_offset(int(start), zone) for start in starts], dtype=np.int64)
    return (local // DAY + 3) % WEEK_DAYS if every.unit == "day" else local % DAY // HOUR


@lru_cache(maxsize=100_000)
def _offset(start: int, zone: str) -> int:
    moment = timestamp_of(start).astimezone(parse_zone(zone))
    return (moment.utcoffset() or timedelta(0)) // ONE_MICROSECOND


def windows_before(starts: Integers, values: Floats, now: int, *, most: int, granularity: str, zone: str) -> tuple[Floats, bool]:
    """The values of the last ``most`` windows before ``now``, NaN where there are fewer.

    With it, whether they are those of ``now``'s weekday or hour alone, which is so where there are as many of them.

    >>> starts = np.arange(21) * DAY
    >>> windows_before(starts, np.arange(21.0), 21 * DAY, most=3, granularity="1 day", zone="UTC")
    (array([ 0.,  7., 14.]), True)
    >>> windows_before(starts[:5], np.arange(5.0), 5 * DAY, most=3, granularity="1 day", zone="UTC")
    (array([2., 3., 4.]), False)
    """
    starts, values = _known_before(starts, values, now)
    phase = phases(np.append(starts, now), granularity, zone)
    if phase is not None:
        same = values[phase[:-1] == phase[-1]]
        if same.size >= most:
            return same[-most:], True
    return _filled(values, most), False


def last_before(starts: Integers, values: Floats, now: int, *, most: int) -> Floats:
    """The values of the last ``most`` windows before ``now`` of any weekday or hour, NaN where there are fewer.

    >>> last_before(np.array([5, 1, 9]), np.array([2.0, 1.0, 3.0]), 9, most=3)
    array([nan,  1.,  2.])
    """
    return _filled(_known_before(starts, values, now)[1], most)


def _known_before(starts: Integers, values: Floats, now: int) -> tuple[Integers, Floats]:
    order = np.argsort(starts, kind="stable")
    order = order[(starts[order] < now) & ~np.isnan(values[order])]
    return starts[order], values[order]


def _filled(values: Floats, most: int) -> Floats:
    last = values[-most:]
    return np.concatenate([np.full(most - last.size, np.nan), last])
