"""The states of predictions against labels, against plain numpy and exact fractions."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_monitor.errors import StateError
from spark_monitor.scores.classification import accuracy_score
from spark_monitor.scores.multiclass import precision_macro
from spark_monitor.states import class_scores
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.error_powers import ABSOLUTE, ERROR, SQUARED
from spark_monitor.states.grid import Grid
from spark_monitor.states.probabilities import BRIER, CALIBRATION_BINS, LOG_LOSS
from spark_monitor.states.scores import (
    MAX_CLASSES,
    OTHER,
    ClassCodes,
    ConfusionState,
    RegressionState,
    ScoreState,
    canonical_labels,
    default_score_grid,
)
from spark_monitor.states.sums import add_pairs, pair_of, squared_deviations, squares

laws = settings(deadline=None, max_examples=200)
moderate = st.floats(-1e100, 1e100, allow_subnormal=True)


def exact(values: list[float]) -> Fraction:
    return sum((Fraction(value) for value in values), Fraction(0))


@laws
@given(values=st.lists(moderate, max_size=30), repeat=st.sampled_from([1, 40]), cut=st.integers(0, 30))
def test_a_sum_is_the_exact_one_rounded_once(values: list[float], repeat: int, cut: int) -> None:
    whole = values * repeat
    size = sum(abs(Fraction(value)) for value in whole)
    parts = add_pairs(pair_of(np.array(whole[:cut])), pair_of(np.array(whole[cut:])))
    for total, lost in (pair_of(np.array(whole)), parts):
        assert abs(Fraction(float(total)) + Fraction(float(lost)) - exact(whole)) <= size * Fraction(1, 2**95)


@laws
@given(values=st.lists(st.floats(-1e6, 1e6).map(lambda x: x + 1e9), min_size=1, max_size=50))
def test_squared_deviations_do_not_cancel(values: list[float]) -> None:
    array, mean = np.array(values), exact(values) / len(values)
    truth = float(sum((Fraction(value) - mean) ** 2 for value in values))
    found = squared_deviations(pair_of(array), pair_of(*squares(array)), array.size)
    # Sums are good to 2^-104 of the squares' sum, about 50 * 10^18.
    assert found == pytest.approx(truth, rel=1e-12, abs=50e18 * 2.0**-100)


def test_sums_beyond_the_largest_double_are_infinite_and_stay_so() -> None:
    huge = pair_of(np.array([1e308, 1e308]))
    assert huge.tolist() == [math.inf, 0.0]
    assert add_pairs(huge, pair_of(np.array([-1e308, -1e308]))).tolist() == [math.inf, 0.0]
    assert squared_deviations(huge, huge, 2) == math.inf
    assert squared_deviations(huge, huge, 0) == 0.0


def test_sums_do_not_depend_on_how_two_million_rows_are_cut() -> None:
    draw = np.random.default_rng(6)
    labels, scores = draw.random(2_000_000) < 0.3, draw.random(2_000_000)
    whole = ScoreState.empty(default_score_grid()).update(labels, scores)
    parts = [
        ScoreState.empty(whole.grid).update(labels[part], scores[part]) for part in np.array_split(np.arange(labels.size), 13)
    ]
    merged = parts[7]
    for part in parts[:7] + parts[8:]:
        merged = part.merge(merged)
    assert merged.losses[:, 0].tolist() == whole.losses[:, 0].tolist()
    assert merged.losses[LOG_LOSS, 0] == pytest.approx(math.fsum(-np.log(np.where(labels, scores, 1 - scores))), rel=1e-15)
    assert merged.losses[BRIER, 0] == pytest.approx(math.fsum((labels - scores) ** 2), rel=1e-15)


@laws
@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.one_of(st.sampled_from([0.0, 0.5, 1.0, math.nan, math.inf, -math.inf]), st.floats(-1, 2)))
    ),
    edges=st.lists(st.floats(-1, 2), max_size=6),
)
def test_every_row_is_counted_in_the_cell_of_its_score(rows: list[tuple[bool, float]], edges: list[float]) -> None:
    grid = Grid.of(edges)
    state = ScoreState.empty(grid).update([y for y, _ in rows], [s for _, s in rows])
    for wanted, counts in ((True, state.positives), (False, state.negatives)):
        scores = [s for y, s in rows if y is wanted and not math.isnan(s)]
        for place, edge in enumerate(grid.edges):
            low = grid.edges[place - 1] if place else -math.inf
            assert counts[2 * place + 1] == sum(s == edge for s in scores)
            assert counts[2 * place] == sum((low < s < edge) or (s == low == -math.inf) for s in scores)
        assert counts[-1] == sum(s > grid.edges[-1] for s in scores)
        assert state.unscored[int(wanted)] == sum(y is wanted and math.isnan(s) for y, s in rows)
    assert state.out_of_range == sum(not 0 <= s <= 1 for _, s in rows if not math.isnan(s))


@laws
@given(parts=st.lists(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.7]), max_size=4), max_size=5))
def test_a_cell_knows_its_only_score(parts: list[list[float]]) -> None:
    state = ScoreState.empty(Grid.of([0.5]))
    for part in parts:
        state = state.merge(ScoreState.empty(state.grid).update([True] * len(part), part))
    for cell, inside in ((1, {0.1, 0.2}), (2, {0.7})):
        seen = {score for part in parts for score in part} & inside
        only = state.atoms[cell]
        assert (seen == {only}) if len(seen) == 1 else math.isnan(only)


def test_scores_on_the_border_of_two_bins_belong_to_the_lower_one() -> None:
    inner = np.linspace(0, 1, CALIBRATION_BINS + 1)[1:-1]
    state = ScoreState.empty().update([True] * 11, [0.0, *inner, 1.0])
    assert state.bin_counts.tolist() == [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]


def test_a_slice_of_a_thousand_rows_is_small() -> None:
    draw = np.random.default_rng(1)
    state = ScoreState.empty(default_score_grid()).update(draw.random(1000) < 0.5, draw.beta(2, 2, 1000))
    assert len(state.to_bytes()) < 8192
    assert state.nbytes < 64 << 10


def test_labels_and_scores_of_different_length_are_refused() -> None:
    with pytest.raises(StateError, match="2 labels and 1 scores"):
        ScoreState.empty().update([True, False], [0.5])
    with pytest.raises(StateError, match="2 labels and 1 predictions"):
        RegressionState.empty().update([1.0, 2.0], [0.5])
    with pytest.raises(StateError, match="2 labels and 1 predictions"):
        ConfusionState.empty().update(canonical_labels([1, 2]), canonical_labels([1]))
    with pytest.raises(StateError, match="outside the 1 classes"):
        ClassCodes(np.array([1]), ("a",))


names = st.sampled_from(["a", "b", "c", "", "0", "1", None])


@laws
@given(rows=st.lists(st.tuples(names, names), max_size=40))
def test_confusions_are_counted_by_pair(rows: list[tuple[str | None, str | None]]) -> None:
    state = ConfusionState.empty().update(canonical_labels([a for a, _ in rows]), canonical_labels([b for _, b in rows]))
    pairs = Counter((a, b) for a, b in rows if a is not None and b is not None)
    assert {(a, b): state.cell(a, b) for a, b in pairs} == pairs
    assert state.count == sum(pairs.values())
    assert state.matches == sum(count for (a, b), count in pairs.items() if a == b)
    assert state.unpredicted == sum(a is not None and b is None for a, b in rows)
    assert state.matrix.sum() == state.count
    assert state.cell("a", "never seen") == 0


def test_beyond_the_limit_classes_are_other_in_whatever_order_they_come_and_accuracy_is_exact() -> None:
    draw = np.random.default_rng(9)
    labels = np.array([f"class {number:05d}" for number in draw.integers(0, 3000, 20_000)])
    guess = np.where(draw.random(20_000) < 0.6, labels, draw.permutation(labels))

    def of(rows: np.ndarray) -> ConfusionState:
        return ConfusionState.empty().update(canonical_labels(labels[rows].tolist()), canonical_labels(guess[rows].tolist()))

    parts = [of(part) for part in np.array_split(draw.permutation(20_000), 6)]
    forward, backward = ConfusionState.empty(), ConfusionState.empty()
    for part in parts:
        forward, backward = forward.merge(part), part.merge(backward)
    assert forward.to_bytes() == backward.to_bytes() == of(np.arange(20_000)).to_bytes()
    kept = sorted(set(labels) | set(guess))[:MAX_CLASSES]
    assert list(forward.classes) == kept
    assert forward.overflowed
    assert forward.labelled[:-1].tolist() == [np.count_nonzero(labels == name) for name in kept]
    assert forward.correct[-1] == np.count_nonzero((labels == guess) & ~np.isin(labels, kept))
    assert accuracy_score(forward).value == np.mean(labels == guess)
    refused = precision_macro(forward)
    assert (refused.value, refused.status) == (None, "UNSUPPORTED")
    assert forward.name(-1) == OTHER


def test_moments_about_the_mean_survive_merging_far_from_zero() -> None:
    draw = np.random.default_rng(3)
    labels = 1e5 + draw.gamma(2.0, size=9000)
    errors = draw.normal(size=9000)
    state = RegressionState.empty()
    for part in np.array_split(np.arange(9000), 9):
        state = state.merge(RegressionState.empty().update(labels[part], labels[part] + errors[part]))
    error = (labels + errors) - labels
    deviations = labels - labels.mean()
    expected = [np.sum(deviations**3), np.sum(deviations**4), np.sum(error**2 * deviations), np.sum(error**2 * deviations**2)]
    assert state.central.tolist() == pytest.approx(expected, rel=1e-7, abs=1e-5)
    assert state.label_m2 == pytest.approx(np.sum(deviations**2), rel=1e-12)
    sums = [math.fsum(error), math.fsum(np.abs(error)), math.fsum(error**2)]
    assert [state.total(power) for power in (ERROR, ABSOLUTE, SQUARED)] == sums
    assert (state.minimum, state.maximum) == (error.min(), error.max())


def test_a_weighted_state_without_a_positive_row_is_read_back() -> None:
    weights = np.array([0.5, 2.0])
    for state in (
        ScoreState.empty().update([False, False], [0.2, 0.7], weights=weights),
        ScoreState.empty().update([], [], weights=np.zeros(0)),
    ):
        assert ScoreState.from_bytes(state.to_bytes(), state.grid).bin_positives.tolist() == state.bin_positives.tolist()
    classes = ClassScoresState.empty(("a", "b", "c"))
    several = classes.update(np.array([0, 1]), np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]), weights=weights)
    assert ClassScoresState.from_bytes(several.to_bytes()).labelled.tolist() == [0.5, 2.0, 0.0]


def test_ranks_of_more_rows_than_can_be_counted_are_refused() -> None:
    some = ClassScoresState.empty(("a", "b")).update(np.array([0]), np.array([[0.3, 0.7]]))
    meta, arrays = unpack(some.to_bytes(), class_scores.TAG)
    damaged = pack(class_scores.TAG, meta, arrays | {"ranks": np.array([1e308, 0.0])})

    with pytest.raises(StateError, match="more rows than can be counted"):
        ClassScoresState.from_bytes(damaged)
