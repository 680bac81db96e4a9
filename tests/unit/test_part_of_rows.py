"""A fault that a part of all rows shows is said to be in the slice that holds all of it, as much as it is there."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.groups import WHOLE, Slice
from spark_monitor.diagnosis.hidden import LEAST_LOOKED, hidden_place
from spark_monitor.diagnosis.looks import Evidence, Look
from tests.planted import WEEKS, diagnosed, look, planted, start, table

STORES = {"north": 76, "south": 52, "west": 26, "kiosk": 16}
"""Rows of an hour."""

TRIALS = 16
NOTHING = frozenset()


def stock(dice: np.random.Generator, rows: int, usual: float = 0.0) -> pd.Series:
    return pd.Series(np.round(dice.gamma(4.0, 9.0, rows), 1)).mask(dice.random(rows) < usual)


def hour(dice: np.random.Generator, parts: dict[str, float], value: float, usual: dict[str, float]) -> tuple:
    """What an hour shows of all rows and of each store, where a part of a store's rows holds a value."""
    was = {name: stock(dice, 40 * many, usual.get(name, 0.0)) for name, many in STORES.items()}
    now = {name: stock(dice, many, usual.get(name, 0.0)) for name, many in STORES.items()}
    now = {name: each.mask(dice.random(len(each)) < parts.get(name, 0.0), value) for name, each in now.items()}
    rows = Evidence(look(pd.concat(now.values())), look(pd.concat(was.values())))
    slices: dict[Slice, tuple[Finding, Evidence]] = {}
    for name, values in now.items():
        if len(values) >= LEAST_LOOKED:
            sliced = Evidence(without(value, look(values)), without(value, look(was[name])))
            slices["store", name] = finding_of(sliced, NOTHING), sliced
    return finding_of(rows, NOTHING), slices, rows


def without(value: float, one: Look) -> Look:
    """A look at a slice: of its values only those that the baseline has often are counted one by one."""
    return replace(one, items={item: rows for item, rows in one.items.items() if item != str(value)})


def places(parts: dict[str, float], value: float, usual: dict[str, float] | None = None, trials: int = TRIALS) -> list[Slice]:
    dice = np.random.default_rng([3, *(round(100 * part) for part in parts.values())])
    return [hidden_place(*hour(dice, parts, value, usual or {})) for _ in range(trials)]


@pytest.mark.parametrize("store", ["south", "west", "kiosk"])
@pytest.mark.parametrize("value", [np.nan, -999.0])
def test_what_all_rows_of_one_store_show_is_in_that_store_though_it_has_few_rows(store: str, value: float) -> None:
    assert places({store: 1.0}, value).count(("store", store)) >= 0.9 * TRIALS


@pytest.mark.parametrize("value", [np.nan, -999.0])
def test_what_most_rows_of_one_store_show_is_in_that_store(value: float) -> None:
    assert places({"south": 0.7}, value).count(("store", "south")) >= 0.9 * TRIALS


def test_missing_values_of_one_store_are_in_it_beside_one_that_never_had_values() -> None:
    assert places({"south": 1.0}, np.nan, {"west": 0.9}).count(("store", "south")) >= 0.9 * TRIALS


@pytest.mark.parametrize("share", [0.08, 0.15, 0.3, 0.6])
@pytest.mark.parametrize("value", [np.nan, -999.0])
def test_what_a_share_of_all_rows_shows_is_in_no_store(share: float, value: float) -> None:
    assert places(dict.fromkeys(STORES, share), value, trials=3 * TRIALS).count(WHOLE) >= 0.99 * 3 * TRIALS


def test_what_two_stores_show_is_in_neither() -> None:
    assert set(places({"south": 1.0, "west": 1.0}, np.nan)) == {WHOLE}


@pytest.mark.slow
@pytest.mark.parametrize("value", [-999.0, 0.0, 9999.0])
def test_the_share_of_placeholders_is_that_of_the_slice(value: float) -> None:
    rows = planted("price", lambda v: v.mask(np.random.default_rng(5).random(len(v)) < 0.8, value), weeks=range(6, WEEKS))
    rows["price"] = rows["price"].where(rows["origin"] == "JFK", table(1)["price"])

    for judged in ((), None):
        found = diagnosed(rows, ["price"], judged=judged).only
        assert (found.kind, found.slice) == ("sentinel", ("origin", "JFK")), found.diagnosis
        share = float(re.search(r"([\d.]+) % of its values are", found.diagnosis)[1])
        assert share == pytest.approx(80, abs=3), found.diagnosis


def test_columns_that_go_missing_in_one_store_are_one_incident_though_some_are_placed_in_all_rows() -> None:
    rows = table(2)
    wrong = (rows["week"] >= 6) & (rows["origin"] == "LGA")
    rows.loc[wrong, ["speed", "temp", "price"]] = np.nan
    spread = (rows["week"] >= 6) & (np.random.default_rng(4).random(len(rows)) < 0.1)
    rows.loc[spread & ~wrong, "temp"] = np.nan

    found = diagnosed(rows, ["speed", "temp", "price"], judged=()).only

    assert (found.kind, found.slice, found.columns) == ("upstream", ("origin", "LGA"), ("price", "speed", "temp"))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_what_all_slices_show_is_not_in_the_one_whose_check_was_decided(value: float) -> None:
    """Of a share of all rows only the largest slice's check surely fails; the others hold as much of it."""
    rows, dice = table(21), np.random.default_rng(22)
    rows["temp"] = rows["temp"].mask(dice.random(len(rows)) < (0.25 if value == 0 else 0.0))
    rows["temp"] = rows["temp"].mask((rows["week"] >= 6) & (dice.random(len(rows)) < 0.4), value)
    extra = [
        {
            "metric": "percent_null_delta",
            "family": "drift",
            "column_name": "temp",
            "model_version": version,
            "slice_key": None if origin is None else "origin",
            "slice_value": origin,
            "value": -9.0 if value == 0 else 40.0,
            "verdict": "PASS" if week < 6 or origin == "JFK" else "UNDECIDED" if origin == "LGA" else "FAIL",
            "expected": ">= -5 and <= 5",
            "start": start(week),
            "end": start(week + 1),
        }
        for week in range(WEEKS)
        for version in ("1", "2")
        for origin in (None, "EWR", "JFK", "LGA")
    ]
    found = diagnosed(rows, (), extra=extra).only
    assert (found.kind, found.slice) == ("sentinel" if value == 0 else "missing", WHOLE), found.diagnosis
