"""Shifts of labels and of the model's predictions against numpy and scipy on the rows themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp

from spark_monitor.distances.class_shares import shares_moved
from spark_monitor.distances.label_shift import LabelBlock, label_shift
from spark_monitor.distances.prediction_shift import prediction_shift
from spark_monitor.kernel.scored_states import CONFUSION, COVERAGE, REGRESSION
from spark_monitor.stages.first_pass import grid_of
from spark_monitor.stages.label_shifts import label_rows
from spark_monitor.states.categorical import CategoricalState, Categories
from spark_monitor.states.categorical_block import CategoricalBlock
from spark_monitor.states.classes import canonical_labels
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grid import Grid
from spark_monitor.states.numeric import NumericState
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.regression import RegressionState

PLACE = ("1 day", 0, 1, None, None, "1")


def variation(before: np.ndarray, now: np.ndarray) -> float:
    names = np.union1d(before, now)
    return float(sum(abs((before == name).mean() - (now == name).mean()) for name in names) / 2)


def numbers(before: np.ndarray, now: np.ndarray) -> tuple[NumericBlock, NumericBlock]:
    grid = grid_of(NumericState.empty(Grid.trivial()).update(before))
    return tuple(NumericBlock.of([NumericState.empty(grid).update(side)]) for side in (before, now))  # type: ignore[return-value]


@pytest.mark.parametrize("classes", [2, 7])
def test_classes_that_are_numbers_or_texts_are_held_against_by_total_variation(classes: int) -> None:
    generator = np.random.default_rng(classes)
    before, now = generator.integers(0, classes, 3_000), generator.binomial(classes, 0.4, 900)
    found = prediction_shift(*numbers(before.astype(float), now.astype(float)))
    assert found.value[0] == pytest.approx(variation(before, now), abs=1e-12)
    categories = Categories(tuple(str(one) for one in range(classes + 1)))
    sides = [
        CategoricalBlock.of([CategoricalState.empty(categories).update(pa.array(side.astype(str)))]) for side in (before, now)
    ]
    assert prediction_shift(*sides).value[0] == pytest.approx(variation(before, now), abs=1e-12)


def test_scores_are_held_against_by_the_distance_of_kolmogorov_and_smirnov() -> None:
    generator = np.random.default_rng(3)
    before, now = generator.beta(2, 3, 20_000), generator.beta(2, 2.5, 5_000)
    found = prediction_shift(*numbers(before, now))
    assert found.value_error is not None
    assert abs(found.value[0] - ks_2samp(before, now).statistic) <= found.value_error[0] + 1e-12
    assert found.lower is not None
    assert found.lower[0] > 0


@pytest.mark.parametrize("classes", [2, 5])
def test_intervals_of_class_shares_hold_the_truth(classes: int) -> None:
    generator = np.random.default_rng(20 + classes)
    p, q = generator.dirichlet(np.ones(classes) * 4, 2)
    truth = np.abs(p - q).sum() / 2
    before, now = generator.multinomial(5_000, p, 2_000), generator.multinomial(400, q, 2_000)
    _, lower, upper = shares_moved(before, now)
    assert np.mean((lower <= truth) & (upper >= truth)) >= 0.93


def test_one_class_that_doubled_is_surely_further_off_than_chance_and_none_is_where_nothing_changed() -> None:
    generator = np.random.default_rng(5)
    p, q = np.array([0.37, 0.33, 0.2, 0.1]), np.array([0.33, 0.3, 0.17, 0.2])
    before, same, doubled = (
        generator.multinomial(17_000, p, 500),
        generator.multinomial(700, p, 500),
        generator.multinomial(700, q, 500),
    )
    _, lower, _ = shares_moved(before, doubled)
    assert np.mean(lower > 0.03) > 0.9
    assert (lower <= np.abs(p - q).sum() / 2).mean() > 0.97
    assert (shares_moved(before, same)[1] == 0).mean() > 0.97


def kinds(number: int, state: Any, labelled: int) -> dict[int, Any]:
    return {
        COVERAGE: CoverageState.empty().update(rows=labelled + 5, labelled=labelled, duplicates=0, conflicts=0),
        number: state,
    }


def test_labels_of_classes_and_of_numbers_are_compared_and_absence_is_a_status() -> None:
    generator = np.random.default_rng(9)
    before, now = generator.choice(["a", "b", "c"], 2_000, p=[0.5, 0.3, 0.2]), generator.choice(["a", "c", "d"], 500)
    states = [
        kinds(CONFUSION, ConfusionState.empty().update(*[canonical_labels(pa.array(side))] * 2), side.size)
        for side in (before, now)
    ]
    (row,) = label_rows(PLACE, states[1], states[0])
    assert row["value"] == pytest.approx(variation(before, now), abs=1e-12)
    assert (row["metric"], row["family"], row["column_name"], row["count"]) == ("label_shift", "drift", ":table", 500)
    first, second = generator.normal(10, 2, 3_000), generator.normal(11, 2, 800)
    numbered = [kinds(REGRESSION, RegressionState.empty().update(side, side), side.size) for side in (first, second)]
    (row,) = label_rows(PLACE, numbered[1], numbered[0])
    assert row["value"] == pytest.approx(abs(second.mean() - first.mean()) / first.std(ddof=1), rel=1e-9)
    (row,) = label_rows(PLACE, states[1], {})
    assert (row["status"], row["value"]) == ("NO_BASELINE", None)
    (row,) = label_rows(PLACE, kinds(CONFUSION, ConfusionState.empty(), 0), states[0])
    assert (row["status"], row["value"]) == ("NO_LABELS", None)


def test_the_interval_of_a_shift_of_means_holds_the_truth() -> None:
    generator = np.random.default_rng(10)
    inside = []
    for _ in range(500):
        before, now = generator.normal(0, 1, 400), generator.normal(0.5, 1, 200)
        blocks = [
            LabelBlock(np.array([one.size]), mean=np.array([one.mean()]), deviation=np.array([one.std(ddof=1)]))
            for one in (before, now)
        ]
        found = label_shift(*blocks)
        assert found.lower is not None
        assert found.upper is not None
        inside.append(found.lower[0] <= 0.5 <= found.upper[0])
    assert 0.92 <= np.mean(inside) <= 0.99


def test_labels_without_a_prediction_are_not_counted() -> None:
    generator = np.random.default_rng(5)
    before, now = generator.normal(10, 2, 40), generator.normal(11, 2, 30)
    half = np.where(np.arange(40) < 20, 10.0, np.nan)
    baseline, current = RegressionState.empty().update(before, half), RegressionState.empty().update(now, now)
    (row,) = label_rows(PLACE, kinds(REGRESSION, current, 30), kinds(REGRESSION, baseline, 40))
    assert row["value"] == pytest.approx(abs(now.mean() - before[:20].mean()) / before[:20].std(ddof=1), rel=1e-12)
    nothing = RegressionState.empty().update(now, np.full(30, np.nan))
    (row,) = label_rows(PLACE, kinds(REGRESSION, nothing, 30), kinds(REGRESSION, baseline, 40))
    assert (row["status"], row["value"], row["message"]) == ("UNDEFINED", None, "No labelled row has a prediction.")
    (row,) = label_rows(PLACE, kinds(REGRESSION, current, 30), kinds(REGRESSION, nothing, 30))
    assert row["status"] == "NO_BASELINE"
