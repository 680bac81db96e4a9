"""A replay as one SVG: a bar per rule for its false alarms a week, and a dot for how soon it finds each planted shift."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 900
ROW: Final = 34
LEFT: Final = 380
BARS: Final = 260
TOP: Final = 64
LONGEST_LABEL: Final = 58


@dataclass(frozen=True)
class Bar:
    """A rule: its label, its false alarms a week, and after how many of so many windows each planted shift is found."""

    label: str
    per_week: float
    found: Sequence[tuple[str, int | None, int]]


def replay_svg(title: str, bars: Sequence[Bar]) -> str:
    """The picture; every text in it is escaped.

    >>> replay_svg("a < b", [Bar("ks", 0.5, [("fare", 1, 8)])]).count("<rect")
    2
    """
    height = TOP + ROW * max(len(bars), 1) + 20
    most = max([bar.per_week for bar in bars], default=0.0) or 1.0
    rows = "".join("".join(_row(place, bar, most)) for place, bar in enumerate(bars))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="sans-serif" font-size="12">'
        f"<title>{html.escape(title)}</title>"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        f'<text x="12" y="24" font-size="15" fill="#1a1a1a">{html.escape(title)}</text>'
        f'<text x="{LEFT}" y="48" fill="#595959">false alarms a week</text>'
        f'<text x="{LEFT + BARS + 70}" y="48" fill="#595959">planted shift: found after</text>{rows}</svg>'
    )


def _row(place: int, bar: Bar, most: float) -> Iterator[str]:
    y = TOP + place * ROW
    label = bar.label if len(bar.label) <= LONGEST_LABEL else bar.label[: LONGEST_LABEL - 1] + "…"
    wide = BARS * bar.per_week / most
    yield f'<text x="12" y="{y + 15}" fill="#1a1a1a">{html.escape(label)}</text>'
    yield f'<rect x="{LEFT}" y="{y + 3}" width="{max(wide, 1):.1f}" height="16" fill="#2f6db3"/>'
    yield f'<text x="{LEFT + max(wide, 1) + 6:.1f}" y="{y + 15}" fill="#1a1a1a">{bar.per_week:.3g}</text>'
    delays = ", ".join(f"{name}: {'never' if first is None else f'{first} of {windows}'}" for name, first, windows in bar.found)
    if delays:
        yield f'<text x="{LEFT + BARS + 70}" y="{y + 15}" fill="#1a1a1a">{html.escape(delays[:LONGEST_LABEL])}</text>'
