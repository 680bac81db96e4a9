"""Wasserstein-1 (earth mover's) distance: the area between two distribution functions, with bounds that certainly hold it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from spark_monitor.catalogue.interval import Floats, Integers
from spark_monitor.catalogue.metric import NOT_NEGATIVE, drift_metric
from spark_monitor.distances.bins import has_edges, same_grid
from spark_monitor.distances.result import Distance
from spark_monitor.states.numeric_block import NumericBlock

# The fractions round by 2^-53 each, over a width of at most the common range; the rest of the arithmetic adds a few units more.
# Products below the least normal double round by a part of it whatever the range.
ROUNDING = 2.0**-46
SUBNORMAL = 2.0**-1022
MEAN_ROUNDING = 2.0**-40
_QUARTER = 0.25
_READ_ROUNDING = 2.0**-52
Bounds = tuple[Floats, Floats, Floats]
"""Value, lower and upper bound of many distances."""


@dataclass(frozen=True, eq=False)
class Side:
    """S sides: F at the right end of every cell, float64[S, 2B+1], and the exact extremes and means of their finite values."""

    fractions: Floats
    minimum: Floats
    maximum: Floats
    mean: Floats


def wasserstein_distance(edges: Floats, baseline: Side, current: Side) -> Bounds:
    """W = integral of |F(x) - G(x)| dx, in the column's own unit, on common ``edges``, float64[B]; value and bounds of S pairs.

    The real line is cut at the edges and at the extremes of both sides. Between two cuts F and G are monotone between known
    bounds, f <= F <= f', g <= G <= g', so |F - G| is between max(f - g', g - f', 0) and max(f' - g, g' - f): summed times the
    widths these are the bounds. The difference of the means is another lower bound. The value takes F and G as straight between
    cuts, or is that difference where it is larger. The bounds are widened by 2^-46 of the common range for rounding; what exceeds
    a double is inf.
    Sources: Vallender, "Calculation of the Wasserstein distance between probability distributions on the line" (1974).

    >>> half = Side(np.array([[0.0, 0.5, 0.5, 1.0, 1.0]]), *np.array([[0.0], [1.0], [0.5]]))
    >>> ones = Side(np.array([[0.0, 0.0, 0.0, 1.0, 1.0]]), *np.array([[1.0], [1.0], [1.0]]))
    >>> [round(float(bound[0]), 9) for bound in wasserstein_distance(np.array([0.0, 1.0]), half, ones)]
    [0.5, 0.5, 0.5]
    """
    extremes = np.sort([baseline.minimum, baseline.maximum, current.minimum, current.maximum], axis=0).T
    cuts, cell = _cuts(edges, extremes)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        # Widths beyond the largest double would overflow; powers of two scale exactly.
        scale = np.where(np.isfinite(cuts[:, -1] - cuts[:, 0]), 1.0, _QUARTER)
        scaled = cuts * scale[:, None]
        widths = scaled[:, 1:] - scaled[:, :-1]
        f_low, f_high = _bounds(baseline, cell, cuts[:, :-1])
        g_low, g_high = _bounds(current, cell, cuts[:, :-1])
        least = np.maximum(np.maximum(f_low - g_high, g_low - f_high), 0.0)
        most = np.maximum(f_high - g_low, g_high - f_low)
        upper = (most * widths).sum(axis=1)
        none = (upper == 0.0) & ~((most != 0) & (widths > 0)).any(axis=1)
        slack = ROUNDING * (extremes[:, -1] * scale - extremes[:, 0] * scale) + SUBNORMAL
        upper = upper + slack
        shift, shift_rounding = _mean_shift(baseline, current, scale)
        lower = np.maximum((least * widths).sum(axis=1) - slack, np.maximum(shift - shift_rounding, 0.0))
        lower = np.minimum(lower, upper)
        straight = _straight(f_low - g_low, f_high - g_high, widths)
        value = np.minimum(np.maximum(np.maximum(straight, shift), lower), upper)
        value, lower, upper = (np.where(none, 0.0, bound / scale) for bound in (value, lower, upper))
    return value, lower, upper


@lru_cache(maxsize=1)
def wasserstein_of(baseline: NumericBlock, current: NumericBlock) -> Bounds:
    """The intervals of S pairs; nan without values, without a common grid, or on one without edges.

    Where values were rounded when they were read, each by at most 2^-53 of itself, the bounds are wider by that.
    """
    value, lower, upper = (np.full(len(baseline), np.nan) for _ in range(3))
    both = np.flatnonzero((baseline.finite > 0) & (current.finite > 0))
    if not (both.size and has_edges(baseline) and same_grid(baseline, current)):
        return value, lower, upper
    sides = (_side(block, both) for block in (baseline, current))
    value[both], lower[both], upper[both] = wasserstein_distance(baseline.grid.edges, *sides)
    with np.errstate(over="ignore", invalid="ignore"):
        largest = np.fmax.reduce([np.abs(side) for side in (baseline.min, baseline.max, current.min, current.max)])
        slack = np.where(baseline.is_rounded | current.is_rounded, largest * _READ_ROUNDING, 0.0)
        return value, np.maximum(lower - slack, 0.0), upper + slack


def _side(block: NumericBlock, places: Integers) -> Side:
    fractions = block.cdf() if places.size == len(block) else block.cdf()[places]
    return Side(fractions, block.min[places], block.max[places], block.mean[places])


def _cuts(edges: Floats, extremes: Floats) -> tuple[Floats, Integers]:
    """The edges and the extremes of every pair in order, float64[S, B+4], and the open cell that follows each but the last."""
    pairs, many = extremes.shape
    inserted = np.zeros((pairs, edges.size + many), dtype=np.bool_)
    np.put_along_axis(inserted, np.searchsorted(edges, extremes) + np.arange(many), True, axis=1)
    cuts = np.empty(inserted.shape)
    cuts[inserted] = extremes.ravel()
    cuts[~inserted] = np.tile(edges, pairs)
    return cuts, 2 * np.cumsum(~inserted[:, :-1], axis=1)


def _bounds(side: Side, cell: Integers, cuts: Floats) -> tuple[Floats, Floats]:
    """Between which values every side's function stays from each cut, the last one aside, to the next."""
    ends = side.fractions.ravel()
    place = cell + side.fractions.shape[1] * np.arange(cell.shape[0])[:, None]
    high, low = ends.take(place), ends.take(place - 1, mode="clip")
    # Nothing lies before the first edge nor before the minimum, and everything before the maximum has been passed after it.
    low[cell == 0] = 0.0
    high[cuts < side.minimum[:, None]] = 0.0
    low[cuts >= side.maximum[:, None]] = 1.0
    return low, high


def _straight(before: Floats, after: Floats, widths: Floats) -> Floats:
    """The area between two straight lines whose difference goes from ``before`` to ``after`` on each width."""
    first, second = np.abs(before), np.abs(after)
    both = first + second
    # Where the lines cross, two triangles of heights a and b are left of the trapezium: (a^2 + b^2) / (a + b), not a + b.
    crossing = before * after < 0
    excess = np.divide(2 * first * second, both, out=np.zeros_like(both), where=crossing)
    return np.asarray(((both - excess) * widths).sum(axis=1) / 2)


def _mean_shift(baseline: Side, current: Side, scale: Floats) -> tuple[Floats, Floats]:
    """|mean - mean|, which W never falls below, and what the means may have been rounded by; in units of 1 / scale."""
    ends = (baseline.minimum, baseline.maximum, current.minimum, current.maximum)
    largest = np.maximum.reduce([np.abs(end) for end in ends])
    shift = np.abs(current.mean * scale - baseline.mean * scale)
    finite = np.isfinite(shift)
    # A mean among the least numbers is rounded by a part of the least number, whatever its size.
    return np.where(finite, shift, 0.0), np.where(finite, MEAN_ROUNDING * largest + SUBNORMAL, 0.0)


@drift_metric(
    "wasserstein_distance",
    columns=("numeric",),
    range=NOT_NEGATIVE,
    aliases=("wasserstein",),
    unit="the column's",
    databricks_column="wasserstein_distance",
)
def wasserstein(baseline: NumericBlock, current: NumericBlock) -> Distance:
    """Area between the two distribution functions, in the column's unit, with certain bounds."""
    value, lower, upper = wasserstein_of(baseline, current)
    columns = {"wasserstein_distance": value, "wasserstein_lower": lower, "wasserstein_upper": upper}
    return Distance(value, lower, upper, np.maximum(upper - value, value - lower), columns=columns)
