"""Wasserstein-1 (earth mover's) distance: the area between two distribution functions, with bounds that certainly hold it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from spark_monitor.distances.distance import Distance, Value
from spark_monitor.distances.interval import Interval
from spark_monitor.distances.reference import Reference
from spark_monitor.distances.sides import Floats, Integers, same_grid

# The shares round by 2^-53 each, over a width of at most the common range; the rest of the arithmetic adds a few units more.
# Products below the least normal double round by a part of it whatever the range.
ROUNDING = 2.0**-46
SUBNORMAL = 2.0**-1022
MEAN_ROUNDING = 2.0**-40
_QUARTER = 0.25


@dataclass(frozen=True, eq=False)
class Side:
    """One side: F at the right end of every cell, float64[2B+1], and the exact extremes and mean of its finite values."""

    shares: Floats
    minimum: float
    maximum: float
    mean: float


def wasserstein_distance(edges: Floats, baseline: Side, current: Side) -> Interval:
    """W = integral of |F(x) - G(x)| dx, in the column's own unit, on common ``edges``, float64[B].

    The real line is cut at the edges and at the extremes of both sides. Between two cuts F and G are monotone between known
    bounds, f <= F <= f', g <= G <= g', so |F - G| is between max(f - g', g - f', 0) and max(f' - g, g' - f): summed times the
    widths these are the bounds. The difference of the means is another lower bound. The value takes F and G as straight between
    cuts, or is that difference where it is larger. The bounds are widened by 2^-46 of the common range for rounding; what exceeds
    a double is inf.
    Sources: Vallender, "Calculation of the Wasserstein distance between probability distributions on the line" (1974).

    >>> half = Side(np.array([0.0, 0.5, 0.5, 1.0, 1.0]), 0.0, 1.0, 0.5)
    >>> ones = Side(np.array([0.0, 0.0, 0.0, 1.0, 1.0]), 1.0, 1.0, 1.0)
    >>> print(wasserstein_distance(np.array([0.0, 1.0]), half, ones))
    0.5 [0.5, 0.5] certain
    """
    extremes = sorted([baseline.minimum, baseline.maximum, current.minimum, current.maximum])
    cuts, cell = _cuts(edges, extremes)
    # Widths beyond the largest double would overflow; powers of two scale exactly.
    scale = 1.0 if isfinite(float(cuts[-1]) - float(cuts[0])) else _QUARTER
    scaled = cuts * scale
    widths = scaled[1:] - scaled[:-1]
    f_low, f_high = _bounds(baseline, cell, cuts)
    g_low, g_high = _bounds(current, cell, cuts)
    least = np.maximum(np.maximum(f_low - g_high, g_low - f_high), 0.0)
    most = np.maximum(f_high - g_low, g_high - f_low)
    upper = float(np.dot(most, widths))
    if upper == 0.0 and not most[widths > 0].any():
        return Interval(0.0, 0.0, 0.0)
    slack = ROUNDING * (extremes[-1] * scale - extremes[0] * scale) + SUBNORMAL
    upper += slack
    shift, shift_rounding = _mean_shift(baseline, current, scale)
    lower = min(max(float(np.dot(least, widths)) - slack, shift - shift_rounding, 0.0), upper)
    value = min(max(_straight(f_low - g_low, f_high - g_high, widths), shift, lower), upper)
    return Interval(value / scale, lower / scale, upper / scale)


def wasserstein_of(baseline: Reference, current: Reference) -> Interval | None:
    """The interval of two states on one grid; None without values, without a common grid, or on one without edges."""
    first, second = baseline.state, current.state
    if not (first.finite and second.finite and baseline.has_edges and same_grid(first, second)):
        return None
    return wasserstein_distance(first.grid.edges, _side(baseline), _side(current))


def per_deviation(distance: Interval, deviation: float) -> Interval | None:
    """The distance in units of the baseline's standard deviation; None where that is not a positive number.

    >>> print(per_deviation(Interval(1.0, 0.5, 2.0), 2.0), per_deviation(Interval(1.0, 0.5, 2.0), 0.0))
    0.5 [0.25, 1] certain None
    """
    if not (isfinite(deviation) and deviation > 0):
        return None
    return Interval(distance.value / deviation, distance.lower / deviation, distance.upper / deviation, distance.basis)


def _side(reference: Reference) -> Side:
    state = reference.state
    return Side(reference.shares, state.minimum, state.maximum, state.mean)


def _cuts(edges: Floats, extremes: list[float]) -> tuple[Floats, Integers]:
    """The edges and the extremes in order, and the open cell that follows each of them but the last."""
    cuts = np.sort(np.concatenate([edges, extremes]), kind="stable")
    cell = 2 * np.arange(1, cuts.size)
    # After k of the extremes a cut has k edges fewer before it than cuts.
    for before, position in enumerate(np.searchsorted(edges, extremes).tolist()):
        cell[position + before :] -= 2
    return cuts, cell


def _bounds(side: Side, cell: Integers, cuts: Floats) -> tuple[Floats, Floats]:
    """Between which values the side's function stays from each cut to the next."""
    low, high = np.append(0.0, side.shares)[cell], side.shares[cell]
    # Nothing lies before the minimum and everything before the maximum has been passed after it.
    high[: int(np.searchsorted(cuts, side.minimum, side="left"))] = 0.0
    low[int(np.searchsorted(cuts, side.maximum, side="left")) :] = 1.0
    return low, high


def _straight(before: Floats, after: Floats, widths: Floats) -> float:
    """The area between two straight lines whose difference goes from ``before`` to ``after`` on each width."""
    first, second = np.abs(before), np.abs(after)
    both = first + second
    crossing = np.flatnonzero(before * after < 0)
    # Where the lines cross, two triangles of heights a and b are left of the trapezium: (a^2 + b^2) / (a + b), not a + b.
    excess = 2 * first[crossing] * second[crossing] / both[crossing]
    return float(np.dot(both, widths) - np.dot(excess, widths[crossing])) / 2


def _mean_shift(baseline: Side, current: Side, scale: float) -> tuple[float, float]:
    """|mean - mean|, which W never falls below, and what the means may have been rounded by; in units of 1 / scale."""
    largest = max(abs(baseline.minimum), abs(baseline.maximum), abs(current.minimum), abs(current.maximum))
    shift = abs(current.mean * scale - baseline.mean * scale)
    return (shift, MEAN_ROUNDING * largest) if isfinite(shift) else (0.0, 0.0)


def _row(baseline: Reference, current: Reference) -> tuple[Value, ...]:
    distance = wasserstein_of(baseline, current)
    if distance is None:
        return None, None, None
    return distance.value, distance.lower, distance.upper


DISTANCE: Distance[Reference] = Distance(
    name="wasserstein",
    symbol="W₁",
    lowest=0.0,
    highest=float("inf"),
    description="Area between the two distribution functions, in the column's unit, with certain bounds.",
    columns=("wasserstein_distance", "wasserstein_lower", "wasserstein_upper"),
    row=_row,
)
