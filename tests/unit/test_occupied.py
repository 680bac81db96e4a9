"""Windows found from times, against the plain definition over every window of the range."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from spark_monitor.windowing.occupied import (
    BEGINNING,
    Bunch,
    Occupied,
    occupied_windows,
    reach_of,
    stretch_of,
    without_strays,
)
from spark_monitor.windowing.periods import Granularity, parse_every
from spark_monitor.windowing.windows import Window, closed_windows, windows_between

START = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DAILY = Granularity("day")
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns")


def bunched(moments: list[datetime], granularity: Granularity) -> list[Bunch]:
    groups: dict[int, list[datetime]] = {}
    for moment in moments:
        groups.setdefault(int(moment.timestamp() // stretch_of(granularity).total_seconds()), []).append(moment)
    return [Bunch(min(group), max(group), len(group)) for group in groups.values()]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("every", ["1 hour", "2 hours", "6 hours", "1 day", "2 days", "1 week", "1 month"])
def test_bunches_say_exactly_which_windows_hold_a_row(zone: str, every: str) -> None:
    chance = random.Random(f"{zone}{every}")
    granularity = parse_every(every)
    moments = [START + timedelta(seconds=chance.uniform(0, 50 * 86_400)) for _ in range(chance.choice([3, 40, 900]))]
    windows = windows_between(min(moments), max(moments) + timedelta(seconds=1), granularity, zone)
    expected = [window for window in windows if any(moment in window for moment in moments)]
    assert occupied_windows(bunched(moments, granularity), granularity, zone) == expected


def rows_on(days: list[int]) -> list[Bunch]:
    return [Bunch(START + day * DAY + timedelta(hours=3), START + day * DAY + timedelta(hours=9), 10) for day in days]


def seen(days: list[int], as_of: datetime, *, since: datetime = BEGINNING, reach: timedelta = 7 * DAY) -> Occupied:
    held = [bunch for bunch in rows_on(days) if since <= bunch.first < as_of]
    return Occupied(occupied_windows(held, DAILY, "UTC"), [(since, as_of)], as_of, reach)


def due_by_definition(days: list[int], window: Window, as_of: datetime, reach: timedelta) -> bool:
    """Rows in it, or the first window of a pause, or a window of a pause that is no longer than the reach."""
    number = (window.start - START).days
    earlier = [day for day in days if day < number]
    if number in days:
        return True
    if not earlier:
        return False
    later = [START + day * DAY for day in days if day > number and START + day * DAY < as_of]
    pause = min(later, default=as_of) - (START + (max(earlier) + 1) * DAY)
    return max(earlier) == number - 1 or pause <= reach


@pytest.mark.parametrize("seed", range(12))
def test_the_windows_of_short_pauses_are_due_and_of_long_ones_the_first(seed: int) -> None:
    chance = random.Random(seed)
    days = sorted(chance.sample(range(80), chance.choice([3, 8, 25])))
    as_of = START + chance.randrange(81, 120) * DAY
    looked = seen(days, as_of)
    for window in closed_windows(START, as_of, DAILY, "UTC"):
        assert looked.is_due(window) == due_by_definition(days, window, as_of, 7 * DAY), window


@pytest.mark.parametrize("seed", range(12))
def test_a_part_of_the_times_says_what_all_say_or_that_it_does_not_know(seed: int) -> None:
    chance = random.Random(100 + seed)
    days = sorted(chance.sample(range(80), chance.choice([3, 8, 25])))
    as_of = START + 90 * DAY
    spans = [(START + 12 * DAY, START + 30 * DAY), (START + 41 * DAY, START + 44 * DAY), (START + 60 * DAY, as_of)]
    held = [bunch for bunch in rows_on(days) if any(start <= bunch.first < end for start, end in spans)]
    looked = Occupied(occupied_windows(held, DAILY, "UTC"), spans, as_of, 7 * DAY)
    answers = 0
    for window in closed_windows(START, as_of, DAILY, "UTC"):
        if any(start <= window.start and window.end <= end for start, end in spans):
            answer = looked.is_due(window)
            assert answer in (None, seen(days, as_of).is_due(window))
            answers += answer is not None
    assert answers


def test_a_window_that_lies_so_long_after_a_row_is_not_due_whatever_came_before() -> None:
    looked = seen([0], START + 60 * DAY, since=START + 20 * DAY)
    assert looked.is_due(Window(START + 40 * DAY, START + 41 * DAY)) is False
    assert seen([0], START + 22 * DAY, since=START + 20 * DAY).is_due(Window(START + 20 * DAY, START + 21 * DAY)) is None


def test_a_feed_that_stops_is_a_row_a_day_until_the_pause_is_long() -> None:
    reach = reach_of(DAILY, timedelta(days=5))
    assert reach == 30 * DAY
    for passed in (1, 5, 29):
        as_of = START + (1 + passed) * DAY
        windows = closed_windows(START, as_of, DAILY, "UTC")
        assert [window for window in windows if seen([0], as_of, reach=reach).is_due(window)] == windows
    later = START + 400 * DAY
    windows = closed_windows(START, later, DAILY, "UTC")
    assert [window for window in windows if seen([0], later, reach=reach).is_due(window)] == windows[:2]


@pytest.mark.parametrize(
    ("stray", "rows", "kept"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 1, False),
        (datetime(1970, 1, 1, tzinfo=UTC), 500, True),
        (START - timedelta(days=90), 1, True),
    ],
)
def test_few_rows_far_before_all_others_make_no_windows(stray: datetime, rows: int, kept: bool) -> None:
    days = [Bunch(START + timedelta(days=day), START + timedelta(days=day, hours=5), 300) for day in range(4)]
    found, strays = without_strays([*days, Bunch(stray, stray, rows)], DAILY)
    assert (found[0].first == stray) == kept
    assert (strays is None) == kept
    if strays is not None:
        assert strays.rows == rows
        assert "1 row has a time far before all others (1970-01-01 00:00" in strays.message
