"""Small charts as inline SVG: a line with its interval over windows, and a strip of verdicts. Only numbers get in."""

from __future__ import annotations

import html
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from spark_monitor.text.formatting import day, harmless, number
from spark_monitor.windowing.windows import Window

WIDTH, HEIGHT = 400, 96
LEFT, RIGHT, TOP, BOTTOM = 70, 8, 8, 20
"""As wide as a phone or a third of a page, where letters are as large as text; report.css makes them smaller in wider places."""
STRIP_HEIGHT, CELL_GAP = 10, 0.5

HEAT_WIDTH, HEAT_HEIGHT, DEPTHS = 1000, 10, 5
JUDGED_COLOURS = ("FAIL", "ERROR", "WARN", "UNDECIDED")

LEAST_RANGE, LEAST_MARGIN = 1e-9, 1e-3
"""A range this small, relative to its values, is drawn as a level line in the middle of at least this much."""


@dataclass(frozen=True)
class Mark:
    """A value of one window, with its interval where it has one; None where the window has no value."""

    window: Window
    value: float | None
    lower: float | None = None
    upper: float | None = None


def line_chart(
    marks: Sequence[Mark],
    label: str,
    windows: Sequence[Window] = (),
    *,
    beside: Sequence[Mark] = (),
    limits: Sequence[float] = (),
) -> str:
    """A line over time; where a window is missing or has no value, the line is broken and not drawn through.

    ``windows`` are those that the time axis spans besides, so that charts below each other share it; ``beside`` is a second,
    dashed line, such as an estimate; ``limits`` are level lines.

    >>> line_chart([], "AUC")
    ''
    """
    finite = sorted((mark for mark in marks if _finite(mark.value)), key=lambda mark: mark.window)
    if not finite:
        return ""
    second = sorted((mark for mark in beside if _finite(mark.value)), key=lambda mark: mark.window)
    levels = [limit for limit in limits if math.isfinite(limit)]
    scale = _Scale.of([*finite, *second], windows, levels)
    parts = [_axes(scale), *(_level(limit, scale) for limit in levels)]
    if second:
        parts.append(f'<g class="beside">{"".join(_band(run, scale) + _line(run, scale) for run in _runs(second))}</g>')
    parts += [*(_band(run, scale) for run in _runs(finite)), *(_line(run, scale) for run in _runs(finite))]
    text = html.escape(
        f"{harmless(label)}: {number(finite[-1].value)} in the window {finite[-1].window.text}; {len(finite)} windows"
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text}" class="chart"><title>{text}</title>'
        f"{''.join(parts)}</svg>"
    )


def verdict_strip(verdicts: Sequence[tuple[Window, str]]) -> str:
    """One cell per window, by its worst verdict; each cell says in words what it is.

    >>> verdict_strip([])
    ''
    """
    if not verdicts:
        return ""
    start, span = _span([window for window, _ in verdicts])
    cells = "".join(_cell(window, verdict, start, span) for window, verdict in verdicts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {STRIP_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="verdict of every window" '
        f'class="strip">{cells}</svg>'
    )


@dataclass(frozen=True)
class _Scale:
    """From windows and values to places in the picture."""

    start: float
    span: float
    low: float
    high: float

    @classmethod
    def of(cls, marks: Sequence[Mark], windows: Sequence[Window], levels: Sequence[float] = ()) -> _Scale:
        numbers = [
            number for mark in marks for number in (mark.value, mark.lower, mark.upper) if number is not None and _finite(number)
        ]
        # A limit far outside would press the line flat; it is drawn only where it is of the values' own size.
        reach = 2 * (max(numbers) / 2 - min(numbers) / 2) + max(map(abs, numbers))
        numbers += [level for level in levels if min(numbers) - reach <= level <= max(numbers) + reach]
        low, high = min(numbers), max(numbers)
        if high / 2 - low / 2 <= max(abs(low), abs(high)) * LEAST_RANGE or high / 2 - low / 2 < sys.float_info.min:
            margin = max(abs(low) / 2, LEAST_MARGIN)
            low, high = low - margin, high + margin
        start, span = _span([*(mark.window for mark in marks), *windows])
        return cls(start, span, low, high)

    def x(self, window: Window) -> float:
        middle = (window.start.timestamp() + window.end.timestamp()) / 2
        return LEFT + (middle - self.start) / self.span * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        # Halves, because the difference of two large doubles may be infinite.
        fraction = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return HEIGHT - BOTTOM - fraction * (HEIGHT - TOP - BOTTOM)

    @property
    def first_and_last(self) -> tuple[str, str]:
        edges = (self.start, self.start + self.span)
        first, last = (day(datetime.fromtimestamp(edge, UTC)) for edge in edges)
        return first, last


def _axes(scale: _Scale) -> str:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    first, last = scale.first_and_last
    return (
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" class="axis"/>'
        f'<text x="{LEFT - 5}" y="{TOP + 8}" text-anchor="end">{number(scale.high)}</text>'
        f'<text x="{LEFT - 5}" y="{bottom}" text-anchor="end">{number(scale.low)}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 5}">{first}</text>'
        f'<text x="{right}" y="{HEIGHT - 5}" text-anchor="end">{last}</text>'
    )


def _level(limit: float, scale: _Scale) -> str:
    if not scale.low <= limit <= scale.high:
        return ""
    y = f"{scale.y(limit):.1f}"
    return f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" class="limit"><title>limit {number(limit)}</title></path>'


def _runs(marks: Sequence[Mark]) -> Iterator[list[Mark]]:
    """Unbroken series: each window begins where the one before it ends."""
    run: list[Mark] = []
    for mark in marks:
        if run and run[-1].window.end != mark.window.start:
            yield run
            run = []
        run.append(mark)
    yield run


def _band(run: Sequence[Mark], scale: _Scale) -> str:
    bounded = [mark for mark in run if _finite(mark.lower) and _finite(mark.upper)]
    if not bounded:
        return ""
    upper = [f"{scale.x(mark.window):.1f},{scale.y(mark.upper or 0.0):.1f}" for mark in bounded]
    lower = [f"{scale.x(mark.window):.1f},{scale.y(mark.lower or 0.0):.1f}" for mark in reversed(bounded)]
    if len(bounded) == 1:
        return f'<path d="M{upper[0]}L{lower[0]}" class="whisker"/>'
    return f'<polygon points="{" ".join(upper + lower)}" class="band"/>'


def _line(run: Sequence[Mark], scale: _Scale) -> str:
    places = [(scale.x(mark.window), scale.y(mark.value or 0.0)) for mark in run]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.8"/>' for x, y in places)
    if len(places) == 1:
        return dots
    return f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" class="line"/>{dots}'


def heat_strip(cells: Sequence[tuple[Window, float | None, str | None, str]]) -> str:
    """One cell per window: its colour is the verdict where there is one, else its depth the distance from 0 to 1."""
    if not cells:
        return ""
    start, span = _span([window for window, *_ in cells])
    drawn = "".join(_heat_cell(cell, start, span) for cell in cells)
    box = f"0 0 {HEAT_WIDTH} {HEAT_HEIGHT}"
    return f'<svg viewBox="{box}" preserveAspectRatio="none" class="heat" aria-hidden="true">{drawn}</svg>'


def _heat_cell(cell: tuple[Window, float | None, str | None, str], start: float, span: float) -> str:
    window, distance, verdict, title = cell
    left = (window.start.timestamp() - start) / span * HEAT_WIDTH
    width = (window.end - window.start).total_seconds() / span * HEAT_WIDTH
    depth = min(max(distance, 0.0), 1.0) if distance is not None and math.isfinite(distance) else 0.0
    shown = verdict.lower() if verdict in JUDGED_COLOURS else f"d{round(depth * DEPTHS)}"
    place = f'x="{left:.0f}" width="{max(width - 1, 1):.0f}" height="{HEAT_HEIGHT}"'
    return f'<rect {place} class="{shown}"><title>{html.escape(title)}</title></rect>'


def _cell(window: Window, verdict: str, start: float, span: float) -> str:
    across = WIDTH - LEFT - RIGHT
    left = LEFT + (window.start.timestamp() - start) / span * across
    width = (window.end - window.start).total_seconds() / span * across
    title = f"<title>{html.escape(f'{window.text}: {verdict}')}</title>"
    place = f'x="{left:.1f}" y="0" width="{max(width - CELL_GAP, CELL_GAP):.1f}" height="{STRIP_HEIGHT}"'
    return f'<rect {place} class="{html.escape(verdict.lower())}">{title}</rect>'


def _span(windows: Iterable[Window]) -> tuple[float, float]:
    listed = list(windows)
    start = min(window.start for window in listed).timestamp()
    return start, max(window.end for window in listed).timestamp() - start


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
