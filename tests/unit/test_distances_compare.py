"""Rows of drift_metrics from two states: right numbers where there are some, a status and a sentence where there are none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp
from scipy.stats import wasserstein_distance as scipy_wasserstein

from spark_monitor.distances import compare_categorical, compare_numeric
from spark_monitor.distances.compare import compared
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.numeric_block import NumericBlock

NUMERIC = [
    "ks_test",
    "ks_lower",
    "ks_upper",
    "ks_population_lower",
    "ks_population_upper",
    "wasserstein_distance",
    "wasserstein_lower",
    "wasserstein_upper",
    "wasserstein_per_deviation",
]
BINNED = [
    "population_stability_index",
    "population_stability_index_expected",
    "js_distance",
    "hellinger_distance",
    "chi_squared_test",
    "tv_distance",
    "l_infinity_distance",
]
DELTAS = ["count_delta", "avg_delta", "percent_null_delta", "percent_zeros_delta", "percent_distinct_delta"]
COLUMNS = [*DELTAS, *NUMERIC, *BINNED, "status", "message"]


def row_is_complete(row: dict) -> bool:
    """Every column is there, no number is NaN or infinite, and what is not OK says why."""
    numbers = [value for value in row.values() if isinstance(value, float)]
    numbers += [number for value in row.values() if isinstance(value, dict) for number in value.values()]
    said = row["status"] == "OK" or (row["message"] or "").endswith(".")
    return {"status", "message", *BINNED} <= set(row) <= {*COLUMNS} and all(math.isfinite(number) for number in numbers) and said


def test_the_columns_are_those_of_the_drift_table() -> None:
    assert sorted(compare_numeric(SOME, SOME)) == sorted(COLUMNS)


def test_a_numeric_row_agrees_with_numpy_and_scipy() -> None:
    random = np.random.default_rng(1)
    before, now = np.round(random.normal(size=8000), 2), np.round(random.normal(0.1, 1.1, size=5000), 2)
    grid = Grid.of(before)
    first = profile_column(np.append(before, [np.nan] * 3), grid, nulls=100)
    second = profile_column(np.append(now, [np.inf, -np.inf]), grid, nulls=300)
    row = compare_numeric(first, second)
    assert row_is_complete(row)
    assert (row["status"], row["message"], row["count_delta"]) == ("OK", None, 5302 - 8103)
    assert row["avg_delta"] == pytest.approx(now.mean() - before.mean(), rel=1e-9)
    assert row["percent_null_delta"] == pytest.approx(100 * (300 / 5302 - 100 / 8103))
    assert row["percent_zeros_delta"] == pytest.approx(100 * ((now == 0).sum() / 5302 - (before == 0).sum() / 8103))
    distinct = 100 * (np.unique(now).size / 5302 - np.unique(before).size / 8103)
    assert row["percent_distinct_delta"] == pytest.approx(distinct)
    expected = ks_2samp(before, now, method="asymp")
    assert row["ks_lower"] <= expected.statistic <= row["ks_upper"]
    assert row["wasserstein_lower"] <= scipy_wasserstein(before, now) <= row["wasserstein_upper"]
    assert row["wasserstein_distance"] == pytest.approx(scipy_wasserstein(before, now), rel=0.05)


def test_distances_on_bins_are_those_of_the_raw_rows_counted_by_hand() -> None:
    # Four values, 25 % each: every one is an atom and a bin; 9 is above range, NaN and NULL are bins.
    before = np.repeat([1.0, 2.0, 3.0, 4.0], 100)
    now = np.concatenate([np.repeat([1.0, 2.0, 3.0, 4.0], [150, 50, 100, 60]), [9.0] * 20, [np.nan] * 20])
    grid = Grid.of(before)
    row = compare_numeric(profile_column(before, grid, nulls=40), profile_column(now, grid, nulls=10))
    p = np.array([100, 100, 100, 100, 0, 0, 40])
    q = np.array([150, 50, 100, 60, 20, 20, 10])
    assert row["js_distance"] == pytest.approx(jensenshannon(p, q, base=2), rel=1e-9)
    assert row["tv_distance"] == pytest.approx(np.abs(p / p.sum() - q / q.sum()).sum() / 2, rel=1e-12)
    expected = chi2_contingency([p, q], correction=False)
    assert row["chi_squared_test"] == pytest.approx({"statistic": expected.statistic, "pvalue": expected.pvalue}, rel=1e-9)
    assert row["population_stability_index_expected"] == pytest.approx(6 * (1 / 440 + 1 / 410))


def test_a_block_of_many_equals_many_blocks_of_one() -> None:
    random = np.random.default_rng(2)
    grid = Grid.of(np.linspace(-2, 2, 50))
    states = [profile_column(random.normal(shift, size=400), grid, nulls=3) for shift in (0.0, 0.5, 1.0)]
    states += [profile_column([], grid), profile_column([np.nan], grid), states[0].as_slice()]
    pairs = [(first, second) for first in range(len(states)) for second in range(len(states))]
    block = NumericBlock.of(states)
    many = compared(block.take([first for first, _ in pairs]), block.take([second for _, second in pairs]))
    for place, (first, second) in enumerate(pairs):
        one = compared(NumericBlock.of([states[first]]), NumericBlock.of([states[second]]))
        assert (many.status[place], many.message[place]) == (one.status[0], one.message[0])
        for name, column in many.columns.items():
            for part in column if isinstance(column, dict) else [None]:
                numbers = (column[part], one.columns[name][part]) if part else (column, one.columns[name])
                assert numbers[0][place] == pytest.approx(numbers[1][0], rel=1e-12, nan_ok=True), name


GRID = Grid.of([1.0, 2.0, 3.0])
SOME = profile_column([1.0, 2.0, 2.5], GRID)
SIDES = {
    "some": SOME,
    "empty": NumericState.empty(GRID),
    "nulls": profile_column([], GRID, nulls=5),
    "nans": profile_column([np.nan] * 4, GRID),
    "infinite": profile_column([np.inf, -np.inf], GRID),
    "one": profile_column([2.0], GRID),
    "constant": profile_column([2.2] * 50, GRID),
    "subnormal": profile_column([5e-324, -5e-324, -0.0], GRID),
    "huge": profile_column([1e300, -1e300, 2.0**53, 2.0**53 + 2], GRID),
    "widest": profile_column([1.7e308, -1.7e308], GRID),
    "without sketch": SOME.as_slice(),
}


@pytest.mark.parametrize("before", SIDES)
@pytest.mark.parametrize("now", SIDES)
def test_every_pair_of_hostile_columns_has_a_complete_row(before: str, now: str) -> None:
    row = compare_numeric(SIDES[before], SIDES[now])
    assert row_is_complete(row)
    finite = SIDES[before].finite > 0 and SIDES[now].finite > 0
    assert (row["ks_test"] is not None) == finite
    assert (row["tv_distance"] is not None) == (SIDES[before].count > 0 and SIDES[now].count > 0)


@pytest.mark.parametrize(
    ("before", "now", "status", "words"),
    [
        ("empty", "some", "NO_BASELINE", "no row to compare with"),
        ("empty", "empty", "NO_BASELINE", "no row to compare with"),
        ("some", "empty", "EMPTY", "no rows"),
        ("some", "nulls", "ALL_NULL", "no finite value"),
        ("nans", "some", "ALL_NULL", "compared with has no finite value"),
        ("nulls", "infinite", "ALL_NULL", "compared with has no finite value"),
    ],
)
def test_absence_is_a_status_and_a_sentence(before: str, now: str, status: str, words: str) -> None:
    row = compare_numeric(SIDES[before], SIDES[now])
    assert row["status"] == status
    assert words in str(row["message"])


def test_a_column_that_turned_null_has_the_distance_of_its_null_share() -> None:
    row = compare_numeric(SIDES["some"], SIDES["nulls"])
    assert (row["tv_distance"], row["percent_null_delta"], row["avg_delta"]) == (1.0, 100.0, None)


def test_without_a_common_grid_only_the_sketches_speak() -> None:
    other = Grid.of([0.5, 1.5])
    row = compare_numeric(SOME, profile_column([1.0, 2.0, 9.0], other))
    assert row_is_complete(row)
    assert row["status"] == "OK"
    assert "different grids" in str(row["message"])
    assert row["ks_test"]["statistic"] == pytest.approx(1 / 3)
    assert [row[column] for column in [*BINNED, "wasserstein_distance"]] == [None] * (len(BINNED) + 1)
    mute = compare_numeric(SOME.as_slice(), profile_column([1.0, 2.0, 9.0], other))
    assert (mute["status"], mute["ks_test"], mute["count_delta"]) == ("UNSUPPORTED", None, 0)


def test_a_column_without_a_baseline_is_compared_with_its_last_window_by_ks_alone() -> None:
    row = compare_numeric(profile_column(np.arange(10.0)), profile_column(np.arange(5.0, 15.0)))
    assert row_is_complete(row)
    assert row["ks_test"]["statistic"] == pytest.approx(0.5)
    assert (row["status"], row["tv_distance"], row["wasserstein_distance"]) == ("OK", None, None)
    assert "no grid" in str(row["message"])


def texts(categories: Categories, values: list[str | None]) -> CategoricalState:
    return CategoricalState.empty(categories).update(pa.array(values, type=pa.string()))


def test_a_categorical_row_is_that_of_the_raw_counts() -> None:
    categories = Categories(("a", "b", "c", "never"))
    before = texts(categories, ["a"] * 50 + ["b"] * 30 + ["c"] * 10 + [None] * 10)
    now = texts(categories, ["a"] * 20 + ["b"] * 40 + ["new"] * 15 + [None] * 5)
    row = compare_categorical(before, now)
    p, q = [50, 30, 10, 0, 10], [20, 40, 0, 15, 5]
    pooled = [50, 30, 10, 10], [20, 40, 15, 5]  # of "c" the 80 rows are expected to have 4.4, so it is counted with the others
    assert row_is_complete(row)
    assert (row["status"], row["count_delta"], row.get("avg_delta")) == ("OK", -20, None)
    assert row["percent_null_delta"] == pytest.approx(100 * 5 / 80 - 10)
    assert row["percent_distinct_delta"] == pytest.approx(100 * 3 / 80 - 3)
    assert row["js_distance"] == pytest.approx(jensenshannon(p, q, base=2), rel=1e-9)
    assert row["chi_squared_test"]["statistic"] == pytest.approx(chi2_contingency(pooled, correction=False).statistic)
    assert row["population_stability_index_expected"] == pytest.approx(4 * (1 / 100 + 1 / 80))
    assert not set(NUMERIC) & set(row)


@pytest.mark.parametrize(
    ("before", "now", "status", "binned"),
    [
        ([], ["a"], "NO_BASELINE", False),
        (["a"], [], "EMPTY", False),
        ([None], ["a"], "ALL_NULL", True),
        (["a", "b"], [None, None], "ALL_NULL", True),
    ],
)
def test_absent_texts_are_a_status(before: list, now: list, status: str, binned: bool) -> None:
    categories = Categories(("a", "b"))
    row = compare_categorical(texts(categories, before), texts(categories, now))
    assert row_is_complete(row)
    assert (row["status"], row["tv_distance"] is not None) == (status, binned)


def test_texts_without_categories_or_with_others_are_not_compared() -> None:
    none, some = Categories(()), Categories(("a",))
    for before, now in [(texts(none, ["a"]), texts(none, ["b"])), (texts(some, ["a"]), texts(none, ["a"]))]:
        row = compare_categorical(before, now)
        assert row_is_complete(row)
        assert (row["status"], row["tv_distance"], row["percent_null_delta"]) == ("UNSUPPORTED", None, 0.0)


def test_states_that_came_back_from_bytes_are_compared_like_those_they_were() -> None:
    grid = Grid.of(np.arange(20.0))
    first, second = profile_column(np.arange(20.0), grid), profile_column(np.arange(5.0, 25.0), grid)
    again = NumericState.from_bytes(second.to_bytes(), Grid.of(np.arange(20.0)))
    assert compare_numeric(first, replace(again)) == compare_numeric(first, second)
