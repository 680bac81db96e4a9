"""Labels that come for some rows rather than others are seen, and realised metrics corrected by inverse coverage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from spark_monitor.estimation.selectivity import (
    FEWEST_LABELLED,
    FINER_RANGES,
    score_coverage_rows,
    score_ranges,
    slice_coverage_rows,
)
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.scores import ScoreState, score_grid

GRID = score_grid()


def window(seed: int, n: int, *, selective: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels, and which of these have come: the more, the higher the score."""
    random = np.random.default_rng(seed)
    scores = np.round(random.beta(2, 2, n), 4)
    labels = random.random(n) < scores
    return scores, labels, random.random(n) < 0.5 + selective * (scores - 0.5)


def found(scores: np.ndarray, labels: np.ndarray, known: np.ndarray) -> list[dict[str, Any]]:
    answers = ScoreState.empty(GRID).update(scores >= 0.5, scores)
    return list(score_coverage_rows(answers, ScoreState.empty(GRID).update(labels[known], scores[known])))


@pytest.mark.slow
def test_intervals_hold_what_selection_does_in_the_population() -> None:
    def gaps(scores: np.ndarray, labels: np.ndarray, known: np.ndarray) -> dict[str, float]:
        guess = scores >= 0.5
        return {
            "roc_auc_score": oracle.roc_auc_score(labels[known], scores[known]) - oracle.roc_auc_score(labels, scores),
            "base_rate": labels[known].mean() - labels.mean(),
            "accuracy_score": oracle.accuracy_score(labels[known], guess[known]) - oracle.accuracy_score(labels, guess),
            "recall": oracle.recall_score(labels[known], guess[known]) - oracle.recall_score(labels, guess),
        }

    truth = gaps(*window(999, 500_000, selective=0.9))
    assert truth["base_rate"] > 0.08
    held: dict[str, list[bool]] = {}
    for seed in range(60):
        rows = found(*window(seed, 4000, selective=0.9))
        assert rows[0]["metric"] == "label_selectivity"
        assert "labels are selective" in rows[0]["message"]
        own = {row["class"]: row for row in rows[1:]}
        for name, gap in truth.items():
            held.setdefault(name, []).append(own[name]["lower"] <= gap <= own[name]["upper"])
    assert {name: np.mean(one) for name, one in held.items() if np.mean(one) < 0.9} == {}


def test_labels_that_come_by_chance_are_seldom_called_selective() -> None:
    called = [len(found(*window(seed, 2000, selective=0.0))) > 1 for seed in range(200)]
    assert np.mean(called) <= 0.09


def test_a_correction_by_ranges_is_the_weighted_metric_of_scikit_learn() -> None:
    scores, labels, known = window(3, 5000, selective=1.0)
    own = np.round(scores * 20) / 20
    edges = {row["class"]: row for row in found(own, labels, known)[1:]}
    answers = ScoreState.empty(GRID).update(own >= 0.5, own)
    labelled = ScoreState.empty(GRID).update(labels[known], own[known])
    counted = np.asarray(labelled.positives + labelled.negatives, dtype=float)
    ranges = score_ranges(counted, FINER_RANGES)
    sizes = np.bincount(ranges, weights=answers.positives + answers.negatives)
    weight_of_cell = (sizes / np.bincount(ranges, weights=counted))[ranges]
    cells = np.array([int(np.flatnonzero(_one(score))[0]) for score in own[known]])
    weights = weight_of_cell[cells]
    for name, value in {
        "roc_auc_score": oracle.roc_auc_score(labels[known], own[known], sample_weight=weights),
        "f1_score": oracle.f1_score(labels[known], own[known] >= 0.5, sample_weight=weights),
        "log_loss": oracle.log_loss(labels[known], own[known].clip(0.01, 0.99), sample_weight=weights),
    }.items():
        plain = {
            "roc_auc_score": oracle.roc_auc_score(labels[known], own[known]),
            "f1_score": oracle.f1_score(labels[known], own[known] >= 0.5),
            "log_loss": oracle.log_loss(labels[known], own[known].clip(0.01, 0.99)),
        }[name]
        if name != "log_loss" or ((own > 0).all() and (own < 1).all()):
            assert edges[name]["value"] == pytest.approx(plain - value, abs=1e-6)


def _one(score: float) -> np.ndarray:
    state = ScoreState.empty(GRID).update(np.array([True]), np.array([score]))
    return np.asarray(state.positives)


def test_coverage_of_slices_is_compared_with_the_other_rows() -> None:
    slices = {
        (None, None): CoverageState(1000, 500, 0, 0),
        ("team", "a"): CoverageState(400, 100, 0, 0),
        ("team", "b"): CoverageState(600, 400, 0, 0),
        ("half", "x"): CoverageState(500, 252, 0, 0),
        ("all", "z"): CoverageState(1000, 500, 0, 0),
    }
    rows = {(row["slice_key"], row["slice_value"]): row for row in slice_coverage_rows(slices)}
    assert set(rows) == {("team", "a"), ("team", "b"), ("half", "x")}
    assert rows["team", "a"]["value"] == pytest.approx(0.25 - 400 / 600)
    assert rows["team", "a"]["upper"] < 0
    assert rows["team", "a"]["message"] == (
        "25.0 % of the rows of team = a have a label, 66.7 % of the others: labels are selective."
    )
    assert rows["half", "x"]["lower"] < 0 < rows["half", "x"]["upper"]
    assert list(slice_coverage_rows({(None, None): CoverageState(10, 0, 0, 0), ("team", "a"): CoverageState(5, 0, 0, 0)})) == []


def test_hostile_windows_give_nothing() -> None:
    empty = ScoreState.empty(GRID)
    assert list(score_coverage_rows(empty, empty)) == []
    few = empty.update(np.ones(20, dtype=bool), np.linspace(0, 1, 20))
    assert list(score_coverage_rows(few, few)) == []
    same = empty.update(np.ones(500, dtype=bool), np.full(500, 0.3))
    assert list(score_coverage_rows(same, same)) == []
    # Labelled rows without a prediction are among the labels, not among the answers.
    assert list(score_coverage_rows(few, empty.update(np.ones(500, dtype=bool), np.linspace(0, 1, 500)))) == []
    weighted = empty.update(np.ones(500, dtype=bool), np.linspace(0, 1, 500), weights=np.full(500, 2.0))
    assert list(score_coverage_rows(weighted, weighted)) == []
    one_kind = empty.update(np.ones(900, dtype=bool), np.linspace(0, 1, 900))
    assert all(row["value"] is None or np.isfinite(row["value"]) for row in score_coverage_rows(one_kind, one_kind))


def test_every_range_of_scores_has_labels_enough() -> None:
    random = np.random.default_rng(8)
    for _ in range(200):
        counts = random.poisson(random.choice([0.1, 1, 5, 100]), random.integers(1, 300)).astype(float)
        ranges = score_ranges(counts)
        assert (np.diff(ranges) >= 0).all()
        if ranges.max() > 0:
            assert np.bincount(ranges, weights=counts).min() >= FEWEST_LABELLED
            assert set(ranges.tolist()) == set(range(ranges.max() + 1))
