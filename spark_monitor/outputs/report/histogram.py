"""Two distributions over one axis, drawn from quantiles. Only numbers get in."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spark_monitor.outputs.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from spark_monitor.text.formatting import number

BINS, SPREAD = 24, 20


def histogram(now: Sequence[float], baseline: Sequence[float], label: str) -> str:
    """Two distributions over one axis, from their 101 quantiles: the baseline as an outline, the window as bars.

    >>> histogram([], [1.0, 2.0], "age")
    ''
    """
    first, second = (
        np.sort(np.array([value for value in quantiles if math.isfinite(value)], dtype=np.float64))
        for quantiles in (now, baseline)
    )
    if len(first) < 2:
        return ""
    edges = _edges(first, second)
    if edges is None:
        return f"<p>Every value is {html.escape(number(float(first[0])))}.</p>"
    fractions, before = _fractions(first, edges), _fractions(second, edges)
    most = max(float(fractions.max()), float(before.max()) if len(before) else 0.0) or 1.0
    low, high = number(float(edges[0])), number(float(edges[-1]))
    text = html.escape(f"{label}: distribution, the baseline as an outline; {low} to {high}")
    bars = "".join(_bar(place, float(fraction) / most) for place, fraction in enumerate(fractions))
    outline = _outline([float(fraction) / most for fraction in before])
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text}" class="chart"><title>{text}</title>'
        f'<g class="bars">{bars}</g>{outline}<path d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}" class="axis"/>'
        f'<text x="{LEFT}" y="{HEIGHT - 5}">{low}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 5}" text-anchor="end">{high}</text></svg>'
    )


def _edges(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Edges of equal widths between the outer percentiles of both; None where there is no width."""
    sides = [side for side in (first, second) if len(side) > 1]
    low = min(float(side[min(1, len(side) - 1)]) for side in sides)
    high = max(float(side[max(len(side) - 2, 0)]) for side in sides)
    if not high / 2 - low / 2 > 0 or not math.isfinite(high - low):
        return None
    return np.linspace(low, high, BINS + 1)


def _fractions(quantiles: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fraction of each bin; what lies outside counts in the outer ones."""
    if len(quantiles) < 2:
        return np.zeros(0)
    spread = np.repeat(quantiles[:-1], SPREAD) + np.tile(np.arange(SPREAD) / SPREAD, len(quantiles) - 1) * np.repeat(
        np.diff(quantiles), SPREAD
    )
    counted, _ = np.histogram(np.clip(spread, edges[0], edges[-1]), bins=edges)
    return np.asarray(counted / len(spread), dtype=np.float64)


def _bar(place: int, height: float) -> str:
    step = (WIDTH - LEFT - RIGHT) / BINS
    tall = height * (HEIGHT - TOP - BOTTOM)
    return f'<rect x="{LEFT + place * step:.1f}" y="{HEIGHT - BOTTOM - tall:.1f}" width="{step - 1:.1f}" height="{tall:.1f}"/>'


def _outline(heights: Sequence[float]) -> str:
    if not heights:
        return ""
    step, bottom = (WIDTH - LEFT - RIGHT) / BINS, HEIGHT - BOTTOM
    points = [f"M{LEFT} {bottom}"]
    for place, height in enumerate(heights):
        y = bottom - height * (HEIGHT - TOP - BOTTOM)
        points.append(f"L{LEFT + place * step:.1f} {y:.1f}L{LEFT + (place + 1) * step:.1f} {y:.1f}")
    return f'<path d="{"".join(points)}L{WIDTH - RIGHT} {bottom}" class="outline"/>'
