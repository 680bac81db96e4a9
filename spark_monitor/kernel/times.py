"""Instants from whatever kind of time a table holds."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from spark_monitor.errors import StateError


def instants(times: pa.Array, zone: str) -> pa.Array:
    """Microseconds since 1970, UTC, of timestamps, of local timestamps and of dates (local midnight) in ``zone``.

    An hour that a clock change repeats is its first occurrence; one that it skips is the first instant after it.

    >>> import datetime
    >>> instants(pa.array([datetime.date(2024, 7, 1)]), "Europe/Berlin").to_pylist()
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
