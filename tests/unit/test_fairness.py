"""Fairness of two groups against fairlearn, and of groups that are too small or lack a kind of row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as oracle

from spark_monitor.fairness.compare import fairness_rows
from spark_monitor.fairness.groups import Group, group_of
from spark_monitor.scores.classification import binary_confusion

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
    frames = {"sensitive_features": team}
    wanted = {
        "demographic_parity_difference": oracle.demographic_parity_difference(truth, guess, **frames),
        "demographic_parity_ratio": oracle.demographic_parity_ratio(truth, guess, **frames),
        "equalized_odds_difference": oracle.equalized_odds_difference(truth, guess, **frames),
        "equal_opportunity_difference": oracle.equal_opportunity_difference(truth, guess, **frames),
        "predictive_equality_difference": oracle.MetricFrame(
            metrics=oracle.false_positive_rate, y_true=truth, y_pred=guess, **frames
        ).difference(),
    }
    assert {name: abs(found[name]["value"]) for name in wanted} == pytest.approx(wanted)
    assert {name: rest[name]["value"] for name in found} == pytest.approx({name: found[name]["value"] for name in found})
    rates = [guess[team == name].mean() for name in ("a", "b")]
    precision = [truth[(team == name) & (guess == 1)].mean() for name in ("a", "b")]
    assert found["disparate_impact"]["value"] == pytest.approx(rates[0] / rates[1])
    assert found["predictive_parity_difference"]["value"] == pytest.approx(precision[0] - precision[1])
    assert all(row["lower"] <= row["value"] <= row["upper"] for row in found.values())


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
