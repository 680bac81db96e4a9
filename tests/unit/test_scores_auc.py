"""The certified area under the ROC curve against scikit-learn's, which sees every row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score as area_of_rows

from spark_monitor.scores.ranking import hanley_mcneil_variance, roc_auc_score
from spark_monitor.states.grid import Grid
from spark_monitor.states.scores import ScoreState, default_score_grid, score_grid

ROUNDING = 1e-12
laws = settings(deadline=None, max_examples=150)

ties = st.sampled_from([0.0, -0.0, 0.1, 0.25, 0.3, 0.31, 0.5, 1.0, -2.0, 7.0, 1e300, -1e300, np.inf, -np.inf, 5e-324])
some_scores = st.one_of(ties, st.floats(0, 1), st.floats(-5, 5))
some_rows = st.lists(st.tuples(st.booleans(), some_scores), min_size=2, max_size=60).filter(
    lambda rows: len({y for y, _ in rows}) == 2
)
some_grid = st.lists(st.floats(-3, 3), max_size=8).map(Grid.of)


def certified(labels: np.ndarray, scores: np.ndarray, grid: Grid) -> tuple[float, float]:
    found = roc_auc_score(ScoreState.empty(grid).update(labels, scores))
    assert found.value is not None
    assert found.value_error is not None
    return found.value, found.value_error


def ranks(scores: np.ndarray) -> np.ndarray:
    """The same order as integers: scikit-learn refuses infinite scores."""
    return np.unique(scores, return_inverse=True)[1].astype(float)


@laws
@given(rows=some_rows, grid=some_grid)
def test_the_area_of_the_rows_lies_within_the_stated_error(rows: list[tuple[bool, float]], grid: Grid) -> None:
    labels, scores = np.array([y for y, _ in rows]), np.array([s for _, s in rows])
    value, error = certified(labels, scores, grid)
    assert abs(value - area_of_rows(labels, ranks(scores))) <= error + ROUNDING


@laws
@given(rows=some_rows, grid=some_grid, cut=st.integers(0, 60))
def test_the_area_of_merged_parts_is_that_of_the_whole(rows: list[tuple[bool, float]], grid: Grid, cut: int) -> None:
    labels, scores = np.array([y for y, _ in rows]), np.array([s for _, s in rows])
    parts = (
        ScoreState.empty(grid).update(labels[:cut], scores[:cut]).merge(ScoreState.empty(grid).update(labels[cut:], scores[cut:]))
    )
    merged = roc_auc_score(parts)
    assert merged.value is not None
    assert merged.value_error is not None
    assert abs(merged.value - area_of_rows(labels, ranks(scores))) <= merged.value_error + ROUNDING


@pytest.mark.parametrize("shape", ["even", "peaked", "tails", "ties"])
def test_a_grid_of_the_baselines_quantiles_leaves_an_error_of_at_most_a_thousandth(shape: str) -> None:
    draw = np.random.default_rng(17)
    scores = {
        "even": draw.random(50_000),
        "peaked": draw.beta(2, 40, 50_000),
        "tails": 1 / (1 + np.exp(-6 * draw.normal(size=50_000))),
        "ties": np.round(draw.beta(2, 5, 50_000), 2),
    }[shape]
    labels = draw.random(50_000) < scores
    grid = Grid.of(np.quantile(scores, np.linspace(0, 1, 1023)))
    value, error = certified(labels, scores, grid)
    assert error <= 0.001
    assert abs(value - area_of_rows(labels, scores)) <= error + ROUNDING


@pytest.mark.parametrize("power", [0.2, 1.0, 5.0])
def test_scores_that_moved_away_from_the_baseline_keep_a_small_error_on_the_joined_grid(power: float) -> None:
    draw = np.random.default_rng(5)
    baseline = draw.beta(30, 30, 50_000)
    scores = draw.random(50_000) ** power
    labels = draw.random(50_000) < scores
    value, error = certified(labels, scores, score_grid(Grid.of(np.quantile(baseline, np.linspace(0, 1, 1023)))))
    assert error <= 0.001
    assert abs(value - area_of_rows(labels, scores)) <= error + ROUNDING


def test_a_model_with_few_distinct_scores_is_exact_although_none_of_them_is_an_edge() -> None:
    draw = np.random.default_rng(2)
    leaves = draw.random(40)
    scores = draw.choice(leaves, 20_000)
    labels = draw.random(20_000) < scores
    state = ScoreState.empty(default_score_grid())
    for part in np.array_split(np.arange(20_000), 7):
        state = state.merge(ScoreState.empty(state.grid).update(labels[part], scores[part]))
    found = roc_auc_score(state)
    assert found.value_error == 0.0
    assert found.value == pytest.approx(area_of_rows(labels, scores), abs=ROUNDING)


def test_a_constant_score_ranks_nothing_and_is_certain() -> None:
    labels = np.arange(100) % 4 == 0
    assert certified(labels, np.full(100, 0.123456), default_score_grid()) == (0.5, 0.0)


def test_the_counts_of_pairs_may_exceed_64_bits() -> None:
    state = ScoreState.empty(Grid.of([0.5])).update([True, False, True, False], [0.5, 0.5, 0.9, 0.1])
    for _ in range(40):
        state = state.merge(state)
    found = roc_auc_score(state)
    assert found.value == 0.875
    assert found.count == 4 * 2**40


def test_perfect_ranking_of_few_rows_is_not_believed_to_be_perfect() -> None:
    few = roc_auc_score(ScoreState.empty().update([True] * 5 + [False] * 5, [0.9] * 5 + [0.1] * 5))
    many = roc_auc_score(ScoreState.empty().update([True] * 500 + [False] * 500, [0.9] * 500 + [0.1] * 500))
    assert few.value == many.value == 1.0
    assert few.lower is not None
    assert many.lower is not None
    assert 0.5 < few.lower < 0.9 < many.lower < 1.0


def test_one_row_of_a_kind_gives_a_wide_interval_and_none_gives_no_value() -> None:
    lone = roc_auc_score(ScoreState.empty().update([True, False, False], [0.5, 0.4, 0.6]))
    assert (lone.value, lone.status) == (0.5, "OK")
    assert lone.lower is not None
    assert lone.upper is not None
    assert lone.upper - lone.lower > 0.8
    alone = roc_auc_score(ScoreState.empty().update([True, True], [0.5, 0.4]))
    assert (alone.value, alone.status, alone.message) == (
        None,
        "UNDEFINED",
        "There are no negatives among the 2 labelled rows with a score.",
    )


def test_hanley_and_mcneils_variance_is_that_of_exponential_scores() -> None:
    # Their formula is exact where scores are exponential: P(positive > negative) = 1 / (1 + rate) = 0.8.
    draw = np.random.default_rng(1)
    positives, negatives = draw.exponential(4.0, (4000, 12, 1)), draw.exponential(1.0, (4000, 1, 30))
    areas = (positives > negatives).mean(axis=(1, 2))
    assert areas.mean() == pytest.approx(0.8, abs=0.005)
    assert hanley_mcneil_variance(0.8, 12, 30) == pytest.approx(areas.var(), rel=0.08)
