"""Scores of many and of rare classes: nearly all lie near zero, and the areas under their curves are known well all the same."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from spark_monitor.errors import StateError
from spark_monitor.estimation.estimator import estimated_rows, estimator
from spark_monitor.estimation.likeness import distance, profile_of
from spark_monitor.scores.class_scores import roc_auc_ovr_macro
from spark_monitor.states import class_scores
from spark_monitor.states.class_scores import ClassScoresState, former_class_grid
from spark_monitor.states.coarser import on_grid
from spark_monitor.states.grid import Floats, Grid, Integers
from spark_monitor.states.scores import ScoreState


def drawn(random: np.random.Generator, classes: int, rows: int, *, rare: bool) -> tuple[Integers, Floats]:
    """Labels and softmax scores; of rare classes at least 30 rows are to be expected."""
    shares = np.full(classes, 1 / classes)
    if rare:
        shares = np.maximum(random.dirichlet(np.full(classes, 0.3)), 30 / rows)
        shares /= shares.sum()
    labels = random.choice(classes, rows, p=shares)
    scores = np.exp(1.2 * (random.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[labels])) * shares
    return labels, scores / scores.sum(axis=1, keepdims=True)


def names(classes: int) -> tuple[str, ...]:
    return tuple(f"{place:03d}" for place in range(classes))


@pytest.mark.parametrize(("classes", "rows", "rare"), [(4, 3000, True), (10, 5000, True), (30, 12000, True), (100, 12000, False)])
def test_the_area_of_many_or_rare_classes_is_scikit_learns(classes: int, rows: int, rare: bool) -> None:
    labels, scores = drawn(np.random.default_rng(classes), classes, rows, rare=rare)
    found = roc_auc_ovr_macro(ClassScoresState.empty(names(classes)).update(labels, scores))
    exact = roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    assert found.value is not None
    assert found.value_error is not None
    assert abs(found.value - exact) <= min(found.value_error, 0.004)
    assert found.value_error < 0.025


@pytest.fixture
def former(monkeypatch: pytest.MonkeyPatch) -> ClassScoresState:
    """What an earlier release stored of 3,000 rows."""
    labels, scores = drawn(np.random.default_rng(5), 5, 3000, rare=True)
    with monkeypatch.context() as patched:
        patched.setattr(class_scores, "class_grid", former_class_grid)
        return ClassScoresState.empty(names(5)).update(labels, np.round(scores, 3))


def test_states_of_earlier_releases_are_read_and_merge_with_those_of_now(former: ClassScoresState) -> None:
    labels, scores = drawn(np.random.default_rng(6), 5, 2000, rare=True)
    now = ClassScoresState.empty(names(5)).update(labels, np.round(scores, 3))
    read = ClassScoresState.from_bytes(former.to_bytes())

    for both in (read.merge(now), now.merge(read), ClassScoresState.from_bytes(now.merge(read).to_bytes())):
        assert both.count == 5000
        for one, then, place in zip(both.states, former.states, range(5), strict=True):
            again = then.update(labels == place, np.round(scores, 3)[:, place])
            np.testing.assert_array_equal(one.positives, again.positives)
            np.testing.assert_array_equal(one.negatives, again.negatives)
            np.testing.assert_array_equal(one.atoms, again.atoms)


def test_a_baseline_of_an_earlier_release_estimates_windows_of_now(former: ClassScoresState) -> None:
    """As the same baseline does that is counted as of now."""
    labels, scores = drawn(np.random.default_rng(5), 5, 3000, rare=True)
    anew = ClassScoresState.empty(names(5)).update(labels, np.round(scores, 3))
    _, scores = drawn(np.random.default_rng(7), 5, 2000, rare=True)
    answers = ClassScoresState.empty(names(5)).update(scores.argmax(axis=1), scores)
    rows = []
    for state in (former, anew):
        known = estimator(1, state)
        assert known is not None
        rows.append({row["metric"]: row for row in estimated_rows(answers, known)})
    before, after = rows
    assert before.keys() == after.keys()
    for name, row in before.items():
        assert row["lower"] <= after[name]["value"] <= row["upper"]


def test_answers_look_alike_on_both_edges(former: ClassScoresState) -> None:
    labels, scores = drawn(np.random.default_rng(5), 5, 3000, rare=True)
    anew = ClassScoresState.empty(names(5)).update(labels, np.round(scores, 3))
    one, other = profile_of(former), profile_of(anew)
    assert one is not None
    assert other is not None
    assert distance(one, other) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_counts_on_fewer_edges_are_those_of_the_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    fine = Grid.of(np.round(random.random(40), 2))
    coarse = Grid.of(random.choice(fine.edges, 7, replace=False))
    scores, labels = np.round(random.uniform(-0.2, 1.2, 60), 2), random.random(60) < 0.5
    found, wanted = (
        on_grid(ScoreState.empty(fine).update(labels, scores), coarse),
        ScoreState.empty(coarse).update(labels, scores),
    )
    np.testing.assert_array_equal(found.positives, wanted.positives)
    np.testing.assert_array_equal(found.negatives, wanted.negatives)
    np.testing.assert_array_equal(found.atoms, wanted.atoms)
    with pytest.raises(StateError, match="has edges that"):
        on_grid(wanted, Grid.of([0.123]))
