"""Every metric of the model against scikit-learn, numpy or its definition, with ties and with weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as oracle

from spark_monitor.scores import Settings, present
from spark_monitor.scores.thresholds import threshold_rows
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.grid import Grid
from spark_monitor.states.grouped import GroupedState
from spark_monitor.states.magnitudes import Magnitudes
from spark_monitor.states.scores import ConfusionState, RegressionState, ScoreState, canonical_labels, score_grid

EXACT = 1e-9
CASES = [(seed, n, decimals) for seed, n in enumerate((40, 700, 3000)) for decimals in (2, 12)]


def near(row: dict[str, Any], wanted: float) -> bool:
    """Within the stated deterministic error, and inside the interval."""
    slack = row["value_error"] + EXACT * max(1.0, abs(wanted))
    inside = (row["lower"] is None or row["lower"] <= wanted + slack) and (row["upper"] is None or wanted - slack <= row["upper"])
    return abs(row["value"] - wanted) <= slack and inside


def by_name(rows: list[dict[str, Any]]) -> dict[tuple[str, str | None], dict[str, Any]]:
    return {(row["metric"], row["class"]): row for row in rows}


def binary(seed: int, n: int, decimals: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = np.round(random.beta(1, 3, n), decimals)
    return random.random(n) < scores, scores, random.integers(1, 5, n) / 2


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("seed", "n", "decimals"), CASES)
def test_binary_metrics_are_those_of_scikit_learn(seed: int, n: int, decimals: int, weighted: bool) -> None:
    labels, scores, weights = binary(seed, n, decimals)
    used = weights if weighted else None
    guess = scores >= 0.5
    halves = [slice(0, n // 3), slice(n // 3, n)]
    state, confusion = ScoreState.empty(score_grid()), ConfusionState.empty()
    for half in halves:
        part = None if used is None else used[half]
        state = state.merge(ScoreState.empty(score_grid()).update(labels[half], scores[half], weights=part))
        codes = [canonical_labels(list(side[half])).equal_to(1) for side in (labels, guess)]
        confusion = confusion.merge(ConfusionState.empty().update(*codes, weights=part))
    state = ScoreState.from_bytes(state.to_bytes(), state.grid)
    confusion = ConfusionState.from_bytes(confusion.to_bytes())
    rows = by_name(present("binary", state, confusion, settings=Settings(costs=(1.0, 10.0, -2.0, 0.5))))
    w = {"sample_weight": used}
    fpr, tpr, _ = oracle.roc_curve(labels, scores, **w, drop_intermediate=False)
    mass = np.ones(n) if used is None else used
    cells = oracle.confusion_matrix(labels, guess, **w)
    wanted = {
        "roc_auc_score": oracle.roc_auc_score(labels, scores, **w),
        "gini": 2 * oracle.roc_auc_score(labels, scores, **w) - 1,
        "average_precision": oracle.average_precision_score(labels, scores, **w),
        "ks_score": float(np.max(np.abs(tpr - fpr))),
        "log_loss": oracle.log_loss(labels, scores, labels=[False, True], **w),
        "brier_score": oracle.brier_score_loss(labels, scores, **w),
        "base_rate": float(np.average(labels, weights=mass)),
        "accuracy_score": oracle.accuracy_score(labels, guess, **w),
        "balanced_accuracy_score": oracle.balanced_accuracy_score(labels, guess, **w),
        "precision": oracle.precision_score(labels, guess, **w),
        "recall": oracle.recall_score(labels, guess, **w),
        "f1_score": oracle.f1_score(labels, guess, **w),
        "fbeta_0_5": oracle.fbeta_score(labels, guess, beta=0.5, **w),
        "fbeta_2": oracle.fbeta_score(labels, guess, beta=2, **w),
        "specificity": oracle.recall_score(labels, guess, pos_label=False, **w),
        "matthews_corrcoef": oracle.matthews_corrcoef(labels, guess, **w),
        "cost_loss": float(np.sum(cells * [[0.5, 1.0], [10.0, -2.0]]) / mass.sum()),
        "brier_score_constant": float(np.average(labels, weights=mass) * (1 - np.average(labels, weights=mass))),
        "accuracy_score_constant": float(max(np.average(labels, weights=mass), 1 - np.average(labels, weights=mass))),
    }
    assert [name for name, value in wanted.items() if not near(rows[name, None], value)] == []
    assert all(row["count"] == n for row in rows.values())


@pytest.mark.parametrize("seed", [0, 1])
def test_weighted_rows_without_a_score_count_with_their_weight(seed: int) -> None:
    labels, scores, _ = binary(seed, 500, 3)
    random = np.random.default_rng(seed)
    weights = random.choice([0.25, 1 / 3, 1.0, 7.0], labels.size)
    labels = labels | (weights > 1)
    scores[random.random(labels.size) < np.where(weights > 1, 0.5, 0.1)] = np.nan
    state = ScoreState.empty()
    for half in (slice(0, 200), slice(200, 500)):
        part = ScoreState.empty().update(labels[half], scores[half], weights=weights[half])
        state = state.merge(ScoreState.from_bytes(part.to_bytes(), part.grid))
    row = by_name(present("binary", state))["base_rate", None]
    assert near(row, float(np.average(labels, weights=weights)))
    assert row["count"] == 500
    none = ScoreState.empty().update(labels, np.full(500, np.nan), weights=weights)
    assert near(by_name(present("binary", none))["base_rate", None], float(np.average(labels, weights=weights)))


def test_weighted_cells_are_weights_and_messages_speak_of_rows() -> None:
    random = np.random.default_rng(1)
    labels, weights = random.choice(["a", "b"], 300), random.choice([0.25, 1 / 3, 7.0], 300)
    guess = np.where(random.random(300) < 0.7, labels, "c")
    codes = [canonical_labels(side.tolist()) for side in (labels, guess)]
    rows = by_name(present("multiclass", ConfusionState.empty().update(*codes, weights=weights)))
    cells = oracle.confusion_matrix(labels, guess, labels=["a", "b", "c"], sample_weight=weights)
    for place, cell in np.ndenumerate(cells):
        name = "|".join("abc"[one] for one in place)
        assert not cell or near(rows["confusion_matrix", name], float(cell))
    assert rows["recall", "c"]["message"] == "The class is no label of any of 300 rows."
    scored = ScoreState.empty().update([True] * 300, np.r_[random.random(299), 1.5], weights=weights)
    at_most_half = ScoreState.empty(score_grid()).update([True] * 300, random.random(300) / 2, weights=weights)
    swept = {(row["metric"], row["class"]): row for row in threshold_rows(at_most_half, Settings())}
    assert swept["precision_at_threshold", "0.95"]["message"] == "The class is never predicted in 300 rows."
    assert "1 of 300 scores lie outside" in by_name(present("binary", scored))["log_loss", None]["message"]


def test_cells_of_classes_with_a_bar_in_their_names_stay_apart() -> None:
    state = ConfusionState.empty().update(canonical_labels(["a|b", "a", "a"]), canonical_labels(["c", "b|c", "b|c"]))
    cells = {row["class"]: row["value"] for row in present("multiclass", state) if row["metric"] == "confusion_matrix"}
    assert cells == {"a\\|b|c": 1.0, "a|b\\|c": 2.0}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("weighted", [False, True])
def test_the_error_of_average_precision_holds_where_cells_are_of_positives_alone(seed: int, weighted: bool) -> None:
    """Few wide cells, some of which hold several scores of positives and no negative below others that do."""
    random = np.random.default_rng(seed)
    n = 120
    scores = random.random(n)
    labels = random.random(n) < np.where((scores * 10).astype(int) % 2 == 0, 1.0, 0.4)
    weights = random.choice([0.25, 1.0, 3.0], n) if weighted else None
    state = ScoreState.empty(Grid.of(np.linspace(0, 1, 11))).update(labels, scores, weights=weights)
    row = by_name(present("binary", state))["average_precision", None]
    assert near(row, oracle.average_precision_score(labels, scores, sample_weight=weights))


@pytest.mark.parametrize(("seed", "n", "decimals"), CASES)
def test_the_best_rows_are_those_with_the_highest_scores(seed: int, n: int, decimals: int) -> None:
    labels, scores, _ = binary(seed, n, decimals)
    rows = by_name(present("binary", ScoreState.empty(score_grid()).update(labels, scores)))
    order = np.argsort(-scores, kind="stable")
    for percent in (1, 5, 10):
        rank = int(np.ceil(round(n * percent / 100, 9)))
        cut = scores[order[rank - 1]]
        above, tied = scores > cut, scores == cut
        taken = labels[above].sum() + labels[tied].mean() * (rank - above.sum())
        assert near(rows[f"precision_at_{percent}", None], taken / rank)
        assert near(rows[f"recall_at_{percent}", None], taken / labels.sum())
        if percent == 10:
            assert near(rows["lift_at_10", None], taken / rank / labels.mean())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("seed", "n"), [(0, 60), (1, 2000)])
def test_metrics_of_several_classes_are_those_of_scikit_learn(seed: int, n: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    classes = ("a", "b", "c", "d")
    scores = random.dirichlet([1.0, 2.0, 1.0, 0.5], n)
    labels = np.array([random.choice(4, p=row) for row in scores])
    guess = scores.argmax(axis=1)
    used = random.integers(1, 5, n) / 2 if weighted else None
    names = np.array(classes)
    state = ClassScoresState.empty(classes).update(labels, scores, weights=used)
    state = ClassScoresState.from_bytes(state.to_bytes())
    confusion = ConfusionState.empty().update(
        canonical_labels(list(names[labels])), canonical_labels(list(names[guess])), weights=used
    )
    rows = by_name(present("multiclass", state, confusion))
    w = {"sample_weight": used}
    areas = [oracle.roc_auc_score(labels == k, scores[:, k], **w) for k in range(4)]
    wanted: dict[tuple[str, str | None], float] = {
        ("log_loss", None): oracle.log_loss(labels, scores, **w),
        ("top_k_accuracy", None): oracle.top_k_accuracy_score(labels, scores, k=2, **w),
        ("top_k_accuracy", "3"): oracle.top_k_accuracy_score(labels, scores, k=3, **w),
        ("roc_auc_ovr_macro", None): float(np.mean(areas)),
        ("matthews_corrcoef", None): oracle.matthews_corrcoef(labels, guess, **w),
        ("balanced_accuracy_score", None): oracle.balanced_accuracy_score(labels, guess, **w),
        ("accuracy_score", None): oracle.accuracy_score(labels, guess, **w),
        ("f1_score_macro", None): oracle.f1_score(labels, guess, average="macro", **w),
        ("f1_score_weighted", None): oracle.f1_score(labels, guess, average="weighted", **w),
        ("precision_macro", None): oracle.precision_score(labels, guess, average="macro", **w),
        ("precision", "c"): oracle.precision_score(labels, guess, labels=[2], average="macro", **w),
    }
    assert [name for name, value in wanted.items() if not near(rows[name], value)] == []


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("q", [0.5, 0.9])
def test_quantiles_of_few_weighted_errors_are_those_of_numpy(seed: int, q: float) -> None:
    random = np.random.default_rng(seed)
    errors, weights = random.pareto(1.5, 40), random.gamma(1, 1, 40) * 10 ** random.uniform(-3, 3)

    low, high = Magnitudes.of(errors, weights).quantile(q)

    assert low <= np.quantile(errors, q, method="inverted_cdf", weights=weights) <= high <= 1.011 * low


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("seed", "n"), [(0, 30), (1, 2000), (2, 150_000)])
def test_regression_metrics_are_those_of_scikit_learn(seed: int, n: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    labels = np.round(random.gamma(2, 3, n), 1)
    guess = np.abs(labels + random.normal(0.3, 1, n))
    used = random.integers(1, 5, n) / 2 if weighted else None
    lower, upper = guess - 1, np.where(random.random(n) < 0.1, np.nan, guess + 1)
    state = RegressionState.empty().update(labels, guess, weights=used, lower=lower, upper=upper)
    state = RegressionState.from_bytes(state.to_bytes())
    rows = by_name(present("regression", state))
    w = {"sample_weight": used}
    mass = np.ones(n) if used is None else used
    given = ~np.isnan(upper)
    middle = np.average(labels, weights=mass)
    wanted = {
        "mean_absolute_error": oracle.mean_absolute_error(labels, guess, **w),
        "mean_squared_error": oracle.mean_squared_error(labels, guess, **w),
        "root_mean_squared_error": oracle.root_mean_squared_error(labels, guess, **w),
        "mean_absolute_percentage_error": oracle.mean_absolute_percentage_error(labels, guess, **w),
        "root_mean_squared_log_error": oracle.root_mean_squared_log_error(labels, guess, **w),
        "r2_score": oracle.r2_score(labels, guess, **w),
        "mean_error": float(np.average(guess - labels, weights=mass)),
        "symmetric_mape": float(np.average(2 * np.abs(guess - labels) / (np.abs(guess) + np.abs(labels)), weights=mass)),
        "interval_coverage": float(np.average((np.abs(guess - labels) <= 1)[given], weights=mass[given])),
        "root_mean_squared_error_constant": float(np.sqrt(np.average((labels - middle) ** 2, weights=mass))),
    }
    if not weighted:
        wanted["median_absolute_error"] = oracle.median_absolute_error(labels, guess)
        wanted["quantile_error_90"] = float(np.quantile(np.abs(guess - labels), 0.9))
        wanted["mean_absolute_error_constant"] = float(np.mean(np.abs(labels - np.median(labels))))
    assert [name for name, value in wanted.items() if not near(rows[name, None], value)] == []
    assert rows["quantile_error_90", None]["value_error"] < 0.01 * rows["quantile_error_90", None]["value"] or n < 100


def test_the_best_constant_errs_by_nothing_where_weighted_labels_are_all_one() -> None:
    state = RegressionState.empty()
    for weights in ([1 / 3, 2.75, 0.25], [0.1, 1 / 3, 7.0]):
        state = state.merge(RegressionState.empty().update([5.1] * 3, [1.0, 2.0, 3.0], weights=np.array(weights)))
    found = by_name(present("regression", state))
    assert found["root_mean_squared_error_constant", None]["value"] == 0.0


def test_infinite_scores_rank_first_and_last_and_negative_labels_are_worth_nothing() -> None:
    groups = np.repeat(np.arange(4), 3)
    scores = np.array([np.inf, 0.5, 0.1, 0.9, -np.inf, 0.8, 0.3, 0.2, 0.1, 0.9, np.nan, np.nan])
    relevances = np.array([1.0, 0.0, 2.0, 0.0, 3.0, 1.0, -1.0, 0.0, -2.0, 1.0, 1.0, np.inf])
    state = GroupedState.empty(2).update(groups, scores, relevances)
    found = by_name(present("regression", GroupedState.from_bytes(state.to_bytes())))
    finite = np.nan_to_num(scores, posinf=9.0, neginf=-9.0)
    wanted = [oracle.ndcg_score(relevances[rows][None], finite[rows][None], k=2) for rows in (slice(0, 3), slice(3, 6))]
    assert near(found["ndcg_at_k", None], (sum(wanted) + 1.0) / 3)
    assert near(found["mrr", None], (1.0 + 1 / 2 + 1.0) / 3)
    assert "Left out: 1 group without a relevant row." in found["mrr", None]["message"]
    assert "2 of 12 labelled rows have no score, no group or no finite label." in found["mrr", None]["message"]
    nothing = by_name(present("binary", GroupedState.empty(2).update(groups, np.full(12, np.nan), relevances)))
    assert (nothing["mrr", None]["status"], nothing["mrr", None]["count"]) == ("ALL_NULL", 0)


def test_groups_are_ranked_as_scikit_learn_and_the_definitions_do() -> None:
    random = np.random.default_rng(3)
    groups = np.repeat(np.arange(300), 12)
    scores = np.round(random.random(3600), 1)
    relevances = random.choice([0.0, 0.0, 0.0, 1.0, 3.0], 3600)
    state = GroupedState.empty(5)
    for part in np.split(np.arange(300), 3):
        rows = np.isin(groups, part)
        state = state.merge(
            GroupedState.from_bytes(GroupedState.empty(5).update(groups[rows], scores[rows], relevances[rows]).to_bytes())
        )
    found = by_name(present("binary", state))
    shaped = relevances.reshape(300, 12), scores.reshape(300, 12)
    some = shaped[0].sum(axis=1) > 0
    assert near(found["ndcg_at_k", None], oracle.ndcg_score(shaped[0][some], shaped[1][some], k=5))
    first, precision, hit = [], [], []
    for relevance, score in zip(shaped[0][some], shaped[1][some], strict=True):
        ranked = (relevance[np.lexsort((random.random(12), -score))] > 0).astype(float)
        first.append(1 / (1 + ranked.argmax()))
        precision.append(sum(ranked[: i + 1].mean() for i in range(5) if ranked[i]) / ranked.sum())
        hit.append(ranked[:5].any())
    for name, values in (("mrr", first), ("map_at_k", precision), ("hit_rate_at_k", hit)):
        assert near(found[name, None], float(np.mean(values)))
        assert found[name, None]["count"] == some.sum()
