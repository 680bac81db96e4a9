"""From numbers to show to points of series: keys, steps, timestamps, and which of them are not there yet. No Spark, no client.

A point's step is its window's ordinal (among windows as long as itself), its timestamp the window's end in milliseconds plus its
revision: 0 for the value first published, 1 for the next value of the same window (late labels), and so on. A window's points are
therefore found again by their timestamps, whatever was published in between.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from spark_monitor.insight.reading import Reading
from spark_monitor.outputs.mlflow.keys import metric_key, with_hash
from spark_monitor.windowing.timestamps import EPOCH
from spark_monitor.windowing.windows import Granularity, Window, ordinal, window_of

REVISIONS = 60_000
"""Timestamps that belong to one window: a minute of milliseconds, less than the shortest time between two windows' ends."""

SAME_VALUE = 1e-12
"""Relative difference below which two values are one: a store may keep the last bit differently."""

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Point:
    """One point of one series of a model version's run."""

    version: str | None
    key: str
    value: float
    step: int
    timestamp: int


@dataclass(frozen=True)
class Logged:
    """A point that is already there."""

    value: float
    step: int
    timestamp: int


def points(
    readings: Iterable[Reading],
    granularity: Granularity,
    zone: str,
    *,
    log_windows: Granularity | None = None,
    ascii_only: bool = False,
) -> list[Point]:
    """The points of readings in order of time and key; NaN, infinities and missing values have none.

    ``log_windows`` is the length of a serving log's windows, where they are not the monitor's: they are counted among themselves.

    >>> from spark_monitor.windowing.windows import Window, parse_every, parse_timestamp
    >>> from spark_monitor.insight.reading import Reading
    >>> week = Window(parse_timestamp("2013-09-02"), parse_timestamp("2013-09-09"))
    >>> [point] = points([Reading("2", week, "drift", "ks", 0.25, column="wind_speed")], parse_every("1 week"), "UTC")
    >>> point.key, point.step, point.timestamp
    ('drift/ks.wind_speed', 2278, 1378684800000)
    """
    by_place: dict[tuple[str | None, str, int], Point] = {}
    for reading in readings:
        if reading.value is None or not math.isfinite(reading.value):
            continue
        point = Point(
            reading.version,
            _key(reading, ascii_only=ascii_only),
            float(reading.value),
            _step(reading.window, granularity, log_windows, zone),
            milliseconds(reading.window.end),
        )
        by_place.setdefault((point.version, point.key, point.timestamp), point)
    return sorted(_with_distinct_keys(list(by_place.values())), key=lambda point: (point.timestamp, point.key))


def _step(window: Window, granularity: Granularity, log_windows: Granularity | None, zone: str) -> int:
    """The ordinal of a window: of the log's own length where it is one of these and none of the monitor's."""
    if log_windows is not None and window != window_of(window.start, granularity, zone):
        return ordinal(window, log_windows, zone)
    return ordinal(window, granularity, zone)


def unpublished(wanted: Sequence[Point], history: Mapping[str, Sequence[Logged]]) -> list[Point]:
    """The points of one run that its history lacks: new ones as they are, revised ones at the next free timestamp.

    >>> [point] = unpublished([Point("2", "model/log_loss", 0.4, 7, 1000)], {"model/log_loss": [Logged(0.5, 7, 1000)]})
    >>> point.value, point.timestamp
    (0.4, 1001)
    """
    lacking = []
    for point in wanted:
        there = [logged for logged in history.get(point.key, ()) if 0 <= logged.timestamp - point.timestamp < REVISIONS]
        latest = max(there, key=lambda logged: logged.timestamp, default=None)
        if latest is None:
            lacking.append(point)
        elif not math.isclose(latest.value, point.value, rel_tol=SAME_VALUE):
            revised = min(latest.timestamp + 1, point.timestamp + REVISIONS - 1)
            lacking.append(replace(point, timestamp=revised))
    return lacking


def milliseconds(timestamp: datetime) -> int:
    """Milliseconds since 1970 UTC, as MLflow counts time."""
    return (timestamp - EPOCH) // _MILLISECOND


def _key(reading: Reading, *, ascii_only: bool) -> str:
    return metric_key(
        reading.family,
        reading.name,
        column=reading.column,
        slice_key=reading.slice_key,
        slice_value=reading.slice_value,
        ascii_only=ascii_only,
    )


def _with_distinct_keys(points: list[Point]) -> list[Point]:
    """Keys that differ only in case (columns ``Temp`` and ``temp``) get a hash, all but the one in lower case."""
    spellings: defaultdict[str, set[str]] = defaultdict(set)
    for point in points:
        spellings[point.key.casefold()].add(point.key)
    confusable = {key for keys in spellings.values() if len(keys) > 1 for key in keys if key != key.casefold()}
    return [replace(point, key=with_hash(point.key)) if point.key in confusable else point for point in points]
