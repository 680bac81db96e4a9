"""The two-sample Kolmogorov-Smirnov distance D = sup |F(x) - G(x)| as an interval that certainly holds it.

F (baseline) and G (current) are the distribution functions of the finite values of both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import kolmogorov

from spark_monitor.distances.distance import Distance, Value
from spark_monitor.distances.interval import CERTAIN, SKETCH, Interval
from spark_monitor.distances.reference import Reference
from spark_monitor.distances.sides import Floats, NumericSide, Sketch, same_grid
from spark_monitor.errors import StateError

ALPHA = 0.05
# Two divisions and a subtraction of numbers in [0, 1] round by at most 3 * 2^-54.
ROUNDING = 2.0**-52


@dataclass(frozen=True)
class KsResult:
    """D's interval, the population's interval around it, and the p-values that D's bounds allow.

    ``statistic`` is L on cells (attained) and the sketches' own D where these narrowed the interval.
    """

    statistic: float
    lower: float
    upper: float
    population_lower: float
    population_upper: float
    pvalue: float
    pvalue_lower: float
    pvalue_upper: float
    n: int
    m: int
    basis: str

    @classmethod
    def of(cls, distance: Interval, n: int, m: int) -> KsResult:
        """The interval of D of ``n`` against ``m`` values, completed."""
        margin = population_margin(n, m)
        return cls(
            statistic=distance.value,
            lower=distance.lower,
            upper=distance.upper,
            population_lower=max(0.0, distance.lower - margin),
            population_upper=min(1.0, distance.upper + margin),
            pvalue=ks_pvalue(distance.value, n, m),
            pvalue_lower=ks_pvalue(distance.upper, n, m),
            pvalue_upper=ks_pvalue(distance.lower, n, m),
            n=n,
            m=m,
            basis=distance.basis,
        )

    @property
    def interval(self) -> Interval:
        """The interval of D alone."""
        return Interval(self.statistic, self.lower, self.upper, self.basis)


def population_margin(n: int, m: int, alpha: float = ALPHA) -> float:
    """b = sqrt(ln(4 / alpha) / 2) (n^-1/2 + m^-1/2): D of the populations is within b of D of the samples, with 1 - alpha.

    Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality" (1990), with alpha / 2 for each side.

    >>> round(population_margin(10_000, 40_000), 6)
    0.022203
    """
    return sqrt(log(4 / alpha) / 2) * (1 / sqrt(n) + 1 / sqrt(m))


def ks_pvalue(distance: float, n: int, m: int) -> float:
    """Kolmogorov's asymptotic p-value Q(D sqrt(nm / (n + m))); conservative where there are ties.

    >>> round(ks_pvalue(0.1, 200, 300), 6)
    0.1813
    """
    return float(kolmogorov(distance * sqrt(n / (n + m) * m)))


def ks_from_shares(f: Floats, g: Floats) -> Interval:
    """L <= D <= U from F and G at the right end of every cell, float64[2B+1] each, on the same edges.

        L = max over edges of max(|F(e) - G(e)|, |F(e^-) - G(e^-)|)
        U = max(L, max_i [F(e_{i+1}^-) - G(e_i)], max_i [G(e_{i+1}^-) - F(e_i)])

    Inside an open cell both functions stay between their values at its ends, so U - L is at most the largest mass of F (or of G)
    in an open cell. The bounds are widened by the rounding of the arithmetic, 2^-52, unless D is certainly 0.

    >>> print(ks_from_shares(np.array([0.0, 0.5, 0.75, 1.0, 1.0]), np.array([0.0, 0.25, 0.5, 0.5, 1.0])))
    0.5 [0.5, 0.5] certain
    >>> print(ks_from_shares(np.array([0.2, 0.2, 1.0]), np.array([0.4, 0.4, 1.0])))  # ties cannot be excluded in open cells
    0.2 [0.2, 0.8] certain
    """
    attained = float(np.abs(f - g).max())
    above = max(float((f[2::2] - g[1::2]).max(initial=0.0)), float(f[0]))
    below = max(float((g[2::2] - f[1::2]).max(initial=0.0)), float(g[0]))
    possible = max(attained, above, below)
    if possible == 0.0:
        return Interval(0.0, 0.0, 0.0)
    return Interval(attained, max(0.0, attained - ROUNDING), min(1.0, possible + ROUNDING))


def ks_from_ranks(f: Floats, g: Floats, error: float) -> Interval:
    """D~ +- error from F~ and G~ at every point where one of them steps; ``error`` is the sum of their rank errors.

    Left limits add nothing: before a step both functions are what they were at the point before it.

    >>> print(ks_from_ranks(np.array([0.5, 1.0]), np.array([0.25, 1.0]), 0.01))
    0.25 [0.24, 0.26] 99 % a rank (sketch)
    """
    distance = min(1.0, float(np.abs(f - g).max()))
    margin = error + ROUNDING
    basis = SKETCH if error > 0 else CERTAIN
    return Interval(distance, max(0.0, distance - margin), min(1.0, distance + margin), basis)


def ks_from_ranges(baseline: NumericSide, current: NumericSide) -> Interval | None:
    """D where the extremes alone decide it: 1 for ranges that do not touch, 0 for the same constant, else None."""
    if baseline.maximum < current.minimum or current.maximum < baseline.minimum:
        return Interval(1.0, 1.0, 1.0)
    if baseline.minimum == baseline.maximum == current.minimum == current.maximum:
        return Interval(0.0, 0.0, 0.0)
    return None


def ks_from_arrays(baseline: npt.ArrayLike, current: npt.ArrayLike) -> Interval:
    """D of two arrays in any order, exact; NaN and the infinities are left out as in states.

    >>> print(ks_from_arrays([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 4.0, float("nan")]))
    0.416667 [0.416667, 0.416667] certain
    """
    sides = [np.sort(_finite(values)) for values in (baseline, current)]
    if not all(side.size for side in sides):
        raise StateError("ks: an array has no finite value, so there is no distance.")
    points = np.concatenate(sides)
    f, g = (np.searchsorted(side, points, side="right") / side.size for side in sides)
    return ks_from_ranks(f, g, 0.0)


def ks_of(baseline: Reference, current: Reference) -> KsResult | None:
    """The result of two states: from their ranges, else from the cells of their grid, and from sketches where cells say less.

    A certain interval is not traded for a probable one without need: sketches are asked only where the cells leave more open
    than the sketches would (columns without a baseline, windows that are compared on a grid that fits neither). Where the two
    intervals exclude each other the certain one stays. None where nothing can be said: no values, or neither cells nor sketches.
    """
    first, second = baseline.state, current.state
    if not first.finite or not second.finite:
        return None
    interval = ks_from_ranges(first, second)
    if interval is None:
        interval = ks_from_shares(baseline.shares, current.shares) if same_grid(first, second) else None
        interval = _narrowed(interval, first.sketch, second.sketch)
    return KsResult.of(interval, first.finite, second.finite) if interval else None


def ks(baseline: NumericSide | Reference | npt.NDArray[np.float64], current: NumericSide | npt.NDArray[np.float64]) -> Interval:
    """The KS distance of two states, or of two arrays, with the bounds between which it certainly lies.

    On states the error is at most the largest share of the baseline in one open cell of its grid, about 0.001; on states
    without a common grid it is the sketches'; on arrays there is none but rounding.

    >>> from spark_monitor.states.numeric import profile_column
    >>> a, b = np.arange(100.0), np.arange(25.0, 125.0)
    >>> print(ks(a, b))
    0.25 [0.25, 0.25] certain
    >>> print(ks(profile_column(a), profile_column(b)))
    0.25 [0.25, 0.25] certain
    """
    if isinstance(baseline, np.ndarray) or isinstance(current, np.ndarray):
        if not (isinstance(baseline, np.ndarray) and isinstance(current, np.ndarray)):
            raise StateError("ks: an array and a state; profile the array first, profile_column(array, state.grid).")
        return ks_from_arrays(baseline, current)
    result = ks_of(Reference.of(baseline), Reference.of(current))
    if result is None:
        raise StateError("ks: undefined; a side has no finite value, or the two have neither a common grid nor sketches.")
    return result.interval


def _finite(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64).ravel()
    return array[np.isfinite(array)]


def _narrowed(cells: Interval | None, first: Sketch | None, second: Sketch | None) -> Interval | None:
    """The cells' interval, narrowed by the sketches where both exist and the cells leave more open than they do."""
    if first is None or second is None:
        return cells
    error = first.rank_error + second.rank_error
    if cells is not None and cells.width <= 2 * (error + ROUNDING):
        return cells
    points = np.concatenate([first.points(), second.points()])
    sketched = ks_from_ranks(first.cdf(points), second.cdf(points), error)
    return sketched if cells is None else cells.intersect(sketched)


def _row(baseline: Reference, current: Reference) -> tuple[Value, ...]:
    result = ks_of(baseline, current)
    if result is None:
        return (None,) * len(DISTANCE.columns)
    test = {"statistic": result.statistic, "pvalue": result.pvalue}
    return test, result.lower, result.upper, result.population_lower, result.population_upper


DISTANCE: Distance[Reference] = Distance(
    name="ks",
    symbol="D",
    lowest=0.0,
    highest=1.0,
    description="Largest difference between the two distribution functions, with certain bounds.",
    columns=("ks_test", "ks_lower", "ks_upper", "ks_population_lower", "ks_population_upper"),
    row=_row,
)
