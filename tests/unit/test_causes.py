"""Causes of a model's fall: shares that add up, and the first cause first."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.diagnosis.causes import causes_of, is_concept_drift
from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.falls import Fall, Score
from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import WHOLE, Failing, Group, Slice, of_checks
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.slice_causes import slice_causes


def problem(check: Failing, finding: Finding = DRIFT, kind: str = "drift", *, start: int = 5) -> Problem:
    name = check.column or ":table"
    group: Group = of_checks(check, start=start, end=start + 1, name=name)
    return Problem([Episode(finding, [group])], kind)


FALLEN = problem(Failing("m", "accuracy_score", family="model", value=0.6, expected=">= 0.7"), kind="performance")


def fall(now: dict[Slice, tuple[float, float]], before: dict[Slice, tuple[float, float]], **about: object) -> Fall:
    def whole(scores: dict[Slice, tuple[float, float]]) -> Score:
        rows = sum(count for _, count in scores.values())
        return Score(sum(value * count for value, count in scores.values()) / rows, rows)

    slices = [{one: Score(*score) for one, score in scores.items()} for scores in (now, before)]
    return Fall("accuracy_score", True, whole(now), whole(before), *slices, **about)  # type: ignore[arg-type]


def test_slices_shares_add_up_exactly_for_a_mean() -> None:
    dice = np.random.default_rng(4)
    for _ in range(50):
        keys = [("origin", f"v{number}") for number in range(4)]
        now = {key: (float(dice.uniform(0.3, 0.6)), float(dice.integers(50, 500))) for key in keys}
        before = {key: (float(dice.uniform(0.7, 0.9)), float(dice.integers(50, 500))) for key in keys}
        causes = slice_causes(fall(now, before))
        assert sum(cause.share or 0 for cause in causes) == pytest.approx(1.0, abs=1e-5)
        assert all(cause.kind in ("slice", "mix") for cause in causes)


def test_one_slice_that_fell_is_the_first_cause() -> None:
    before: dict[Slice, tuple[float, float]] = {("origin", name): (0.8, 300) for name in ("JFK", "LGA", "EWR")}
    now = {**before, ("origin", "JFK"): (0.4, 300)}

    first = causes_of(FALLEN, [FALLEN], fall(now, before))[0]

    assert (first.kind, first.what) == ("slice", "origin = JFK")
    assert first.share == pytest.approx(1.0)


def test_a_bad_slice_that_grew_is_the_mix() -> None:
    before: dict[Slice, tuple[float, float]] = {("origin", "JFK"): (0.4, 100), ("origin", "LGA"): (0.9, 900)}
    now: dict[Slice, tuple[float, float]] = {("origin", "JFK"): (0.4, 600), ("origin", "LGA"): (0.9, 400)}

    assert {cause.kind for cause in slice_causes(fall(now, before))} == {"mix"}


def test_a_broken_column_comes_before_columns_that_drift_and_importances_weigh() -> None:
    broken = problem(
        Failing("w", "tv_distance", column="wind", value=0.3), Finding("unit_change", "values are 1.609 times"), "unit_change"
    )
    drifted = problem(Failing("t", "ks", column="temp", value=0.9))
    others = [FALLEN, broken, drifted]

    causes = causes_of(FALLEN, others, None, importances={"wind": 3.0, "temp": 1.0})

    assert [(cause.what, cause.share) for cause in causes] == [("wind", 0.5), ("temp", 0.5)]
    uniform = causes_of(FALLEN, others, None)
    assert [(cause.what, cause.share) for cause in uniform] == [("wind", 0.25), ("temp", 0.75)]
    assert "equally important" in uniform[0].sentence
    assert causes_of(broken, others, None) == []


def test_a_column_that_broke_after_the_fall_began_says_so_and_does_not_come_first() -> None:
    known: dict[Slice, tuple[float, float]] = {("origin", "JFK"): (0.8, 500), ("origin", "LGA"): (0.8, 500)}
    fallen: dict[Slice, tuple[float, float]] = dict.fromkeys(known, (0.7, 500))
    long_fall = problem(Failing("m", "accuracy_score", family="model", value=0.7, expected=">= 0.75"), kind="performance")
    worst = of_checks(
        Failing("m", "accuracy_score", family="model", value=0.6, expected=">= 0.75"), start=9, end=10, name=":table"
    )
    long_fall.main.groups.append(worst)
    gone = Finding("missing", "20 % of its values are missing")
    later = problem(Failing("n", "percent_null", column="wind", value=20.0), gone, "missing", start=9)

    first, *others = causes_of(
        long_fall, [long_fall, later], fall(fallen, known, rate_now=Score(0.4, 1000), rate_before=Score(0.2, 4000))
    )

    assert first.kind == "prior_shift"
    assert "wind: 20 % of its values are missing, since 1970-01-01 only." in [cause.sentence for cause in others]


def test_a_fall_that_the_inputs_do_not_explain_is_concept_drift() -> None:
    known: dict[Slice, tuple[float, float]] = {("origin", "JFK"): (0.8, 500), ("origin", "LGA"): (0.8, 500)}
    fallen: dict[Slice, tuple[float, float]] = dict.fromkeys(known, (0.6, 500))

    concept = fall(fallen, known, estimated_now=0.79, estimated_before=0.8)
    inputs = fall(fallen, known, estimated_now=0.61, estimated_before=0.8)

    assert is_concept_drift(concept)
    assert not is_concept_drift(inputs)
    assert causes_of(FALLEN, [], concept)[0].kind == "concept"
    assert causes_of(FALLEN, [], inputs)[-2].kind == "inputs"


def test_a_label_that_became_twice_as_frequent_is_named() -> None:
    known: dict[Slice, tuple[float, float]] = {("origin", "JFK"): (0.8, 500), ("origin", "LGA"): (0.8, 500)}
    fallen: dict[Slice, tuple[float, float]] = dict.fromkeys(known, (0.7, 500))
    doubled = fall(fallen, known, rate_now=Score(0.4, 1000), rate_before=Score(0.2, 4000))
    same = fall(fallen, known, rate_now=Score(0.21, 1000), rate_before=Score(0.2, 4000))

    assert causes_of(FALLEN, [], doubled)[0].kind == "prior_shift"
    assert all(cause.kind != "prior_shift" for cause in causes_of(FALLEN, [], same))
    assert WHOLE == (None, None)
