"""Laws that every state of predictions against labels and every model metric keep; a new metric must bring its expected value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_monitor.errors import StateError
from spark_monitor.scores.catalogue import METRICS, present
from spark_monitor.scores.metric import Settings, TaskMetric
from spark_monitor.scores.metric_value import ALL_NULL, NO_LABELS, OK, MetricValue
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.codec import pack
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grid import Grid
from spark_monitor.states.grouped import GroupedState
from spark_monitor.states.magnitudes import Magnitudes
from spark_monitor.states.scores import ClassCodes, ConfusionState, RegressionState, ScoreState, canonical_labels

laws = settings(deadline=None)
GRID = Grid.of([0.1, 0.25, 0.5, 0.75, 1.0])
CLASSES = ("a", "b", "c")

# Worked by hand. Binary: labels 1 1 1 0 0, scores .9 .6 .3 .6 .2, predicted at .5: tp 2, fn 1, fp 1, tn 1; of 6 pairs 4 are in
# order and 1 is a tie. Classes: labels a a a b b c, predictions a a b b c c. Numbers: labels 1 2 3 6, errors 1 0 -1 2.
LOG_LOSS = -(math.log(0.9) + math.log(0.6) + math.log(0.3) + math.log(0.4) + math.log(0.8)) / 5
EXPECTED = {
    ("binary", "roc_auc_score"): 4.5 / 6,
    ("binary", "log_loss"): LOG_LOSS,
    ("binary", "brier_score"): (0.01 + 0.16 + 0.49 + 0.36 + 0.04) / 5,
    ("binary", "expected_calibration_error"): (0.1 + abs(1 - 1.2) + 0.7 + 0.2) / 5,
    ("binary", "base_rate"): 3 / 5,
    ("binary", "accuracy_score"): 3 / 5,
    ("binary", "balanced_accuracy_score"): (2 / 3 + 1 / 2) / 2,
    ("binary", "precision"): 2 / 3,
    ("binary", "recall"): 2 / 3,
    ("binary", "f1_score"): 2 / 3,
    ("binary", "confusion_matrix"): {"0|0": 1, "0|1": 1, "1|0": 1, "1|1": 2},
    ("multiclass", "accuracy_score"): 4 / 6,
    ("multiclass", "balanced_accuracy_score"): (2 / 3 + 1 / 2 + 1) / 3,
    ("multiclass", "confusion_matrix"): {"a|a": 2, "a|b": 1, "b|b": 1, "b|c": 1, "c|c": 1},
    ("multiclass", "precision"): {"a": 1, "b": 1 / 2, "c": 1 / 2},
    ("multiclass", "recall"): {"a": 2 / 3, "b": 1 / 2, "c": 1},
    ("multiclass", "f1_score"): {"a": 4 / 5, "b": 1 / 2, "c": 2 / 3},
    ("multiclass", "precision_macro"): 2 / 3,
    ("multiclass", "recall_macro"): (2 / 3 + 1 / 2 + 1) / 3,
    ("multiclass", "f1_score_macro"): (4 / 5 + 1 / 2 + 2 / 3) / 3,
    ("multiclass", "precision_weighted"): (3 * 1 + 2 / 2 + 1 / 2) / 6,
    ("multiclass", "recall_weighted"): 4 / 6,
    ("multiclass", "f1_score_weighted"): (3 * 4 / 5 + 2 / 2 + 2 / 3) / 6,
    ("binary", "gini"): 2 * 4.5 / 6 - 1,
    ("binary", "average_precision"): (1 / 1 + 2 / 3 + 3 / 4) / 3,
    ("binary", "ks_score"): 1 / 2,
    ("binary", "precision_at_1"): 1.0,
    ("binary", "precision_at_5"): 1.0,
    ("binary", "precision_at_10"): 1.0,
    ("binary", "recall_at_1"): 1 / 3,
    ("binary", "recall_at_5"): 1 / 3,
    ("binary", "recall_at_10"): 1 / 3,
    ("binary", "lift_at_10"): 5 / 3,
    ("binary", "specificity"): 1 / 2,
    ("binary", "fbeta_0_5"): 2 / 3,
    ("binary", "fbeta_2"): 2 / 3,
    ("binary", "matthews_corrcoef"): 1 / 6,
    ("binary", "cost_loss"): (1 * 1 + 1 * 10) / 5,
    ("binary", "log_loss_constant"): -(0.6 * math.log(0.6) + 0.4 * math.log(0.4)),
    ("binary", "brier_score_constant"): 0.24,
    ("binary", "roc_auc_score_constant"): 0.5,
    ("binary", "average_precision_constant"): 0.6,
    ("binary", "expected_calibration_error_constant"): 0.0,
    ("binary", "accuracy_score_constant"): 0.6,
    ("binary", "balanced_accuracy_score_constant"): 0.5,
    ("binary", "precision_constant"): 0.6,
    ("binary", "recall_constant"): 1.0,
    ("binary", "f1_score_constant"): 0.75,
    # n = 6, right 4, labels 3 2 1, predictions 2 2 2: (24 - 12) / sqrt((36 - 12)(36 - 14)).
    ("multiclass", "matthews_corrcoef"): 12 / math.sqrt(24 * 22),
    ("multiclass", "accuracy_score_constant"): 1 / 2,
    ("multiclass", "balanced_accuracy_score_constant"): 1 / 3,
    ("multiclass", "precision_macro_constant"): 1 / 6,
    ("multiclass", "recall_macro_constant"): 1 / 3,
    ("multiclass", "f1_score_macro_constant"): 2 / 9,
    ("multiclass", "precision_weighted_constant"): 1 / 4,
    ("multiclass", "recall_weighted_constant"): 1 / 2,
    ("multiclass", "f1_score_weighted_constant"): 1 / 3,
    ("multiclass", "log_loss"): -(math.log(0.6) + math.log(0.3) + math.log(0.8)) / 3,
    # Scores .6 .4 0, .7 .3 0, .2 0 .8 of rows of class a, b, c: of class a's two pairs one is in order, of b's one.
    ("multiclass", "top_k_accuracy"): {None: 1.0, "1": 2 / 3, "2": 1.0},
    ("multiclass", "roc_auc_ovr_macro"): (1 / 2 + 1 / 2 + 1) / 3,
    ("regression", "median_absolute_error"): 1.0,
    # Of the errors 0 1 1 2 the 0.9-quantile lies between the third and the fourth.
    ("regression", "quantile_error_90"): 1.5,
    ("regression", "root_mean_squared_log_error"): math.sqrt(
        (math.log(3 / 2) ** 2 + math.log(3 / 4) ** 2 + math.log(9 / 7) ** 2) / 4
    ),
    ("regression", "symmetric_mape"): (2 / 3 + 0 + 2 / 5 + 4 / 14) / 4,
    ("regression", "interval_coverage"): 1 / 2,
    ("regression", "mean_squared_error_constant"): 14 / 4,
    ("regression", "root_mean_squared_error_constant"): math.sqrt(14 / 4),
    ("regression", "mean_absolute_error_constant"): 1.5,
    ("regression", "r2_score_constant"): 0.0,
    ("regression", "mean_absolute_error"): 1.0,
    ("regression", "mean_squared_error"): 1.5,
    ("regression", "root_mean_squared_error"): math.sqrt(1.5),
    ("regression", "r2_score"): 1 - 6 / 14,
    ("regression", "mean_absolute_percentage_error"): (1 + 0 + 1 / 3 + 2 / 6) / 4,
    ("regression", "mean_error"): 0.5,
}

EVERY_TASK = {
    # One group whose order is 0 1 1: relevant at ranks 2 and 3.
    "ndcg_at_k": (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3)),
    "map_at_k": (1 / 2 + 2 / 3) / 2,
    "mrr": 1 / 2,
    "hit_rate_at_k": 1.0,
    "label_coverage": 3 / 4,
    "label_duplicates": 2.0,
    "label_conflicts": 1.0,
    "label_delay_p50": 60.0,
    "label_delay_p95": 60.0,
}
EXPECTED |= {(task, name): value for task in ("binary", "multiclass", "regression") for name, value in EVERY_TASK.items()}
SETTINGS = Settings(costs=(1.0, 10.0, 0.0, 0.0))
COUNTED_IN_CELLS = {
    "median_absolute_error",
    "quantile_error_90",
    "mean_absolute_error_constant",
    "label_delay_p50",
    "label_delay_p95",
}


def scores(rows: Sequence[tuple[bool, float]]) -> ScoreState:
    return ScoreState.empty(GRID).update([label for label, _ in rows], [score for _, score in rows])


def confusion(rows: Sequence[tuple[int, int]]) -> ConfusionState:
    labels, predictions = (ClassCodes(np.array([row[side] for row in rows], dtype=np.int64), CLASSES) for side in (0, 1))
    return ConfusionState.empty().update(labels, predictions)


def regression(rows: Sequence[tuple[float, float]]) -> RegressionState:
    return RegressionState.empty().update([label for label, _ in rows], [prediction for _, prediction in rows])


def class_scores(rows: Sequence[tuple[int, float]]) -> ClassScoresState:
    """Scores of three classes, the given one for the true class and the rest for the first other one."""
    labels, given = np.array([row[0] for row in rows], dtype=np.int64), np.array([row[1] for row in rows], dtype=float)
    shown = np.zeros((len(rows), 3))
    for place, (label, score) in enumerate(zip(labels, given, strict=True)):
        shown[place, 1 if label == 0 else 0] = 1 - score
        shown[place, label] = score
    return ClassScoresState.empty(CLASSES).update(labels, shown)


def grouped(rows: Sequence[tuple[int, float]]) -> GroupedState:
    groups = np.repeat(np.arange(len(rows)), 2)
    scored = np.array([one for row in rows for one in (row[1], 0.5)], dtype=float)
    return GroupedState.empty(2).update(groups, scored, np.array([one for row in rows for one in (row[0], 0)], dtype=float))


def coverage(rows: Sequence[tuple[int, int]]) -> CoverageState:
    labelled = [row for row in rows if row[0]]
    return CoverageState(
        len(rows), len(labelled), sum(row[1] for row in labelled), 0, Magnitudes.of([row[1] for row in labelled])
    )


HOSTILE = [0.0, -0.0, 1.0, 0.5, 0.1, 5e-324, 1 - 1e-16, math.nan, math.inf, -math.inf, 2.0**53, -3.0, 1e300]
numbers = st.one_of(st.sampled_from(HOSTILE), st.floats(-10, 10), st.floats(0, 1))
MAKERS: dict[type, Callable[[Any], Any]] = {
    ScoreState: scores,
    ConfusionState: confusion,
    RegressionState: regression,
    ClassScoresState: class_scores,
    GroupedState: grouped,
    CoverageState: coverage,
}
ROWS: dict[type, st.SearchStrategy[Any]] = {
    ScoreState: st.tuples(st.booleans(), numbers),
    ConfusionState: st.tuples(st.integers(-1, 2), st.integers(-1, 2)),
    RegressionState: st.tuples(numbers, numbers),
    ClassScoresState: st.tuples(st.integers(0, 2), st.floats(0, 1)),
    GroupedState: st.tuples(st.integers(0, 3), st.floats(0, 1)),
    CoverageState: st.tuples(st.integers(0, 1), st.integers(0, 10**6)),
}
EVERYWHERE = [
    GroupedState.empty(3).update(np.array([1, 1, 1]), np.array([0.9, 0.5, 0.1]), np.array([0.0, 1.0, 1.0])),
    CoverageState(4, 3, 2, 1, Magnitudes.of([60.0, 60.0, 60.0])),
]
EXAMPLES = {
    "binary": [
        *EVERYWHERE,
        scores([(True, 0.9), (True, 0.6), (True, 0.3), (False, 0.6), (False, 0.2)]),
        ConfusionState.empty().update(canonical_labels([1, 1, 1, 0, 0]), canonical_labels([1, 1, 0, 1, 0])),
    ],
    "multiclass": [
        *EVERYWHERE,
        ConfusionState.empty().update(canonical_labels(list("aaabbc")), canonical_labels(list("aabbcc"))),
        class_scores([(0, 0.6), (1, 0.3), (2, 0.8)]),
    ],
    "regression": [
        *EVERYWHERE,
        RegressionState.empty().update(
            [1.0, 2.0, 3.0, 6.0], [2.0, 2.0, 2.0, 8.0], lower=np.array([1.0, 3.0, 0.0, 7.0]), upper=np.array([3.0, 4.0, 4.0, 9.0])
        ),
    ],
}

every_kind = pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.__name__)
every_metric = pytest.mark.parametrize(
    "metric", METRICS, ids=lambda metric: f"{metric.task} {metric.name} {metric.state.__name__}"
)


def same(first: Any, second: Any) -> bool:
    """Equal in every number: counts exactly, sums to 1e-12 of the largest, nan being equal to nan."""
    for name, value in vars(first).items():
        other = vars(second)[name]
        if is_dataclass(value) and name != "grid":
            if not same(value, other):
                return False
        elif name == "states":
            if not all(same(one, two) for one, two in zip(value, other, strict=True)):
                return False
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            if name in ("losses", "bin_scores", "bin_squares", "sums"):
                value, other = value.sum(axis=1), other.sum(axis=1)
            scale = np.max(np.abs(value[np.isfinite(value)]), initial=0.0)
            if not np.allclose(value, other, rtol=1e-12, atol=1e-12 * scale, equal_nan=True):
                return False
        elif isinstance(value, np.ndarray):
            if not np.array_equal(value, other):
                return False
        elif isinstance(value, float):
            if not (math.isclose(value, other, rel_tol=1e-12) or (math.isnan(value) and math.isnan(other))):
                return False
        elif name != "grid" and value != other:
            return False
    return True


def restored(state: Any) -> Any:
    return type(state).from_bytes(state.to_bytes(), *([state.grid] if isinstance(state, ScoreState) else []))


@every_kind
@laws
@given(data=st.data())
def test_parts_merged_in_any_grouping_and_order_equal_the_whole(kind: type, data: st.DataObject) -> None:
    # Infinite sums of central moments depend on the order in which they overflow; they are only used for intervals.
    rows = [
        row for row in data.draw(st.lists(ROWS[kind], max_size=40)) if not any(abs(x) > 1e100 and math.isfinite(x) for x in row)
    ]
    whole, cuts = MAKERS[kind](rows), sorted(data.draw(st.lists(st.integers(0, len(rows)), min_size=3, max_size=3)))
    parts = [MAKERS[kind](rows[start:end]) for start, end in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    left = reduce(lambda a, b: a.merge(b), data.draw(st.permutations(parts)))
    right = reduce(lambda a, b: b.merge(a), parts)
    one_by_one = reduce(lambda a, b: a.merge(MAKERS[kind]([b])), rows, MAKERS[kind]([]))
    assert all(same(state, whole) for state in (left, right, one_by_one))


@every_kind
@laws
@given(data=st.data())
def test_empty_is_neutral_and_bytes_bring_the_state_back(kind: type, data: st.DataObject) -> None:
    state = MAKERS[kind](data.draw(st.lists(ROWS[kind], max_size=30)))
    empty = MAKERS[kind]([])
    assert same(state.merge(empty), state)
    assert same(empty.merge(state), state)
    assert same(restored(state), state)
    assert restored(state).to_bytes() == state.to_bytes()


@every_kind
@laws
@given(data=st.data())
def test_wrong_bytes_are_refused_with_a_state_error_or_read_as_a_valid_state(kind: type, data: st.DataObject) -> None:
    good = MAKERS[kind](data.draw(st.lists(ROWS[kind], min_size=1, max_size=10))).to_bytes()
    place, flip = data.draw(st.integers(0, len(good) - 1)), data.draw(st.integers(1, 255))
    bad = bytes([*good[:place], good[place] ^ flip, *good[place + 1 :]])
    for hostile in (bad, good[:place], b"", data.draw(st.binary(max_size=60)), pack("OTHR", {}, {})):
        try:
            state = kind.from_bytes(hostile, *([GRID] if kind is ScoreState else []))  # type: ignore[attr-defined]
        except StateError:
            continue
        assert state.count >= 0


@every_kind
@pytest.mark.parametrize("tag", ["SCOR", "CONF", "REGR"])
def test_bytes_with_missing_or_mistyped_parts_are_refused(kind: type, tag: str) -> None:
    contents: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"grid": GRID.grid_id, "out_of_range": -1}, {}),
        ({"grid": GRID.grid_id, "out_of_range": 0}, {"positives": np.zeros(3)}),
        ({"classes": ["b", "a"], "matches": 0, "unpredicted": 0, "overflowed": False}, _pairs([0], [1], [1])),
        ({"classes": ["a"], "matches": 9, "unpredicted": 0, "overflowed": False}, _pairs([0], [0], [1])),
        ({"classes": ["a"], "matches": 0, "unpredicted": 0, "overflowed": False}, _pairs([7], [0], [1])),
        ({"classes": ["a"], "matches": 0, "unpredicted": 0, "overflowed": False}, _pairs([0], [0], [-1])),
        ({"classes": 3, "matches": "x"}, _pairs([0], [0], [1])),
        ({}, {"totals": np.array([1, 0, 0, 5]), "range": np.zeros(2), "sums": np.zeros(16), "central": np.zeros(4)}),
    ]
    for meta, arrays in contents:
        with pytest.raises(StateError):
            kind.from_bytes(pack(tag, meta, arrays), *([GRID] if kind is ScoreState else []))  # type: ignore[attr-defined]


def _pairs(labels: list[int], predictions: list[int], rows: list[int]) -> dict[str, Any]:
    return {name: np.array(values) for name, values in (("labels", labels), ("predictions", predictions), ("counts", rows))}


def test_states_on_different_grids_are_not_merged_and_not_read() -> None:
    state, other = ScoreState.empty(GRID), ScoreState.empty(Grid.of([0.3]))
    with pytest.raises(StateError, match="cannot be merged"):
        state.merge(other)
    with pytest.raises(StateError, match="was made on grid"):
        ScoreState.from_bytes(state.to_bytes(), other.grid)


def test_every_metric_has_an_expected_value_and_a_description() -> None:
    assert {(metric.task, metric.name) for metric in METRICS} == set(EXPECTED)
    assert all(metric.description.endswith(".") and metric.lowest < metric.highest for metric in METRICS)


@every_metric
def test_the_worked_example_comes_out(metric: TaskMetric) -> None:
    state = next(state for state in EXAMPLES[metric.task] if isinstance(state, metric.state))
    expected = EXPECTED[metric.task, metric.name]
    wanted = expected if isinstance(expected, dict) else {None: expected}
    found = {key: interval.value for key, interval in metric.of(state, SETTINGS).items()}
    assert found == pytest.approx(wanted, rel=0.006 if metric.name in COUNTED_IN_CELLS else 1e-12)


@every_metric
@laws
@given(data=st.data())
def test_an_interval_holds_its_value_and_stays_in_the_metrics_range(metric: TaskMetric, data: st.DataObject) -> None:
    rows = data.draw(st.lists(ROWS[metric.state], max_size=40))
    for interval in metric.of(MAKERS[metric.state](rows), SETTINGS).values():
        assert_sound(interval, metric)


def assert_sound(interval: MetricValue, metric: TaskMetric) -> None:
    fields = (interval.value, interval.value_error, interval.lower, interval.upper)
    assert all(field is None or math.isfinite(field) for field in fields)
    if interval.value is None:
        assert fields == (None,) * 4
        assert interval.status != OK
        assert interval.message
        assert interval.message.endswith(".")
        return
    assert interval.status == OK
    assert interval.value_error is not None
    assert interval.value_error >= 0.0
    assert metric.lowest <= interval.value <= metric.highest
    assert interval.lower is None or metric.lowest <= interval.lower <= max(interval.value - interval.value_error, metric.lowest)
    assert (
        interval.upper is None or min(interval.value + interval.value_error, metric.highest) <= interval.upper <= metric.highest
    )


@every_metric
def test_without_a_labelled_row_every_metric_says_so(metric: TaskMetric) -> None:
    if metric.state is CoverageState:
        return  # it says how many labels there are
    assert {interval.status for interval in metric.of(MAKERS[metric.state]([]), SETTINGS).values()} <= {NO_LABELS}


@every_metric
def test_labelled_rows_without_a_prediction_are_no_value(metric: TaskMetric) -> None:
    if metric.state not in (ScoreState, ConfusionState, RegressionState):
        return
    nothing = {ScoreState: [(True, math.nan)], ConfusionState: [(1, -1)], RegressionState: [(1.0, math.nan)]}
    statuses = {interval.status for interval in metric.of(MAKERS[metric.state](nothing[metric.state]), SETTINGS).values()}
    known_without_score = metric.name == "base_rate" and metric.state is ScoreState
    assert statuses <= ({OK} if known_without_score else {ALL_NULL})


@every_metric
def test_a_state_of_another_kind_is_refused(metric: TaskMetric) -> None:
    other = RegressionState.empty() if metric.state is not RegressionState else ConfusionState.empty()
    with pytest.raises(TypeError, match=metric.name):
        metric.of(other)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression", "none"])
def test_every_metric_of_a_task_is_presented_once_per_class(task: str) -> None:
    rows = present(task, *EXAMPLES.get(task, []), settings=SETTINGS)
    assert {row["metric"] for row in rows} == {metric.name for metric in METRICS if metric.task == task}
    keys = [(row["metric"], row["class"]) for row in rows]
    assert len(set(keys)) == len(keys)
    columns = ["metric", "class", "value", "value_error", "lower", "upper", "count", "status", "message"]
    assert all(list(row) == columns for row in rows)
