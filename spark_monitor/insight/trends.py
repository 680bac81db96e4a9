"""How an incident's number has moved, in a sentence: since when, and whether it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from spark_monitor.diagnosis.trend import SIGNIFICANT, Trend, trend
from spark_monitor.insight.rows import Judged
from spark_monitor.text.formatting import in_words, number

DAY = timedelta(days=1)


def trend_sentence(series: Sequence[Judged]) -> str | None:
    """The sentence of a check's series; None for fewer than eight windows with a value."""
    points = [point for point in series if point.value is not None]
    times = [(point.window.start - points[0].window.start) / DAY for point in points]
    values = [point.value for point in points if point.value is not None]
    change = trend(times, values)
    if change is None:
        return None
    if change.onset is None:
        going = f"; it {_going(change)}" if change.is_going_on else ""
        return f"No window stands out as the first of a change (p > {SIGNIFICANT:g}, {len(points)} windows){going}."
    since = in_words(points[change.onset].window.start)
    moved = f"On average {number(change.before)} before {since} and {number(change.after)} since"
    return f"{moved}; since then it {_going(change)}." if change.is_going_on else f"{moved}."


def _going(change: Trend) -> str:
    direction = "rises" if change.slope > 0 else "falls"
    low, high = sorted((abs(change.lower), abs(change.upper)))
    return f"{direction} by {number(abs(change.slope))} a day ({number(low)} to {number(high)})"
