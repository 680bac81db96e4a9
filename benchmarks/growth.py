"""How the time grows: with rows, columns, windows and slices, one family each, all points of a family timed in turns.

A point's figure is nanoseconds a value and core; where it stays the same along a family, the time grows as the data do.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import plots
from benchmarks.data import Made
from benchmarks.monitors import CORES, session, windows_of
from benchmarks.readers import Bench, Keys
from benchmarks.timing import ratio, timed

WIDER = (1, 5, 25, 50)
"""The columns of a wide table in those of the narrow one: 40, 200, 1,000 and 2,000."""

LONGER = (1, 2, 4, 8)
ROWS_OF_WIDE = 40
"""A wide table has so many times fewer rows than the longest."""

HOURS = (1, 24, 168, 8_760)
SMALLER = 2
"""So many points of each family, the first ones, are read through Spark as well where that is asked for."""

TWENTY = tuple(f"g{key}" for key in range(20))
CROSSINGS = tuple((TWENTY[key], TWENTY[key + 1]) for key in range(0, len(TWENTY), 2))
SLICES: Mapping[str, Keys] = {
    "none": (),
    "one of 3": ("small",),
    "five of 50": TWENTY[:5],
    "twenty of 50": TWENTY,
    "twenty of 50, ten crosses of two": (*TWENTY, *CROSSINGS),
}


@dataclass(frozen=True)
class Point:
    """One table and how it is profiled."""

    label: str
    made: Made
    windows: int = 4
    keys: Keys = ()


def rows_family(rows: int, columns: int) -> list[Point]:
    """As many columns, more rows."""
    made = [Made(rows * times // LONGER[-1], columns) for times in LONGER]
    return [Point(f"{one.rows:,} rows", one) for one in made]


def columns_family(rows: int, columns: int) -> list[Point]:
    """As many rows, more columns."""
    made = [Made(max(rows // ROWS_OF_WIDE, 1), columns * times) for times in WIDER]
    return [Point(f"{one.columns:,} columns", one) for one in made]


def windows_family(rows: int, columns: int) -> list[Point]:
    """The same rows cut into more windows, in the order of time."""
    return [Point(f"{count:,} window{'s' if count > 1 else ''}", Made(rows, columns), windows=count) for count in HOURS]


def unordered_family(rows: int, columns: int) -> list[Point]:
    """The most windows, where the rows lie in the order of time, and where each file holds rows of every window."""
    ordered = Point(f"{HOURS[-1]:,} windows, in order", Made(rows, columns), windows=HOURS[-1])
    return [ordered, Point(f"{HOURS[-1]:,} windows, in no order", Made(rows, columns, ordered=False), windows=HOURS[-1])]


def slices_family(rows: int, columns: int) -> list[Point]:
    """The same rows cut into more slices."""
    made = Made(rows, columns, keys=len(TWENTY))
    return [Point(label, made, keys=keys) for label, keys in SLICES.items()]


FAMILIES: Mapping[str, Callable[[int, int], list[Point]]] = {
    "rows": rows_family,
    "columns": columns_family,
    "windows": windows_family,
    "unordered": unordered_family,
    "slices": slices_family,
}


def main(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    for name, family in FAMILIES.items():
        if not arguments.only or name in arguments.only:
            report(name, family(arguments.rows, arguments.columns), arguments)


def report(name: str, points: Sequence[Point], arguments: argparse.Namespace) -> None:
    """Time the points of a family in turns, print a line for each and plot them."""
    spark = session()
    benches = {point.made: Bench(spark, point.made.write(arguments.dir), point.made.columns) for point in points}
    cases: dict[str, Callable[[], object]] = {}
    readers = {"files": points, "spark": points[:SMALLER] if arguments.spark else []}
    for reader, few in readers.items():
        for point in few:
            bench = benches[point.made]
            read = bench.by_files if reader == "files" else bench.by_spark
            cases[f"{reader}, {point.label}"] = read(point.keys, windows_of(point.windows))
    times = timed(cases, arguments.repeats)
    curves = {reader: [line(times, reader, few[0], point) for point in few] for reader, few in readers.items() if few}
    title = f"{points[-1].made.rows:,} rows, {points[-1].made.columns:,} columns at the last point"
    plots.lines(f"growth-{name}", curves, title, name, "ns a value and core", arguments)


def line(times: Mapping[str, list[float]], reader: str, first: Point, point: Point) -> plots.Point:
    """Print a point's seconds, its cost of a value, and this in relation to the first point's."""
    costs = {one: per_value_of(times[f"{reader}, {one.label}"], one) for one in (first, point)}
    seconds, point_costs = statistics.median(times[f"{reader}, {point.label}"]), costs[point]
    print(f"{reader}, {point.label}: {seconds:.2f} s, {statistics.median(point_costs):.0f} ns a value and core")
    if point != first:
        labels = {one: f"{reader}, {one.label}, a value" for one in (first, point)}
        print(ratio({labels[one]: cost for one, cost in costs.items()}, labels[point], labels[first]))
    return plots.Point(point.label, statistics.median(point_costs), (min(point_costs), max(point_costs)))


def per_value_of(seconds: Sequence[float], point: Point) -> list[float]:
    """Every turn in nanoseconds a value and core."""
    return [1e9 * CORES * one / (point.made.rows * point.made.columns) for one in seconds]
