"""Timestamps, and the microseconds since 1970 that tables and kernels count: the one place where either becomes the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from spark_monitor.errors import ConfigError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ONE_MICROSECOND = timedelta(microseconds=1)


def micros(timestamp: datetime) -> int:
    """Microseconds since 1970 of a timestamp with a time zone.

    >>> micros(datetime(1970, 1, 2, tzinfo=UTC))
    86400000000
    """
    if timestamp.tzinfo is None:
        raise ConfigError(f"as-of {timestamp.isoformat()}: has no time zone. Give a timestamp such as 2024-05-01T00:00:00Z.")
    return (timestamp - EPOCH) // ONE_MICROSECOND


def timestamp_of(count: int) -> datetime:
    """The timestamp of a number of microseconds since 1970, in UTC.

    >>> timestamp_of(86_400_000_000).isoformat()
    '1970-01-02T00:00:00+00:00'
    """
    return EPOCH + count * ONE_MICROSECOND
