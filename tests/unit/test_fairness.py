"""Fairness of two groups against fairlearn, and of groups that are too small or lack a kind of row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from by_fairlearn import by_fairlearn
from fairlearn import metrics as oracle
from sklearn.metrics import precision_score

from spark_monitor.fairness.compare import fairness_rows
from spark_monitor.fairness.groups import Group, group_of
from spark_monitor.scores.classification import binary_confusion
from spark_monitor.states.classes import canonical_labels
from spark_monitor.states.confusion import ConfusionState

WHERE = {"granularity": "1 day", "start": 0, "end": 1, "model_version": "1", "slice_key": "team", "slice_value": None}


def group(truth: np.ndarray, guess: np.ndarray) -> Group:
    return group_of(binary_confusion(list(guess), list(guess)), binary_confusion(list(truth), list(guess)), "1")


def by_metric(rows: list[dict[str, Any]], value: str) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows if row["slice_value"] == value}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_groups_are_compared_as_fairlearn_does(seed: int) -> None:
    random = np.random.default_rng(seed)
    team = random.choice(["a", "b"], 900, p=[0.3, 0.7])
    truth = (random.random(900) < np.where(team == "a", 0.3, 0.5)).astype(int)
    guess = (random.random(900) < 0.2 + 0.5 * truth).astype(int)
    groups = {name: group(truth[team == name], guess[team == name]) for name in ("a", "b")}
    found = by_metric(list(fairness_rows(WHERE, groups, group(truth, guess), "b")), "a")
    rest = by_metric(list(fairness_rows(WHERE, groups, group(truth, guess), None)), "a")
    wanted = by_fairlearn(truth, guess, team)
    assert {name: abs(found[name]["value"]) for name in wanted} == pytest.approx(wanted)
    assert {name: rest[name]["value"] for name in found} == pytest.approx({name: found[name]["value"] for name in found})
    rates = [guess[team == name].mean() for name in ("a", "b")]
    precision = [truth[(team == name) & (guess == 1)].mean() for name in ("a", "b")]
    assert found["disparate_impact"]["value"] == pytest.approx(rates[0] / rates[1])
    assert found["predictive_parity_difference"]["value"] == pytest.approx(precision[0] - precision[1])
    assert all(row["lower"] <= row["value"] <= row["upper"] for row in found.values())


def weighted(truth: np.ndarray, guess: np.ndarray, weights: np.ndarray) -> Group:
    codes = [canonical_labels([str(one) for one in side.tolist()]).equal_to(1) for side in (truth, guess)]
    predicted = ConfusionState.empty().update(codes[1], codes[1], weights=weights)
    return group_of(predicted, ConfusionState.empty().update(*codes, weights=weights), "1")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_weighted_groups_are_compared_with_the_rest_as_fairlearn_does(seed: int) -> None:
    """Groups whose weights differ in kind: what their weights are worth may not be subtracted."""
    random = np.random.default_rng(seed)
    team = random.choice(["a", "b", "c"], 3000, p=[0.3, 0.4, 0.3])
    weights = np.where(team == "a", 1.0, random.choice([0.25, 1 / 3, 1.0, 7.0], team.size))
    truth = (random.random(team.size) < 0.4).astype(int)
    guess = (random.random(team.size) < np.where(weights > 1, 0.9, 0.2) * (0.5 + truth / 2)).astype(int)
    groups = {name: weighted(truth[team == name], guess[team == name], weights[team == name]) for name in ("a", "b", "c")}
    whole = weighted(truth, guess, weights)
    frames: dict[str, Any] = {"sensitive_features": team == "a", "sample_params": {"sample_weight": weights}}
    functions = {
        "demographic_parity_difference": oracle.selection_rate,
        "equal_opportunity_difference": oracle.true_positive_rate,
        "predictive_equality_difference": oracle.false_positive_rate,
        "predictive_parity_difference": precision_score,
    }
    found = by_metric(list(fairness_rows(WHERE, groups, whole, None)), "a")
    for name, function in functions.items():
        rates = oracle.MetricFrame(metrics=function, y_true=truth, y_pred=guess, **frames).by_group
        assert found[name]["value"] == pytest.approx(rates[True] - rates[False], abs=1e-12), name
        assert found[name]["lower"] <= found[name]["value"] <= found[name]["upper"]
    assert found["equal_opportunity_difference"]["count"] == (team == "a").sum()
    alone = fairness_rows(WHERE, {"all": whole}, whole, None)
    assert {row["status"] for row in alone} == {"SUPPRESSED"}


def test_small_groups_and_missing_references_are_not_shown() -> None:
    ones = np.ones(10, dtype=int)
    groups = {"small": group(ones, ones)}
    whole = group(np.ones(100, dtype=int), np.ones(100, dtype=int))
    assert {row["status"] for row in fairness_rows(WHERE, groups, whole, None)} == {"SUPPRESSED"}
    assert {row["status"] for row in fairness_rows(WHERE, {"all": whole}, whole, "gone")} == {"UNDEFINED"}
    halves = {"one": group(np.ones(50, dtype=int), np.ones(50, dtype=int))}
    rows = by_metric(list(fairness_rows(WHERE, halves, whole, None)), "one")
    assert rows["predictive_equality_difference"]["status"] == "UNDEFINED"
    assert rows["demographic_parity_difference"]["value"] == 0.0


def test_intervals_of_differences_hold_the_true_one_in_19_windows_of_20() -> None:
    random = np.random.default_rng(9)
    held = []
    for _ in range(600):
        truth = [(random.random(80) < 0.4).astype(int), (random.random(300) < 0.4).astype(int)]
        guess = [(random.random(one.size) < share).astype(int) for one, share in zip(truth, (0.3, 0.5), strict=True)]
        pair = {"a": group(truth[0], guess[0]), "b": group(truth[1], guess[1])}
        rows = by_metric(list(fairness_rows(WHERE, pair, pair["b"], "b")), "a")
        held.append(rows["demographic_parity_difference"]["lower"] <= -0.2 <= rows["demographic_parity_difference"]["upper"])
        held.append(rows["disparate_impact"]["lower"] <= 0.6 <= rows["disparate_impact"]["upper"])
    assert 0.93 <= np.mean(held) <= 0.99
