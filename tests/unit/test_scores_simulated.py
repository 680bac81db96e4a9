"""Intervals of losses in a thousand repetitions: they hold the true value, or the row says that its bound is wide or unknown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spark_monitor.scores.probability import brier_score, log_loss
from spark_monitor.scores.regression import mean_absolute_error, mean_squared_error, r2_score
from spark_monitor.states.grid import Grid
from spark_monitor.states.scores import RegressionState, ScoreState

REPETITIONS = 1000
GRID = Grid.of(np.linspace(0, 1, 33))
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("n", [50, 500])
@pytest.mark.parametrize(("a", "b"), [(2.0, 2.0), (0.5, 49.5)], ids=["balanced", "one in a hundred"])
def test_log_loss_and_brier_hold_the_true_value(n: int, a: float, b: float) -> None:
    random = np.random.default_rng(n)

    def draw(size: int) -> ScoreState:
        scores = np.clip(random.beta(a, b, size), 1e-6, 1 - 1e-6)
        return ScoreState.empty(GRID).update(random.random(size) < scores, scores)

    whole = draw(2_000_000)
    held: dict[str, list[bool]] = {"log_loss": [], "brier_score": []}
    for _ in range(REPETITIONS):
        state = draw(n)
        for name, metric in (("log_loss", log_loss), ("brier_score", brier_score)):
            found, truth = metric(state), metric(whole).value
            assert truth is not None
            low, high = found.lower or 0.0, np.inf if found.upper is None else found.upper
            held[name].append(low <= truth <= high)
    assert min(np.mean(one) for one in held.values()) >= 0.93


@pytest.mark.parametrize("n", [50, 500])
@pytest.mark.parametrize("metric", [mean_absolute_error, mean_squared_error, r2_score], ids=lambda metric: metric.__name__)
def test_errors_of_numbers_hold_the_true_value(n: int, metric: Callable[[RegressionState], object]) -> None:
    random = np.random.default_rng(n)

    def draw(size: int) -> RegressionState:
        labels = random.normal(size=size)
        return RegressionState.empty().update(labels, labels + random.normal(size=size))

    truth = metric(draw(2_000_000)).value  # type: ignore[attr-defined]
    held = []
    for _ in range(REPETITIONS):
        found = metric(draw(n))
        low = -np.inf if found.lower is None else found.lower  # type: ignore[attr-defined]
        high = np.inf if found.upper is None else found.upper  # type: ignore[attr-defined]
        held.append(low <= truth <= high)
    assert 0.93 <= np.mean(held) <= 0.995
