"""When cron schedules are due in nights in which clocks are changed, against an oracle that walks through every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from spark_monitor.windowing.cron import due_times

NIGHTS = [
    ("Europe/Berlin", datetime(2024, 3, 30, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2024, 10, 26, tzinfo=UTC)),
    ("America/New_York", datetime(2024, 3, 9, tzinfo=UTC)),
    ("America/New_York", datetime(2024, 11, 2, tzinfo=UTC)),
    ("America/St_Johns", datetime(2024, 11, 2, tzinfo=UTC)),
    ("UTC", datetime(2024, 2, 28, tzinfo=UTC)),
]
SCHEDULES = {
    "0 6 * * *": ([0], [6]),
    "30 2 * * *": ([30], [2]),
    "15 1 * * *": ([15], [1]),
    "30 1,2,3 * * *": ([30], [1, 2, 3]),
    "0 * * * *": ([0], list(range(24))),
    "*/20 * * * *": ([0, 20, 40], list(range(24))),
    "0 0-23 * * *": ([0], list(range(24))),
}


def walked(zone: str, start: datetime, days: int, minutes: list[int], hours: list[int]) -> list[datetime]:
    """Minute by minute: what the clock reads decides; what it reads again counts only for schedules of every hour."""
    due, seen = [], set()
    for minute in range(days * 24 * 60):
        timestamp = start + timedelta(minutes=minute)
        clock = timestamp.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if clock.minute in minutes and clock.hour in hours and (clock not in seen or len(hours) == 24):
            due.append(timestamp)
        seen.add(clock)
    return due


@pytest.mark.parametrize(("zone", "start"), NIGHTS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_is_due_when_the_clock_reads_its_times_the_first_time(schedule: str, zone: str, start: datetime) -> None:
    minutes, hours = SCHEDULES[schedule]
    end = start + timedelta(days=4)
    found = list(takewhile(lambda one: one < end, due_times(schedule, zone, start)))
    expected = walked(zone, start, 4, minutes, hours)
    skipped = sorted(set(found) - set(expected))
    assert set(expected) <= set(found)
    assert found == sorted(set(found))
    # Where the clock skips a time of a schedule it is due when the clock has been set forward: once, and nothing else is added.
    assert len(skipped) <= (1 if len(hours) < 24 and start.month == 3 else 0)
    for timestamp in skipped:
        zoned = ZoneInfo(zone)
        assert timestamp.astimezone(zoned).utcoffset() != (timestamp - timedelta(minutes=1)).astimezone(zoned).utcoffset()


def test_a_run_once_in_the_night_of_25_hours_has_missed_nothing() -> None:
    start = datetime(2024, 10, 26, 22, tzinfo=UTC)
    due = list(takewhile(lambda one: one < start + timedelta(hours=25), due_times("30 2 * * *", "Europe/Berlin", start)))
    assert due == [datetime(2024, 10, 27, 0, 30, tzinfo=UTC)]
