"""Windows differ beyond chance: intervals of estimates hold what labels say later where the baseline's windows say how much."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn import metrics as oracle

from spark_monitor.estimation.dispersion import between_windows
from spark_monitor.estimation.estimator import Estimator, estimated_rows, estimator
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.scores import ScoreState, score_grid

GRID = score_grid()
LATER = 150
COUNTED = ("precision", "recall", "specificity", "accuracy_score", "base_rate")


def binary_window(random: np.random.Generator, rows: int, between: float) -> tuple[np.ndarray, np.ndarray]:
    scores = np.round(random.beta(2, 2, rows), 3)
    return scores, random.random(rows) < expit(logit(np.clip(scores, 1e-3, 1 - 1e-3)) + between * random.normal())


def estimators_of(windows: Sequence[Any]) -> tuple[Estimator, Estimator]:
    """What these windows together let expect, with and without what tells how they differ."""
    whole = reduce(lambda one, other: one.merge(other), windows)
    known, unaware = estimator(1, whole, windows=windows), estimator(1, whole)
    assert known is not None
    assert unaware is not None
    return known, unaware


def held_by(known: Estimator, random: np.random.Generator, between: float, later: int) -> dict[str, list[bool]]:
    held: dict[str, list[bool]] = {name: [] for name in COUNTED}
    for _ in range(later):
        scores, labels = binary_window(random, 2_000, between)
        guess = scores >= 0.5
        found = {row["metric"]: row for row in estimated_rows(ScoreState.empty(GRID).update(guess, scores), known)}
        realised = {
            "precision": oracle.precision_score(labels, guess),
            "recall": oracle.recall_score(labels, guess),
            "specificity": oracle.recall_score(labels, guess, pos_label=False),
            "accuracy_score": oracle.accuracy_score(labels, guess),
            "base_rate": labels.mean(),
        }
        for name, value in realised.items():
            held[name].append(found[name]["lower"] <= value <= found[name]["upper"])
    return held


@pytest.mark.parametrize(
    ("between", "seed"), [pytest.param(0.0, 1, marks=pytest.mark.slow), (0.15, 2), pytest.param(0.3, 3, marks=pytest.mark.slow)]
)
def test_the_intervals_hold_where_the_log_odds_of_labels_wander_between_windows(between: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    held: dict[str, list[bool]] = {}
    unaware_held: list[bool] = []
    for _ in range(12):
        windows = []
        for _ in range(14):
            scores, labels = binary_window(random, 2_000, between)
            windows.append(ScoreState.empty(GRID).update(labels, scores))
        known, unaware = estimators_of(windows)
        for name, one in held_by(known, random, between, 20).items():
            held.setdefault(name, []).extend(one)
        unaware_held += held_by(unaware, random, between, 5)["base_rate"]
        if between:
            assert known.dispersion.log_odds[0] == pytest.approx(between, rel=0.7)
    assert min(np.mean(one) for one in held.values()) >= 0.9
    assert np.mean(unaware_held) < (0.7 if between else 1.1)


@pytest.mark.parametrize(("count", "least"), [(4, 0.88), (10, 0.91), (24, 0.93)])
def test_a_later_window_lies_in_the_prediction_interval_of_a_few(count: int, least: float) -> None:
    random = np.random.default_rng(5)
    held = []
    for _ in range(3_000):
        variances = random.uniform(0.5, 1.5, count)
        residuals = 2 * random.normal(size=count) + np.sqrt(variances) * random.normal(size=count)
        # The sampling part of the mean's error is the calibration's, which is drawn apart.
        error = np.sqrt(1 / np.sum(1 / variances))
        centre = np.average(residuals, weights=1 / variances)
        reach = 1.96 * np.hypot(between_windows(residuals, variances), error)
        held.append(abs(2 * random.normal() - centre) <= reach)
    assert np.mean(held) >= least


def test_the_errors_of_numbers_hold_where_their_scale_wanders_between_windows() -> None:
    random = np.random.default_rng(7)

    def window() -> tuple[np.ndarray, np.ndarray]:
        guess = random.normal(10, 3, 1_500)
        scale = np.exp(0.08 * random.normal())
        return guess - 0.3 * random.normal() - scale * (1 + (guess > 12)) * random.normal(size=guess.size), guess

    edges = (8.0, 10.0, 12.0)
    windows = [CellErrorsState.empty(edges).update(*window()) for _ in range(16)]
    known, unaware = estimators_of(windows)
    held: dict[tuple[str, bool], list[bool]] = {}
    for _ in range(LATER):
        labels, guess = window()
        realised = {
            "mean_error": np.mean(guess - labels),
            "mean_absolute_error": oracle.mean_absolute_error(labels, guess),
            "mean_squared_error": oracle.mean_squared_error(labels, guess),
            "root_mean_squared_error": oracle.root_mean_squared_error(labels, guess),
        }
        answers = CellErrorsState.empty(edges).update(np.full(guess.size, np.nan), guess)
        for aware, one in ((True, known), (False, unaware)):
            found = {row["metric"]: row for row in estimated_rows(answers, one)}
            for name, value in realised.items():
                held.setdefault((name, aware), []).append(found[name]["lower"] <= value <= found[name]["upper"])
    assert min(np.mean(one) for (_, aware), one in held.items() if aware) >= 0.9
    assert max(np.mean(one) for (_, aware), one in held.items() if not aware) < 0.75


def test_windows_of_several_classes_say_for_each_class_how_much_they_differ() -> None:
    random = np.random.default_rng(9)
    names = ("a", "b", "c")

    def window() -> ClassScoresState:
        raw = random.normal(size=(1_200, 3))
        scores = np.exp(raw) / np.exp(raw).sum(axis=1, keepdims=True)
        moved = np.exp(raw + np.array([0.0, 0.0, 0.4 * random.normal()]))
        shares = np.cumsum(moved / moved.sum(axis=1, keepdims=True), axis=1)
        labels = (random.random((1_200, 1)) > shares).sum(axis=1)
        return ClassScoresState.empty(names).update(np.minimum(labels, 2), scores)

    windows = [window() for _ in range(12)]
    whole = windows[0]
    for one in windows[1:]:
        whole = whole.merge(one)
    known = estimator(1, whole, windows=windows)
    assert known is not None
    assert known.dispersion.log_odds[2] == max(known.dispersion.log_odds)
    assert 0.2 < known.dispersion.log_odds[2] < 0.8
    assert all("how windows differ" in row["message"] for row in estimated_rows(window(), known))
