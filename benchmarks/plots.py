"""The plots that the suites leave in the output directory, and in docs/performance where asked: same figures, same bytes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOCS = Path("docs/performance")
COLOUR, OTHER_COLOUR = "#2b6cb0", "#c05621"
LABEL_WIDTH = 16
Ends = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """One point of a line: what it is called, the median, the least and the most."""

    label: str
    median: float
    ends: Ends


def bars(
    name: str, values: Mapping[str, float], ends: Mapping[str, Ends], title: str, unit: str, arguments: argparse.Namespace
) -> None:
    """One horizontal bar for each case, with the range of its turns, the shortest on top."""
    figure, axes = _figure(0.4 * len(values) + 1.2)
    names = sorted(values, key=values.__getitem__, reverse=True)
    lengths = [values[one] for one in names]
    around = _around(lengths, [ends[one] for one in names])
    drawn = axes.barh(names, lengths, xerr=around, color=COLOUR, ecolor=OTHER_COLOUR, capsize=3)
    axes.bar_label(drawn, fmt="{:,.0f}", padding=4)
    axes.margins(x=0.18)
    axes.set_xlabel(unit)
    axes.set_title(title)
    _save(figure, name, arguments)


def lines(
    name: str, families: Mapping[str, Sequence[Point]], title: str, across: str, unit: str, arguments: argparse.Namespace
) -> None:
    """One line for each reader, its points side by side at equal steps, with the range of the turns."""
    figure, axes = _figure(4)
    for (label, points), colour in zip(families.items(), (COLOUR, OTHER_COLOUR), strict=False):
        medians = [point.median for point in points]
        around = _around(medians, [point.ends for point in points])
        axes.errorbar(range(len(points)), medians, yerr=around, marker="o", capsize=3, color=colour, label=label)
    longest = max(families.values(), key=len)
    axes.set_xticks(range(len(longest)), [fill(point.label, LABEL_WIDTH) for point in longest])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(across)
    axes.set_ylabel(unit)
    axes.set_title(title)
    axes.legend()
    _save(figure, name, arguments)


def _around(medians: Sequence[float], ends: Sequence[Ends]) -> list[list[float]]:
    """How far below and above the medians the ends lie; never below zero, whatever is rounded."""
    below = [max(0.0, median - low) for median, (low, _) in zip(medians, ends, strict=True)]
    return [below, [max(0.0, high - median) for median, (_, high) in zip(medians, ends, strict=True)]]


def _figure(height: float) -> tuple[Any, Axes]:
    import matplotlib

    matplotlib.use("Agg")
    # The ids within an SVG are drawn by chance unless they are given a salt; text stays text.
    matplotlib.rcParams.update({"svg.hashsalt": "spark_monitor", "svg.fonttype": "none"})
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(8, height), layout="constrained")


def _save(figure: Any, name: str, arguments: argparse.Namespace) -> None:
    from matplotlib import pyplot

    for directory in [arguments.output, *([DOCS] if arguments.docs else [])]:
        directory.mkdir(parents=True, exist_ok=True)
        figure.savefig(directory / f"{name}.svg", metadata={"Date": None, "Creator": None})
        print(f"plot: {directory / name}.svg")
    pyplot.close(figure)
