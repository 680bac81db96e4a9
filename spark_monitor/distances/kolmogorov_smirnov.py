"""The two-sample Kolmogorov-Smirnov distance D = sup |F(x) - G(x)| as an interval that certainly holds it.

F (baseline) and G (current) are the distribution functions of the finite values of both sides; all functions work on many pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import kolmogi, kolmogorov

from spark_monitor.catalogue.interval import Floats, Integers
from spark_monitor.catalogue.metric import SHARE, drift_metric
from spark_monitor.distances.bins import same_grid
from spark_monitor.distances.interval import CERTAIN, SKETCH, Interval
from spark_monitor.distances.result import Column, Distance
from spark_monitor.errors import StateError
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock, Sketch
from spark_monitor.states.sketch import Kll

ALPHA = 0.05
LARGE = 458
"""From so many values on each side the two-sample bound holds with the constant of one sample (Wei and Dudley, 2012)."""

# Two divisions and a subtraction of numbers in [0, 1] round by at most 3 * 2^-54.
ROUNDING = 2.0**-52
Bounds = tuple[Floats, Floats, Floats]
"""Value, lower and upper bound of many distances."""


@dataclass(frozen=True, eq=False)
class KsResult:
    """D's interval, the populations' interval around it, and the p-values that D's bounds allow, of S pairs each.

    ``statistic`` is L on cells (attained) and the sketches' own D where these narrowed the interval; ``sketched`` tells which.
    """

    statistic: Floats
    lower: Floats
    upper: Floats
    n: Integers
    m: Integers
    sketched: npt.NDArray[np.bool_]

    @property
    def population_lower(self) -> Floats:
        """The least distance of the populations, 95 %."""
        return np.maximum(self.lower - population_margin(self.n, self.m), 0.0)

    @property
    def population_upper(self) -> Floats:
        """The greatest distance of the populations, 95 %."""
        return np.minimum(self.upper + population_margin(self.n, self.m), 1.0)

    @property
    def pvalue(self) -> Floats:
        """Kolmogorov's p-value of the statistic."""
        return ks_pvalue(self.statistic, self.n, self.m)

    @property
    def pvalue_lower(self) -> Floats:
        """That of D's upper bound."""
        return ks_pvalue(self.upper, self.n, self.m)

    @property
    def pvalue_upper(self) -> Floats:
        """That of D's lower bound."""
        return ks_pvalue(self.lower, self.n, self.m)

    def interval(self, place: int = 0) -> Interval:
        """The interval of one pair's D."""
        basis = SKETCH if self.sketched[place] else CERTAIN
        return Interval(float(self.statistic[place]), float(self.lower[place]), float(self.upper[place]), basis)


def population_margin(n: Any, m: Any, alpha: float = ALPHA) -> Floats:
    """How far D of the populations is from D of the samples at most, with probability 1 - alpha; nan where a side is empty.

    Where both sides have at least ``LARGE`` values the Kolmogorov quantile of the two-sample process, K(1 - alpha)
    sqrt(1/n + 1/m); below, Massart's bound for each side with alpha / 2: sqrt(ln(4 / alpha) / 2) (n^-1/2 + m^-1/2).
    Sources: Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality" (1990); Wei and Dudley,
    "Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities" (2012).

    >>> [round(float(population_margin(*sizes)), 6) for sizes in ((100_000, 100_000), (400, 400))]
    [0.006074, 0.148021]
    """
    n, m = np.asarray(n, dtype=np.float64), np.asarray(m, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        together = kolmogi(alpha) * np.sqrt(1 / n + 1 / m)
        apart = sqrt(log(4 / alpha) / 2) * (1 / np.sqrt(n) + 1 / np.sqrt(m))
        return np.asarray(np.where(np.minimum(n, m) >= LARGE, together, apart))


def ks_pvalue(distance: Any, n: Any, m: Any) -> Floats:
    """Kolmogorov's asymptotic p-value Q(D sqrt(nm / (n + m))); conservative where there are ties.

    >>> round(float(ks_pvalue(0.1, 200, 300)), 6)
    0.1813
    """
    n, m = np.asarray(n, dtype=np.float64), np.asarray(m, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(kolmogorov(distance * np.sqrt(n / (n + m) * m)))


def ks_from_shares(f: Floats, g: Floats, *, closed: bool | npt.NDArray[np.bool_] = False) -> Bounds:
    """L <= D <= U from F and G at the right end of every cell, float64[S, 2B+1] each, on the same edges.

        L = max over edges of max(|F(e) - G(e)|, |F(e^-) - G(e^-)|)
        U = max(L, max_i [F(e_{i+1}^-) - G(e_i)], max_i [G(e_{i+1}^-) - F(e_i)])

    Inside an open cell both functions stay between their values at its ends, so U - L is at most the largest mass of F (or of G)
    in an open cell. ``closed``: the edges too stand for several values (doubles that larger numbers were rounded to), so nothing
    is known inside them either. The bounds are widened by the rounding of the arithmetic, 2^-52, unless D is certainly 0.

    >>> f, g = np.array([[0.0, 0.5, 0.75, 1.0, 1.0]]), np.array([[0.0, 0.25, 0.5, 0.5, 1.0]])
    >>> [round(float(bound[0]), 6) for bound in ks_from_shares(f, g)]
    [0.5, 0.5, 0.5]
    >>> f, g = np.array([[0.2, 0.2, 1.0]]), np.array([[0.4, 0.4, 1.0]])  # ties cannot be excluded in open cells
    >>> [round(float(bound[0]), 6) for bound in ks_from_shares(f, g)]
    [0.2, 0.2, 0.8]
    """
    attained = np.abs(f - g).max(axis=1)
    possible = attained.copy()
    for one, other in ((f, g), (g, f)):
        inside = (one[:, 2::2] - other[:, 1::2]).max(axis=1, initial=0.0)
        possible = np.maximum(possible, np.maximum(inside, one[:, 0]))
        if np.any(closed):
            within = (one[:, 1:] - other[:, :-1]).max(axis=1)
            possible = np.where(closed, np.maximum(possible, within), possible)
    none = possible == 0.0
    lower = np.where(none, 0.0, np.maximum(attained - ROUNDING, 0.0))
    return attained, lower, np.where(none, 0.0, np.minimum(possible + ROUNDING, 1.0))


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


def ks_from_arrays(baseline: npt.ArrayLike, current: npt.ArrayLike) -> Interval:
    """D of two arrays in any order, exact; NaN and the infinities are left out as in states.

    >>> print(ks_from_arrays([1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 4.0, float("nan")]))
    0.416667 [0.416667, 0.416667] certain
    """
    sides = [np.sort(_finite(values)) for values in (baseline, current)]
    if not all(side.size for side in sides):
        raise StateError("ks: an array has no finite value, so there is no distance.")
    return _ks_of_sorted(*sides)


def ks_of(baseline: NumericBlock, current: NumericBlock) -> KsResult:
    """The results of S pairs: from their ranges, else from the cells of their grid, and from sketches where cells say less.

    A certain interval is not traded for a probable one without need: sketches are asked only where the cells leave more open
    than the sketches would (columns without a baseline, windows that are compared on a grid that fits neither). Where the two
    intervals exclude each other the certain one stays. All is nan where nothing can be computed: no values, or neither cells nor
    sketches. Behind a double to which larger numbers were rounded several may stand, so its cell tells as little as an open one.
    """
    both = (baseline.finite > 0) & (current.finite > 0)
    with np.errstate(invalid="ignore"):
        disjoint = both & ((baseline.max < current.min) | (current.max < baseline.min))
        constant = both & (baseline.min == baseline.max) & (current.min == current.max) & (baseline.min == current.min)
    rounded = baseline.is_rounded | current.is_rounded
    value, lower, upper = (np.full(len(baseline), np.nan) for _ in range(3))
    if same_grid(baseline, current):
        with np.errstate(invalid="ignore"):
            value, lower, upper = (part.copy() for part in ks_from_shares(baseline.cdf(), current.cdf(), closed=rounded))
    for bound in (value, lower, upper):
        bound[disjoint] = 1.0
        bound[constant & ~rounded] = 0.0
        bound[~both] = np.nan
    sketched = _narrowed((value, lower, upper), baseline, current, both & ~disjoint & ~constant & ~rounded)
    return KsResult(value, lower, upper, baseline.finite, current.finite, sketched)


def ks(
    baseline: NumericState | NumericBlock | npt.NDArray[np.float64],
    current: NumericState | NumericBlock | npt.NDArray[np.float64],
) -> Interval:
    """The KS distance of two states, or of two arrays, with the bounds between which it certainly lies.

    On states the error is at most the largest fraction of the baseline in one open cell of its grid, about 0.001; on states
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
    result = ks_of(_block(baseline), _block(current))
    if np.isnan(result.statistic[0]):
        raise StateError("ks: undefined; a side has no finite value, or the two have neither a common grid nor sketches.")
    return result.interval()


def _block(side: NumericState | NumericBlock) -> NumericBlock:
    return NumericBlock.of([side]) if isinstance(side, NumericState) else side


def _finite(values: npt.ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64).ravel()
    return array[np.isfinite(array)]


def _narrowed(
    bounds: Bounds, baseline: NumericBlock, current: NumericBlock, mask: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Narrow the cells' intervals by the sketches where both sides have one and the cells leave more open than they do."""
    value, lower, upper = bounds
    sketched = np.zeros(value.size, dtype=np.bool_)
    with np.errstate(invalid="ignore"):
        open_wide = mask & ~(upper - lower <= 2 * ROUNDING)
    for place in np.flatnonzero(open_wide).tolist():
        errors = baseline.sketch_error(place), current.sketch_error(place)
        if errors[0] is None or errors[1] is None:
            continue
        error = errors[0] + errors[1]
        if upper[place] - lower[place] <= 2 * (error + ROUNDING):
            continue
        intersection = _of_sketches(baseline.sketch(place), current.sketch(place), error)
        if not np.isnan(value[place]):
            cells = Interval(float(value[place]), float(lower[place]), float(upper[place]))
            intersection = cells.intersect(intersection)
        value[place], lower[place], upper[place] = intersection.value, intersection.lower, intersection.upper
        sketched[place] = intersection.basis == SKETCH
    return sketched


def _of_sketches(first: Sketch | None, second: Sketch | None, error: float) -> Interval:
    assert first is not None
    assert second is not None
    if isinstance(first, Kll) and isinstance(second, Kll) and error == 0.0:
        return _ks_of_sorted(first.levels[0], second.levels[0])
    points = np.concatenate([first.points(), second.points()])
    return ks_from_ranks(first.cdf(points), second.cdf(points), error)


def _ks_of_sorted(first: Floats, second: Floats) -> Interval:
    """D of values in increasing order."""
    points = np.concatenate([first, second])
    f, g = (np.searchsorted(side, points, side="right") / side.size for side in (first, second))
    return ks_from_ranks(f, g, 0.0)


@drift_metric("ks", columns=("numeric",), range=SHARE, aliases=("ks_test",), databricks_column="ks_test")
def kolmogorov_smirnov(baseline: NumericBlock, current: NumericBlock) -> Distance:
    """Largest difference between the distribution functions of the finite values, with certain bounds.

    ``ks_lower`` and ``ks_upper`` hold D of the samples for certain; ``lower`` and ``upper`` are those of the populations, 95 %.
    """
    result = ks_of(baseline, current)
    error = np.maximum(result.upper - result.statistic, result.statistic - result.lower)
    lower, upper = result.population_lower, result.population_upper
    columns: dict[str, Column] = {
        "ks_test": {"statistic": result.statistic, "pvalue": result.pvalue},
        "ks_lower": result.lower,
        "ks_upper": result.upper,
        "ks_population_lower": lower,
        "ks_population_upper": upper,
    }
    return Distance(result.statistic, lower, upper, error, columns=columns)
