"""Coarse windows put together from stored ones: parts and what is left to read are the window, each timestamp once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from spark_monitor.kernel.plan import WindowKey, plan_segments, wanted_spans
from spark_monitor.windowing.composition import candidates, compose
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import EPOCH, ONE_MICROSECOND
from spark_monitor.windowing.windows import parse_every, windows_between

GRANULARITIES = [parse_every(text) for text in ("6 hours", "1 day", "1 week", "1 month")]
START, END = datetime(2024, 2, 26, tzinfo=UTC), datetime(2024, 4, 8, tzinfo=UTC)
ZONES = ("Europe/Berlin", "America/New_York", "UTC")


def every_window(zone: str) -> list[DueWindow]:
    """The windows of six weeks in which clocks change."""
    return [DueWindow(one.label, window) for one in GRANULARITIES for window in windows_between(START, END, one, zone)]


def key(one: DueWindow) -> WindowKey:
    start, end = ((timestamp - EPOCH) // ONE_MICROSECOND for timestamp in (one.window.start, one.window.end))
    return WindowKey(one.granularity, start, end)


def length(one: DueWindow) -> timedelta:
    return one.window.end - one.window.start


@given(some.sampled_from(ZONES), some.randoms(use_true_random=False), some.floats(0, 1), some.floats(0, 1))
def test_parts_and_what_is_left_to_read_are_the_window(zone: str, random: object, stored: float, due: float) -> None:
    windows = every_window(zone)
    again = [one for one in windows if random.random() < due * 0.3]
    handled = [one for one in windows if random.random() < stored]
    possible = candidates(again, handled, GRANULARITIES)
    assert not set(possible) & set(again)
    found = compose(again, possible, GRANULARITIES)
    order = [granularity.label for granularity in GRANULARITIES]
    for whole, parts in found.items():
        assert [part.window for part in parts] == sorted(part.window for part in parts)
        assert all(before.window.end <= after.window.start for before, after in pairwise(parts))
        for part in parts:
            assert part in handled
            assert whole.window.start <= part.window.start < part.window.end <= whole.window.end
            finer = order[: order.index(part.granularity)]
            assert not any(one.granularity in finer and one.window.start in part.window for one in again)
    if again:
        keys = [key(one) for one in again]
        covered = {number: [key(part) for part in found.get(one, ())] for number, one in enumerate(again)}
        edges, members = plan_segments(keys, covered)
        read = [0] * len(keys)
        for start, end, numbers in zip(edges[:-1], edges[1:], members, strict=True):
            for number in numbers:
                read[number] += end - start
                assert keys[number].start <= start
                assert end <= keys[number].end
                assert not any(part.start < end and start < part.end for part in covered[number])
        for number, one in enumerate(keys):
            assert read[number] + sum(part.end - part.start for part in covered[number]) == one.end - one.start


@given(some.lists(some.booleans(), min_size=1, max_size=40), some.integers(1, 6))
def test_the_spans_that_are_read_hold_every_wanted_segment_and_begin_and_end_with_one(wanted: list[bool], most: int) -> None:
    edges = [3 * number + number % 2 for number in range(len(wanted) + 1)]
    spans = wanted_spans(edges, [(0,) if one else () for one in wanted], most)
    assert len(spans) <= most
    assert all(end < start for (_, end), (start, _) in pairwise(spans))
    segments = list(zip(edges[:-1], edges[1:], wanted, strict=True))
    for start, end, one in segments:
        assert not one or any(low <= start and end <= high for low, high in spans)
    assert {low for low, _ in spans} <= {start for start, _, one in segments if one}
    assert {high for _, high in spans} <= {end for _, end, one in segments if one}
    groups = sum(one and not before for one, before in zip(wanted, [False, *wanted], strict=False))
    assert len(spans) == min(groups, most)


@pytest.mark.parametrize("zone", ZONES)
def test_a_month_is_made_of_its_weeks_and_of_the_days_around_them(zone: str) -> None:
    windows = every_window(zone)
    march = next(one for one in windows if one.granularity == "1 month" and one.window.start > START)
    parts = compose([march], [one for one in windows if one != march], GRANULARITIES)[march]
    # March 2024 begins on a Friday and ends with a Sunday: three days, then four weeks, one of them an hour shorter or longer.
    assert [part.granularity for part in parts] == ["1 day"] * 3 + ["1 week"] * 4
    assert sum((length(part) for part in parts), timedelta(0)) == length(march)


def test_a_stored_week_is_left_for_its_days_where_one_of_them_is_due_again() -> None:
    windows = every_window("UTC")
    month = next(one for one in windows if one.granularity == "1 month" and one.window.start > START)
    day = DueWindow("1 day", next(iter(windows_between(datetime(2024, 3, 13, tzinfo=UTC), END, parse_every("1 day"), "UTC"))))
    stored = [one for one in windows if one.granularity in ("1 week", "1 day") and one != day]
    parts = compose([month, day], stored, GRANULARITIES)[month]
    assert [part.granularity for part in parts] == ["1 day"] * 3 + ["1 week"] + ["1 day"] * 6 + ["1 week"] * 2
    assert day not in parts


def test_windows_of_granularities_that_the_monitor_no_longer_has_are_no_parts() -> None:
    windows = every_window("UTC")
    week = next(one for one in windows if one.granularity == "1 week")
    assert candidates([week], windows, [parse_every("1 week"), parse_every("1 month")]) == []
