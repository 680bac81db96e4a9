"""Ranked groups whose rows have weights, against scikit-learn and the definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from spark_monitor.scores import present
from spark_monitor.states.grouped import GroupedState


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows}


def test_a_group_counts_as_much_as_its_rows_do_on_average() -> None:
    random = np.random.default_rng(9)
    groups, weight = np.repeat(np.arange(200), 8), random.choice([0.25, 1.0, 6.0], 200)
    scores, relevances = random.random(1600), random.choice([0.0, 0.0, 1.0, 2.0], 1600)
    # The mean of a group's rows is its weight, however it is spread over them.
    rows_weights = np.repeat(weight, 8) * np.tile([0.5, 1.5], 800)
    state = GroupedState.empty(3)
    for part in (groups < 60, groups >= 60):
        # Rows come in any order, some of them without a score, whose weights count for nothing.
        of_part = [groups[part], scores[part], relevances[part], rows_weights[part]]
        extra = [of_part[0][:9], np.full(9, np.nan), np.ones(9), np.full(9, 1e6)]
        order = random.permutation(of_part[0].size + 9)
        *rows, row_weights = (np.concatenate(both)[order] for both in zip(of_part, extra, strict=True))
        one = GroupedState.empty(3).update(*rows, weights=row_weights)
        state = state.merge(GroupedState.from_bytes(one.to_bytes()))
    found = by_name(present("regression", state))

    gains, ranked = relevances.reshape(200, 8), scores.reshape(200, 8)
    some = gains.any(axis=1)
    wanted = oracle.ndcg_score(gains[some], ranked[some], k=3, sample_weight=weight[some])
    assert found["ndcg_at_k"]["value"] == pytest.approx(wanted, abs=1e-12)
    first = [1 / (1 + (gain[np.argsort(-score)] > 0).argmax()) for gain, score in zip(gains[some], ranked[some], strict=True)]
    assert found["mrr"]["value"] == pytest.approx(np.average(first, weights=weight[some]), abs=1e-12)
    assert found["mrr"]["count"] == some.sum()
    # Weights that are all one change nothing, and unequal ones make the interval wider.
    alone, ones = (
        by_name(present("regression", GroupedState.empty(3).update(groups, scores, relevances, weights=given)))["mrr"]
        for given in (None, np.full(1600, 7.0))
    )
    assert [ones[name] for name in ("value", "lower", "upper")] == pytest.approx(
        [alone[name] for name in ("value", "lower", "upper")]
    )
    assert found["mrr"]["upper"] - found["mrr"]["lower"] > 1.2 * (alone["upper"] - alone["lower"])


@pytest.mark.parametrize("weights", [[1.0, 1e-9], [2.0, 2.0]])
def test_a_few_weighted_groups_have_an_interval_within_its_range(weights: list[float]) -> None:
    given = {"groups": np.array([1, 2]), "scores": np.array([0.5, 0.4]), "relevances": np.array([1.0, 3.0])}
    found = by_name(present("regression", GroupedState.empty(3).update(**given, weights=np.array(weights))))["mrr"]
    assert (found["value"], found["count"]) == (1.0, 2)
    assert 0.0 <= found["lower"] < 0.7
    assert found["upper"] == 1.0
