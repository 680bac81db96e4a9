"""Model metrics from states against scikit-learn's from the rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve

from spark_monitor.scores.catalogue import present
from spark_monitor.scores.classification import LISTED_CELLS, LISTED_CLASSES, precision
from spark_monitor.scores.regression import mean_absolute_percentage_error, r2_score
from spark_monitor.states.scores import (
    OTHER,
    ConfusionState,
    RegressionState,
    ScoreState,
    canonical_labels,
    default_score_grid,
    threshold_classes,
)

EXACT = 1e-9


def values(task: str, *states: Any) -> dict[tuple[str, str | None], float | None]:
    return {(row["metric"], row["class"]): row["value"] for row in present(task, *states)}


def in_parts(state: Any, *arrays: Any) -> Any:
    """Updated in unequal parts, merged from the last to the first."""
    rows = len(arrays[0])
    cuts = [0, rows // 10, rows // 3, rows // 3 + 1, rows]
    parts = [type(state).empty(*([state.grid] if isinstance(state, ScoreState) else [])) for _ in cuts[1:]]
    parts = [part.update(*(array[a:b] for array in arrays)) for part, a, b in zip(parts, cuts[:-1], cuts[1:], strict=True)]
    merged = state
    for part in reversed(parts):
        merged = part.merge(merged)
    return merged


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("extremes", [False, True])
def test_binary_metrics_equal_scikit_learns(seed: int, extremes: bool) -> None:
    draw = np.random.default_rng(seed)
    scores = draw.beta(2, 3, 150_000)
    if extremes:
        scores[:1000] = draw.choice([0.0, 1.0, 0.5, 1e-300, 1 - 1e-16, 0.1, 0.3], 1000)
    labels = draw.random(150_000) < scores**1.3
    guess = scores >= 0.4
    state = in_parts(ScoreState.empty(default_score_grid()), labels, scores)
    truth = canonical_labels(pa.array(labels))
    classes = ConfusionState.empty().update(truth, threshold_classes(scores, 0.4))
    found = values("binary", state, classes)
    right_share, mean_score = calibration_curve(labels, scores, n_bins=10)
    weights = np.bincount(np.searchsorted(np.linspace(0, 1, 11)[1:-1], scores), minlength=10)
    cells = oracle.confusion_matrix(labels, guess)
    expected = {
        ("log_loss", None): oracle.log_loss(labels, scores),
        ("brier_score", None): oracle.brier_score_loss(labels, scores),
        ("expected_calibration_error", None): np.average(np.abs(right_share - mean_score), weights=weights[weights > 0]),
        ("base_rate", None): labels.mean(),
        ("accuracy_score", None): oracle.accuracy_score(labels, guess),
        ("balanced_accuracy_score", None): oracle.balanced_accuracy_score(labels, guess),
        ("precision", None): oracle.precision_score(labels, guess),
        ("recall", None): oracle.recall_score(labels, guess),
        ("f1_score", None): oracle.f1_score(labels, guess),
        **{("confusion_matrix", f"{a}|{b}"): cells[a, b] for a in (0, 1) for b in (0, 1)},
    }
    area = found.pop(("roc_auc_score", None))
    assert area == pytest.approx(oracle.roc_auc_score(labels, scores), abs=0.001)
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=EXACT, abs=EXACT)


@pytest.mark.parametrize(("seed", "classes", "rows"), [(1, 3, 5000), (2, 12, 800), (3, 40, 300)])
def test_multiclass_metrics_equal_scikit_learns(seed: int, classes: int, rows: int) -> None:
    draw = np.random.default_rng(seed)
    names = np.array([f"class {place:02d}" for place in range(classes)])
    labels = names[np.minimum(draw.geometric(0.2, rows) - 1, classes - 1)]
    guess = np.where(draw.random(rows) < 0.7, labels, names[draw.integers(0, classes, rows)])
    state = ConfusionState.empty()
    for part in (slice(0, rows // 3), slice(rows // 3, None)):
        sides = (canonical_labels(pa.array(side[part])) for side in (labels, guess))
        state = ConfusionState.empty().update(*sides).merge(state)
    found = values("multiclass", state)
    seen = np.unique(np.concatenate([labels, guess]))
    expected: dict[tuple[str, str | None], float | None] = {("accuracy_score", None): oracle.accuracy_score(labels, guess)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected["balanced_accuracy_score", None] = oracle.balanced_accuracy_score(labels, guess)
        each = oracle.precision_recall_fscore_support(labels, guess, labels=seen, zero_division=np.nan)
        for average in ("macro", "weighted"):
            three = oracle.precision_recall_fscore_support(labels, guess, average=average, zero_division=0.0)[:3]
            expected |= {
                (f"{name}_{average}", None): value for name, value in zip(("precision", "recall", "f1_score"), three, strict=True)
            }
    for name, numbers in zip(("precision", "recall", "f1_score"), each, strict=False):
        expected |= {(name, str(key)): None if np.isnan(number) else number for key, number in zip(seen, numbers, strict=True)}
    matrix = oracle.confusion_matrix(labels, guess, labels=seen)
    expected |= {("confusion_matrix", f"{seen[a]}|{seen[b]}"): matrix[a, b] for a, b in zip(*np.nonzero(matrix), strict=True)}
    found = {key: value for key, value in found.items() if key[0] in {name for name, _ in expected}}
    assert {key for key, value in found.items() if value is None} == {key for key, value in expected.items() if value is None}
    defined = {key: value for key, value in expected.items() if value is not None}
    assert {key: found[key] for key in defined} == pytest.approx(defined, rel=EXACT, abs=EXACT)
    assert found.keys() == expected.keys()


@pytest.mark.parametrize(("center", "spread", "noise"), [(0.0, 1.0, 0.5), (1e6, 1.0, 0.1), (-3e8, 2.0, 1.0), (5.0, 1e-6, 1e-7)])
def test_regression_metrics_equal_scikit_learns(center: float, spread: float, noise: float) -> None:
    draw = np.random.default_rng(8)
    labels = center + spread * draw.normal(size=140_000)
    guess = labels + noise * draw.normal(size=140_000) + noise / 10
    found = values("regression", in_parts(RegressionState.empty(), labels, guess))
    expected = {
        ("mean_absolute_error", None): oracle.mean_absolute_error(labels, guess),
        ("mean_squared_error", None): oracle.mean_squared_error(labels, guess),
        ("root_mean_squared_error", None): oracle.root_mean_squared_error(labels, guess),
        ("r2_score", None): oracle.r2_score(labels, guess),
        ("mean_absolute_percentage_error", None): oracle.mean_absolute_percentage_error(labels, guess),
        ("mean_error", None): np.mean(guess - labels),
    }
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=EXACT)


def test_labels_of_zero_are_divided_by_epsilon_as_scikit_learn_does_and_said() -> None:
    labels, guess = [0.0, 1.0, 2.0], [1e-20, 1.5, 2.0]
    found = mean_absolute_percentage_error(RegressionState.empty().update(labels, guess))
    assert found.value == pytest.approx(oracle.mean_absolute_percentage_error(labels, guess), rel=EXACT)
    assert found.message == "1 labels are 0: their errors are divided by 2^-52, as in scikit-learn."


def test_equal_labels_explain_no_variance() -> None:
    for label in (2.0, 1000000003.6176785, 0.1):
        found = r2_score(RegressionState.empty().update([label] * 3, [2.0, 3.0, 1.0]))
        assert (found.value, found.status) == (None, "UNDEFINED")


def test_a_sum_beyond_the_largest_double_is_no_number_and_kills_no_other_metric() -> None:
    rows = {row["metric"]: row for row in present("regression", RegressionState.empty().update([0.0, 1.0], [1e200, 1.0]))}
    assert rows["mean_squared_error"]["status"] == rows["root_mean_squared_error"]["status"] == "UNDEFINED"
    assert rows["mean_squared_error"]["message"] == "The sum over 2 rows exceeds the largest double."
    assert rows["mean_absolute_error"]["value"] == 5e199
    assert (rows["mean_absolute_error"]["lower"], rows["mean_absolute_error"]["upper"]) == (0.0, None)


def test_rows_that_were_left_out_are_said() -> None:
    nan, inf = float("nan"), float("inf")
    rows = present("regression", RegressionState.empty().update([1.0, 2.0, 3.0, nan], [1.0, nan, inf, 1.0]))
    assert rows[0]["count"] == 1
    assert rows[0]["message"] == (
        "1 of 3 labelled rows have no prediction. 1 of 3 labelled rows have an infinite label or prediction."
    )
    binary = present("binary", ScoreState.empty().update([True, False, True], [0.9, 0.1, nan]))
    assert {row["message"] for row in binary} == {"1 of 3 labelled rows have no score."}


def test_scores_outside_zero_and_one_are_ranked_but_are_no_probabilities() -> None:
    rows = {row["metric"]: row for row in present("binary", ScoreState.empty().update([True, False, True], [4.0, -1.0, 0.5]))}
    assert rows["roc_auc_score"]["value"] == 1.0
    for name in ("log_loss", "brier_score", "expected_calibration_error"):
        assert rows[name]["value"] is None
        assert rows[name]["message"] == "2 of 3 scores lie outside [0, 1]: they are not probabilities."


def test_a_class_that_is_never_predicted_has_no_precision_rather_than_zero() -> None:
    state = ConfusionState.empty().update(canonical_labels([1, 0]), canonical_labels([0, 0]))
    found = precision(state)
    assert (found.value, found.status, found.message) == (None, "UNDEFINED", "The class is never predicted in 2 rows.")


def test_many_classes_are_listed_up_to_a_limit_and_the_rest_is_one_row() -> None:
    draw = np.random.default_rng(3)
    labels, guess = (canonical_labels(pa.array(draw.integers(0, 300, 20_000))) for _ in range(2))
    state = ConfusionState.empty().update(labels, guess)
    rows = present("multiclass", state)
    cells = [row for row in rows if row["metric"] == "confusion_matrix"]
    assert len(cells) == LISTED_CELLS + 1
    assert sum(row["value"] for row in cells) == 20_000
    listed = [row for row in rows if row["metric"] == "recall"]
    assert len(listed) == LISTED_CLASSES + 1
    assert (listed[-1]["class"], listed[-1]["message"]) == (OTHER, "200 classes with fewer rows are not listed.")
    assert next(row for row in rows if row["metric"] == "recall_macro")["status"] == "OK"


def test_models_without_a_score_have_a_base_rate_from_their_classes() -> None:
    state = ConfusionState.empty().update(canonical_labels([1, 1, 0, 0]), canonical_labels([1, 0, 0, 0]))
    found = values("binary", state)
    assert found["base_rate", None] == 0.5
    assert ("roc_auc_score", None) not in found


def test_one_row_is_told_of_as_one() -> None:
    from spark_monitor.scores.classification import ClassCounts, precision_of, recall_of

    counts = ClassCounts(labelled=0, predicted=0, correct=0)
    assert precision_of(counts, 1).message == "The class is never predicted in 1 row."
    assert recall_of(counts, 1200).message == "The class is no label of any of 1,200 rows."


def test_one_metric_alone_is_the_row_that_it_has_among_all() -> None:
    random = np.random.default_rng(31)
    labels, scores = random.random(300) < 0.4, random.random(300)
    weights = random.exponential(1, 300)
    state = ScoreState.empty().update(labels, scores, weights=weights)
    everything = present("binary", state)
    names = {row["metric"] for row in everything}
    assert {"roc_auc_score", "average_precision", "log_loss"} <= names
    for name in names:
        assert present("binary", state, only=name) == [row for row in everything if row["metric"] == name]


def test_the_order_of_scores_that_are_edges_of_the_grid_is_certain() -> None:
    random = np.random.default_rng(47)
    edges = default_score_grid().edges
    scores = random.choice(edges[(edges > 0) & (edges < 1)][::40], 2000)
    labels = random.random(2000) < scores
    rows = {row["metric"]: row for row in present("binary", ScoreState.empty().update(labels, scores))}
    expected = {
        "average_precision": oracle.average_precision_score(labels, scores),
        "roc_auc_score": oracle.roc_auc_score(labels, scores),
        "ks_score": max(np.subtract(*oracle.roc_curve(labels, scores, drop_intermediate=False)[1::-1])),
    }
    for name, value in expected.items():
        assert rows[name]["value"] == pytest.approx(value, abs=EXACT)
        assert rows[name]["value_error"] == 0
