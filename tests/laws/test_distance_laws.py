"""Laws that every entry of the catalogue of distances keeps; a new entry is found by itself and must bring its expected value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_monitor.distances import BIN_DISTANCES, CELL_DISTANCES, COLUMNS, DISTANCES, Distance, Reference, compare_numeric
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState, profile_column

# Half and half against three quarters and one quarter of 100 rows; 0, 1, 2, 3 against 1, 2, 3, 4: worked by hand.
ENTROPY = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
MIXED = -(0.625 * math.log2(0.625) + 0.375 * math.log2(0.375))
EXPECTED = {
    "ks": 0.25,
    "wasserstein": 1.0,
    "psi": (25 / 101) * math.log(75.5 / 25.5),
    "js": math.sqrt(MIXED - (1 + ENTROPY) / 2),
    "hellinger": math.sqrt(1 - math.sqrt(0.5 * 0.75) - math.sqrt(0.5 * 0.25)),
    "chi2": 200 * (50 * 25 - 50 * 75) ** 2 / (100 * 100 * 125 * 75),
    "tv": 0.25,
    "l_infinity": 0.25,
}
METRICS = ["js", "hellinger", "tv", "l_infinity"]
# A coarser view of the same rows cannot show more: the data processing inequality (smoothing takes it from PSI).
SHRINK = ["js", "hellinger", "tv", "chi2"]

every_entry = pytest.mark.parametrize("entry", DISTANCES.values(), ids=DISTANCES)
every_bin_entry = pytest.mark.parametrize("entry", BIN_DISTANCES, ids=lambda entry: entry.name)
every_cell_entry = pytest.mark.parametrize("entry", CELL_DISTANCES, ids=lambda entry: entry.name)
laws = settings(deadline=None, max_examples=60)


def counts(bins: int, sides: int = 2) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    side = st.lists(st.integers(0, 5000), min_size=bins, max_size=bins).filter(any).map(np.array)
    return st.tuples(*[side] * sides)


some_bins = st.integers(1, 24).flatmap(counts)
values = st.lists(st.floats(-100, 100).map(lambda x: round(x, 1)), min_size=1, max_size=60)


def number(entry: Distance, baseline: object, current: object) -> float:
    """The distance itself: the first of the entry's columns."""
    value = entry.row(baseline, current)[0]
    return value["statistic"] if isinstance(value, dict) else value


def on(grid: Grid, data: list[float]) -> Reference:
    return Reference(NumericState.empty(grid, k=None).update(np.array(data)))


def bounds(entry: Distance, baseline: Reference, current: Reference) -> tuple[float, float]:
    row = entry.values(baseline, current)
    return next(row[c] for c in row if c.endswith("_lower")), next(row[c] for c in row if c.endswith("_upper"))


def test_every_entry_has_an_expected_value_and_a_description() -> None:
    assert set(EXPECTED) == set(DISTANCES)
    assert all(entry.description.endswith(".") and entry.symbol and entry.lowest < entry.highest for entry in DISTANCES.values())


def test_every_column_of_the_catalogue_is_written_once() -> None:
    columns = [column for entry in DISTANCES.values() for column in entry.columns]
    assert len(set(columns)) == len(columns)
    assert set(columns) <= set(COLUMNS)
    row = compare_numeric(profile_column([1.0, 2.0], Grid.of([1.0, 2.0])), profile_column([1.0], Grid.of([1.0, 2.0])))
    assert all(row[column] is not None for column in columns)


@every_entry
def test_the_worked_example_comes_out(entry: Distance) -> None:
    grid = Grid.of(np.arange(5.0))
    cells = on(grid, [0.0, 1.0, 2.0, 3.0]), on(grid, [1.0, 2.0, 3.0, 4.0])
    sides = cells if entry in CELL_DISTANCES else (np.array([50, 50]), np.array([75, 25]))
    assert number(entry, *sides) == pytest.approx(EXPECTED[entry.name], rel=1e-12)


@every_bin_entry
@laws
@given(some_bins)
def test_bins_distance_is_symmetric_in_range_and_zero_from_itself(entry: Distance, pair: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = pair
    there, back = number(entry, first, second), number(entry, second, first)
    assert there == pytest.approx(back, rel=1e-9, abs=1e-12)
    assert entry.lowest <= there <= entry.highest
    assert number(entry, first, first) == 0.0


@every_bin_entry
@laws
@given(some_bins, st.randoms(use_true_random=False))
def test_the_order_of_bins_and_bins_empty_on_both_sides_do_not_matter(entry: Distance, pair: tuple, random: object) -> None:
    first, second = pair
    order = list(range(first.size))
    random.shuffle(order)
    expected = pytest.approx(number(entry, first, second), rel=1e-9, abs=1e-12)
    assert number(entry, first[order], second[order]) == expected
    assert number(entry, np.append(first, [0, 0]), np.append(second, [0, 0])) == expected


@pytest.mark.parametrize("name", SHRINK)
@laws
@given(some_bins, st.integers(0, 23))
def test_joining_two_bins_never_brings_the_sides_further_apart(name: str, pair: tuple, place: int) -> None:
    if pair[0].size > 1:
        cut = place % (pair[0].size - 1)
        starts = [at for at in range(pair[0].size) if at != cut + 1]
        joined = [np.add.reduceat(side, starts) for side in pair]
        assert number(DISTANCES[name], *joined) <= number(DISTANCES[name], *pair) * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("name", METRICS)
@laws
@given(st.integers(1, 12).flatmap(lambda bins: counts(bins, 3)))
def test_a_detour_is_never_shorter(name: str, three: tuple) -> None:
    first, middle, last = three
    entry = DISTANCES[name]
    assert number(entry, first, last) <= number(entry, first, middle) + number(entry, middle, last) + 1e-9


@every_bin_entry
def test_rows_by_the_billion_do_not_overflow(entry: Distance) -> None:
    first, second = np.array([4 * 10**12, 10**12]), np.array([10**12, 4 * 10**12])
    assert entry.lowest < number(entry, first, second) < math.inf
    assert all(value is not None for value in entry.row(first, second))


@every_cell_entry
@laws
@given(values, values, values)
def test_cells_distance_is_symmetric_in_range_and_never_excludes_zero_from_itself(
    entry: Distance, first: list[float], second: list[float], edges: list[float]
) -> None:
    grid = Grid.of([*edges, 7.5])
    here, there = on(grid, first), on(grid, second)
    lower, upper = bounds(entry, here, there)
    assert bounds(entry, there, here) == pytest.approx((lower, upper), rel=1e-9, abs=1e-9)
    assert entry.lowest <= lower <= number(entry, here, there) <= upper <= entry.highest
    assert bounds(entry, here, on(grid, first[::-1]))[0] == 0.0


@every_cell_entry
@laws
@given(values, values, values, values)
def test_a_finer_grid_only_narrows(
    entry: Distance, first: list[float], second: list[float], edges: list[float], more: list[float]
) -> None:
    coarse, fine = Grid.of([*edges, 7.5]), Grid.of([*edges, 7.5, *more])
    outer = bounds(entry, on(coarse, first), on(coarse, second))
    inner = bounds(entry, on(fine, first), on(fine, second))
    assert outer[0] - 1e-9 <= inner[0] <= inner[1] <= outer[1] + 1e-9


@every_cell_entry
@laws
@given(values, values, values, st.integers(2, 4))
def test_repeating_every_row_changes_no_bound(
    entry: Distance, first: list[float], second: list[float], edges: list[float], times: int
) -> None:
    grid = Grid.of([*edges, 7.5])
    once = bounds(entry, on(grid, first), on(grid, second))[:2]
    assert bounds(entry, on(grid, first * times), on(grid, second))[:2] == pytest.approx(once, rel=1e-9, abs=1e-9)
