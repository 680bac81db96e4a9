"""The certified KS interval against scipy and exact fractions, on cells that numpy built without the program's states."""

from __future__ import annotations

import warnings
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, norm

from spark_monitor.distances.kolmogorov_smirnov import (
    KsResult,
    ks,
    ks_from_arrays,
    ks_from_shares,
    ks_of,
    ks_pvalue,
    population_margin,
)
from spark_monitor.errors import StateError
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.numeric_block import NumericBlock

HOSTILE = [0.0, -0.0, 1.0, -1.0, 2.0, 5e-324, -5e-324, 2.2e-308, 1e-300, 1e300, -1e300, 1.7e308, -1.7e308, 2.0**53, 2.0**53 + 2]
numbers = st.one_of(
    st.sampled_from(HOSTILE), st.integers(-3, 3).map(float), st.floats(allow_nan=False, allow_infinity=False, width=64)
)
samples = st.lists(numbers, min_size=1, max_size=40).map(np.array)
edge_lists = st.lists(numbers, min_size=0, max_size=12)


def cells_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Counts of open intervals and edges by plain comparison."""
    counts = []
    for low, high in zip([-np.inf, *edges], [*edges, np.inf], strict=True):
        counts += [int(((values > low) & (values < high)).sum()), int((values == high).sum())]
    return np.array(counts[:-1], dtype=np.int64)


def side_of(values: np.ndarray, edges: np.ndarray, sketch: object = None) -> NumericBlock:
    """A block of one whose cells were counted here."""
    ends = (float(values.min()), float(values.max())) if values.size else (float("nan"), float("nan"))
    state = NumericState.empty(Grid(edges))
    made = replace(state, count=values.size, minimum=ends[0], maximum=ends[1], cells=cells_of(values, edges), sketch=None)
    return replace(NumericBlock.of([made]), sketches=[sketch])


def shares_of(cells: np.ndarray) -> np.ndarray:
    return np.cumsum(cells)[None, :] / cells.sum()


def exact_distance(first: np.ndarray, second: np.ndarray) -> Fraction:
    """D as a fraction, by counting at every point."""
    points = [*first.tolist(), *second.tolist()]
    return max(
        abs(Fraction(int((first <= point).sum()), first.size) - Fraction(int((second <= point).sum()), second.size))
        for point in points
    )


@settings(deadline=None, max_examples=250)
@given(samples, samples, edge_lists)
@example(np.array([1.0]), np.array([1.0]), [0.0])
@example(np.array([-0.0, 0.0]), np.array([0.0, -0.0, 0.0]), [0.0])
@example(np.array([5.0] * 9), np.array([6.0] * 7), [0.0, 1.0])
@example(np.array([1.0] * 3 + [2.0]), np.array([1.0] * 7), [1.0, 2.0])
def test_the_interval_holds_the_exact_distance_and_both_of_scipys(
    first: np.ndarray, second: np.ndarray, points: list[float]
) -> None:
    edges = np.unique(np.array([*points, 0.0]) + 0.0)
    result = ks_of(side_of(first, edges), side_of(second, edges))
    assert Fraction(result.lower[0]) <= exact_distance(first, second) <= Fraction(result.upper[0])
    for method in ("exact", "asymp"):
        with warnings.catch_warnings():
            # Scipy's p-values, not wanted here, divide by zero for one against one and give up on some ties.
            warnings.simplefilter("ignore", RuntimeWarning)
            statistic = ks_2samp(first, second, method=method).statistic
        assert result.lower <= statistic <= result.upper
    assert result.lower <= result.statistic <= result.upper


@settings(deadline=None, max_examples=200)
@given(samples, samples, edge_lists)
def test_the_interval_is_no_wider_than_the_heaviest_open_cell(first: np.ndarray, second: np.ndarray, points: list[float]) -> None:
    edges = np.unique(np.array([*points, 0.0]) + 0.0)
    first_cells, second_cells = cells_of(first, edges), cells_of(second, edges)
    _, lower, upper = ks_from_shares(shares_of(first_cells), shares_of(second_cells))
    heaviest = min(first_cells[::2].max() / first.size, second_cells[::2].max() / second.size)
    assert upper[0] - lower[0] <= heaviest + 2**-50


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.3, 50.0])
def test_on_the_baselines_quantiles_the_interval_is_narrow_for_any_current_data(shift: float) -> None:
    random = np.random.default_rng(7)
    first, second = random.normal(size=40_000), random.normal(shift, 1.3, size=30_000)
    edges = np.unique(np.append(np.quantile(first, np.linspace(0, 1, 1025), method="inverted_cdf"), 0.0))
    result = ks_of(side_of(first, edges), side_of(second, edges))
    assert result.lower <= ks_2samp(first, second, method="asymp").statistic <= result.upper
    assert result.upper - result.lower <= 0.001


def test_data_on_the_edges_alone_is_measured_exactly() -> None:
    random = np.random.default_rng(3)
    first, second = random.integers(0, 9, 500).astype(float), random.integers(1, 10, 300).astype(float)
    result = ks_of(side_of(first, np.arange(10.0)), side_of(second, np.arange(10.0)))
    expected = ks_2samp(first, second, method="asymp")
    assert result.statistic[0] == pytest.approx(expected.statistic, abs=1e-15)
    assert result.upper - result.lower <= 2**-50
    assert result.pvalue_lower <= result.pvalue <= result.pvalue_upper


def test_the_pvalue_is_kolmogorovs_at_the_statistic() -> None:
    series = 2 * sum((-1) ** (k - 1) * np.exp(-2 * k * k * 0.1**2 * 200 * 300 / 500) for k in range(1, 60))
    assert ks_pvalue(0.1, 200, 300) == pytest.approx(series, rel=1e-12)


@pytest.mark.parametrize(("n", "m"), [(400, 300), (600, 500), (20_000, 700), (2_000, 2_000)])
def test_the_population_interval_holds_the_populations_distance_at_least_94_times_in_100(n: int, m: int) -> None:
    random = np.random.default_rng(n + m)
    truth = 2 * norm.cdf(0.15) - 1
    edges = np.unique(np.append(norm.ppf(np.linspace(0, 1, 402)[1:-1]), 0.0))
    held = 0
    for _ in range(300):
        first, second = random.normal(size=n), random.normal(0.3, size=m)
        sides = [shares_of(np.bincount(np.searchsorted(edges, x) * 2, minlength=2 * edges.size + 1)) for x in (first, second)]
        bounds = ks_from_shares(*sides)
        result = KsResult(*bounds, np.array([n]), np.array([m]), np.zeros(1, dtype=bool))
        held += bool(result.population_lower[0] <= truth <= result.population_upper[0])
    assert held >= 282


def test_a_planted_distance_at_a_hundred_thousand_rows_is_known_within_a_hundredth() -> None:
    random = np.random.default_rng(5)
    first, second = random.uniform(size=100_000), random.uniform(size=100_000)
    second = np.where(random.uniform(size=second.size) < 0.05, 1.5 + second, second)  # F - G is 0.05 x, at most 0.05
    grid = Grid.of(np.linspace(0, 1, 1001))
    result = ks_of(*(NumericBlock.of([profile_column(values, grid)]) for values in (first, second)))
    assert result.population_lower[0] <= 0.05 <= result.population_upper[0]
    assert result.population_upper[0] - result.population_lower[0] <= 0.0145
    assert population_margin(100_000, 100_000) == pytest.approx(1.3581 * np.sqrt(2e-5), rel=1e-4)


def test_values_that_were_rounded_to_doubles_leave_open_what_lies_behind_equal_ones() -> None:
    first, second = np.full(50, 2.0**60), np.full(70, 2.0**60)  # of integers that may all differ
    grid = Grid.of([2.0**60])
    sides = [replace(NumericBlock.of([profile_column(values, grid)]), exact_to=2.0**53) for values in (first, second)]
    result = ks_of(*sides)
    assert (result.statistic[0], result.lower[0], result.upper[0]) == (0.0, 0.0, 1.0)
    far = replace(NumericBlock.of([profile_column(second + 2.0**40, grid)]), exact_to=2.0**53)
    assert ks_of(sides[0], far).lower[0] == 1.0


def test_disjoint_ranges_are_at_distance_one_whatever_the_grid() -> None:
    first, second = side_of(np.array([5.0, 6.0]), np.array([0.0])), side_of(np.array([7.0]), np.array([0.0]))
    assert (ks(first, second).lower, ks(second, first).lower) == (1.0, 1.0)


def test_one_constant_is_at_distance_zero_from_itself_off_the_edges() -> None:
    first, second = side_of(np.array([5.5] * 3), np.array([0.0])), side_of(np.array([5.5] * 8), np.array([0.0]))
    assert (ks(first, second).lower, ks(first, second).upper) == (0.0, 0.0)


class RoughSketch:
    """A distribution function that is wrong by up to ``rank_error`` everywhere."""

    def __init__(self, values: np.ndarray, rank_error: float, seed: int) -> None:
        self._values, self.rank_error, self._random = np.sort(values), rank_error, np.random.default_rng(seed)

    def points(self) -> np.ndarray:
        return self._values

    def cdf(self, points: np.ndarray) -> np.ndarray:
        exact = np.searchsorted(self._values, points, side="right") / self._values.size
        return exact + self._random.uniform(-self.rank_error, self.rank_error, exact.size)


@pytest.mark.parametrize("seed", range(5))
def test_sketches_on_different_grids_give_the_distance_within_both_their_errors(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.normal(size=3000), random.normal(0.2, size=2000)
    sides = [
        side_of(values, edges, RoughSketch(values, error, seed))
        for values, edges, error in [(first, np.array([0.0]), 0.01), (second, np.array([0.0, 1.0]), 0.02)]
    ]
    interval = ks(*sides)
    assert interval.lower <= ks_2samp(first, second, method="asymp").statistic <= interval.upper
    assert interval.width == pytest.approx(0.06, abs=1e-9)
    assert "sketch" in interval.basis


def test_sketches_narrow_a_grid_that_resolves_little_and_leave_one_that_resolves_more() -> None:
    random = np.random.default_rng(5)
    first, second = random.uniform(size=5000), random.uniform(0.05, 1.05, size=5000)
    truth = ks_2samp(first, second, method="asymp").statistic
    coarse, fine = np.array([0.0, 0.5]), np.linspace(0, 1, 500)
    widths = {}
    for name, edges in {"coarse": coarse, "fine": fine}.items():
        interval = ks(*[side_of(values, edges, RoughSketch(values, 0.01, 1)) for values in (first, second)])
        assert interval.lower <= truth <= interval.upper
        widths[name] = interval.width
        assert ("sketch" in interval.basis) == (name == "coarse")
    assert widths["coarse"] <= 0.041
    assert widths["fine"] <= 0.01


def test_a_sketch_that_contradicts_the_cells_is_not_believed() -> None:
    wrong = RoughSketch(np.array([9.0]), 0.001, 1)
    edges, half = np.array([0.0, 1.0]), np.array([0.2, 0.4, 1.0, 1.0])
    interval = ks(side_of(half, edges, wrong), side_of(np.array([1.0, 0.5, 1.0, 0.3]), edges, RoughSketch(half, 0.001, 1)))
    assert interval.basis == "certain"
    assert (interval.lower, interval.upper) == pytest.approx((0.0, 0.5), abs=1e-12)


def test_no_values_or_no_common_ground_leave_it_undefined() -> None:
    edges = np.array([0.0, 1.0])
    empty, some, elsewhere = (
        side_of(np.array([]), edges),
        side_of(np.array([0.5]), edges),
        side_of(np.array([0.5, 0.6]), edges[:1]),
    )
    for first, second in [(empty, some), (some, empty), (empty, empty), (some, elsewhere)]:
        assert np.isnan(ks_of(first, second).statistic).all()
        with pytest.raises(StateError, match="undefined"):
            ks(first, second)


@settings(deadline=None, max_examples=200)
@given(samples, samples)
def test_arrays_are_compared_exactly(first: np.ndarray, second: np.ndarray) -> None:
    interval = ks_from_arrays(np.append(first, [np.nan, np.inf]), np.append(second, -np.inf))
    assert Fraction(interval.lower) <= exact_distance(first, second) <= Fraction(interval.upper)
    assert interval.width <= 2**-50


def test_arrays_without_finite_values_and_mixed_arguments_are_refused() -> None:
    with pytest.raises(StateError, match="no finite value"):
        ks(np.array([np.nan]), np.array([1.0]))
    with pytest.raises(StateError, match="profile the array first"):
        ks(np.array([1.0]), side_of(np.array([1.0]), np.array([0.0])))


@pytest.mark.parametrize("size", [500, 200_000])
def test_real_states_without_a_baseline_are_compared_by_their_sketches(size: int) -> None:
    random = np.random.default_rng(size)
    first, second = random.lognormal(size=size), random.lognormal(0.1, size=size)
    interval = ks(profile_column(first), profile_column(second))
    assert interval.lower <= ks_2samp(first, second, method="asymp").statistic <= interval.upper
    assert interval.width <= (1e-12 if size < 2048 else 0.011)


def test_real_states_on_a_grid_hold_scipys_distance() -> None:
    random = np.random.default_rng(2)
    first, second = np.round(random.normal(size=20_000), 2), random.normal(0.1, size=10_000)
    grid = Grid.of(np.quantile(first, np.linspace(0, 1, 800)))
    interval = ks(profile_column(first, grid), profile_column(second, grid))
    assert interval.lower <= ks_2samp(first, second, method="asymp").statistic <= interval.upper
    assert interval.width <= 0.008
