"""Timestamps from whatever kind of time a table holds, and back to the local times that they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError

FARTHEST = 2 * 86_400_000_000
"""Microseconds: no local clock has ever been two days away from UTC."""


def timestamps(times: pa.Array, zone: str) -> pa.Array:
    """Microseconds since 1970, UTC, of timestamps, of local timestamps and of dates (local midnight) in ``zone``.

    An hour that a clock change repeats is its first occurrence; one that it skips is the first timestamp after it.

    >>> import datetime
    >>> timestamps(pa.array([datetime.date(2024, 7, 1)]), "Europe/Berlin").to_pylist()
    [1719784800000000]
    """
    kind = times.type
    if pa.types.is_date(kind):
        times = times.cast(pa.timestamp("us"))
        kind = times.type
    if not pa.types.is_timestamp(kind):
        raise StateError(f"time column: of type {kind}, a timestamp or a date is needed.")
    if kind.tz is None:
        times = pc.assume_timezone(times.cast(pa.timestamp("us")), zone, ambiguous="earliest", nonexistent="latest")
    return times.cast(pa.timestamp("us", tz=times.type.tz)).cast(pa.int64())


def first_readings(moments: Sequence[int], zone: str) -> list[int]:
    """For every timestamp the least local time in ``zone`` that ``timestamps`` places at or after it; both in microseconds.

    ``timestamps`` never decreases as the local time grows, so the result is found by halving, and a local time lies within
    [start, end) exactly if it is at or above the one's first reading and below the other's.

    >>> first_readings([1719784800000000], "Europe/Berlin") == [1719784800000000 + 2 * 3_600_000_000]
    True
    """
    wanted = np.array(moments, dtype=np.int64)
    low, high = wanted - FARTHEST, wanted + FARTHEST
    while (low < high).any():
        middle = low + (high - low) // 2
        reached = np.asarray(timestamps(pa.array(middle, pa.timestamp("us")), zone).to_numpy()) >= wanted
        low, high = np.where(reached, low, middle + 1), np.where(reached, middle, high)
    return [int(reading) for reading in low]
