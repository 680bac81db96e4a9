"""A far change of unit, or of the sign, in a slice of few rows, of which only cells, moments and ends are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.diagnosis.moments import by_moments, is_of_all
from spark_monitor.stages.evidence import look_of
from spark_monitor.stages.first_pass import grid_of
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.presented import present
from tests.looks import look_at

Draw = Callable[[np.random.Generator, int], np.ndarray]
TRIALS = 8
SHAPES: dict[str, Draw] = {
    "days": lambda random, rows: np.round(random.exponential(120, rows)),
    "kilograms": lambda random, rows: np.round(random.normal(76, 16, rows), 1),
    "creatinine": lambda random, rows: np.round(random.lognormal(0.05, 0.4, rows), 2),
    "price": lambda random, rows: np.round(random.lognormal(3.6, 0.8, rows), 2),
    "share": lambda random, rows: random.beta(2, 4, rows),
}


@cache
def grid_for(draw: Draw) -> Grid:
    return grid_of(NumericState.empty(Grid.trivial()).update(draw(np.random.default_rng(1), 9000)))


def found(draw: Draw, change: Callable[[np.ndarray], np.ndarray], rows: int, random: np.random.Generator) -> Any:
    grid = grid_for(draw)

    def look(values: np.ndarray) -> Look:
        row = present(NumericState.empty(grid, k=0).update(values))
        return look_of({**dict.fromkeys(("num_nulls", "max_length", "avg_length")), **row})

    now, was, before = change(draw(random, rows)), draw(random, 14 * rows), draw(random, rows)
    return finding_of(Evidence(look(now), look(was), look(before)), frozenset())


@pytest.mark.parametrize("factor", [0.001, 0.01, 60.0, 100.0, 1000.0, -1.0])
@pytest.mark.parametrize("name", SHAPES)
def test_a_far_change_in_forty_rows_is_read_with_its_factor(name: str, factor: float) -> None:
    random = np.random.default_rng([3, len(name)])
    told = [found(SHAPES[name], lambda values: values * factor, 40, random) for _ in range(TRIALS)]

    # Forty rows do not tell 60 times from 100 times in every draw.
    assert [one.factor for one in told].count(factor) >= (TRIALS / 2 if factor == 60.0 else TRIALS - 2)


@pytest.mark.parametrize("value", [-999.0, 99_999_999.0, 9_999.0, 1e6])
@pytest.mark.parametrize("name", SHAPES)
def test_placeholders_in_a_part_of_the_rows_are_no_other_unit(name: str, value: float) -> None:
    random = np.random.default_rng([4, len(name)])

    def often(values: np.ndarray) -> np.ndarray:
        return np.where(random.random(values.size) < random.choice([0.2, 0.6]), value, values)

    assert "unit_change" not in {found(SHAPES[name], often, 40, random).kind for _ in range(TRIALS)}


def test_distances_of_routes_that_were_rounded_to_kilometres_are_read_by_their_ends() -> None:
    routes = np.array([96, 184, 214, 292, 419, 502, 544, 733, 762, 1005, 1076, 1389, 1620], dtype=np.float64)
    shares = np.array([1, 4, 9, 4, 6, 8, 8, 15, 14, 6, 7, 9, 9]) / 100

    def distances(random: np.random.Generator, rows: int) -> np.ndarray:
        return np.concatenate([[96.0, 1620.0], random.choice(routes, rows - 2, p=shares)])

    random = np.random.default_rng(8)
    told = [found(distances, lambda values: np.round(values * 1.609344), 300, random) for _ in range(TRIALS)]
    grown = [found(distances, lambda values: np.round(values * random.uniform(1.3, 1.5)), 300, random) for _ in range(TRIALS)]

    assert {one.factor for one in told} == {1.609344}
    assert "unit_change" not in {one.kind for one in grown}


def test_numbers_at_the_edge_of_doubles_raise_nothing() -> None:
    edges = [0.0, 5e-324, -5e-324, 1e-308, 1.0, -1.0, 2.0**53, 1.7e308, -1.7e308]
    random = np.random.default_rng(9)
    for _ in range(2000):
        ends = np.sort(random.choice(edges, 4))
        least, greatest = float(ends[0]), float(ends[-1])
        looks = [
            Look(
                count=int(random.integers(1, 100)),
                mean=float(random.choice(edges)),
                stddev=abs(float(random.choice(edges))),
                least=least,
                greatest=greatest,
                quantiles=tuple(np.sort(random.choice(edges, 101)).tolist()),
            )
            for _ in range(2)
        ]
        by_moments(*looks)
        is_of_all(float(random.choice([1e9, 1e-9, -1.0])), *looks)


@pytest.mark.parametrize("rows", [60, 215, 1_200])
@pytest.mark.parametrize("back", [False, True])
def test_degrees_in_another_scale_are_told_where_no_value_lies_in_the_baselines_cells(rows: int, back: bool) -> None:
    """Of a slice whose values are all beyond the baseline's range its percentiles are one end of the last cells."""
    random = np.random.default_rng([5, rows])
    for _ in range(10):
        celsius, later = random.normal(18.0, 2.6, 4700), random.normal(18.0, 2.6, rows)
        was, now = (celsius * 1.8 + 32, later) if back else (celsius, later * 1.8 + 32)
        look = look_at(np.round(now, 1), {})
        flat = replace(look, quantiles=(look.quantiles[-1],) * 101)

        fit = by_moments(look_at(np.round(was, 1), {}), flat)

        assert fit is not None
        assert fit.name == f"degrees {'Fahrenheit to Celsius' if back else 'Celsius to Fahrenheit'}"


@pytest.mark.parametrize("change", [lambda v: v + 46.4, lambda v: v * 3.58, lambda v: v * 1.8 + 40.0, lambda v: v * 1.3 + 32])
def test_values_that_move_as_far_in_another_way_are_no_degrees_in_another_scale(
    change: Callable[[np.ndarray], np.ndarray],
) -> None:
    random = np.random.default_rng(6)
    was = look_at(random.normal(18.0, 2.6, 4700), {})
    fits = [by_moments(was, look_at(change(random.normal(18.0, 2.6, 215)), {})) for _ in range(20)]

    assert not any(fit is not None and "degrees" in (fit.name or "") for fit in fits)
