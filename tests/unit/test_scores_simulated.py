"""Intervals of losses and averages in a thousand repetitions, over benign and over treacherous populations.

A row states a 95 % interval where both bounds are there and it says nothing besides. Of all rows at most 8 in 100 may state one
that does not hold the truth; where rare losses may not have been seen the row says so, or leaves a bound open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest

from spark_monitor.scores import regression
from spark_monitor.scores.classification import accuracy_score, balanced_accuracy_score
from spark_monitor.scores.errors_of_numbers import root_mean_squared_log_error, symmetric_mape
from spark_monitor.scores.multiclass import f1_score_macro, f1_score_weighted, precision_macro, recall_macro
from spark_monitor.scores.probability import brier_score, expected_calibration_error, log_loss
from spark_monitor.scores.ranking import roc_auc_score
from spark_monitor.states.grid import Grid
from spark_monitor.states.scores import ClassCodes, ConfusionState, RegressionState, ScoreState

REPETITIONS = 1000
WRONG = 0.08
"""5 % and what a thousand repetitions may add by chance; nothing more."""
GRID = Grid.of(np.linspace(0, 1, 33))
CLASSES = ("a", "b", "c")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
Draw = Callable[[np.random.Generator, int], Any]

SCORES: Mapping[str, Draw] = {
    "balanced": lambda random, n: calibrated(random, random.beta(2, 2, n)),
    "easy": lambda random, n: calibrated(random, random.beta(0.2, 0.2, n)),
    "one in a hundred": lambda random, n: calibrated(random, random.beta(0.5, 49.5, n)),
    "sure": lambda random, n: calibrated(random, np.where(random.random(n) < 0.5, 0.999, 0.001)),
    "too sure": lambda random, n: flipped(random, np.where(random.random(n) < 0.5, 0.9999, 0.0001), 0.002),
}
ERRORS: Mapping[str, Draw] = {
    "normal": lambda random, n: 0.5 * random.normal(size=n),
    "exponential": lambda random, n: random.exponential(size=n) - 1,
    "five degrees": lambda random, n: random.standard_t(5, n),
    "lognormal": lambda random, n: np.exp(random.normal(size=n)) - 1,
    "one in 200": lambda random, n: np.where(random.random(n) < 0.005, 10.0, 0.01) * random.normal(size=n),
}
SHARES = {
    "usual": np.array([[0.30, 0.05, 0.02], [0.03, 0.25, 0.05], [0.01, 0.04, 0.25]]),
    "nearly right": np.array([[0.332, 0.001, 0.001], [0.001, 0.33, 0.001], [0.001, 0.001, 0.332]]),
}
OF_SCORES = (log_loss, brier_score, expected_calibration_error, roc_auc_score)
OF_NUMBERS = (
    regression.mean_absolute_error,
    regression.mean_squared_error,
    regression.root_mean_squared_error,
    regression.mean_error,
    regression.mean_absolute_percentage_error,
    regression.r2_score,
    symmetric_mape,
)
LOG_ERRORS: Mapping[str, Draw] = {
    "normal": lambda random, n: 0.3 * random.normal(size=n),
    "double exponential": lambda random, n: 0.2 * random.laplace(size=n),
    "three degrees": lambda random, n: 0.2 * random.standard_t(3, n),
    "lognormal": lambda random, n: 0.1 * np.exp(random.normal(size=n)),
}
MEAN_SQUARES = {"normal": 0.09, "double exponential": 0.08, "three degrees": 0.12, "lognormal": 0.01 * math.exp(2)}
OF_CLASSES = (accuracy_score, balanced_accuracy_score, precision_macro, recall_macro, f1_score_macro, f1_score_weighted)


class Tally(NamedTuple):
    """Shares of the repetitions: stated a plain interval, stated one that misses, said something or left a bound open."""

    stated: float
    wrong: float
    silent: float


def calibrated(random: np.random.Generator, scores: Any) -> ScoreState:
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    return ScoreState.empty(GRID).update(random.random(scores.size) < scores, scores)


def flipped(random: np.random.Generator, scores: Any, share: float) -> ScoreState:
    return ScoreState.empty(GRID).update((scores > 0.5) ^ (random.random(scores.size) < share), scores)


def numbers(random: np.random.Generator, errors: Draw, n: int) -> RegressionState:
    labels = 3 + random.gamma(4.0, 0.5, n)
    return RegressionState.empty().update(labels, labels + errors(random, n))


def classes(random: np.random.Generator, shares: Any, n: int) -> ConfusionState:
    cells = random.choice(9, n, p=shares.ravel() / shares.sum())
    return ConfusionState.empty().update(ClassCodes(cells // 3, CLASSES), ClassCodes(cells % 3, CLASSES))


def tallies(draw: Draw, n: int, metrics: Any, truth: Mapping[str, float]) -> dict[str, Tally]:
    random = np.random.default_rng(n)
    counted = {metric.__name__: [0, 0, 0] for metric in metrics}
    for _ in range(REPETITIONS):
        state = draw(random, n)
        for metric in metrics:
            found, count = metric(state), counted[metric.__name__]
            plain = found.message is None and found.lower is not None and found.upper is not None
            count[0] += plain
            count[1] += plain and not found.lower - 1e-12 <= truth[metric.__name__] <= found.upper + 1e-12
            count[2] += not plain and found.message is None
    return {name: Tally(*(number / REPETITIONS for number in count)) for name, count in counted.items()}


def large(draw: Draw, metrics: Any) -> dict[str, float]:
    """The metrics of four million rows."""
    random = np.random.default_rng(1)
    states = [draw(random, 1_000_000) for _ in range(4)]
    return {metric.__name__: float(np.mean([metric(state).value for state in states])) for metric in metrics}


def require(found: Mapping[str, Tally]) -> None:
    assert {name: tally for name, tally in found.items() if tally.wrong > WRONG} == {}
    assert {name: tally for name, tally in found.items() if tally.silent} == {}


@pytest.mark.parametrize("n", [50, 500, 20_000])
@pytest.mark.parametrize("population", SCORES)
def test_metrics_of_scores(population: str, n: int) -> None:
    draw = SCORES[population]
    truth = large(draw, OF_SCORES)
    if population != "too sure":
        truth["expected_calibration_error"] = 0.0  # what is above zero in four million rows is chance
    found = tallies(draw, n, OF_SCORES, truth)
    require(found)
    if population == "balanced" and n >= 500:
        assert min(tally.stated for tally in found.values()) == 1.0


@pytest.mark.parametrize("n", [50, 500, 20_000])
@pytest.mark.parametrize("population", ERRORS)
def test_metrics_of_numbers(population: str, n: int) -> None:
    def draw(random: np.random.Generator, rows: int) -> RegressionState:
        return numbers(random, ERRORS[population], rows)

    found = tallies(draw, n, OF_NUMBERS, large(draw, OF_NUMBERS))
    require(found)
    if population == "normal" and n == 20_000:
        assert min(tally.stated for tally in found.values()) == 1.0


@pytest.mark.parametrize("n", [50, 500, 1000, 20_000])
@pytest.mark.parametrize("population", LOG_ERRORS)
def test_errors_of_logarithms(population: str, n: int) -> None:
    """Of three degrees the squares have no variance: most rows say so."""

    def draw(random: np.random.Generator, rows: int) -> RegressionState:
        labels = np.exp(random.normal(6.0, 1.0, rows))
        guess = np.expm1(np.log1p(labels) + np.clip(LOG_ERRORS[population](random, rows), -5.0, None))
        return RegressionState.empty().update(labels, guess)

    metrics = (root_mean_squared_log_error,)
    found = tallies(draw, n, metrics, {"root_mean_squared_log_error": math.sqrt(MEAN_SQUARES[population])})
    require(found)
    if population in ("normal", "double exponential") and n >= 1000:
        assert min(tally.stated for tally in found.values()) >= 0.8


@pytest.mark.parametrize("n", [50, 500, 20_000])
@pytest.mark.parametrize("population", SHARES)
def test_metrics_of_classes(population: str, n: int) -> None:
    shares = SHARES[population] / SHARES[population].sum()
    right, labelled, predicted = np.diag(shares), shares.sum(axis=1), shares.sum(axis=0)
    harmonic = 2 * right / (labelled + predicted)
    truth = {
        "accuracy_score": right.sum(),
        "balanced_accuracy_score": np.mean(right / labelled),
        "precision_macro": np.mean(right / predicted),
        "recall_macro": np.mean(right / labelled),
        "f1_score_macro": np.mean(harmonic),
        "f1_score_weighted": np.sum(labelled * harmonic),
    }

    found = tallies(lambda random, rows: classes(random, shares, rows), n, OF_CLASSES, truth)
    require(found)
    assert min(tally.stated for tally in found.values()) >= 0.99
