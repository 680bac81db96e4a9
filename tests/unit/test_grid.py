"""The grid: every value's cell against the plain definition, on grids made to break a look-up table."""

from __future__ import annotations

import pickle
from bisect import bisect_left, bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spark_monitor.errors import StateError
from spark_monitor.states.grid import MAX_EDGES, Grid, grid_from_quantiles

TINY, LARGEST = 5e-324, 1.7976931348623157e308


def ulps(value: float, count: int) -> list[float]:
    """``count`` adjacent doubles, from ``value`` upwards."""
    found = [value]
    while len(found) < count:
        found.append(float(np.nextafter(found[-1], np.inf)))
    return found


HOSTILE = {
    "zero alone": [],
    "two edges one ulp apart": ulps(1.0, 2),
    "a hundred adjacent doubles": ulps(1e9, 100),
    "all of equal magnitude": [-3.0, 3.0],
    "subnormal and huge": [1e-310, 1e308],
    "the two largest": [-LARGEST, LARGEST],
    "the largest alone": [LARGEST],
    "the most negative alone": [-LARGEST],
    "huge and its neighbour": [LARGEST, float(np.nextafter(LARGEST, 0))],
    "beyond float32, both signs": [-1e300, -1e299, -1e298, 1e298, 1e299, 1e300],
    "the smallest subnormals": [-TINY, TINY, 2 * TINY, 3 * TINY],
    "negative only": (-np.geomspace(1e-3, 1e6, 300)).tolist(),
    "huge gaps": [-1e200, -1.0, 1e-200, 1e-100, 1.0, 1e100, 1e200],
    "every order of magnitude": (10.0 ** np.arange(-320.0, 308)).tolist(),
    "crowded in one place": [*(1 + 1e-12 * np.arange(900)).tolist(), -1e12, 1e12],
    "crowded around zero": [*(1e-300 * np.arange(-500, 500)).tolist(), -1.0, 1.0],
    "beside a power of two": [*ulps(2.0**-1022, 5), *ulps(1.0 - 2**-53, 5), *ulps(4.0 - 2**-51, 5)],
    "float32 neighbours": [float(np.float32(0.1)), 0.1, float(np.nextafter(np.float32(0.1), np.float32(1)))],
    "integers around 2^53": [2.0**53 - 1, 2.0**53, 2.0**53 + 2],
    "uniform": np.linspace(-1, 1, 1023).tolist(),
    "normal quantiles and outer edges": grid_from_quantiles(
        np.quantile(np.random.default_rng(1).normal(size=5000), np.linspace(0.001, 0.999, 1023)), [], -4.0, 4.0
    ).edges.tolist(),
}


def probes(grid: Grid, seed: int = 7) -> np.ndarray:
    """Each edge, its neighbours, midpoints, the extremes and noise at many scales; more values than edges, unordered."""
    edges = grid.edges
    random = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        between = edges[:-1] / 2 + edges[1:] / 2
        near = [np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)]
    scaled = random.normal(size=500) * 10.0 ** random.integers(-300, 300, 500)
    extremes = [0.0, -0.0, TINY, -TINY, LARGEST, -LARGEST, 1.0, -1.0, 2.0**53, 2.0**53 + 2]
    inside = random.uniform(max(edges[0], -1e150), min(edges[-1], 1e150), 500)
    values = np.concatenate([edges, *near, between, scaled, inside, extremes, random.choice(edges, 300)])
    values = values[np.isfinite(values)]
    return random.permutation(values)


def naive_cells(edges: list[float], values: np.ndarray) -> list[int]:
    """Edges below the value plus edges at or below it: 2i in the open interval below edge i, 2i + 1 on the edge i."""
    return [bisect_left(edges, value) + bisect_right(edges, value) for value in values.tolist()]


@pytest.mark.parametrize("edges", HOSTILE.values(), ids=HOSTILE.keys())
def test_every_value_falls_into_the_cell_of_the_plain_definition(edges: list[float]) -> None:
    grid = Grid.of(edges)
    values = probes(grid)
    expected = naive_cells(grid.edges.tolist(), values)
    assert values.size >= grid.edges.size  # else the look-up table is not used
    assert grid.codes(values).tolist() == expected
    assert grid.codes_by_search(values).tolist() == expected
    few = values[: max(grid.edges.size - 1, 1)]
    assert grid.codes(few).tolist() == expected[: few.size]


@pytest.mark.parametrize("edges", HOSTILE.values(), ids=HOSTILE.keys())
def test_counts_of_sorted_values_are_the_counts_of_their_cells(edges: list[float]) -> None:
    grid = Grid.of(edges)
    values = np.sort(probes(grid))
    for part in (values, values[:: max(grid.edges.size, 1)], values[:0], values[:1]):
        expected = np.bincount(naive_cells(grid.edges.tolist(), part), minlength=grid.cells)
        assert grid.counts_of_sorted(part).tolist() == expected.tolist()


@given(
    edges=hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats(allow_nan=False, allow_infinity=False)),
    values=hnp.arrays(np.float64, st.integers(0, 200), elements=st.floats(allow_nan=False, allow_infinity=False)),
)
def test_any_finite_value_falls_into_its_cell_on_any_grid(edges: np.ndarray, values: np.ndarray) -> None:
    grid = Grid.of(edges)
    values = np.concatenate([values, grid.edges])
    expected = naive_cells(grid.edges.tolist(), values)
    assert grid.codes(values).tolist() == expected
    assert grid.counts_of_sorted(np.sort(values)).tolist() == np.bincount(expected, minlength=grid.cells).tolist()


def test_the_most_edges_that_a_grid_may_have_are_still_told_apart() -> None:
    random = np.random.default_rng(3)
    grid = Grid.of(random.standard_cauchy(MAX_EDGES - 1))
    values = np.concatenate([probes(grid), random.standard_cauchy(50_000)])
    assert grid.codes(values).tolist() == naive_cells(grid.edges.tolist(), values)


@pytest.mark.parametrize(
    "edges",
    [
        np.array([]),
        np.array([1.0]),
        np.array([0.0, np.inf]),
        np.array([np.nan, 0.0]),
        np.array([0.0, 0.0]),
        np.array([1.0, 0.0]),
        np.array([[0.0]]),
        np.arange(MAX_EDGES + 1.0),
    ],
    ids=["none", "no zero", "infinite", "nan", "equal", "decreasing", "two-dimensional", "too many"],
)
def test_edges_that_are_no_grid_are_refused(edges: np.ndarray) -> None:
    with pytest.raises(StateError, match=r"^grid: "):
        Grid(edges)


def test_negative_zero_and_what_is_not_finite_become_no_edges_of_their_own() -> None:
    grid = Grid.of([-0.0, np.nan, np.inf, -np.inf, 1.0])
    assert grid.edges.tolist() == [0.0, 1.0]
    assert not np.signbit(grid.edges[0])
    assert grid.grid_id == Grid.of([1.0, 0.0, 1.0]).grid_id


def test_grids_are_told_apart_by_one_ulp_and_survive_pickling() -> None:
    grid, neighbour = Grid.of([1.0]), Grid.of([np.nextafter(1.0, 2.0)])
    assert grid.grid_id != neighbour.grid_id
    assert Grid(np.array([-0.0, 1.0])).grid_id == grid.grid_id
    copied = pickle.loads(pickle.dumps(grid))
    assert copied.grid_id == grid.grid_id
    assert copied.codes(np.array([0.5, 1.0, 2.0])).tolist() == [2, 3, 4]


def test_edges_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Grid.of([1.0]).edges[0] = 5.0


def test_changing_the_array_that_a_grid_was_made_from_changes_no_grid() -> None:
    edges = np.array([0.0, 1.0])
    grid = Grid(edges)
    edges[1] = -1.0
    assert grid.edges.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("minimum", "maximum"),
    [
        (0.0, 0.0),
        (5.0, 5.0),
        (-LARGEST, LARGEST),
        (LARGEST, LARGEST),
        (TINY, TINY),
        (-TINY, TINY),
        (1e-310, 1e-309),
        (-1e9 - 1e-6, -1e9),
        (2.0**53, 2.0**53 + 2),
    ],
)
def test_a_grid_reaches_beyond_the_range_of_its_baseline_where_doubles_do(minimum: float, maximum: float) -> None:
    grid = grid_from_quantiles([minimum, maximum], [minimum], minimum, maximum)
    assert {0.0, minimum, maximum} <= set(grid.edges.tolist())
    assert grid.edges[-1] > maximum or maximum == LARGEST
    assert grid.edges[0] < minimum or minimum == -LARGEST


def test_a_grid_of_quantiles_has_32_edges_on_each_side_growing_geometrically() -> None:
    grid = grid_from_quantiles(np.linspace(0, 64, 1023), [], 0.0, 64.0)
    above = grid.edges[grid.edges > 64.0] - 64.0
    below = -grid.edges[grid.edges < 0.0]
    assert above.tolist() == (2.0 ** np.arange(32)).tolist()
    assert below[::-1].tolist() == (2.0 ** np.arange(32)).tolist()


def test_a_column_without_finite_values_gets_the_grid_of_zero() -> None:
    nan = float("nan")
    assert grid_from_quantiles([nan], [], nan, nan).is_trivial
