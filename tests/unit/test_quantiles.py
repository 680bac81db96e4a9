"""Percentiles from cells and sketch: exact where they claim to be, else within the rank error they state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.states.grid import Grid, grid_from_quantiles
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.quantiles import PERCENTILES, quantiles
from spark_monitor.states.sketch import K

LARGEST, TINY = 1.7976931348623157e308, 5e-324
finite = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.1, 0.2, 0.1 + 2**-56, 1e9, -0.0, LARGEST])
)


def wanted_ranks(n: int) -> list[int]:
    """ceil(i n / 100) in integers, at least the first value."""
    return [max((i * n + 99) // 100, 1) for i in range(PERCENTILES + 1)]


def check(values: np.ndarray, grid: Grid, *, k: int | None) -> float:
    """The percentiles against the sorted values; the stated rank error."""
    state = NumericState.empty(grid, k=k).update(values)
    found, error = quantiles(state)
    ordered = np.sort(values)
    ranks = np.array(wanted_ranks(values.size))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    assert (found[0], found[-1]) == (ordered[0], ordered[-1])
    below, through = np.searchsorted(ordered, found, side="left"), np.searchsorted(ordered, found, side="right")
    off = np.maximum(np.maximum(below + 1 - ranks, ranks - through), 0) / values.size
    assert off.max() <= error + 1e-12
    assert 0 <= error <= 1
    if error == 0:
        assert found.tolist() == ordered[ranks - 1].tolist()
    return error


@given(st.lists(finite, min_size=1, max_size=120), st.lists(finite, max_size=15), st.sampled_from([K, 8, None]))
def test_any_values_on_any_grid(values: list[float], edges: list[float], k: int | None) -> None:
    check(np.array(values) + 0.0, Grid.of(edges), k=k)


@given(st.lists(finite, min_size=1, max_size=120))
def test_few_values_have_exact_percentiles_even_without_a_grid(values: list[float]) -> None:
    assert check(np.array(values) + 0.0, Grid.trivial(), k=K) == 0.0


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.7, 1e-300, 1e300, -0.1]), min_size=1, max_size=400), st.sampled_from([8, None]))
def test_values_that_are_edges_have_exact_percentiles_without_a_sketch(values: list[float], k: int | None) -> None:
    assert check(np.array(values), Grid.of(values), k=k) == 0.0


COLUMNS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "normal": lambda random: random.normal(size=60_000),
    "lognormal": lambda random: random.lognormal(0, 3, 60_000),
    "ties": lambda random: random.poisson(3, 60_000) / 10,
    "one value, mostly": lambda random: np.where(random.random(60_000) < 0.97, 0.1, random.normal(size=60_000)),
    "two far apart": lambda random: np.where(random.random(60_000) < 0.5, -1e300, 1e300) * random.random(60_000),
    "at 1e9": lambda random: 1e9 + random.normal(size=60_000) * 1e-6,
    "integers": lambda random: random.integers(-50, 50, 60_000).astype(float),
    "crowded at the lower end of a cell": lambda random: np.where(
        random.random(60_000) < 0.6, 1 + 1e-9 * random.random(60_000), 2.0
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("moved", [0.0, 3.0])
def test_percentiles_keep_their_rank_error_when_data_moves_off_the_grid(name: str, moved: float) -> None:
    random = np.random.default_rng(21)
    baseline, current = COLUMNS[name](random), COLUMNS[name](random) + moved
    at = np.linspace(0.001, 0.999, 500)
    grid = grid_from_quantiles(np.quantile(baseline, at, method="inverted_cdf"), [], baseline.min(), baseline.max())
    for k in (K, None):
        error = check(current, grid, k=k)
        assert k is None or error <= 2.296 / K**0.9723
    for kept in (grid, Grid.trivial()):
        check(current, kept, k=K)


def test_a_constant_has_that_value_at_every_percentile() -> None:
    for value in (0.1, 1 / 3, -0.7, 1e-310, TINY, LARGEST, 2.0**53 + 2):
        for grid in (Grid.of([value]), grid_from_quantiles([value], [value], value, value), Grid.trivial()):
            for k in (K, None):
                state = NumericState.empty(grid, k=k).update(np.full(1234, value))
                found, error = quantiles(state)
                assert set(found.tolist()) == {value}
                assert error == 0.0 or grid.is_trivial


def test_without_finite_values_there_is_no_percentile() -> None:
    for values in ([], [np.nan], [np.inf, -np.inf]):
        found, error = quantiles(NumericState.empty(Grid.trivial()).update(values, nulls=2))
        assert np.isnan(found).all()
        assert error == 0.0


def test_states_merged_from_parts_keep_the_rank_error() -> None:
    random = np.random.default_rng(4)
    values = random.gamma(2.0, 2.0, 50_000)
    grid = Grid.of(np.quantile(values, np.linspace(0, 1, 50), method="inverted_cdf"))
    state = NumericState.empty(grid)
    for part in np.split(values, np.sort(random.choice(values.size, 120, replace=False))):
        state = NumericState.empty(grid).update(part).merge(state)
    found, error = quantiles(state)
    ranks = np.searchsorted(np.sort(values), found, side="right") / values.size
    assert np.abs(ranks - np.arange(101) / 100).max() <= error + 1 / values.size
