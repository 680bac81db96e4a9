"""Laws that every entry of the catalogue of distances keeps; a new entry is found by itself and must bring its expected value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.metric import Metric
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.distances.chi_squared import chi_squared_test
from spark_monitor.distances.compare import compared
from spark_monitor.distances.hellinger import hellinger_distance
from spark_monitor.distances.jensen_shannon import js_distance
from spark_monitor.distances.l_infinity import l_infinity_distance
from spark_monitor.distances.population_stability import population_stability_index
from spark_monitor.distances.total_variation import tv_distance
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock

# Half and half against three quarters and one quarter of 100 rows; 0, 1, 2, 3 against 1, 2, 3, 4: worked by hand.
ENTROPY = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
MIXED = -(0.625 * math.log2(0.625) + 0.375 * math.log2(0.375))
CHI2 = 200 * (50 * 25 - 50 * 75) ** 2 / (100 * 100 * 125 * 75)
BINS = {
    "population_stability_index": (population_stability_index, (25 / 101) * math.log(75.5 / 25.5)),
    "js_distance": (js_distance, math.sqrt(MIXED - (1 + ENTROPY) / 2)),
    "hellinger_distance": (hellinger_distance, math.sqrt(1 - math.sqrt(0.5 * 0.75) - math.sqrt(0.5 * 0.25))),
    "chi_squared_test": (lambda first, second: chi_squared_test(first, second).cramers_v, math.sqrt(CHI2 / 200)),
    "tv_distance": (tv_distance, 0.25),
    "l_infinity_distance": (l_infinity_distance, 0.25),
}
CELLS = {"ks": 0.25, "wasserstein_distance": 1.0, "wasserstein_per_deviation": 1 / math.sqrt(5 / 3)}
DELTAS = {
    "count_delta": 0.0,
    "avg_delta": 1.0,
    "percent_null_delta": 0.0,
    "percent_zeros_delta": -25.0,
    "percent_distinct_delta": 0.0,
}
EXPECTED = {**{name: value for name, (_, value) in BINS.items()}, **CELLS, **DELTAS}
METRICS = ["js_distance", "hellinger_distance", "tv_distance", "l_infinity_distance"]
# A coarser view of the same rows cannot show more: the data processing inequality (smoothing takes it from PSI).
SHRINK = ["js_distance", "hellinger_distance", "tv_distance"]
ENTRIES = {
    metric.name: metric
    for metric in catalogue().of("drift")
    if metric.module.startswith("spark_monitor.distances") and {"numeric", "categorical"} & set(metric.columns)
}
"""The distances of single columns; shifts of labels, answers and of rows as a whole have tests of their own."""

every_bin_entry = pytest.mark.parametrize("name", BINS)
every_cell_entry = pytest.mark.parametrize(
    "entry", [ENTRIES[name] for name in ("ks", "wasserstein_distance")], ids=lambda one: one.name
)
laws = settings(deadline=None)


def counts(bins: int, sides: int = 2) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    side = st.lists(st.integers(0, 5000), min_size=bins, max_size=bins).filter(any).map(np.array)
    return st.tuples(*[side] * sides)


some_bins = st.integers(1, 24).flatmap(counts)
values = st.lists(st.floats(-100, 100).map(lambda x: round(x, 1)), min_size=1, max_size=60)


def number(name: str, baseline: np.ndarray, current: np.ndarray) -> float:
    return float(BINS[name][0](baseline, current))


def on(grid: Grid, data: list[float]) -> NumericBlock:
    return NumericBlock.of([NumericState.empty(grid, k=None).update(np.array(data))])


def value(entry: Metric, baseline: NumericBlock, current: NumericBlock) -> float:
    return float(Interval.of(entry.compute(baseline, current)).value[0])


def bounds(entry: Metric, baseline: NumericBlock, current: NumericBlock) -> tuple[float, float]:
    """What certainly holds the distance of the samples."""
    result = entry.compute(baseline, current)
    if entry.name == "ks":
        return float(result.columns["ks_lower"][0]), float(result.columns["ks_upper"][0])
    return float(result.lower[0]), float(result.upper[0])


def test_every_entry_has_an_expected_value_and_a_description() -> None:
    assert set(EXPECTED) == set(ENTRIES)
    assert all(entry.description.endswith(".") and entry.range[0] < entry.range[1] for entry in ENTRIES.values())


def test_every_distance_is_written_in_columns_of_its_own() -> None:
    grid = Grid.of([1.0, 2.0])
    found = compared(on(grid, [1.0, 2.0]), on(grid, [1.0]))
    assert {entry.databricks_column for entry in ENTRIES.values()} <= set(found.columns)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_worked_example_comes_out(name: str) -> None:
    grid = Grid.of(np.arange(5.0))
    cells = on(grid, [0.0, 1.0, 2.0, 3.0]), on(grid, [1.0, 2.0, 3.0, 4.0])
    halves = on(Grid.of([0.0, 1.0]), [0.0] * 50 + [1.0] * 50), on(Grid.of([0.0, 1.0]), [0.0] * 75 + [1.0] * 25)
    assert value(ENTRIES[name], *(halves if name in BINS else cells)) == pytest.approx(EXPECTED[name], rel=1e-12)
    if name in BINS:
        assert number(name, np.array([50, 50]), np.array([75, 25])) == pytest.approx(EXPECTED[name], rel=1e-12)


@every_bin_entry
@laws
@given(some_bins)
def test_bins_distance_is_symmetric_in_range_and_zero_from_itself(name: str, pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    there, back = number(name, first, second), number(name, second, first)
    assert there == pytest.approx(back, rel=1e-9, abs=1e-12)
    assert ENTRIES[name].range[0] <= there <= ENTRIES[name].range[1]
    assert number(name, first, first) == 0.0


@every_bin_entry
@laws
@given(some_bins, st.randoms(use_true_random=False))
def test_the_order_of_bins_and_bins_empty_on_both_sides_do_not_matter(name: str, pair: tuple, random: object) -> None:
    first, second = pair
    order = list(range(first.size))
    random.shuffle(order)
    expected = pytest.approx(number(name, first, second), rel=1e-9, abs=1e-12)
    assert number(name, first[order], second[order]) == expected
    assert number(name, np.append(first, [0, 0]), np.append(second, [0, 0])) == expected


@pytest.mark.parametrize("name", SHRINK)
@laws
@given(some_bins, st.integers(0, 23))
def test_joining_two_bins_never_brings_the_sides_further_apart(name: str, pair: tuple, place: int) -> None:
    if pair[0].size > 1:
        cut = place % (pair[0].size - 1)
        starts = [at for at in range(pair[0].size) if at != cut + 1]
        joined = [np.add.reduceat(side, starts) for side in pair]
        assert number(name, *joined) <= number(name, *pair) * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("name", METRICS)
@laws
@given(st.integers(1, 12).flatmap(lambda bins: counts(bins, 3)))
def test_a_detour_is_never_shorter(name: str, three: tuple) -> None:
    first, middle, last = three
    assert number(name, first, last) <= number(name, first, middle) + number(name, middle, last) + 1e-9


@every_bin_entry
def test_rows_by_the_billion_do_not_overflow(name: str) -> None:
    first, second = np.array([4 * 10**12, 10**12]), np.array([10**12, 4 * 10**12])
    assert ENTRIES[name].range[0] < number(name, first, second) < math.inf


@every_cell_entry
@laws
@given(values, values, values)
def test_cells_distance_is_symmetric_in_range_and_never_excludes_zero_from_itself(
    entry: Metric, first: list[float], second: list[float], edges: list[float]
) -> None:
    grid = Grid.of([*edges, 7.5])
    here, there = on(grid, first), on(grid, second)
    lower, upper = bounds(entry, here, there)
    assert bounds(entry, there, here) == pytest.approx((lower, upper), rel=1e-9, abs=1e-9)
    assert entry.range[0] <= lower <= value(entry, here, there) <= upper <= entry.range[1]
    assert bounds(entry, here, on(grid, first[::-1]))[0] == 0.0


@every_cell_entry
@laws
@given(values, values, values, values)
def test_a_finer_grid_only_narrows(
    entry: Metric, first: list[float], second: list[float], edges: list[float], more: list[float]
) -> None:
    coarse, fine = Grid.of([*edges, 7.5]), Grid.of([*edges, 7.5, *more])
    outer = bounds(entry, on(coarse, first), on(coarse, second))
    inner = bounds(entry, on(fine, first), on(fine, second))
    assert outer[0] - 1e-9 <= inner[0] <= inner[1] <= outer[1] + 1e-9


@every_cell_entry
@laws
@given(values, values, values, st.integers(2, 4))
def test_repeating_every_row_changes_no_bound(
    entry: Metric, first: list[float], second: list[float], edges: list[float], times: int
) -> None:
    grid = Grid.of([*edges, 7.5])
    once = bounds(entry, on(grid, first), on(grid, second))[:2]
    assert bounds(entry, on(grid, first * times), on(grid, second))[:2] == pytest.approx(once, rel=1e-9, abs=1e-9)
