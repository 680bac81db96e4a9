"""Causes of a model's fall: shares that add up, and the first cause first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from spark_monitor.diagnosis.causes import causes_of, is_concept_drift, moved_answers
from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.falls import Fall, Score
from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import WHOLE, Failing, Group, Slice, of_checks
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.slice_causes import is_of_one_slice, slice_causes
from spark_monitor.stages.falls import Asked, Moment, asked_of, broken_windows, since_it_began
from spark_monitor.stages.falls import fall as fall_of


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


def failing(*moments: tuple[str, int, Slice]) -> Problem:
    """A fall of accuracy in some versions, windows and slices."""
    groups = []
    for start in sorted({start for _, start, _ in moments}):
        checks = [
            Failing(
                f"{version} {slice_}", "accuracy_score", "model", None, *slice_, version, 0.6 - start / 100, expected=">= 0.7"
            )
            for version, at, slice_ in moments
            if at == start
        ]
        groups.append(replace(of_checks(checks[0], start=start, end=start + 1, name=":table"), failing=tuple(checks)))
    where = WHOLE if any(slice_ == WHOLE for *_, slice_ in moments) else moments[0][2]
    return Problem([Episode(DRIFT, groups)], "performance", where)


def test_a_fall_is_told_from_every_version_and_window_that_fails() -> None:
    problem = failing(("1", 5, WHOLE), ("2", 5, WHOLE), ("2", 6, WHOLE), ("2", 8, WHOLE), ("2", 8, ("origin", "JFK")))
    windows = {"1 week": [(at, at + 1) for at in range(9)]}

    asked = asked_of(problem, windows, timedelta(microseconds=2))

    now: tuple[Moment, ...] = (("1", 5), ("2", 5), ("2", 6), ("2", 8))
    assert asked == Asked("accuracy_score", "1 week", WHOLE, True, now, (1, 2, 3, 4), now[:3], (0, 1, 2, 3, 4), (4, 3))


def test_one_window_in_which_a_slice_is_off_by_chance_does_not_make_it_the_cause() -> None:
    """Every slice falls by 0.2, and in the worst window one of them by 0.5 more."""
    dice = np.random.default_rng(8)
    places: list[Slice] = [("origin", name) for name in ("JFK", "LGA", "EWR")]
    asked = Asked("accuracy_score", "1 week", WHOLE, True, tuple(("1", at) for at in range(4, 10)), (0, 1, 2, 3), ())
    values = {}
    for at in range(10):
        level = {place: (0.8 if at < 4 else 0.6) + float(dice.normal(0, 0.01)) for place in places}
        level[places[0]] -= 0.5 if at == 7 else 0.0
        for place, value in {**level, WHOLE: float(np.mean(list(level.values())))}.items():
            values["accuracy_score", "1", at, "REALISED", place] = Score(value, 300.0 if place == WHOLE else 100.0, 0.05)

    worst = fall_of(replace(asked, now=(("1", 7),)), values)
    together = fall_of(asked, values)

    assert is_of_one_slice(worst)
    assert not is_of_one_slice(together)


def test_a_slice_explains_a_fall_only_where_it_differs_from_the_others_beyond_chance() -> None:
    places: list[Slice] = [("origin", "JFK"), ("origin", "LGA"), ("origin", "EWR")]
    before = {one: Score(0.8, 100, 0.03) for one in places}
    for error, told in ((0.02, True), (0.15, False)):
        now = {one: Score(0.4 if one[1] == "JFK" else 0.75, 100, error) for one in places}
        fallen = Fall("accuracy_score", True, Score(0.633, 300), Score(0.8, 300), now, before)
        assert is_of_one_slice(fallen) is told


def test_a_slice_that_alone_fails_comes_first_and_is_concept_drift_where_its_inputs_do_not_explain_it() -> None:
    """Labels turn in one slice: their rate there is another one as well, which does not make it other cases."""
    basic: Slice = ("plan", "basic")
    problem = failing(("1", 5, basic), ("1", 6, basic))
    asked = asked_of(problem, {"1 week": [(at, at + 1) for at in range(8)]}, None)
    assert asked is not None
    values = {
        (metric, "1", at, basis, place): Score(value if at >= 5 else well, 300.0, 0.02)
        for at in range(1, 7)
        for metric, basis, place, well, value in (
            ("accuracy_score", "REALISED", WHOLE, 0.8, 0.74),
            ("accuracy_score", "REALISED", basic, 0.8, 0.3),
            ("accuracy_score", "REALISED", ("plan", "gold"), 0.8, 0.8),
            ("accuracy_score", "ESTIMATED", basic, 0.8, 0.79),
            ("base_rate", "REALISED", basic, 0.3, 0.7),
        )
    }

    fallen = fall_of(asked, values)
    causes = causes_of(problem, [problem], fallen)

    assert is_concept_drift(fallen)
    assert [(cause.kind, cause.what) for cause in causes[:2]] == [("slice", "plan = basic"), ("prior_shift", "the label's rate")]
    assert sum(cause.share or 0.0 for cause in causes) == 1.0


def test_a_root_of_squares_is_divided_among_slices_by_its_squares() -> None:
    random = np.random.default_rng(8)
    tariff = random.choice(["standard", "night", "pump"], 20_000, p=[0.6, 0.25, 0.15])
    errors = {then: random.normal(0, np.where((tariff == "pump") & (then == "now"), 9.0, 2.0)) for then in ("before", "now")}
    squares = {then: np.square(error) for then, error in errors.items()}

    def score(then: str, rows: np.ndarray) -> Score:
        return Score(float(np.sqrt(squares[then][rows].mean())), int(rows.sum()), 0.05)

    everywhere = np.ones(tariff.size, dtype=bool)
    slices = {then: {("tariff", one): score(then, tariff == one) for one in np.unique(tariff)} for then in squares}
    fallen = Fall(
        "root_mean_squared_error",
        False,
        score("now", everywhere),
        score("before", everywhere),
        slices["now"],
        slices["before"],
        estimated_now=2.0,
        estimated_before=2.0,
    )

    causes = slice_causes(fallen)
    added = {one: (squares["now"] - squares["before"])[tariff == one].sum() for one in np.unique(tariff)}
    told = {cause.what: cause.share for cause in causes}
    assert told == pytest.approx({f"tariff = {one}": rows / sum(added.values()) for one, rows in added.items()}, abs=1e-5)
    assert "100." in causes[0].sentence or "99." in causes[0].sentence
    assert "of the change of its square" in causes[0].sentence
    assert is_of_one_slice(fallen)
    assert causes_of(FALLEN, [], fallen)[0].what == "tariff = pump"


def test_a_small_slice_that_falls_comes_before_a_large_one_that_falls_as_all_rows_do() -> None:
    random = np.random.default_rng(9)
    site = random.choice(["Lakeside", "Harbour", "Northgate", "Mary"], 40_000, p=[0.21, 0.15, 0.28, 0.36])
    arrived = random.choice(["walk-in", "ambulance"], 40_000, p=[0.95, 0.05])
    right = {
        "before": random.random(40_000) < 0.62,
        "now": random.random(40_000) < np.where(site == "Lakeside", 0.3, 0.6),
    }

    def score(then: str, rows: np.ndarray) -> Score:
        return Score(float(right[then][rows].mean()), int(rows.sum()), float(0.5 / np.sqrt(rows.sum())))

    columns = {"site": site, "arrived": arrived}
    slices = {
        then: {(key, one): score(then, column == one) for key, column in columns.items() for one in np.unique(column)}
        for then in right
    }
    everywhere = np.ones(site.size, dtype=bool)
    fallen = Fall("accuracy_score", True, score("now", everywhere), score("before", everywhere), slices["now"], slices["before"])

    first = slice_causes(fallen)[0]
    assert (first.kind, first.what) == ("slice", "site = Lakeside")
    assert is_of_one_slice(fallen)


def test_a_fall_is_held_against_windows_in_which_the_model_was_well() -> None:
    """Windows 2 and 3 are another problem's: a model that had fallen before would seem to have fallen little now."""
    windows = {"1 week": [(at, at + 1) for at in range(8)]}
    earlier = problem(Failing("m", "accuracy_score", family="model", value=0.1, expected=">= 0.7"), kind="performance", start=2)
    earlier.main.groups.append(replace(earlier.main.first, start=3, end=4))
    slices = problem(
        Failing("s", "accuracy_score", "model", None, "plan", "gold", value=0.1, expected=">= 0.7"), kind="performance", start=1
    )

    asked = asked_of(FALLEN, windows, None, broken_windows([earlier, slices, FALLEN]))
    alone = asked_of(FALLEN, windows, None, broken_windows([FALLEN]))

    assert asked is not None
    assert alone is not None
    assert asked.before == (0, 1, 4)
    assert alone.before == (1, 2, 3, 4)
    assert asked_of(FALLEN, {"1 week": [(2, 3), (3, 4), (5, 6)]}, None, broken_windows([earlier])).before == (2, 3)  # type: ignore[union-attr]


def test_of_slices_that_fall_alike_none_is_the_first_cause() -> None:
    dice = np.random.default_rng(31)
    for _ in range(30):
        parts = dice.dirichlet([4, 3, 2]) * 1500
        before = {("plan", f"v{place}"): (0.8 + float(dice.normal(0, 0.02)), float(rows)) for place, rows in enumerate(parts)}
        now = {place: (value - 0.2 + float(dice.normal(0, 0.02)), rows) for place, (value, rows) in before.items()}
        alike = fall(now, before)
        noisy = replace(
            alike,
            slices_now={place: Score(one.value, one.count, 0.02) for place, one in alike.slices_now.items()},
            slices_before={place: Score(one.value, one.count, 0.02) for place, one in alike.slices_before.items()},
        )
        causes = causes_of(FALLEN, [FALLEN], noisy)
        assert causes[0].kind == "everywhere", causes
        assert sum(cause.share or 0.0 for cause in causes) == pytest.approx(1.0, abs=1e-5)


def simulated(dice: np.random.Generator, *, began: int, drop: float, place: Slice, rows: float = 1500.0) -> Mapping[Any, Score]:
    """The accuracy of twelve windows, in all rows and in two plans; from a window on it is less in a place."""
    parts: dict[Slice, float] = {("plan", "basic"): 0.75, ("plan", "gold"): 0.25}
    values = {}
    for at in range(12):
        level = {one: 0.8 - drop * (at >= began and place in (WHOLE, one)) for one in parts}
        shown = {one: dice.binomial(int(rows * part), level[one]) / int(rows * part) for one, part in parts.items()}
        shown[WHOLE] = sum(shown[one] * part for one, part in parts.items())
        for one, value in shown.items():
            count = rows * parts.get(one, 1.0)
            values["accuracy_score", "1", at, "REALISED", one] = Score(value, count, float(np.sqrt(value * (1 - value) / count)))
    return values


@pytest.mark.parametrize("place", [WHOLE, ("plan", "gold")])
@pytest.mark.parametrize(("began", "told"), [(8, None), (7, 7), (6, 6)])
def test_a_fall_begins_in_the_window_that_shows_it_though_no_check_could_say_so(
    place: Slice, began: int, told: int | None
) -> None:
    """The eighth is the first that fails: what fell with the seventh or sixth began there, what fell with the eighth did not."""
    asked = Asked("accuracy_score", "1 week", WHOLE, True, (("1", 8), ("1", 9)), (4, 5, 6, 7), (), (2, 3, 4, 5, 6, 7), (7, 6))
    drop = 0.1 if place == WHOLE else 0.3
    found = [
        since_it_began(asked, simulated(np.random.default_rng(seed), began=began, drop=drop, place=place)).began
        for seed in range(60)
    ]

    assert found.count(told) >= 56, found


def test_what_it_was_before_does_not_hold_the_windows_that_are_part_of_it() -> None:
    asked = Asked("accuracy_score", "1 week", WHOLE, True, (("1", 8),), (4, 5, 6, 7), (), (2, 3, 4, 5, 6, 7), (7, 6))
    values = simulated(np.random.default_rng(5), began=7, drop=0.12, place=WHOLE)
    since = since_it_began(asked, values)

    assert since.now == (("1", 7), ("1", 8))
    assert 7 not in since.before
    assert fall_of(since, values).before.value > fall_of(asked, values).before.value  # type: ignore[union-attr]


def test_answers_that_move_while_nothing_else_does_are_no_concept_drift() -> None:
    moved = Failing("k", "ks", column="eta", slice_key="depot", slice_value="Osaka", value=0.3)
    group = of_checks(moved, start=5, end=6, name="eta")
    both = Problem([*FALLEN.episodes, Episode(DRIFT, [group])], "performance")
    before: dict[Slice, tuple[float, float]] = {("depot", name): (0.8, 300) for name in ("Osaka", "Kobe", "Nara")}
    numbers = fall({**before, ("depot", "Osaka"): (0.4, 300)}, before, estimated_now=0.8, estimated_before=0.8)
    assert is_concept_drift(numbers)
    assert not is_concept_drift(numbers, moved_answers(both, numbers, {"eta"}))
    causes = causes_of(both, [both], numbers, outputs={"eta"})
    assert [(cause.kind, cause.what) for cause in causes[:2]] == [("column", "eta"), ("slice", "depot = Osaka")]
    assert "where depot = Osaka" in causes[0].sentence
    assert "concept" not in {cause.kind for cause in causes}
    # Of other labels, as where other cases come, the answers move by themselves.
    rates = fall({**before}, dict.fromkeys(before, (0.9, 300)), rate_now=Score(0.4, 900), rate_before=Score(0.2, 900))
    assert moved_answers(both, rates, {"eta"}) == []
    assert moved_answers(FALLEN, numbers, {"eta"}) == []
