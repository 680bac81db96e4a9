"""Estimated metrics hold what labels say later, as long as labels depend on scores as they did."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as oracle

from spark_monitor.catalogue.metric import DECORATED
from spark_monitor.estimation.calibration import Calibration, cell_scores
from spark_monitor.estimation.estimator import estimated_rows, estimation_error, estimator
from spark_monitor.estimation.performance import DRAWN_CELLS, binary_metrics, expected_labels
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.scores import ScoreState, score_grid

WINDOWS = 40
GRID = score_grid()


def test_the_estimates_of_a_binary_model_hold_the_realised_values() -> None:
    random = np.random.default_rng(11)

    def draw(n: int, a: float) -> tuple[np.ndarray, np.ndarray]:
        scores = np.round(random.beta(a, 2, n), 4)
        return scores, random.random(n) < scores**1.5  # scores are not calibrated

    scores, labels = draw(8000, 1.5)
    known = estimator(3, ScoreState.empty(GRID).update(labels, scores))
    assert known is not None
    held: dict[str, list[bool]] = {}
    for _ in range(WINDOWS):
        scores, labels = draw(1500, random.uniform(1, 3))
        guess = scores >= 0.5
        rows = {row["metric"]: row for row in estimated_rows(ScoreState.empty(GRID).update(guess, scores), known)}
        realised = {
            "roc_auc_score": oracle.roc_auc_score(labels, scores),
            "accuracy_score": oracle.accuracy_score(labels, guess),
            "precision": oracle.precision_score(labels, guess),
            "recall": oracle.recall_score(labels, guess),
            "f1_score": oracle.f1_score(labels, guess),
            "brier_score": oracle.brier_score_loss(labels, scores),
            "log_loss": oracle.log_loss(labels, scores),
            "average_precision": oracle.average_precision_score(labels, scores),
            "matthews_corrcoef": oracle.matthews_corrcoef(labels, guess),
        }
        for name, value in realised.items():
            held.setdefault(name, []).append(rows[name]["lower"] <= value <= rows[name]["upper"])
            assert "baseline 3 (8,000 labelled rows)" in rows[name]["message"]
    assert {name: np.mean(found) for name, found in held.items() if np.mean(found) < 0.88} == {}


def test_draws_of_groups_of_cells_vary_as_independent_labels_do() -> None:
    """The sum over rows of p (1 - p) is the variance of how many are positive, on either side of the decision."""
    random = np.random.default_rng(37)
    # Half of the rows have one score, from which on the probability is another: its neighbours must not weigh as much.
    scores = np.r_[random.beta(0.5, 3, 15_000), np.full(15_000, 0.3)]
    guess = scores >= 0.4
    answers = ScoreState.empty().update(guess, scores)
    probabilities = np.where(cell_scores(answers) <= 0.3, 0.2, 0.8)
    # A certain calibration: what is drawn is labels alone.
    calibration = Calibration(np.tile(probabilities, (2001, 1)), cell_scores(answers), 1000)
    expected, drawn = expected_labels(answers, calibration)
    assert drawn.scores.size <= 2 * DRAWN_CELLS < expected.scores.size
    for side, positive, negative in (
        (answers.positives, drawn.true_positives, drawn.false_positives),
        (answers.negatives, drawn.false_negatives, drawn.true_negatives),
    ):
        count = positive.sum(axis=1)
        assert ((positive + negative).sum(axis=1) == side.sum()).all()
        variance = float(np.dot(side, probabilities * (1 - probabilities)))
        assert count.mean() == pytest.approx(np.dot(side, probabilities), abs=4 * np.sqrt(variance / 2000))
        assert count.var(ddof=1) == pytest.approx(variance, rel=4 * np.sqrt(2 / 2000))


def test_the_interval_is_of_those_draws_that_define_the_metric() -> None:
    random = np.random.default_rng(43)
    scores = random.beta(2, 2, 3000)
    known = estimator(1, ScoreState.empty(GRID).update(random.random(3000) < scores, scores))
    assert known is not None
    few = ScoreState.empty(GRID).update([True, True, False, False], [0.8, 0.6, 0.3, 0.1])
    drawn = binary_metrics(expected_labels(few, known.calibrations[0])[1])
    some = 0
    for row in estimated_rows(few, known):
        draws = drawn[row["metric"]]
        defined, value = draws[np.isfinite(draws)], row["value"]
        some += defined.size < draws.size
        half = 1.959964 * defined.std(ddof=1)
        least, most = DECORATED[row["metric"]].range
        assert row["lower"] == pytest.approx(max(min(value, defined.mean()) - half, least), abs=1e-6)
        assert row["upper"] == pytest.approx(min(max(value, defined.mean()) + half, most), abs=1e-6)
    assert some >= 3  # of four rows a draw may well have no positive label


def test_few_predicted_positives_are_drawn_by_their_own_probability() -> None:
    """One certain positive beside thousands of negatives: no group of cells lends it their probability."""
    random = np.random.default_rng(41)
    scores = np.r_[random.beta(0.1, 10, 5000) * 0.4, 0.41]
    answers = ScoreState.empty().update(scores >= 0.4, scores)
    probabilities = np.where(cell_scores(answers) < 0.4, 0.01, 1.0)
    calibration = Calibration(np.tile(probabilities, (61, 1)), cell_scores(answers), 1000)
    assert answers.used_cells.size > DRAWN_CELLS
    drawn = expected_labels(answers, calibration)[1]
    assert drawn.true_positives.sum(axis=1).tolist() == [1.0] * 60


@pytest.mark.parametrize("weight", [None, 1.7])
def test_one_row_has_no_estimated_area_under_the_curve_whatever_it_weighs(weight: float | None) -> None:
    """Of one row there is one kind of label: no area of its own, and none that is certainly a half."""
    random = np.random.default_rng(17)
    scores = np.round(random.beta(2, 2, 3000), 3)
    weights = None if weight is None else random.uniform(0.5, 2.0, 3000)
    known = estimator(1, ScoreState.empty(GRID).update(random.random(3000) < scores, scores, weights=weights))
    assert known is not None
    one = ScoreState.empty(GRID).update([False], [0.31], weights=None if weight is None else np.array([weight]))
    rows = {row["metric"]: row for row in estimated_rows(one, known)}
    for name in ("roc_auc_score", "balanced_accuracy_score"):
        assert (rows[name]["status"], rows[name]["value"]) == ("UNDEFINED", None)
    assert rows["accuracy_score"]["upper"] - rows["accuracy_score"]["lower"] > 0.8


def test_the_intervals_of_few_weighted_rows_hold_the_weighted_realised_values() -> None:
    random = np.random.default_rng(19)
    scores = np.round(random.beta(2, 2, 8000), 3)
    weights = random.choice([0.3, 1.0, 2.7], 8000)
    known = estimator(1, ScoreState.empty(GRID).update(random.random(8000) < scores, scores, weights=weights))
    assert known is not None
    held: dict[str, list[bool]] = {}
    for _ in range(200):
        scores, weights = np.round(random.beta(2, 2, 12), 3), random.choice([0.3, 1.0, 2.7], 12)
        labels, guess = random.random(12) < scores, scores >= 0.5
        state = ScoreState.empty(GRID).update(guess, scores, weights=weights)
        rows = {row["metric"]: row for row in estimated_rows(state, known)}
        realised = {"accuracy_score": oracle.accuracy_score(labels, guess, sample_weight=weights)}
        if 0 < labels.sum() < 12:
            realised["roc_auc_score"] = oracle.roc_auc_score(labels, scores, sample_weight=weights)
        for name, value in realised.items():
            held.setdefault(name, []).append(rows[name]["lower"] <= value <= rows[name]["upper"])
    assert {name: np.mean(found) for name, found in held.items() if np.mean(found) < 0.9} == {}


def test_the_estimates_of_weighted_rows_hold_the_weighted_realised_values() -> None:
    """Where the weights follow the scores, what counts every row alike is far off."""
    random = np.random.default_rng(13)

    def draw(n: int, a: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scores = np.round(random.beta(a, 2, n), 4)
        return scores, random.random(n) < scores**1.5, np.where(scores > 0.6, random.choice([3.0, 6.5], n), 1 / 3)

    scores, labels, weights = draw(8000, 1.5)
    known = estimator(3, ScoreState.empty(GRID).update(labels, scores, weights=weights))
    assert known is not None
    held, gaps = [], []
    for _ in range(WINDOWS):
        scores, labels, weights = draw(1500, random.uniform(1, 3))
        guess, w = scores >= 0.5, {"sample_weight": weights}
        state = ScoreState.empty(GRID).update(guess, scores, weights=weights)
        rows = {row["metric"]: row for row in estimated_rows(state, known)}
        realised = {
            "roc_auc_score": oracle.roc_auc_score(labels, scores, **w),
            "precision": oracle.precision_score(labels, guess, **w),
            "base_rate": float(np.average(labels, weights=weights)),
            "brier_score": oracle.brier_score_loss(labels, scores, **w),
        }
        held += [rows[name]["lower"] <= value <= rows[name]["upper"] for name, value in realised.items()]
        gaps.append(rows["base_rate"]["value"] - realised["base_rate"])
        assert abs(realised["base_rate"] - labels.mean()) > 0.1
        assert rows["base_rate"]["count"] == 1500
    assert np.mean(held) >= 0.9
    assert abs(np.mean(gaps)) < 0.01


def test_the_estimates_of_several_classes_hold_the_realised_values() -> None:
    random = np.random.default_rng(12)
    classes = ("a", "b", "c")

    def draw(n: int, weights: list[float]) -> tuple[np.ndarray, np.ndarray]:
        scores = random.dirichlet(weights, n)
        return scores, np.array([random.choice(3, p=row) for row in scores])

    scores, labels = draw(6000, [1, 1, 1])
    known = estimator(1, ClassScoresState.empty(classes).update(labels, scores))
    assert known is not None
    held = []
    for _ in range(20):
        scores, labels = draw(1000, [1, 2, 0.7])
        guess = scores.argmax(axis=1)
        rows = {row["metric"]: row for row in estimated_rows(ClassScoresState.empty(classes).update(guess, scores), known)}
        accuracy, f1 = oracle.accuracy_score(labels, guess), oracle.f1_score(labels, guess, average="macro")
        held += [rows["accuracy_score"]["lower"] <= accuracy <= rows["accuracy_score"]["upper"]]
        assert abs(rows["accuracy_score"]["value"] - accuracy) < 0.06
        assert abs(rows["f1_score_macro"]["value"] - f1) < 0.06
    assert np.mean(held) >= 0.85


def test_expected_errors_follow_the_mix_of_predictions() -> None:
    random = np.random.default_rng(13)

    def draw(n: int, middle: float) -> tuple[np.ndarray, np.ndarray]:
        guess = random.normal(middle, 1, n)
        return guess + random.normal(size=n) * (0.2 + np.abs(guess)), guess

    edges = tuple(np.linspace(-3, 3, 40).tolist())
    known = estimator(1, CellErrorsState.empty(edges).update(*draw(20_000, 0.0)))
    assert known is not None
    held = []
    for _ in range(WINDOWS):
        labels, guess = draw(2000, 0.8)
        answers = CellErrorsState.empty(edges).update(np.full(2000, np.nan), guess)
        rows = {row["metric"]: row for row in estimated_rows(answers, known)}
        mae, rmse = oracle.mean_absolute_error(labels, guess), oracle.root_mean_squared_error(labels, guess)
        held.append(rows["mean_absolute_error"]["lower"] <= mae <= rows["mean_absolute_error"]["upper"])
        assert rows["root_mean_squared_error"]["value"] == pytest.approx(rmse, rel=0.12)
    assert np.mean(held) >= 0.85


def test_a_baseline_without_both_labels_estimates_nothing() -> None:
    state = ScoreState.empty(GRID).update(np.zeros(100, dtype=bool), np.linspace(0, 1, 100))
    assert estimator(1, state) is None
    assert estimator(1, CellErrorsState.empty((0.0,))) is None


def test_the_error_of_an_estimate_is_its_difference_from_what_labels_say() -> None:
    found = estimation_error({"value": 0.8, "lower": 0.7, "upper": 0.9}, {"value": 0.6, "lower": 0.5, "upper": 0.7})
    assert found is not None
    assert found.at(0) | {"message": None} == pytest.approx(
        {"value": 0.2, "value_error": 0.0, "lower": 0.2 - 2**0.5 / 10, "upper": 0.2 + 2**0.5 / 10}
        | {"status": "OK", "message": None}
    )
    assert estimation_error({"value": None, "lower": None, "upper": None}, {"value": 0.6, "lower": 0.5, "upper": 0.7}) is None


def test_answers_of_which_none_can_be_used_have_rows_that_say_so() -> None:
    random = np.random.default_rng(3)
    scores = random.random(500)
    binary = estimator(1, ScoreState.empty(GRID).update(random.random(500) < scores, scores))
    shares = random.dirichlet(np.ones(3), 500)
    several = estimator(1, ClassScoresState.empty(("a", "b", "c")).update(random.integers(0, 3, 500), shares))
    numbers = estimator(1, CellErrorsState.empty((0.0,)).update(scores, scores + 1))
    unscored = ScoreState.empty(GRID).update(np.zeros(3, dtype=bool), np.full(3, np.nan))
    for known, used, none in (
        (binary, ScoreState.empty(GRID).update([True, False], [0.7, 0.2]), unscored),
        (
            several,
            ClassScoresState.empty(("a", "b", "c")).update(np.array([0, 1]), shares[:2]),
            ClassScoresState.empty(("a", "b", "c")),
        ),
        (numbers, CellErrorsState.empty((0.0,)).update([np.nan], [1.0]), CellErrorsState.empty((0.0,))),
    ):
        assert known is not None
        rows = list(estimated_rows(none, known))
        assert [row["metric"] for row in rows] == [row["metric"] for row in estimated_rows(used, known)]
        assert {(row["value"], row["lower"], row["status"], row["count"]) for row in rows} == {(None, None, "UNDEFINED", 0)}
        assert all(row["message"] == "No row has a prediction and a score to estimate from." for row in rows)
