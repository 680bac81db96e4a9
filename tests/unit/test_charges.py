"""Charges that are for a period, cut at the edges of windows and days, against each charge spread by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.bill_plan import BILL, BillPlan, Period
from spark_monitor.kernel.bills import bill_measurements
from spark_monitor.kernel.charges import QUARTER, Charges, amount_within, counted
from spark_monitor.kernel.plan import WindowKey

HOUR, DAY = 4 * QUARTER, 96 * QUARTER


def grouped(charges: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows that a bill's source makes of single charges (``start``, ``end``, ``amount``, ``service``)."""
    rows = charges.assign(at=charges["start"] // QUARTER * QUARTER, ends=-(-charges["end"] // QUARTER) * QUARTER)
    rows["until"] = rows["ends"].where(rows["ends"] - rows["at"] > QUARTER).fillna(-1).astype("int64")
    length = (rows["end"] - rows["start"]).clip(lower=1)
    spread = rows["until"] >= 0
    rows["first"] = rows["amount"] * (rows["at"] + QUARTER - rows["start"]) / length * spread
    rows["last"] = rows["amount"] * (rows["end"] - rows["until"] + QUARTER) / length * spread
    sums = rows.groupby(["at", "until", "service"])[["amount", "first", "last"]].sum().reset_index()
    sums["n"] = rows.groupby(["at", "until", "service"]).size().to_numpy()
    blank = {"kind": BILL, "currency": "EUR", "tag": None, "unread": 0, "granularity": None, "predictions": None}
    return [{**blank, **row, "until": row["until"] if row["until"] >= 0 else None} for row in sums.to_dict("records")]


def share(charges: pd.DataFrame, start: int, end: int) -> float:
    """What of each charge lies in a span, by itself; a charge without a length counts where it begins."""
    length = charges["end"] - charges["start"]
    overlap = (np.minimum(charges["end"], end) - np.maximum(charges["start"], start)).clip(lower=0)
    single = (charges["start"] >= start) & (charges["start"] < end)
    return float((charges["amount"] * np.where(length > 0, overlap / length.clip(lower=1), single)).sum())


def charged(seed: int, rows: int = 400, days: int = 40) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    start = random.integers(0, days * DAY, rows)
    aligned = random.random(rows) < 0.5
    start = np.where(aligned, start // HOUR * HOUR, start)
    length = np.select(
        [aligned, random.random(rows) < 0.5],
        [random.choice([0, HOUR, DAY, 7 * DAY, 30 * DAY], rows), random.integers(1, 3 * HOUR, rows)],
        random.integers(1, 40 * DAY, rows),
    )
    amount = random.lognormal(0, 2, rows) * random.choice([1, -0.3], rows, p=[0.9, 0.1])
    return pd.DataFrame({"start": start, "end": start + length, "amount": amount, "service": random.choice(["a", "b"], rows)})


@pytest.mark.parametrize("seed", range(12))
def test_every_window_has_of_each_charge_what_falls_in_it(seed: int) -> None:
    charges = charged(seed)
    found = Charges(grouped(charges))
    random = np.random.default_rng(seed + 100)
    # A charge within a quarter of an hour belongs to it as a whole, wherever an edge of a quarter may lie.
    within = charges["end"] - charges["start"] // QUARTER * QUARTER <= QUARTER
    alone = charges.assign(end=charges["end"].where(~within, charges["start"]))
    for _ in range(60):
        start = int(random.integers(0, 60 * DAY) // QUARTER * QUARTER)
        end = start + int(random.choice([QUARTER, HOUR, DAY, 7 * DAY, 30 * DAY]))
        edges = sorted(
            {start, end, *(start // DAY * DAY + day * DAY for day in range(1, 3) if start // DAY * DAY + day * DAY < end)}
        )
        rows = found.within(edges)
        assert sum(row["amount"] for row in rows) == pytest.approx(share(alone, start, end), rel=1e-9, abs=1e-9)
        touched = (alone["start"] < end) & (
            (alone["end"] > start) | ((alone["end"] == alone["start"]) & (alone["start"] >= start))
        )
        assert counted(rows, "n") == touched.sum()
        for low, high in pairwise(edges):
            inside = sum(row["amount"] for row in rows if low <= row["at"] < high)
            assert inside == pytest.approx(share(alone, low, high), rel=1e-9, abs=1e-9)


def test_an_amount_that_cannot_be_read_has_no_part() -> None:
    charge = {"at": 0, "until": 2 * DAY, "amount": None, "first": None, "last": None}
    assert amount_within(charge, 0, DAY) is None
    assert amount_within(charge, 0, 3 * DAY) is None


def measured(charges: pd.DataFrame, windows: list[tuple[int, int]], **plan: Any) -> dict[tuple[int, str, str], dict[str, Any]]:
    keys = tuple(WindowKey("window", start, end) for start, end in windows)
    days = {
        key: tuple(range(key.start, key.end + 1, DAY)) if key.end - key.start >= DAY else (key.start, key.end) for key in keys
    }
    periods = {key: Period(0, 30 * DAY, tuple(range(0, 31 * DAY, DAY))) for key in keys} if "budget" in plan else {}
    made = BillPlan(keys, days, periods, 40 * DAY, plan.get("budget"), "EUR" if "budget" in plan else None)
    return {(row["start"], row["column_name"], row["metric"]): row for row in bill_measurements(grouped(charges), made)}


def test_a_months_charge_is_in_every_day_and_a_day_that_lacks_its_usage_is_still_missed() -> None:
    days = [day for day in range(30) if day != 11]
    usage = pd.DataFrame(
        {"start": [day * DAY for day in days], "end": [(day + 1) * DAY for day in days], "amount": 2.0, "service": "a"}
    )
    support = pd.DataFrame({"start": [0], "end": [30 * DAY], "amount": [60.0], "service": ["support"]})
    charges = pd.concat([usage, support])
    found = measured(charges, [(day * DAY, (day + 1) * DAY) for day in range(30)], budget=240.0)
    assert [found[day * DAY, TABLE_ROW, "cost"]["value"] for day in (0, 10, 29)] == pytest.approx([4.0] * 3)
    missed = found[11 * DAY, TABLE_ROW, "cost"]
    assert (missed["value"], missed["status"]) == (pytest.approx(2.0), "PARTIAL")
    assert "1 of 1 days have no rows" in missed["message"]
    used = [found[day * DAY, TABLE_ROW, "budget_used_percent"]["value"] for day in (0, 14, 29)]
    assert used == pytest.approx([100 * 4 / 240, 100 * (15 * 4 - 2) / 240, 100 * 118 / 240])
    assert found[29 * DAY, TABLE_ROW, "budget_used_percent"]["count"] == 29
    alone = measured(support, [(day * DAY, (day + 1) * DAY) for day in range(30)])
    assert {row["status"] for place, row in alone.items() if place[2] == "cost"} == {"OK"}
    assert alone[3 * DAY, "support", "cost"]["count"] == 1


def test_costs_of_hours_of_a_bill_by_the_day_are_in_proportion_and_give_no_cost_of_their_predictions() -> None:
    daily = pd.DataFrame({"start": [0, DAY], "end": [DAY, 2 * DAY], "amount": [24.0, 48.0], "service": "a"})
    found = measured(daily, [(hour * HOUR, (hour + 1) * HOUR) for hour in range(48)])
    assert [found[hour * HOUR, TABLE_ROW, "cost"]["value"] for hour in range(48)] == pytest.approx([1.0] * 24 + [2.0] * 24)
    row = found[0, TABLE_ROW, "cost_per_1000_predictions"]
    assert row["status"] == "UNDEFINED"
    sentence = "Most of it is charged for more time than this window and counted in proportion to time: see longer windows."
    assert found[0, TABLE_ROW, "cost"]["message"] == sentence


def test_a_charge_that_is_cut_at_the_days_of_a_week_is_one_charge() -> None:
    support = pd.DataFrame({"start": [0], "end": [30 * DAY], "amount": [60.0], "service": ["support"]})
    week = measured(support, [(0, 7 * DAY)])[0, "support", "cost"]
    assert (week["value"], week["count"]) == (pytest.approx(14.0), 1)
