"""Differences of versions on the rows that both scored: the value is that of the rows, the interval that of the difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn import metrics as oracle

from spark_monitor.scores.differences import difference_rows
from spark_monitor.scores.paired import paired_differences
from spark_monitor.states.grid import Grid
from spark_monitor.states.paired import PARTS, PairedState
from spark_monitor.states.scores import ClassCodes, ConfusionState, RegressionState, ScoreState

GRID = Grid.of(np.linspace(0, 1, 65))
BOTH = '["1","2"]'


def of_scores(labels: np.ndarray, scores: np.ndarray, part: np.ndarray) -> PairedState:
    state = PairedState.empty()
    for number in np.unique(part).tolist():
        truth, given = labels[part == number], scores[part == number]
        codes = [ClassCodes(side.astype(int), ("0", "1")) for side in (truth, given >= 0.5)]
        state = state.update(BOTH, number, [ConfusionState.empty().update(*codes), ScoreState.empty(GRID).update(truth, given)])
    return PairedState.from_bytes(state.to_bytes(), GRID)


def drawn(random: np.random.Generator, rows: int, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, and the scores of two versions that find the same rows hard."""
    labels, hard = random.random(rows) < share, random.normal(size=rows)
    other = 0.9 * hard + np.sqrt(1 - 0.81) * random.normal(size=rows)
    return labels, norm.cdf(labels - 0.8 + hard), norm.cdf(1.2 * labels - 0.9 + other)


def truth_of(labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    guess = scores >= 0.5
    return {
        "roc_auc_score": oracle.roc_auc_score(labels, scores),
        "accuracy_score": oracle.accuracy_score(labels, guess),
        "brier_score": oracle.brier_score_loss(labels, scores),
        "f1_score": oracle.f1_score(labels, guess),
        "recall": oracle.recall_score(labels, guess),
    }


def test_the_difference_is_that_of_the_rows_and_its_interval_knows_that_they_are_the_same() -> None:
    random = np.random.default_rng(7)
    labels, first, second = drawn(random, 3000, 0.3)
    part = random.integers(0, PARTS, 3000)
    found = paired_differences(of_scores(labels, second, part), of_scores(labels, first, part), ("2", "1"), "binary")
    one, other = truth_of(labels, first), truth_of(labels, second)
    for name in one:
        wanted = other[name] - one[name]
        assert abs(found[name].value - wanted) <= found[name].error + 1e-9
        assert found[name].lower <= wanted <= found[name].upper
        assert found[name].rows == 3000
    deviation = np.std(np.square(second - labels) - np.square(first - labels), ddof=1) / np.sqrt(3000)
    assert 0.6 * 2 * 1.96 * deviation < found["brier_score"].upper - found["brier_score"].lower < 1.5 * 2 * 1.96 * deviation


def test_a_difference_says_how_far_both_values_may_be_off_and_has_no_bound_where_one_has_none() -> None:
    def row(version: str, metric: str, value: float, upper: float | None, count: int) -> dict[str, Any]:
        numbers = {"value": value, "value_error": 0.001, "lower": value - 0.1, "upper": upper, "count": count}
        return {**numbers, "model_version": version, "metric": metric, "class": None, "basis": "REALISED", "status": "OK"}

    first = [row("1", "roc_auc_score", 0.8, 0.9, 100), row("1", "log_loss", 0.5, 0.6, 100)]
    second = [row("2", "roc_auc_score", 0.7, 0.8, 90), row("2", "log_loss", 0.9, None, 90)]
    found = {one["metric"]: one for one in difference_rows([first, second])}
    assert found["roc_auc_score_difference"]["value_error"] == pytest.approx(0.002)
    open_ended = found["log_loss_difference"]
    assert (open_ended["value"], open_ended["upper"], open_ended["status"]) == (pytest.approx(0.4), None, "OK")
    assert open_ended["lower"] == pytest.approx(0.4 - np.hypot(0.1, 0.1))
    assert "how far it may be off is not known" in open_ended["message"]


def test_rows_that_one_version_alone_scored_do_not_count_and_few_pairs_are_none() -> None:
    errors = RegressionState.empty().update(np.arange(10.0), np.arange(10.0) + 1)
    one, other = PairedState.empty(), PairedState.empty()
    for number in range(PARTS):
        one, other = one.update(BOTH, number, [errors]), other.update(BOTH, number, [errors])
        other = other.update('["1","3"]', number, [RegressionState.empty().update([0.0], [100.0])])
    found = paired_differences(one, other, ("2", "1"), "regression")["mean_absolute_error"]
    assert (found.value, found.rows) == (0.0, 10 * PARTS)
    few = PairedState.empty().update(BOTH, 0, [errors]).update(BOTH, 1, [errors])
    assert paired_differences(few, few, ("2", "1"), "regression") == {}


def test_the_verdict_says_who_is_better_by_how_much_and_on_which_rows() -> None:
    random = np.random.default_rng(3)
    labels, first, second = drawn(random, 8000, 0.3)
    part = random.integers(0, PARTS, 8000)
    states = [of_scores(labels, scores, part) for scores in (first, second)]
    rows = [
        [
            {"metric": "roc_auc_score", "class": None, "basis": "REALISED", "model_version": version, "count": count}
            | {"value": value, "lower": value - 0.02, "upper": value + 0.02}
        ]
        for version, count, value in (("1", 9000, 0.75), ("2", 8000, 0.79))
    ]
    (found,) = difference_rows(rows, states, task="binary")
    assert found["message"].startswith("Challenger 2 is better than champion 1 in roc_auc_score by 0.0")
    assert found["message"].endswith("(on 8,000 labelled rows that both scored).")
    assert found["count"] == 8000
    (apart,) = difference_rows(rows, task="binary")
    assert "rows of the two taken as independent" in apart["message"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("rows", "share"), [(300, 0.3), (2000, 0.3), (2000, 0.05)])
def test_intervals_of_paired_differences_hold_the_true_difference(rows: int, share: float) -> None:
    random = np.random.default_rng(rows)
    labels, *both = drawn(random, 2_000_000, share)
    one, other = (truth_of(labels, scores) for scores in both)
    held: dict[str, list[bool]] = {name: [] for name in one}
    for _ in range(1000):
        labels, first, second = drawn(random, rows, share)
        part = random.integers(0, PARTS, rows)
        found = paired_differences(of_scores(labels, second, part), of_scores(labels, first, part), ("2", "1"), "binary")
        for name in held:
            if name in found:
                held[name].append(found[name].lower <= other[name] - one[name] <= found[name].upper)
    assert all(len(one) > 900 for one in held.values())
    shares = {name: float(np.mean(one)) for name, one in held.items()}
    assert {name: held for name, held in shares.items() if not 0.93 <= held <= 0.995} == {}
