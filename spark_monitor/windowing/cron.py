"""When a cron schedule is due, by the clock of a zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from croniter import croniter

from spark_monitor.windowing.periods import parse_zone

HOURS_OF_DAY = 24


def due_times(schedule: str, zone: str, start: datetime) -> Iterator[datetime]:
    """The timestamps from ``start`` on at which a schedule is due, in order, UTC.

    A time of day that the clock reads twice in the night when it is set back is due once, the first time, as cron and Airflow
    have it; a schedule of every hour is due in both hours. One that the clock skips is due when it has been set forward.

    >>> times = due_times("30 2 * * *", "Europe/Berlin", datetime(2024, 10, 27, tzinfo=UTC))
    >>> [next(times).strftime("%d %H:%M") for _ in range(2)]
    ['27 00:30', '28 01:30']
    """
    local = (start - timedelta(seconds=1)).astimezone(parse_zone(zone))
    fields = croniter.expand(schedule)[0]
    every_hour = fields[1] == ["*"] or len(set(fields[1])) == HOURS_OF_DAY
    last = None
    for moment in croniter(schedule, local).all_next(datetime):
        timestamp = moment.astimezone(UTC)
        again = moment.fold == 1 and moment.replace(fold=0).astimezone(UTC) < timestamp
        if (again and not every_hour) or (last is not None and timestamp <= last):
            continue
        last = timestamp
        yield timestamp
