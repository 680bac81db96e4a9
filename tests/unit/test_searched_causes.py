"""A fall that lies in a slice which the monitor's file does not name: a bin of a feature, or a cross."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from test_causes import FALLEN, fall

from spark_monitor.diagnosis.causes import causes_of
from spark_monitor.diagnosis.falls import Score
from spark_monitor.diagnosis.groups import Slice
from spark_monitor.diagnosis.slice_causes import searched_causes, stands_out

Scores = dict[Slice, Score]
BINS = ("(-inf, 1]", "(1, 2]", "(2, 3]", "(3, inf)")


def of_features(features: int, value: float, error: float = 0.01, **own: float) -> Scores:
    """Every feature cut in four bins of 250 rows; ``own`` are values of the last bins by the features' names."""
    return {
        (f"x{place}", name): Score(own.get(f"x{place}", value) if name == BINS[-1] else value, 250, error)
        for place in range(features)
        for name in BINS
    }


def test_the_bin_in_which_a_model_fell_is_named_and_takes_no_share() -> None:
    slices: dict[Slice, tuple[float, float]] = {("shop", "a"): (0.8, 500), ("shop", "b"): (0.8, 500)}
    fallen = {one: (0.7, count) for one, (_, count) in slices.items()}
    both = {"searched_now": of_features(3, 0.8, x1=0.4), "searched_before": of_features(3, 0.8)}
    numbers = fall(fallen, slices, **both)
    (cause,) = searched_causes(numbers)
    assert (cause.kind, cause.what, cause.share) == ("slice", "x1 = (3, inf)", None)
    assert "(25.0 % of the rows): accuracy_score 0.800 to 0.400, 100.0 % of the change" in cause.sentence
    causes = causes_of(FALLEN, [FALLEN], numbers)
    assert causes[0] == cause
    assert sum(one.share or 0 for one in causes) == pytest.approx(1.0)


def test_nothing_is_named_where_all_bins_fell_alike_or_the_model_does_better() -> None:
    slices: dict[Slice, tuple[float, float]] = {("shop", "a"): (0.8, 1000)}
    fallen: dict[Slice, tuple[float, float]] = {("shop", "a"): (0.7, 1000)}
    alike = {"searched_now": of_features(3, 0.7), "searched_before": of_features(3, 0.8)}
    assert searched_causes(fall(fallen, slices, **alike)) == []
    risen = fall(slices, fallen, searched_now=of_features(3, 0.8, x1=1.0), searched_before=of_features(3, 0.8))
    assert "x1 = (3, inf)" not in {one.what for one in causes_of(FALLEN, [FALLEN], risen)}
    assert searched_causes(fall(fallen, slices)) == []


def test_of_many_bins_none_stands_out_by_chance() -> None:
    """Where every bin falls alike and each is measured with noise as large as the fall, one is named as seldom as of a dozen."""
    dice, named = np.random.default_rng(11), 0
    slices: dict[Slice, tuple[float, float]] = {("shop", "a"): (0.8, 1000)}
    fallen: dict[Slice, tuple[float, float]] = {("shop", "a"): (0.78, 1000)}
    for _ in range(400):
        now, before = (
            {one: Score(value + dice.normal(0, 0.02), 250, 0.02) for one in of_features(12, value)} for value in (0.78, 0.8)
        )
        named += bool(searched_causes(fall(fallen, slices, searched_now=now, searched_before=before)))
    # One of the bins may be named for a large part of a fall that is noise itself, 12 of 1,000 times at most.
    assert named <= 0.012 * 400 + 3 * np.sqrt(0.012 * 400)


def test_the_bound_of_what_stands_out_is_that_of_a_dozen() -> None:
    for looked_at in (12, 48, 500):
        assert looked_at * norm.sf(stands_out(looked_at)) == pytest.approx(12 * norm.sf(3.0))
    assert stands_out(3) == pytest.approx(3.0)
