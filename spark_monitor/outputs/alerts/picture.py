"""A series as a PNG, with interval and limits: an incident's for channels that take attachments, a version's for MLflow.

Drawn by matplotlib, which the extra ``alerts`` brings; where it is missing, a message has no picture and nothing else changes.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from spark_monitor.insight.rows import IncidentRow, Judged
from spark_monitor.text.formatting import harmless, subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INCHES, DOTS_PER_INCH = (6.4, 2.4), 120
LEAST_POINTS, MOST_LIMITS, LONGEST_TITLE = 2, 2, 90
COLOURS = {"FAIL": "#b3261e", "ERROR": "#b3261e", "WARN": "#b87700"}
LINE, BAND, LIMIT = "#1f5fa8", "#c9daf0", "#b3261e"

logger = logging.getLogger(__name__)


def picture_of(incident: IncidentRow, directory: Path) -> Path | None:
    """Draw the series of an incident's first check into ``directory``; None where it cannot be drawn."""
    about = subject(incident.metric or "value", incident.column)
    return series_picture(incident.series, about, directory / f"{incident.incident_id[:16]}.png")


def series_picture(series: Sequence[Judged], about: str, path: Path) -> Path | None:
    """Draw a series into a file; None where there is none, where matplotlib is missing, or where drawing fails.

    What it goes with is worth more than a picture: whatever goes wrong here is logged and costs the picture alone.
    """
    points = [point for point in series if point.value is not None and math.isfinite(point.value)]
    if len(points) < LEAST_POINTS:
        return None
    try:
        return _drawn(points, about, path)
    except ImportError:
        return None
    except Exception as error:  # a drawing library and data of any size
        logger.warning("The picture %s could not be drawn: %s.", path.name, type(error).__name__)
        return None


def _drawn(points: Sequence[Judged], about: str, path: Path) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if path.exists():
        return path
    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)  # draws into memory, without a screen
    axes = figure.subplots()
    _plot(axes, points)
    # A name from data may hold dollar signs, which matplotlib would read as mathematics.
    axes.set_title(harmless(about, LONGEST_TITLE), loc="left", fontsize=9, parse_math=False)
    figure.savefig(path, format="png")
    return path


def _plot(axes: Axes, points: Sequence[Judged]) -> None:
    times = [point.window.start + (point.window.end - point.window.start) / 2 for point in points]
    values = [point.value if point.value is not None else math.nan for point in points]
    lower, upper = ([_finite(bound) for bound in bounds] for bounds in ([p.lower for p in points], [p.upper for p in points]))
    # matplotlib draws datetimes; its stubs know numbers alone.
    axes.fill_between(times, lower, upper, color=BAND, linewidth=0)  # type: ignore[arg-type]
    axes.plot(times, values, color=LINE, linewidth=1.2)  # type: ignore[arg-type]  # datetimes
    marks = [COLOURS.get(point.verdict or "", LINE) for point in points]
    axes.scatter(times, values, c=marks, s=14, zorder=3)  # type: ignore[arg-type]  # datetimes
    for limit in sorted({point.limit for point in points if point.limit is not None})[:MOST_LIMITS]:
        axes.axhline(limit, color=LIMIT, linestyle=":", linewidth=1)
    end = max(points[-1].window.end, points[0].window.start + timedelta(seconds=1))
    axes.set_xlim(points[0].window.start, end)  # type: ignore[arg-type]  # datetimes
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _finite(bound: float | None) -> float:
    return bound if bound is not None and math.isfinite(bound) else math.nan
