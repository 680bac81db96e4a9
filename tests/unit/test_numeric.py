"""The state of a numeric column and the numbers shown of it, against exact arithmetic, on columns that break naive code."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.errors import StateError
from spark_monitor.states.grid import Grid, grid_from_quantiles
from spark_monitor.states.moments import Moments
from spark_monitor.states.numeric import NumericState, profile_column
from spark_monitor.states.presented import present
from spark_monitor.states.sketch import K

LARGEST, TINY, NAN, INF = 1.7976931348623157e308, 5e-324, math.nan, math.inf


def exact_moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and sum of squared deviations in rational arithmetic, rounded once; inf beyond the largest double."""
    fractions = [Fraction(value) for value in values.tolist()]
    mean = sum(fractions, Fraction(0)) / len(fractions)
    try:
        return float(mean), float(sum((value - mean) ** 2 for value in fractions))
    except OverflowError:
        return float(mean), INF


def data(name: str) -> np.ndarray:
    random = np.random.default_rng(31)
    columns = {
        "standard normal": random.normal(size=3000),
        "at 1e9 with noise of 1e-3": 1e9 + 1e-3 * random.normal(size=3000),
        "at 1e9 with noise of 1e-6": 1e9 + 1e-6 * random.normal(size=3000),
        "at 1e15 with noise of 1": 1e15 + random.normal(size=3000),
        "epoch seconds within a minute": 1.7e9 + 60 * random.random(3000),
        "neighbouring doubles": 1e9 * (1 + 2.0**-52 * random.integers(0, 2, 3000)),
        "1e-140": 1e-140 * random.normal(size=3000),
        "1e150": 1e150 * random.normal(size=3000),
        "integers beyond 2^53": random.integers(2**60, 2**60 + 10_000, 3000).astype(float),
        "every scale": random.normal(size=3000) * 10.0 ** random.integers(-100, 100, 3000),
        "lognormal": random.lognormal(0, 4, 3000),
        "one far outlier": np.append(random.normal(size=3000), 1e30),
    }
    return columns[name]


NAMES = [
    "standard normal", "at 1e9 with noise of 1e-3", "at 1e9 with noise of 1e-6", "at 1e15 with noise of 1", "lognormal",
    "epoch seconds within a minute", "neighbouring doubles", "1e-140", "1e150", "integers beyond 2^53", "every scale",
    "one far outlier",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ["as drawn", "sorted", "by scale"])
def test_mean_and_variance_are_right_to_the_last_digits_however_the_rows_are_cut(name: str, order: str) -> None:
    values = data(name)
    values = {"as drawn": values, "sorted": np.sort(values), "by scale": values[np.argsort(np.abs(values))]}[order]
    mean, m2 = exact_moments(values)
    random = np.random.default_rng(1)
    cuts = np.sort(random.choice(values.size, 60, replace=False))
    whole = Moments.of(values)
    parts = [Moments.of(part) for part in np.split(values, cuts)]
    one_by_one = reduce(Moments.merge, (Moments.of(values[i : i + 1]) for i in range(300)), Moments())
    for found in (whole, reduce(Moments.merge, parts), reduce(Moments.merge, parts[::-1])):
        assert found.n == values.size
        assert found.mean == pytest.approx(mean, rel=1e-15, abs=4e-16 * np.abs(values).mean())
        assert found.m2 == pytest.approx(m2, rel=1e-12, abs=0.0)
        assert found.stddev == pytest.approx(math.sqrt(m2 / (values.size - 1)), rel=1e-12, abs=0.0)
    assert one_by_one.m2 == pytest.approx(exact_moments(values[:300])[1], rel=1e-12, abs=0.0)


def test_parts_of_very_different_size_and_scale_merge_without_loss() -> None:
    random = np.random.default_rng(2)
    parts = [np.full(1, 1e300), 1e-300 * random.random(20_000), np.full(3, -1e280), random.normal(size=7)]
    values = np.concatenate(parts)
    mean, _ = exact_moments(values)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 2, 0]):
        found = reduce(Moments.merge, (Moments.of(parts[i]) for i in order))
        assert found.mean == pytest.approx(mean, rel=1e-15)
        assert found.m2 == INF


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9 + 0.1, 2.0**53 + 2, 1e154, 1e200, LARGEST, TINY, -1e-310, -0.0])
def test_a_constant_has_itself_as_mean_and_no_spread(value: float) -> None:
    for n in (1, 2, 3, 7, 1000):
        parts = [Moments.of(np.full(size, value)) for size in (n, 3, 2 * n + 1)]
        for found in (parts[0], reduce(Moments.merge, parts)):
            assert (found.mean, found.m2) == (value, 0.0)


@pytest.mark.parametrize(
    ("values", "mean", "m2"),
    [
        ([LARGEST, LARGEST, -LARGEST, -LARGEST], 0.0, INF),
        ([LARGEST, -LARGEST], 0.0, INF),
        ([LARGEST, LARGEST, LARGEST / 2], LARGEST / 6 * 5, INF),
        ([1e152, -1e152], 0.0, 2e304),
        ([TINY, 3 * TINY], 2 * TINY, 0.0),
        ([1e16, 1.0, -1e16], 1 / 3, 2e32),
    ],
)
def test_moments_at_the_ends_of_the_doubles_are_defined(values: list[float], mean: float, m2: float) -> None:
    array = np.array(values)
    for found in (Moments.of(array), reduce(Moments.merge, (Moments.of(array[i : i + 1]) for i in range(array.size)))):
        # Values that cancel leave a rounding of the largest.
        assert found.mean == pytest.approx(mean, rel=1e-15, abs=1e-16 * np.abs(array).max())
        assert found.m2 == pytest.approx(m2, rel=1e-15)


hostile = st.one_of(
    st.sampled_from(
        [0.0, -0.0, TINY, -TINY, 1e-310, 0.1, 1.0, 2.0**53, 2.0**53 + 2, -1e200, 1e308, LARGEST, -LARGEST, NAN, INF, -INF]
    ),
    st.floats(),
)


@given(st.lists(hostile, max_size=50), st.integers(0, 5), st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=6))
def test_counts_extremes_and_cells_are_exact(values: list[float], nulls: int, edges: list[float]) -> None:
    grid = Grid.of(edges)
    state = NumericState.empty(grid).update(values, nulls=nulls)
    array = np.array(values)
    finite = array[np.isfinite(array)]
    assert (state.count, state.nulls, state.nans) == (len(values) + nulls, nulls, int(np.isnan(array).sum()))
    assert (state.positive_infinities, state.negative_infinities) == (values.count(INF), values.count(-INF))
    assert (state.zeros, state.negatives, state.finite) == ((finite == 0).sum(), (finite < 0).sum(), finite.size)
    assert state.cells.tolist() == np.bincount(grid.codes_by_search(finite), minlength=grid.cells).tolist()
    assert state.distinct_count == np.unique(finite).size
    if finite.size:
        assert (state.minimum, state.maximum) == (finite.min(), finite.max())
        assert not np.signbit(state.minimum) or state.minimum < 0
    counted = Counter(finite.tolist())
    assert dict(state.frequent_items) == dict(sorted(counted.items(), key=lambda entry: (-entry[1], entry[0]))[:20])


COLUMNS: dict[str, tuple[list[float], int]] = {
    "no rows": ([], 0),
    "all null": ([], 9),
    "all NaN": ([NAN] * 4, 0),
    "NaN and null": ([NAN] * 4, 3),
    "infinities alone": ([INF, -INF, INF], 0),
    "one row": ([3.25], 0),
    "one row and nulls": ([3.25], 7),
    "a constant": ([0.1] * 50, 0),
    "negative zero": ([-0.0, -0.0], 0),
    "subnormals": ([TINY, 2 * TINY, 1e-310], 0),
    "tiny and far apart": ([1e-300, 2e-300, 5e-300], 0),
    "beyond 2^53": ([2.0**53, 2.0**53 + 2, 2.0**60], 0),
    "the largest": ([LARGEST, LARGEST, LARGEST], 0),
    "the whole range": ([LARGEST, -LARGEST], 0),
    "huge": ([1e308, 1e300, -1e307], 1),
    "infinite and finite": ([1.0, 2.0, INF, -INF, NAN], 2),
}
GRIDS = {
    "no grid": Grid.trivial(),
    "a grid": Grid.of([0.1, 1.0, 2.0, 1e300]),
    "a frozen grid": grid_from_quantiles([1, 2], [], 1, 2),
}


def undefined(value: Any) -> bool:
    """Whether a shown value is NaN or infinite, anywhere inside."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return any(undefined(item) for item in value)
    return isinstance(value, dict) and any(undefined(item) for item in value.values())


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("k", [K, None])
def test_every_number_shown_is_finite_or_none_with_a_sentence(name: str, grid: Grid, k: int | None) -> None:
    values, nulls = COLUMNS[name]
    row = present(NumericState.empty(grid, k=k).update(values, nulls=nulls))
    assert not undefined(row), row
    finite = [value for value in values if math.isfinite(value)]
    status = "OK" if finite else "EMPTY" if not values and not nulls else "ALL_NULL" if not values else "NO_FINITE"
    assert row["status"] == status
    assert row["count"] == len(values) + nulls
    needs_message = status != "OK" or row["stddev"] is None
    assert row["message"] is None or row["message"].endswith(".")
    assert not needs_message or row["message"]
    assert (row["avg"] is None) == (row["min"] is None) == (row["quantiles"] is None) == (row["median"] is None) == (not finite)
    if finite:
        assert row["min"] <= row["avg"] <= row["max"]
        assert row["min"] <= row["median"] <= row["max"]
        assert len(row["quantiles"]) == 101
    if row["count"]:
        assert row["percent_null"] == pytest.approx(100 * nulls / row["count"])
        assert row["percent_distinct"] == pytest.approx(100 * len(set(finite)) / row["count"])
    else:
        assert row["percent_null"] is row["percent_nan"] is row["percent_zeros"] is row["percent_distinct"] is None


@given(st.lists(hostile, max_size=40), st.integers(0, 3), st.sampled_from(sorted(GRIDS)), st.sampled_from([8, K, None]))
def test_no_column_shows_nan(values: list[float], nulls: int, grid: str, k: int | None) -> None:
    assert not undefined(present(NumericState.empty(GRIDS[grid], k=k).update(values, nulls=nulls)))


def test_a_spread_too_wide_or_too_narrow_for_a_double_is_said() -> None:
    wide, narrow = present(profile_column([1e200, -1e200])), present(profile_column([1e-200, 2e-200]))
    assert wide["stddev"] is None
    assert "squares exceeds the largest double" in wide["message"]
    assert "rounded towards 0" in narrow["message"]
    assert present(profile_column([1e154, 1e154]))["stddev"] == 0.0


def test_the_numbers_shown_are_those_of_pandas() -> None:
    random = np.random.default_rng(3)
    values = random.gamma(2.0, 2.0, 5000).round(1)
    series = pd.Series(values)
    row = present(profile_column(np.concatenate([values, [NAN, INF]]), Grid.of(np.arange(0.0, 20.0, 0.1)), nulls=98))
    assert (row["count"], row["num_nulls"], row["num_nan"], row["num_inf"]) == (5100, 98, 1, 1)
    assert row["num_zeros"] == (series == 0).sum()
    assert row["avg"] == pytest.approx(series.mean(), rel=1e-12)
    assert row["stddev"] == pytest.approx(series.std(), rel=1e-12)
    assert (row["min"], row["max"], row["median"]) == (series.min(), series.max(), series.quantile(0.5, interpolation="lower"))
    assert row["distinct_count"] == series.nunique()
    assert row["rank_error"] <= 0.0028
    top = series.value_counts().head(20)
    assert [item["count"] for item in row["frequent_items"]] == top.tolist()
    assert all(series.eq(float(item["item"])).sum() == item["count"] for item in row["frequent_items"])


def test_frequent_items_are_never_too_high_and_exact_on_the_grid() -> None:
    random = np.random.default_rng(4)
    values = np.concatenate([random.normal(size=90_000), np.full(4000, 0.5), np.full(3000, 0.7), np.arange(40.0)])
    random.shuffle(values)
    state = reduce(NumericState.merge, (NumericState.empty(Grid.of([0.5])).update(part) for part in np.array_split(values, 11)))
    found = dict(state.frequent_items)
    true = Counter(values.tolist())
    assert found[0.5] == 4000
    assert found[0.7] <= 3000
    assert all(count <= true[value] for value, count in found.items())


def test_a_slice_of_a_thousand_rows_takes_less_than_four_kibibytes() -> None:
    random = np.random.default_rng(5)
    baseline = random.lognormal(size=100_000)
    grid = grid_from_quantiles(np.quantile(baseline, np.arange(1, 1024) / 1024), [], baseline.min(), baseline.max())
    state = NumericState.empty(grid, k=None).update(random.lognormal(size=1000))
    assert len(state.to_bytes()) < 4096
    assert len(NumericState.empty(grid).update(random.lognormal(size=10**5)).to_bytes()) < 48 << 10


def test_a_window_and_a_slice_are_not_merged() -> None:
    window = NumericState.empty(Grid.trivial()).update([1.0])
    with pytest.raises(StateError, match="one has a sketch and one has none"):
        window.merge(window.as_slice())
    alone = NumericState.empty(Grid.trivial(), k=None).update([1.0])
    assert window.as_slice().to_bytes() == alone.to_bytes()


def test_a_sketch_stored_beside_its_state_is_asked_for_and_checked() -> None:
    state, other = (profile_column(np.random.default_rng(seed).normal(size=5000)) for seed in (1, 2))
    assert state.sketch is not None
    assert other.sketch is not None
    data, image = state.to_parts()
    assert image == state.sketch.to_bytes()
    assert len(data) < len(state.to_bytes()) - 4000
    restored = NumericState.from_bytes(data, state.grid, sketch=image)
    assert restored.to_bytes() == state.to_bytes()
    with pytest.raises(StateError, match="was not given"):
        NumericState.from_bytes(data, state.grid)
    for wrong in (other.sketch.to_bytes(), image[:-1], b"", image[:-1] + bytes([image[-1] ^ 1])):
        with pytest.raises(StateError, match="damaged or belongs to another state"):
            NumericState.from_bytes(data, state.grid, sketch=wrong)


def test_updating_changes_no_array_of_the_callers() -> None:
    values = np.array([3.0, -0.0, 1.0])
    profile_column(values)
    assert values.tolist() == [3.0, 0.0, 1.0]
    assert np.signbit(values[1])


@pytest.mark.parametrize("value", [-1.0, 0.5, 7.25])
def test_a_slice_that_holds_one_value_alone_names_it(value: float) -> None:
    state = NumericState.empty(Grid.of([0.5, 2.0]), k=0).update(np.array([value] * 7 + [NAN, INF]))

    (item,) = present(state)["frequent_items"]
    assert (float(item["item"]), item["count"]) == (value, 7)
    two = state.update(np.array([value + 5.0]))
    assert all(item["count"] <= 7 for item in present(two)["frequent_items"])
