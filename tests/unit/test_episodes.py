"""What one incident is: a chance failure of a slice is not the beginning of what comes later, and what begins says since when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_monitor.diagnosis.diagnose import incidents
from spark_monitor.diagnosis.episodes import STALE, WELL_AGAIN, episodes
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.groups import WELL, WHOLE, Failing, Group, Slice, of_checks
from tests.planted import FIRST, WEEK, WEEKS, diagnosed, planted, start, table

JFK: Slice = ("origin", "JFK")
B6: Slice = ("carrier", "B6")
Told = tuple[str, str | None, Slice, int]


def cents(values: pd.Series[Any]) -> Any:
    return values * 100


def series(letters: str, *, where: Slice = WHOLE, **about: Any) -> list[dict[str, Any]]:
    """One check through the weeks; F fails, P passes, U cannot be decided, . is not there."""
    verdicts = {"F": "FAIL", "P": "PASS", "U": "UNDECIDED"}
    common = {"metric": "roc_auc_score", "family": "model", "column_name": ":table", "value": 0.6, "expected": ">= 0.7"}
    return [
        {
            **common,
            **about,
            "model_version": "1",
            "slice_key": where[0],
            "slice_value": where[1],
            "verdict": verdicts[letter],
            "start": start(week),
            "end": start(week + 1),
        }
        for week, letter in enumerate(letters)
        if letter != "."
    ]


def by_chance(letters: str, *, where: Slice = JFK, column: str = "price") -> list[dict[str, Any]]:
    """A rule for unit_factor whose limit chance reaches."""
    about = {"metric": "unit_factor", "family": "quality", "column_name": column, "value": 1.3, "expected": "<= 1"}
    return series(letters, where=where, **about)


def told(rows: pd.DataFrame, columns: tuple[str, ...], extra: list[dict[str, Any]]) -> list[Told]:
    found = diagnosed(rows, columns, extra=extra).incidents
    return [(one.kind, one.column, one.slice, (one.opened - FIRST) // WEEK) for one in found]


@pytest.mark.parametrize("letters", ["UUFUUUUUUUUUUU", "UUUUUUFUUUUUUU", "UUFUUUUUUFFFFF", "UUUUUUUFUFFFFF"])
def test_a_slice_that_fails_by_chance_does_not_date_the_change_of_unit_that_comes_later(letters: str) -> None:
    rows = planted("price", cents, weeks=range(8, WEEKS))

    found = diagnosed(rows, ["price"], extra=by_chance(letters)).incidents

    assert len(found) == 2
    chance, change = found
    assert (chance.kind, chance.slice, chance.opened) == ("unit_change", JFK, start(letters.index("F")))
    assert chance.occurrences == 1
    assert (change.kind, change.slice, change.opened, change.resolved) == ("unit_change", WHOLE, start(8), None)
    assert "100 times" in change.diagnosis


@pytest.mark.parametrize("week", [4, 7])
def test_all_rows_that_fail_by_chance_do_not_date_it_either(week: int) -> None:
    rows = planted("price", cents, weeks=range(8, WEEKS))
    letters = "".join("F" if one == week or one >= 8 else "U" for one in range(WEEKS))

    change = diagnosed(rows, ["price"], extra=by_chance(letters, where=WHOLE)).incidents[-1]

    assert (change.kind, change.slice, change.opened) == ("unit_change", WHOLE, start(8))
    assert "100 times" in change.diagnosis


def test_a_fall_of_all_rows_is_dated_by_itself_and_not_by_a_slice_that_failed_weeks_before() -> None:
    extra = [*series("PPFUUUUUUUFFFF", where=JFK), *series("PPPPPPPPPPFFFF")]

    assert told(table(1), (), extra) == [("performance", None, JFK, 2), ("performance", None, WHOLE, 10)]


def test_another_slice_that_fails_while_nobody_can_decide_is_another_problem() -> None:
    extra = [*series("PPFUUUUUUUUUUU", where=JFK), *series("PPPPPPUUUFFFFF", where=B6)]

    assert told(table(1), (), extra) == [("performance", None, JFK, 2), ("performance", None, B6, 9)]


def test_a_small_slice_that_fails_again_after_windows_nobody_can_decide_is_the_same_problem() -> None:
    extra = [*series("PPFUUUUFUUUUUU", where=JFK), *series("PPPPPPPPPPPPPP", where=B6)]

    assert told(table(1), (), extra) == [("performance", None, JFK, 2)]


def test_slices_that_fail_before_all_rows_do_are_one_problem_that_grows() -> None:
    extra = [*series("PPPPPFFFFFFFFF", where=JFK), *series("PPPPPPUFFFFFFF")]

    assert told(table(1), (), extra) == [("performance", None, WHOLE, 5)]


def test_answers_that_move_weeks_after_a_slice_failed_by_chance_are_no_part_of_that() -> None:
    """Nobody could decide since: the incident is open, but that is no evidence that anything is broken."""
    chance = Failing("c", "unit_factor", column="price", slice_key="origin", slice_value="JFK", value=1.3)
    moved = Failing("s", "ks", column="score", value=0.4)
    windows = {"1 week": [(at, at + 1) for at in range(12)]}

    for began, together in ((4, True), (8, False)):
        groups = [of_checks(chance, start=3, end=4), *(of_checks(moved, start=at, end=at + 1) for at in range(began, 12))]
        found = incidents(groups, windows, {}, monitor_id="m", outputs={"score"})
        assert [(one.kind, one.column, one.opened) for one in found] == [
            ("unit_change", "price", 3),
            *([] if together else [("drift", "score", began)]),
        ]


def test_a_fault_that_begins_in_the_midst_of_a_window_is_one_incident_from_that_window_on() -> None:
    rows = planted("price", cents, weeks=range(9, WEEKS))
    late = (rows["week"] == 8) & (np.random.default_rng(3).random(len(rows)) < 0.4)
    rows.loc[late, "price"] *= 100

    found = diagnosed(rows, ["price"]).only

    assert (found.kind, found.opened, found.occurrences) == ("unit_change", start(8), WEEKS - 8)
    assert "100 times" in found.diagnosis


@pytest.mark.parametrize(("value", "upper", "resolved"), [(0.0, 7.0, 5), (0.0, 99.0, None), (3.0, 7.0, None)])
@pytest.mark.parametrize("whole", ["PPFPPPP", "PPFUUUU"])
def test_what_rests_on_too_few_rows_to_be_judged_well_is_over_where_it_is_surely_not_what_failed(
    value: float, upper: float, resolved: int | None, whole: str
) -> None:
    """The limit is 2 %; that none of fifty rows is new proves no more than 7 %, but it is not the 100 % that failed.

    Where all rows had failed and are well, what nobody can say of a slice holds nothing.
    """
    about = {"metric": "percent_unseen", "family": "quality", "column_name": "carrier", "expected": "<= 2"}
    numbers = {
        "FAIL": {"value": 100.0, "lower": 93.0, "upper": 100.0},
        "UNDECIDED": {"value": value, "lower": 0.0, "upper": upper},
        "PASS": {"value": 0.0, "lower": 0.0, "upper": 1.0},
    }
    rows = [*series(whole, **about), *series("PPFUUUU", where=JFK, **about)]

    found = diagnosed(table(1), (), extra=[row | numbers[row["verdict"]] for row in rows]).only

    expected = 5 if whole == "PPFPPPP" else resolved
    assert (found.opened, found.resolved) == (start(2), None if expected is None else start(expected))


def test_a_slice_that_nobody_can_judge_holds_no_problem_of_all_rows_that_is_well_again() -> None:
    extra = [*series("PPFFPPPPPFFFPP"), *series("PPFFUUUUUFFFUU", where=JFK)]

    assert told(table(1), (), extra) == [("performance", None, WHOLE, 2), ("performance", None, WHOLE, 9)]


def test_a_slice_that_failed_alone_is_held_until_it_is_well() -> None:
    extra = [*series("PPPPPPPPPPPPPP"), *series("PPFFUUUUUFFFUU", where=JFK)]

    assert told(table(1), (), extra) == [("performance", None, JFK, 2)]


def test_what_was_wrong_when_the_rows_stopped_is_not_over_because_none_came_since() -> None:
    failing = of_checks(Failing("f", "percent_null", column="price", value=40.0), start=2, end=3, name="price")
    windows = {"1 week": [(week, week + 1) for week in range(40)]}
    named = {(failing.subject, 2): Finding("missing", "40.0 % of its values are missing")}

    def ending(silent: Collection[int], *later: Group) -> tuple[str | None, int | None]:
        without = frozenset((failing.dataset, failing.granularity, week) for week in silent)
        (one,) = episodes([failing, *later], windows, named, silent=without)
        return one.ending, one.resolved

    well = [replace(failing, start=week, end=week + 1, state=WELL, failing=()) for week in (30, 31)]
    assert ending(()) == (STALE, 15)
    assert ending(range(5, 40)) == (None, None)
    assert ending(range(5, 30)) == (STALE, 40), "two windows before the silence and ten after it"
    assert ending(range(5, 30), *well) == (WELL_AGAIN, 32)


def test_a_slice_in_another_unit_that_moves_all_rows_stays_one_problem_in_its_slice() -> None:
    """Its rows are among all: where these fail too, no cause but the one that is known has come."""
    in_slice = Failing("s", "ks", column="km", slice_key="origin", slice_value="JFK", value=0.3)
    of_all = Failing("a", "ks", column="km", value=0.1)
    narrow = [of_checks(in_slice, start=week, end=week + 1) for week in range(3)]
    wide = replace(of_checks(of_all, start=3, end=4), failing=(of_all, in_slice), checks=2)
    miles, moved = Finding("unit_change", "another unit", factor=0.62), Finding("drift", "it has moved", abrupt=True)
    windows = {"1 week": [(week, week + 1) for week in range(5)]}

    def found(first: Finding, then: Finding, last: Group) -> list[tuple[str, int]]:
        named = {(last.subject, week): first for week in range(3)} | {(last.subject, 3): then}
        return [(one.finding.kind, len(one.groups)) for one in episodes([*narrow, last], windows, named)]

    assert found(miles, moved, wide) == [("unit_change", 4)]
    # All rows alone, another fault of all rows, and what had no name in the slice are as they were.
    assert found(miles, moved, replace(wide, failing=(of_all,))) == [("unit_change", 3), ("drift", 1)]
    assert found(replace(moved, abrupt=False), moved, wide) == [("drift", 3), ("drift", 1)]
