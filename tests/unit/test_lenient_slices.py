"""All rows fail, and of a key one large slice alone: small ones keep limits that are wide for so few rows, which clears none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spark_monitor.diagnosis.diagnose import evidence_keys, incidents
from spark_monitor.diagnosis.groups import WHOLE
from spark_monitor.diagnosis.incident import Incident
from spark_monitor.diagnosis.looks import Evidence, Measured
from tests import planted

WEEK = 6
KEYS = ("carrier",)
WINDOWS = {"1 week": [(planted.start(week), planted.start(week + 1)) for week in range(planted.WEEKS)]}


def told(rows: pd.DataFrame, column: str, placeholder: float | None = None) -> Incident:
    """The one incident, where AA alone has limits narrow enough to fail.

    Of a slice a ``placeholder`` is counted by a metric, and is not among its frequent values: those are the baseline's.
    """
    rows = rows.assign(version="1")
    checks = [
        {**check, "verdict": "PASS"} if check["slice_value"] in ("B6", "DL", "UA") and check["verdict"] == "FAIL" else check
        for check in planted.checks_of(rows, [column], KEYS)
    ]
    groups = planted.groups_of(checks)
    evidence = {key: planted._evidence(rows, key) for key in evidence_keys(groups)}
    if placeholder is not None:
        evidence = {key: one if key[3] == WHOLE else counted(one, placeholder) for key, one in evidence.items()}
    (one,) = incidents(groups, WINDOWS, evidence, monitor_id="m")
    return one


def counted(one: Evidence, placeholder: float) -> Evidence:
    if one.now is None:
        return one
    items = {item: rows for item, rows in one.now.items.items() if float(item) != placeholder}
    percent = 100 * sum(rows for item, rows in one.now.items.items() if float(item) == placeholder) / max(one.now.count, 1)
    return replace(one, now=replace(one.now, items=items), quality={"percent_sentinel": Measured(percent)})


def changed(column: str, values: pd.Series, *, carrier: str | None = None) -> pd.DataFrame:
    rows = planted.table(4)
    where = (rows["week"] >= WEEK) & (rows["carrier"].eq(carrier) if carrier else True)
    return rows.assign(**{column: rows[column].where(~where, values)})


@pytest.mark.parametrize(
    ("column", "factor", "kind"),
    [("speed", 1.609344, "unit_change"), ("pressure", 0.0, "stuck"), ("price", 100.0, "unit_change")],
)
def test_what_all_rows_show_is_in_no_slice(column: str, factor: float, kind: str) -> None:
    values = planted.table(4)[column]
    one = told(changed(column, values * factor if factor else values * 0 + 1013.2), column)

    assert (one.kind, one.column, one.slice, one.opened) == (kind, column, WHOLE, planted.start(WEEK))


def test_missing_values_of_all_rows_are_in_no_slice() -> None:
    one = told(changed("temp", planted.table(4)["temp"] * np.nan), "temp")

    assert (one.kind, one.slice) == ("missing", WHOLE)


@pytest.mark.parametrize("column", ["speed", "price"])
def test_what_one_slice_alone_shows_is_in_it(column: str) -> None:
    one = told(changed(column, planted.table(4)[column] * 100, carrier="AA"), column)

    assert (one.kind, one.slice) == ("unit_change", ("carrier", "AA"))


@pytest.mark.parametrize("carrier", [None, "AA"])
def test_a_placeholder_is_in_the_slice_that_fails_only_where_the_rows_beside_it_hold_none(carrier: str | None) -> None:
    values = planted.table(4)["temp"]
    some = np.random.default_rng(3).random(values.size) < (0.4 if carrier is None else 1.0)
    one = told(changed("temp", values.mask(some, -999.0), carrier=carrier), "temp", placeholder=-999.0)

    assert (one.kind, one.slice) == ("sentinel", ("carrier", carrier) if carrier else WHOLE)
