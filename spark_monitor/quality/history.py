"""What earlier windows make one expect: how many rows, and in which hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from spark_monitor.states.hours import HOUR_MICROS

KEPT: Final = 8
"""So many earlier windows tell what is usual."""

LEAST: Final = 3
WEEK_HOURS, DAY_HOURS = 168, 24
LEAST_OBSERVED: Final = 2
SAME, SAME_HOUR, BEFORE = "of the same weekday and hour", "of the same hour", "before"
Windows = Sequence[tuple[tuple[int, ...], float, int]]
_MAD, _MEDIAN = 1.4826, 1.2533
_Z = 1.959963984540054


@dataclass(frozen=True)
class Expected:
    """How many rows are expected, within which bounds, and what tells it; NaN and a sentence where nothing does."""

    rows: float
    low: float
    high: float
    why: str


def expected_rows(before: Windows, phase: tuple[int, ...], length: float) -> Expected:
    """The median rows of earlier windows, given as (phase, length, rows) in order of time; in proportion to the length.

    Of windows shorter than a day those of the same hour are taken while less than three are of the same weekday too, and a day
    is waited for. While less than three are of the same weekday and hour, nobody knows whether that one differs: the bounds hold
    all of them. They hold what counting alone does to so many rows as well.

    >>> days = [((day % 7,), 24.0, 100 if day % 7 < 5 else 10) for day in range(28)]
    >>> expected_rows(days, (6,), 24.0).rows, expected_rows(days[:2], (0,), 24.0).why
    (10.0, 'Only 2 windows before tell how many rows to expect; 3 are needed.')
    """
    chosen, what = _alike(before, phase, length)
    recent = chosen[-KEPT:]
    if len(recent) < LEAST:
        why = f"Only {len(recent)} windows before tell how many rows to expect; {LEAST} are needed."
        return Expected(np.nan, np.nan, np.nan, why)
    if what == BEFORE and length < DAY_HOURS and sum(hours for _, hours, _ in before) < DAY_HOURS:
        why = "The windows before tell no whole day: nobody knows how many rows to expect at this hour."
        return Expected(np.nan, np.nan, np.nan, why)
    rates = np.array([rows / hours for _, hours, rows in recent])
    middle = float(np.median(rates))
    of_median = _MEDIAN * _MAD * float(np.median(np.abs(rates - middle))) / np.sqrt(len(recent))
    half = _Z * float(np.hypot(of_median, np.sqrt(middle / length)))
    low, high = max(middle - half, 0.0), middle + half
    if what != SAME:
        held = rates if what == SAME_HOUR or length >= DAY_HOURS else np.array([rows / hours for _, hours, rows in before])
        low, high = min(low, _counted_low(float(held.min()), length)), max(high, float(held.max()))
    return Expected(middle * length, low * length, high * length, f"median of {len(recent)} windows {what}")


def _alike(before: Windows, phase: tuple[int, ...], length: float) -> tuple[Windows, str]:
    """The earlier windows that tell of one, and what they have in common with it."""
    alike = [one for one in before if one[0] == phase]
    if len(alike) >= LEAST:
        return alike, SAME
    same_hour = [one for one in before if one[0][1:] == phase[1:]] if length < DAY_HOURS and phase[1:] else []
    return (same_hour, SAME_HOUR) if len(same_hour) >= LEAST else (before, BEFORE)


def _counted_low(rate: float, length: float) -> float:
    """The rate below which a count of so many rows lies by chance alone in one of forty windows."""
    return max(rate - _Z * float(np.sqrt(rate / length)), 0.0)


def largest_gap(start: int, end: int, first: np.ndarray, last: np.ndarray) -> float:
    """The longest stretch of [start, end) without a row, in hours, from the first and last timestamp of every hour with rows.

    >>> hour = HOUR_MICROS
    >>> largest_gap(0, 10 * hour, np.array([hour, 6 * hour]), np.array([hour, 9 * hour]))
    5.0
    """
    if not first.size:
        return (end - start) / HOUR_MICROS
    begins, ends = np.append(start, last), np.append(first, end)
    return float((ends - begins).max() / HOUR_MICROS)


@dataclass(frozen=True)
class Missing:
    """Hours that lack rows, and how many hours earlier ones tell anything of."""

    hours: tuple[int, ...]
    judged: int


def missing_hours(hours: Iterable[int], occupied: Mapping[int, bool], offset: Callable[[int], int] = lambda _: 0) -> Missing:
    """The hours without rows of which most earlier ones (the same hour of eight weeks, else of seven days) have some.

    ``occupied`` says of every hour that was looked at, of this window and of earlier ones, whether it has rows; ``offset`` the
    local clock's hours ahead of UTC, so that the same hour is the same by the clock.

    >>> week = {hour: hour % 24 in (8, 9) for hour in range(240)}
    >>> missing_hours(range(240, 264), week | {hour: hour == 248 for hour in range(240, 264)}).hours
    (249,)
    """
    lacking, judged = [], 0
    for hour in hours:
        for step, many in ((WEEK_HOURS, KEPT), (DAY_HOURS, 7)):
            seen = _same_hours(hour, step, many, occupied, offset)
            if len(seen) >= LEAST_OBSERVED:
                judged += 1
                if not occupied.get(hour, False) and 2 * sum(seen) > len(seen):
                    lacking.append(hour)
                break
    return Missing(tuple(lacking), judged)


def _same_hours(hour: int, step: int, many: int, occupied: Mapping[int, bool], offset: Callable[[int], int]) -> list[bool]:
    flags = []
    for back in range(1, many + 1):
        earlier = hour - back * step
        earlier += offset(hour) - offset(earlier)
        if earlier in occupied:
            flags.append(occupied[earlier])
    return flags
