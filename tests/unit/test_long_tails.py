"""Means of errors that become rare slowly: their intervals miss too often, so their rows say so; the others' stay as they are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import stdtrit

from spark_monitor.scores.errors_of_numbers import root_mean_squared_log_error, symmetric_mape
from spark_monitor.scores.regression import mean_absolute_error, root_mean_squared_error
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Floats
from spark_monitor.states.magnitudes import Magnitudes
from spark_monitor.states.regression import TAG, RegressionState
from spark_monitor.states.tails import tail_index

REPETITIONS = 150
WRONG = 0.10
"""5 %, and what 150 repetitions may add by chance."""
Draw = Callable[[np.random.Generator, int], Floats]


def normal(random: np.random.Generator, rows: int) -> Floats:
    return random.normal(size=rows)


def double_exponential(random: np.random.Generator, rows: int) -> Floats:
    return random.laplace(size=rows)


def three_degrees(random: np.random.Generator, rows: int) -> Floats:
    return random.standard_t(3, rows)


def of_logarithms(errors: Floats) -> RegressionState:
    """Errors of log(1 + prediction)."""
    labels = np.full(errors.size, 1e3)
    return RegressionState.empty().update(labels, np.expm1(np.log1p(labels) + 0.2 * errors))


def of_numbers(errors: Floats) -> RegressionState:
    return RegressionState.empty().update(np.full(errors.size, 7.0), 7.0 + 0.2 * errors)


@pytest.mark.parametrize("rows", [1000, 6000])
@pytest.mark.parametrize(
    ("draw", "deviation", "stated"),
    [(normal, 1.0, True), (double_exponential, math.sqrt(2), True), (three_degrees, math.sqrt(3), False)],
)
def test_a_plain_interval_of_a_root_mean_square_holds_the_truth(draw: Draw, deviation: float, stated: bool, rows: int) -> None:
    random = np.random.default_rng(rows)
    for made, metric in ((of_logarithms, root_mean_squared_log_error), (of_numbers, root_mean_squared_error)):
        plain = wrong = 0
        for _ in range(REPETITIONS):
            found = metric(made(draw(random, rows)))
            if found.message is None and found.upper is not None and found.lower is not None:
                plain += 1
                wrong += not found.lower <= 0.2 * deviation <= found.upper
        assert wrong <= WRONG * REPETITIONS
        assert (plain >= 0.8 * REPETITIONS) if stated else (plain <= 0.3 * REPETITIONS)


def test_a_mean_of_errors_without_a_power_is_plain_where_its_squares_are_not() -> None:
    state = of_numbers(stdtrit(3, (np.arange(20_000) + 0.5) / 20_000))
    assert mean_absolute_error(state).message is None
    assert "become rare so slowly (with the power 2." in str(root_mean_squared_error(state).message)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_tail_index_is_hills(weighted: bool) -> None:
    values = np.abs(np.random.default_rng(8).standard_t(3, 10_000))
    weights = np.full(values.size, 0.25) if weighted else None
    largest = np.sort(values)[
        -round(1.5 * math.sqrt(values.size if weights is None else weights.sum()) * (1 if weights is None else 4)) :
    ]
    hill = 1 / np.mean(np.log(largest / largest[0]))
    assert tail_index(Magnitudes.of(values, weights)) == pytest.approx(hill, rel=0.05)


def test_states_of_earlier_releases_have_no_tail_of_logarithms() -> None:
    state = of_logarithms(three_degrees(np.random.default_rng(4), 2000))
    meta, arrays = unpack(state.to_bytes(), TAG)
    former = pack(TAG, meta, {name: array for name, array in arrays.items() if not name.startswith("logs_")})
    read = RegressionState.from_bytes(former)
    assert root_mean_squared_log_error(read).value == root_mean_squared_log_error(state).value
    assert read.merge(state).logs.total == 2000
    assert "become rare" not in str(root_mean_squared_log_error(read).message)


def test_a_symmetric_error_of_few_rows_says_that_rare_ones_may_not_have_been_seen() -> None:
    """Of a population in which one error of 200 is large few windows of 50 rows hold one."""
    random = np.random.default_rng(5)
    labels = 3 + random.gamma(4.0, 0.5, 50)
    found = symmetric_mape(RegressionState.empty().update(labels, labels + 0.01 * random.normal(size=50)))
    assert "less often than once in 13 rows may not have been seen" in str(found.message)
    labels = 3 + random.gamma(4.0, 0.5, 2000)
    assert symmetric_mape(RegressionState.empty().update(labels, labels + 0.01 * random.normal(size=2000))).message is None
