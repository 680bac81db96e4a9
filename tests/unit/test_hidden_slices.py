"""A trouble of all rows that comes from one slice is said to be in it; one of every slice is not, however many rows each has."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.findings import DRIFT
from spark_monitor.diagnosis.groups import WHOLE, Failing, Group, Key, Slice
from spark_monitor.diagnosis.hidden import hidden_place
from spark_monitor.diagnosis.located import candidates, location
from spark_monitor.diagnosis.looks import Evidence, Look
from tests.looks import look_at

ROWS = {"surgery": 100, "medicine": 120, "cardiology": 60, "paediatrics": 40, "maternity": 30}
TRIALS = 15


def look(values: np.ndarray) -> Look:
    return look_at(values, {repr(value): rows for value, rows in Counter(values.tolist()).most_common(20)})


def weights(random: np.random.Generator, rows: int) -> np.ndarray:
    return np.round(random.normal(76, 16, rows).clip(35, 190), 1)


def seen(random: np.random.Generator, changed: dict[str, object], rows: dict[str, int]) -> dict[Slice, tuple]:
    found = {}
    for name, many in rows.items():
        change = changed.get(name, lambda values: values)
        evidence = Evidence(look(change(weights(random, many))), look(weights(random, 14 * many)), look(weights(random, many)))
        found["ward", name] = finding_of(evidence, frozenset()), evidence
    return found


@pytest.mark.parametrize("place", ["paediatrics", "maternity"])
def test_a_flipped_sign_of_thirty_rows_is_in_their_slice(place: str) -> None:
    random = np.random.default_rng(5)
    for _ in range(TRIALS):
        sliced = seen(random, {place: lambda values: -values}, ROWS)
        assert hidden_place(DRIFT, sliced) == ("ward", place)
        assert sliced["ward", place][0].kind == "unit_change"


def test_what_one_row_of_forty_holds_is_no_placeholder_and_what_two_hold_is() -> None:
    usual = np.round(np.linspace(50, 90, 700), 1)
    for rows, kind in ((1, "drift"), (2, "sentinel")):
        values = np.concatenate([np.full(rows, -999.0), usual[::18][: 40 - rows]])
        assert finding_of(Evidence(look(values), look(usual), look(usual)), frozenset({"ks"})).kind == kind


def test_a_shift_by_one_and_a_half_deviations_is_found_in_thirty_rows_mostly() -> None:
    random = np.random.default_rng(6)
    places = [hidden_place(DRIFT, seen(random, {"maternity": lambda values: values + 24}, ROWS)) for _ in range(TRIALS)]
    assert set(places) <= {("ward", "maternity"), WHOLE}
    assert places.count(("ward", "maternity")) >= 0.8 * TRIALS


@pytest.mark.parametrize("step", [6.0, 10.0, 16.0])
def test_what_every_slice_shows_is_in_none_though_most_are_too_small_to_be_sure_of(step: float) -> None:
    random = np.random.default_rng(7)
    rows = {"surgery": 600, "medicine": 40, "cardiology": 40, "paediatrics": 30, "maternity": 30}
    every = dict.fromkeys(rows, lambda values: values + step)
    assert [hidden_place(DRIFT, seen(random, every, rows)) for _ in range(TRIALS)].count(WHOLE) >= TRIALS - 1


@pytest.mark.slow
def test_a_table_of_well_slices_names_none() -> None:
    random = np.random.default_rng(8)
    places = [hidden_place(DRIFT, seen(random, {}, ROWS)) for _ in range(5 * TRIALS)]
    assert places.count(WHOLE) >= 0.97 * len(places)


def test_of_slices_that_fail_alike_the_largest_is_the_place() -> None:
    places = [("carrier", "9E"), ("origin", "JFK")]
    failing = tuple(
        Failing(f"c{at}", "is_stuck", "quality", "pressure", *place, value=1.0, expected="<= 0")
        for at, place in enumerate(places)
    )
    keys = tuple(Key(key, 1, 2) for key, _ in places)
    group = Group("predictions", "1 week", "values", "pressure", 0, 1, failing=failing, checks=2, keys=keys)
    rows = {("carrier", "9E"): 120, ("origin", "JFK"): 800}

    assert location(group, dict.fromkeys(places, True), rows) == ("origin", "JFK")
    assert set(candidates(group)) == set(places)
