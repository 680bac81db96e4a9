"""What is shown of a monitor, with its timestamps in the monitor's own zone: for readers, never for machines."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TypeVar, cast

from spark_monitor.text.formatting import UTC_NAME, local

Shown = TypeVar("Shown")


def in_zone(shown: Shown, zone: str) -> Shown:
    """The same facts or rows, every timestamp and window of them as the zone's clock reads it; they remain equal to those given.

    >>> from spark_monitor.insight.rows import CountRow
    >>> from spark_monitor.windowing.windows import parse_every, parse_timestamp, window_of
    >>> day = window_of(parse_timestamp("2024-07-01T12:00Z"), parse_every("1 day"), "Europe/Berlin")
    >>> day.text, in_zone(CountRow("1", day, 9), "Europe/Berlin").window.text
    ('2024-06-30 22:00 to 2024-07-01 22:00 UTC', '2024-07-01 to 2024-07-02')
    """
    return shown if zone == UTC_NAME else cast(Shown, _converted(shown, zone))


def _converted(value: object, zone: str) -> object:
    if isinstance(value, datetime):
        return local(value, zone)
    if isinstance(value, tuple | list):
        return type(value)(_converted(one, zone) for one in value)
    if isinstance(value, dict):
        return {_converted(key, zone): _converted(one, zone) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {name: getattr(value, name) for name in _names(type(value))}
        changed = {name: _converted(part, zone) for name, part in parts.items() if not isinstance(part, str | int | float)}
        return replace(value, **changed)
    return value


@lru_cache(maxsize=64)
def _names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.init)
