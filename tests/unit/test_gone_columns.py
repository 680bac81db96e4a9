"""A column that is gone, or has another type, has no number that could break a limit, and is an incident all the same."""

from __future__ import annotations

from typing import Any

import pytest

from spark_monitor.diagnosis.carried import Earlier
from spark_monitor.diagnosis.diagnose import incidents
from spark_monitor.diagnosis.groups import FAIL, HELD, WHOLE, Failing, Group
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.diagnosis.vanished import since_gone
from spark_monitor.sources.predictions import kinds_agree
from spark_monitor.sources.readers.rows import Kind, ReadColumn
from tests import planted

WINDOWS = {"1 week": [(planted.start(week), planted.start(week + 1)) for week in range(planted.WEEKS)]}


def checks(column: str, week: int, verdict: str) -> list[dict[str, Any]]:
    """One check of a column's values and one of its missing values, in one week."""
    about = {"column_name": column, "slice_key": None, "slice_value": None, "model_version": "1"}
    about |= {"start": planted.start(week), "end": planted.start(week + 1), "verdict": verdict}
    value = None if verdict in ("ERROR", "NO_DATA") else 0.01
    return [
        planted._named({**about, "metric": metric, "family": family, "value": value})
        for metric, family in (("ks", "drift"), ("percent_null_delta", "drift"))
    ]


def groups(*columns: tuple[str, list[str]]) -> list[Group]:
    """The groups of columns, each with its verdicts from the first week on."""
    return planted.groups_of(
        row for column, verdicts in columns for week, verdict in enumerate(verdicts) for row in checks(column, week, verdict)
    )


def looks(status: str, message: str, *columns: str) -> dict[Any, Evidence]:
    changed = Evidence(Look(status=status, message=message), Look(count=900, mean=1.0), Look(count=300, mean=1.0))
    return {(column, planted.start(week), "1", WHOLE): changed for column in columns for week in range(planted.WEEKS)}


MESSAGES = {
    "MISSING": "The column is missing: the baseline has it as double, the prediction table does not.",
    "TYPE_CHANGED": "The column was double in the baseline and is string now.",
    "ERROR": "It cannot be read.",
}


@pytest.mark.parametrize(
    ("status", "title", "what"),
    [
        ("MISSING", "price: the column is gone", "since 2013-01-15 in version 1: the baseline has it as double"),
        (
            "TYPE_CHANGED",
            "price: the column has another type",
            "in version 1: the column was double in the baseline and is string now",
        ),
        ("ERROR", "price: the column cannot be read", "It cannot be read"),
    ],
)
def test_a_column_that_was_judged_and_no_longer_can_be_is_one_incident(status: str, title: str, what: str) -> None:
    failing = groups(("price", ["PASS", "PASS", "ERROR", "ERROR"]))
    (one,) = incidents(failing, WINDOWS, looks(status, MESSAGES[status], "price"), monitor_id="m")

    assert (one.kind, one.column, one.slice, one.opened) == ("schema_change", "price", WHOLE, planted.start(2))
    assert one.title == title
    assert what in one.diagnosis
    assert one.resolved is None


def test_it_is_over_when_the_column_is_back() -> None:
    failing = groups(("price", ["PASS", "ERROR", "PASS", "PASS"]))
    (one,) = incidents(failing, WINDOWS, looks("MISSING", MESSAGES["MISSING"], "price"), monitor_id="m")

    assert one.resolved == planted.start(4)


def test_columns_that_go_together_are_one_incident() -> None:
    failing = groups(("price", ["PASS", "ERROR"]), ("seats", ["UNDECIDED", "ERROR"]))
    (one,) = incidents(failing, WINDOWS, looks("MISSING", MESSAGES["MISSING"], "price", "seats"), monitor_id="m")

    assert (one.kind, one.columns) == ("upstream", ("price", "seats"))
    assert "price, seats: the column is gone since 2013-01-08" in one.diagnosis


@pytest.mark.parametrize("verdicts", [["ERROR", "ERROR", "ERROR"], ["NO_DATA", "ERROR", "ERROR"]])
def test_a_column_that_was_never_there_is_no_incident(verdicts: list[str]) -> None:
    assert not [group for group in groups(("training_only", verdicts)) if group.state == FAIL]


def test_a_failing_check_without_a_number_is_kept_as_such() -> None:
    (missing, values) = sorted(groups(("price", ["PASS", "ERROR"])), key=lambda group: group.track)[1::2]
    assert [one.value for one in (*missing.failing, *values.failing)] == [None, None]
    assert isinstance(values.failing[0], Failing)


@pytest.mark.parametrize(
    ("before", "now", "agrees"),
    [("int", "bigint", True), ("int", "double", False), ("double", "float", True), ("string", "int", True)],
)
def test_integers_that_are_names_are_other_names_as_doubles(before: str, now: str, agrees: bool) -> None:
    """110 is written 110.0: that all categories have other names would be the wrong thing to say of it."""
    sentence = kinds_agree((Kind.CATEGORICAL, before), ReadColumn("shelf", now, Kind.CATEGORICAL, "shelf"))

    assert sentence == (None if agrees else f"The column was {before} in the baseline and is {now} now.")
    assert kinds_agree((Kind.NUMERIC, before), ReadColumn("shelf", now, Kind.NUMERIC, "shelf")) is None


def test_a_column_that_goes_and_one_that_is_retyped_are_told_apart() -> None:
    failing = groups(("price", ["PASS", "ERROR"]), ("seats", ["PASS", "ERROR"]))
    known = looks("MISSING", MESSAGES["MISSING"], "price") | looks("TYPE_CHANGED", MESSAGES["TYPE_CHANGED"], "seats")
    titles = [one.title for one in incidents(failing, WINDOWS, known, monitor_id="m")]

    assert titles == ["price: the column is gone", "seats: the column has another type"]


def handled_again(weeks: int) -> list[Group]:
    """A column that a table which was written anew has in none of its weeks, and one that drifts in all of them."""
    drifting = [row for week in range(weeks) for row in checks("stops", week, "FAIL")]
    gone = [row for week in range(weeks) for row in checks("price", week, "ERROR")]
    earlier = checks("price", -1, "PASS")  # so that the planted checks know that the column was there
    return [group for group in planted.groups_of([*earlier, *gone, *drifting]) if group.start >= planted.start(0)]


def opened_of(groups: list[Group]) -> dict[str, int]:
    return {name: min(one.start for one in groups if one.name == name and one.state == FAIL) for name in ("price", "stops")}


def week(number: int) -> tuple[str, int]:
    return "1 week", planted.start(number)


def test_a_column_is_gone_since_the_first_window_that_was_not_handled_with_it() -> None:
    told = since_gone(handled_again(4), {week(0), week(1)}, [])

    assert opened_of(told) == {"price": planted.start(2), "stops": planted.start(0)}
    assert {one.state for one in told if one.name == "price" and one.start < planted.start(2)} == {HELD}


def test_a_column_is_gone_since_the_incident_that_said_so_first() -> None:
    first = Earlier("a", "predictions", "price", WHOLE, "schema_change", planted.start(1), planted.start(2))
    together = Earlier(
        "b", "predictions", None, WHOLE, "upstream", planted.start(1), planted.start(2), columns=("price", "seats")
    )
    over = Earlier("c", "predictions", "price", WHOLE, "schema_change", planted.start(1), planted.start(2), planted.start(3))

    assert opened_of(since_gone(handled_again(4), set(), [first]))["price"] == planted.start(1)
    assert opened_of(since_gone(handled_again(4), {week(0)}, [together]))["price"] == planted.start(1)
    assert opened_of(since_gone(handled_again(4), {week(0)}, [over]))["price"] == planted.start(1)
    assert opened_of(since_gone(handled_again(4), {week(0), week(1), week(2)}, [over]))["price"] == planted.start(3)


def test_a_column_that_went_after_the_last_window_is_gone_since_that_one() -> None:
    assert opened_of(since_gone(handled_again(3), {week(0), week(1), week(2)}, []))["price"] == planted.start(2)


def test_a_column_that_was_gone_before_the_first_run_is_so_from_the_first_window_on() -> None:
    groups = handled_again(3)
    assert since_gone(groups, set(), []) == groups


def test_a_retyped_column_whose_other_checks_still_have_numbers_is_dated_as_well() -> None:
    rows = [*checks("price", -1, "PASS")]
    for number in range(3):
        first, second = checks("price", number, "ERROR")
        unseen = {**second, "metric": "percent_unseen", "family": "quality", "value": 100.0, "verdict": "FAIL"}
        rows += [first, second, unseen] if number else [first, unseen]
    groups = [group for group in planted.groups_of(rows) if group.start >= planted.start(0)]
    told = since_gone(groups, {week(0), week(1)}, [])

    assert {one.start for one in told if one.state == FAIL} == {planted.start(2)}
