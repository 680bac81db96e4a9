"""Guesses about time: windows of which there are enough, and the quarter of a table's time that is its baseline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from spark_monitor.commands.role_words import TIME_WORDS
from spark_monitor.commands.roles import Column
from spark_monitor.text.quoting import quote, quoted
from spark_monitor.windowing.windows import parse_every, window_of

BASELINE_PARTS = 4
"""Without knowing the training period, the baseline is this part of the time that the table spans: a quarter."""

FEW_DAYS, SOME_DAYS, MANY_DAYS = timedelta(days=3), timedelta(days=14), timedelta(days=120)
ROWS_AN_HOUR = 100
"""Of so many rows an hour's windows can be compared, where days would be few."""

LEAST_SECONDS = 1e8
"""Times since 1970 in seconds are greater (1973), and below a thousand times as many."""


def no_time(source: str, columns: Sequence[Column], table: str = "TABLE") -> str:
    """The sentence for a table without any time."""
    named = [column for column in columns if set(column.words) & (TIME_WORDS - {"at"})] or [
        column for column in columns if "at" in column.words
    ]
    made = next((conversion(column) for column in named if column.kind in ("whole", "text")), "to_timestamp(`COLUMN`)")
    return (
        f"{source}: no column is a timestamp or a date, and a monitor needs to know when each prediction was made. "
        f"Make a view that has it, such as CREATE VIEW scored AS SELECT *, {made} AS predicted_at FROM {table}, "
        "and give the view; or write the files again with this column."
    )


def conversion(column: Column) -> str:
    """The SQL that makes a timestamp of a string, or of seconds, milliseconds, microseconds or nanoseconds since 1970.

    >>> conversion(Column("ts", "whole", greatest=1.7e12)), conversion(Column("day", "text"))
    ('timestamp_millis(`ts`)', 'to_timestamp(`day`)')
    """
    name, greatest = quote(column.name), column.greatest or 0.0
    if column.kind == "text" or greatest < LEAST_SECONDS:
        return f"to_timestamp({name if column.kind == 'text' else f'CAST({name} AS STRING)'})"
    if greatest < LEAST_SECONDS * 1e3:
        return f"timestamp_seconds({name})"
    if greatest < LEAST_SECONDS * 1e6:
        return f"timestamp_millis({name})"
    return f"timestamp_micros({name if greatest < LEAST_SECONDS * 1e9 else f'{name} div 1000'})"


def guess_every(span: tuple[datetime, datetime] | None, kind: str, rows: int | None = None) -> str:
    """Windows of which there are enough to compare and not too many to look at; of dates none shorter than a day."""
    length = span[1] - span[0] if span is not None else None
    if length is None or (kind == "date" and length <= FEW_DAYS):
        return "1 day"
    if rows is not None and kind != "date" and length <= SOME_DAYS and rows >= ROWS_AN_HOUR * (length / timedelta(hours=1)):
        return "1 hour"
    return "1 hour" if length <= FEW_DAYS else "1 week" if length > MANY_DAYS else "1 day"


def guess_baseline(span: tuple[datetime, datetime] | None, time: str, kind: str, every: str) -> str | None:
    """The condition of the first quarter of the time that a table spans, ending where a window ends."""
    if span is None:
        return None
    end = end_of_baseline(span, every)
    if kind == "date":
        return f"{quoted(time)} < DATE '{end:%Y-%m-%d}'"
    zone = "" if kind == "timestamp_ntz" else "Z"
    return f"{quoted(time)} < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}{zone}'"


def end_of_baseline(span: tuple[datetime, datetime], every: str) -> datetime:
    """Where the window ends that is nearest to a quarter of the time that a table spans."""
    window = window_of(span[0] + (span[1] - span[0]) / BASELINE_PARTS, parse_every(every), "UTC")
    return window.start if window.start > span[0] else window.end


def windows_of_baseline(span: tuple[datetime, datetime], every: str) -> float:
    """How many windows the baseline's time makes, in parts where it begins within one."""
    return max((end_of_baseline(span, every) - span[0]) / timedelta(hours=parse_every(every).nominal_hours), 1.0)
