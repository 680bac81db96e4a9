"""Which stored windows a coarser one is put together from: a pure choice over windows, so that their rows are not read again.

What no stored window covers, such as the weeks that straddle a month's end, is read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence

from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import Granularity
from spark_monitor.windowing.windows import Window

Runs = Mapping[str, Sequence[Window]]
"""Windows by the label of their granularity, in order; those of one granularity never overlap."""


def candidates(due: Iterable[DueWindow], handled: Iterable[DueWindow], granularities: Iterable[Granularity]) -> list[DueWindow]:
    """The handled windows that are not due and lie wholly within a due one of a coarser granularity."""
    again = set(due)
    stored = by_granularity(one for one in handled if one not in again)
    finest_first = sorted(granularities, key=lambda granularity: granularity.nominal_hours)
    inner_windows = {
        DueWindow(finer.label, inner)
        for rank, granularity in enumerate(finest_first)
        for one in again
        if one.granularity == granularity.label
        for finer in finest_first[:rank]
        for inner in within(stored.get(finer.label, ()), one.window)
    }
    return sorted(inner_windows)


def compose(
    due: Collection[DueWindow], usable: Iterable[DueWindow], granularities: Iterable[Granularity]
) -> dict[DueWindow, tuple[DueWindow, ...]]:
    """For each due window the usable ones that it is put together from, in order of time: the coarsest that fit, then finer ones.

    None overlaps another, and none holds a due window of a finer granularity: that one's rows are newer than what is stored.

    >>> from datetime import datetime
    >>> from spark_monitor.windowing.periods import parse_every
    >>> def february(granularity, first, last):
    ...     return DueWindow(granularity, Window(datetime(2024, 2, first), datetime(2024, 2, last)))
    >>> days = [february("1 day", day, day + 1) for day in (5, 19, 20)]
    >>> stored = [*days, february("1 week", 5, 12), february("1 week", 12, 19)]
    >>> month = DueWindow("1 month", Window(datetime(2024, 2, 1), datetime(2024, 3, 1)))
    >>> composed = compose([month], stored, [parse_every(text) for text in ("1 day", "1 week", "1 month")])
    >>> [(part.granularity, part.window.start.day) for part in composed[month]]
    [('1 week', 5), ('1 week', 12), ('1 day', 19), ('1 day', 20)]
    """
    finest_first = sorted(granularities, key=lambda granularity: granularity.nominal_hours)
    labels = [granularity.label for granularity in finest_first]
    stored, fresh = by_granularity(usable), by_granularity(due)
    composed = {}
    for one in due:
        parts = _parts(one.window, labels[: labels.index(one.granularity)], stored, fresh)
        if parts:
            composed[one] = tuple(sorted(parts, key=lambda part: part.window))
    return composed


def _parts(window: Window, finer: Sequence[str], stored: Runs, fresh: Runs) -> list[DueWindow]:
    """The parts of one window; ``finer`` are the labels of the finer granularities, the finest first."""
    taken: dict[str, list[Window]] = {}
    for rank in reversed(range(len(finer))):
        newer = [fresh.get(label, ()) for label in finer[:rank]]
        free = [
            inner
            for inner in within(stored.get(finer[rank], ()), window)
            if not any(meets(windows, inner) for windows in (*taken.values(), *newer))
        ]
        taken[finer[rank]] = free
    return [DueWindow(label, inner) for label, windows in taken.items() for inner in windows]


def by_granularity(windows: Iterable[DueWindow]) -> dict[str, list[Window]]:
    """Windows in order of time by the label of their granularity."""
    grouped: dict[str, list[Window]] = {}
    for one in sorted(set(windows)):
        grouped.setdefault(one.granularity, []).append(one.window)
    return grouped


def within(windows: Sequence[Window], outer: Window) -> Sequence[Window]:
    """Of windows in order that do not overlap, those that lie wholly within another."""
    low = bisect_left(windows, outer.start, key=lambda window: window.start)
    high = bisect_left(windows, outer.end, key=lambda window: window.start)
    inner = windows[low:high]
    return inner[:-1] if inner and inner[-1].end > outer.end else inner


def meets(windows: Sequence[Window], other: Window) -> bool:
    """Whether any of windows in order that do not overlap shares a timestamp with another."""
    before = bisect_left(windows, other.end, key=lambda window: window.start)
    return before > 0 and windows[before - 1].end > other.start
