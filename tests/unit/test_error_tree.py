"""The tree that tells errors apart: grown alike from rows in any order, and honest about what it is read from."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from spark_monitor.errors import StateError
from spark_monitor.estimation.error_tree import FEWEST_ROWS, ErrorTree, grow
from spark_monitor.estimation.estimator import estimated_rows, estimator
from spark_monitor.states.cell_errors import CellErrorsState
from spark_monitor.states.codec import pack


def rows_of(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Prediction, age and a number that says nothing; old rows err more, and so do large predictions."""
    random = np.random.default_rng(seed)
    features = np.stack([random.uniform(0, 10, n), random.uniform(0, 10, n), random.normal(size=n)], axis=1)
    scale = np.where(features[:, 1] > 7, 5.0, 1.0) + features[:, 0] / 5
    features[random.random(n) < 0.02, 1] = np.nan
    return features, random.normal(size=n) * scale


def test_a_tree_explains_about_as_much_as_scikit_learns() -> None:
    features, errors = rows_of(1, 20_000)
    tree = grow(("guess", "age", "noise"), features, errors)
    assert 2 < tree.leaves <= 32
    leaf = tree.leaf_of(features[:, [("guess", "age", "noise").index(name) for name in tree.names]])
    assert np.bincount(leaf).min() >= FEWEST_ROWS
    means = np.bincount(leaf, weights=np.abs(errors)) / np.bincount(leaf)
    filled = np.where(np.isnan(features), 1e9, features)
    other = DecisionTreeRegressor(max_leaf_nodes=32, min_samples_leaf=100).fit(filled, np.abs(errors)).predict(filled)
    total = np.var(np.abs(errors))
    own, theirs = (1 - np.mean(np.square(np.abs(errors) - one)) / total for one in (means[leaf], other))
    assert own > 0.95 * theirs


def test_the_order_of_rows_changes_nothing_and_bytes_bring_a_tree_back() -> None:
    features, errors = rows_of(2, 5000)
    order = np.random.default_rng(0).permutation(5000)
    trees = [grow(("a", "b", "c"), features, errors), grow(("a", "b", "c"), features[order], errors[order])]
    assert trees[0].to_bytes() == trees[1].to_bytes() == ErrorTree.from_bytes(trees[0].to_bytes()).to_bytes()


def test_estimates_by_the_tree_follow_rows_that_move_to_where_the_model_errs_more() -> None:
    features, errors = rows_of(3, 20_000)
    tree = grow(("guess", "age", "noise"), features, errors)
    columns = [("guess", "age", "noise").index(name) for name in tree.names]
    labelled = CellErrorsState.empty(tree.cells).update(
        features[:, 0] - errors, features[:, 0], tree.leaf_of(features[:, columns])
    )
    known = estimator(1, labelled, tree.names)
    assert known is not None
    held = []
    for seed in range(40):
        moved, hidden = rows_of(100 + seed, 8000)
        old = np.flatnonzero(moved[:, 1] > seed / 7)[:3000]
        places = tree.leaf_of(moved[old][:, columns])
        unlabelled = CellErrorsState.empty(tree.cells).update(np.full(old.size, np.nan), moved[old, 0], places)
        row = next(row for row in estimated_rows(unlabelled, known) if row["metric"] == "mean_absolute_error")
        held.append(row["lower"] <= np.abs(hidden[old]).mean() <= row["upper"])
        assert row["upper"] < 1.2 * row["value"]
        assert "distinguished by" in row["message"]
    assert np.mean(held) >= 0.88


def test_constant_or_few_rows_give_a_tree_of_one_leaf() -> None:
    assert grow(("a",), np.zeros((1000, 1)), np.arange(1000.0)).leaves == 1
    assert grow(("a",), np.arange(50.0)[:, None], np.arange(50.0)).leaves == 1
    assert grow(("a",), np.full((1000, 1), np.nan), np.arange(1000.0)).leaves == 1


@pytest.mark.parametrize("low", [[0, 0, 1], [9, 0, 1], [1, 0, 0], [1, 0, 7]])
def test_bytes_that_lead_nowhere_are_refused(low: list[int]) -> None:
    arrays = {"feature": np.array([0, -1, -1]), "bound": np.zeros(3), "low": np.array(low), "high": np.array([2, 0, 0])}
    with pytest.raises(StateError):
        ErrorTree.from_bytes(pack("TREE", {"names": ["a"]}, arrays))
