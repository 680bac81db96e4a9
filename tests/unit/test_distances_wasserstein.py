"""The certified Wasserstein interval against scipy and exact fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance as scipy_wasserstein

from spark_monitor.distances.interval import Interval
from spark_monitor.distances.wasserstein import Side, wasserstein_distance, wasserstein_of
from spark_monitor.distances.wasserstein_per_deviation import per_deviation
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import profile_column
from spark_monitor.states.numeric_block import NumericBlock

MODERATE = [0.0, -0.0, 1.0, -1.0, 2.0, 5e-324, 2.2e-308, 1e-300, 1e300, -1e300, 2.0**53, 0.1]
numbers = st.one_of(st.sampled_from(MODERATE), st.integers(-3, 3).map(float), st.floats(-1e9, 1e9), st.floats(-1e300, 1e300))
samples = st.lists(numbers, min_size=1, max_size=30).map(np.array)
edge_lists = st.lists(numbers, min_size=0, max_size=12)


def side_of(values: np.ndarray, edges: np.ndarray) -> Side:
    through = [part for edge in edges for part in ((values < edge).mean(), (values <= edge).mean())]
    ends = (values.min(), values.max(), (values / values.size).sum())
    return Side(np.array([[*through, 1.0]]), *(np.array([float(end)]) for end in ends))


def interval_of(first: np.ndarray, second: np.ndarray, points: list[float]) -> Interval:
    edges = np.unique(np.array([*points, 0.0]) + 0.0)
    return Interval(*(float(bound[0]) for bound in wasserstein_distance(edges, side_of(first, edges), side_of(second, edges))))


def exact_wasserstein(first: np.ndarray, second: np.ndarray) -> Fraction:
    """The area between the two step functions in rational numbers."""
    points = sorted({Fraction(value) for value in [*first.tolist(), *second.tolist()]})
    area = Fraction(0)
    for low, high in pairwise(points):
        shares = [Fraction(sum(Fraction(value) <= low for value in side.tolist()), side.size) for side in (first, second)]
        area += abs(shares[0] - shares[1]) * (high - low)
    return area


@settings(deadline=None, max_examples=250)
@given(samples, samples, edge_lists)
@example(np.array([1.0]), np.array([1.0]), [])
@example(np.array([5e-324, 0.0]), np.array([0.0]), [])
@example(np.array([5e-324]), np.array([0.0, 5e-324]), [])
@example(np.array([1e300, 0.1]), np.array([1e300, 0.3]), [1e300])
def test_the_interval_holds_the_exact_area_and_scipys(first: np.ndarray, second: np.ndarray, points: list[float]) -> None:
    interval = interval_of(first, second, points)
    assert interval.lower <= interval.value <= interval.upper
    assert Fraction(interval.lower) <= exact_wasserstein(first, second) <= Fraction(interval.upper)
    assert interval.lower <= scipy_wasserstein(first, second) <= interval.upper


@settings(deadline=None, max_examples=100)
@given(samples, samples, edge_lists, numbers)
def test_another_edge_never_widens_the_interval(first: np.ndarray, second: np.ndarray, points: list[float], more: float) -> None:
    before, after = interval_of(first, second, points), interval_of(first, second, [*points, more])
    rounding = 1e-12 * (max(first.max(), second.max()) - min(first.min(), second.min()))
    assert after.lower >= before.lower - rounding
    assert after.upper <= before.upper + rounding


def test_values_on_the_edges_alone_are_measured_exactly() -> None:
    random = np.random.default_rng(1)
    first, second = random.integers(0, 9, 500).astype(float), random.integers(1, 10, 300).astype(float)
    interval = interval_of(first, second, np.arange(10.0).tolist())
    assert interval.value == pytest.approx(scipy_wasserstein(first, second), rel=1e-12)
    assert interval.width <= 1e-11


def test_a_shift_is_found_exactly_by_its_means_even_outside_the_grid() -> None:
    first = np.linspace(0, 1, 101)
    interval = interval_of(first, first + 40, [0.0, 0.25, 0.5, 0.75, 1.0])
    assert interval.lower == pytest.approx(40, rel=1e-9)
    assert interval.value == pytest.approx(40, rel=1e-9)
    assert interval.upper <= 41


def test_on_a_fine_grid_the_value_is_close_and_the_interval_narrow() -> None:
    random = np.random.default_rng(4)
    first, second = random.normal(size=50_000), random.normal(0.1, 1.2, size=40_000)
    interval = interval_of(first, second, np.quantile(first, np.linspace(0, 1, 1025)).tolist())
    truth = scipy_wasserstein(first, second)
    assert interval.value == pytest.approx(truth, rel=0.02)
    assert interval.width <= 0.05


def test_equal_samples_on_the_edges_are_at_zero() -> None:
    values = np.array([0.0, 1.0, 1.0])
    assert interval_of(values, np.append(values, values), [0.0, 1.0]) == Interval(0.0, 0.0, 0.0)


def test_ranges_beyond_the_largest_double_do_not_break_it() -> None:
    first, second = np.array([-1.7e308, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.7e308])
    interval = interval_of(first, second, [])
    assert Fraction(interval.lower) <= exact_wasserstein(first, second) <= Fraction(interval.upper)
    far = interval_of(np.array([-1.7e308]), np.array([1.7e308]), [])
    assert far.upper == np.inf
    assert far.lower >= 1.7e308


def test_it_is_divided_by_the_baselines_deviation_where_there_is_one() -> None:
    bounds = tuple(np.full(4, number) for number in (1.0, 0.5, 2.0))
    found = np.array(per_deviation(bounds, np.array([2.0, 0.0, np.nan, np.inf])))
    assert found[:, 0].tolist() == [0.5, 0.25, 1.0]
    assert np.isnan(found[:, 1:]).all()


def test_real_states_hold_scipys_area_and_states_on_different_grids_have_none() -> None:
    random = np.random.default_rng(9)
    first, second = random.gamma(2.0, size=9000), random.gamma(2.2, size=7000)
    grid = Grid.of(np.quantile(first, np.linspace(0, 1, 300)))
    block = [NumericBlock.of([profile_column(values, grid)]) for values in (first, second)]
    bare = [NumericBlock.of([profile_column(values)]) for values in (first, second)]
    _, lower, upper = wasserstein_of(*block)
    assert lower[0] <= scipy_wasserstein(first, second) <= upper[0]
    assert np.isnan(wasserstein_of(block[0], bare[1])).all()
    assert np.isnan(wasserstein_of(*bare)).all()
