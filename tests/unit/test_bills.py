"""What is measured of a bill, from sums that are made by hand, against numpy and scipy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.diagnosis.parts import part_causes
from spark_monitor.kernel.bill_plan import BILL, PREDICTIONS, BillPlan, Period
from spark_monitor.kernel.bills import bill_measurements
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.operations.billing import CostBlock, Week, budget_forecast_percent

DAY = 86_400_000_000
WEEKS = tuple(WindowKey("1 week", 7 * week * DAY, 7 * (week + 1) * DAY) for week in range(4))


def billed(
    day: float, amount: float | None, service: str | None = "serving", currency: str | None = "EUR", **more: Any
) -> dict[str, Any]:
    told = {"at": int(day * DAY), "service": service, "currency": currency, "tag": None, "amount": amount, "n": 1, "unread": 0}
    return {"kind": BILL, "granularity": None, "predictions": None, **told, **more}


def predicted(week: int, predictions: float) -> dict[str, Any]:
    return {**billed(7 * week, 0.0), "kind": PREDICTIONS, "granularity": "1 week", "predictions": predictions}


def found(rows: list[dict[str, Any]], *, budget: float | None = None) -> dict[tuple[int, str, str, str | None], dict[str, Any]]:
    days = {window: tuple(range(window.start, window.end + DAY, DAY)) for window in WEEKS}
    month = Period(0, 30 * DAY, tuple(range(0, 31 * DAY, DAY)))
    periods = dict.fromkeys(WEEKS, month) if budget is not None else {}
    plan = BillPlan(WEEKS, days, periods, 30 * DAY, budget, "EUR" if budget is not None else None)
    rows_out = bill_measurements(rows, plan)
    return {(one["start"] // (7 * DAY), one["column_name"], one["metric"], one["class"]): one for one in rows_out}


def test_costs_are_summed_by_service_and_together() -> None:
    random = np.random.default_rng(3)
    amounts = random.lognormal(size=(28, 2))
    rows = [
        billed(day + 0.5, amounts[day, place], service) for day in range(28) for place, service in enumerate(["serving", "jobs"])
    ]
    told = found(rows)
    for week in range(4):
        inside = amounts[7 * week : 7 * week + 7]
        assert told[week, TABLE_ROW, "cost", None]["value"] == pytest.approx(inside.sum(), rel=1e-14)
        assert told[week, "jobs", "cost", None]["value"] == pytest.approx(inside[:, 1].sum(), rel=1e-14)
        assert told[week, TABLE_ROW, "cost", None]["unit"] == "EUR"
        assert told[week, TABLE_ROW, "cost", None]["status"] == "OK"


def test_the_whole_bill_names_the_service_that_most_of_its_move_comes_from() -> None:
    rows = [billed(day + 0.5, 2.0, service) for day in range(28) for service in ("serving", "jobs (1 of 2)", "store")]
    rows += [billed(22.5, 40.0, "jobs (1 of 2)"), billed(23.5, -3.0, "store")]
    told = found(rows)
    moved = {week: dict(told[week, TABLE_ROW, "cost", None]["details"] or []) for week in range(4)}
    assert "moved_service" not in moved[0]  # nothing is known before
    usual = 21 * 2.0 * 7 / 20.5  # in a week, by the 20.5 days since the first charge
    assert moved[3]["moved_service"] == f"jobs (1 of 2) 54 ({usual:.6g} on average before)"
    (cause,) = part_causes((None, moved[3]))
    assert cause.what == "service jobs (1 of 2)"
    assert cause.sentence == "Service jobs (1 of 2) cost 54; 14.3 in as much time before, on average."
    assert told[3, "jobs (1 of 2)", "cost", None]["details"] is None


def test_a_tag_names_the_service_that_its_own_move_comes_from() -> None:
    of_gpu = {("gpu", "prod"): (2.0, 4.0), ("gpu", "dev"): (1.0, 1.0)}
    amounts = {**of_gpu, ("store", "prod"): (3.0, 3.0), ("store", "dev"): (1.0, 2.0)}
    rows = [
        billed(day + 0.5, now if day >= 21 else before, service, tag=tag)
        for day in range(28)
        for (service, tag), (before, now) in amounts.items()
    ]
    told = found(rows)
    moved = {tag: dict(told[3, f"tag={tag}", "cost", None]["details"])["moved_service"] for tag in ("prod", "dev")}
    usual = 7 * 21 / 20.5  # a week's charges of 1 a day, by the 20.5 days since the first
    assert moved == {
        "prod": f"gpu 28 ({2 * usual:.6g} on average before)",
        "dev": f"store 14 ({usual:.6g} on average before)",
    }


def test_services_that_are_new_are_counted_and_named_in_their_first_window_alone() -> None:
    rows = [billed(day + 0.5, 2.0, "serving") for day in range(28) if not 7 <= day < 14]
    rows += [billed(day + 0.5, 3.0, "search") for day in range(15, 28)] + [billed(22.5, 1.0, "jobs"), billed(16.5, 1.5, "store")]
    told = found(rows)
    new = {week: told[week, TABLE_ROW, "new_services", None] for week in range(4)}
    assert [(new[week]["value"], new[week]["status"]) for week in range(4)] == [
        (None, "UNDEFINED"),  # nothing is known before the first week
        (None, "EMPTY"),
        (2, "OK"),
        (1, "OK"),
    ]
    assert new[2]["message"] == "No charges before this window: search, store."
    assert told[2, "search", "cost", None]["message"] == "This service has no recorded cost before this window."
    assert "message" not in told[3, "search", "cost", None] or told[3, "search", "cost", None]["message"] is None
    (cause,) = part_causes((None, dict(new[3]["details"])))
    assert cause.sentence == "Service jobs cost 1; nothing before: it is new."


def test_a_service_billed_once_a_month_is_not_new_where_the_lookback_is_shorter() -> None:
    windows = tuple(WindowKey("1 day", day * DAY, (day + 1) * DAY) for day in (3, 31, 32))
    plan = BillPlan(windows, {one: (one.start, one.end) for one in windows}, lookback=3 * DAY, known_for=35 * DAY)
    rows = [billed(day + 0.5, 2.0) for day in range(33)] + [billed(day + 0.5, 9.0, "licence") for day in (3, 31)]
    values = [one["value"] for one in bill_measurements(rows, plan) if one["metric"] == "new_services"]
    assert values == [1, 0, 0]


def test_days_without_rows_are_named_by_the_date_of_the_monitors_zone() -> None:
    begins = pd.Timestamp("2026-01-25", tz="Asia/Kathmandu").value // 1000
    window = WindowKey("2 days", begins, begins + 2 * DAY)
    row = {**billed(0, 1.0), "at": begins + DAY + 5}
    plan = BillPlan((window,), {window: (begins, begins + DAY, begins + 2 * DAY)}, zone="Asia/Kathmandu")
    [message] = {
        one["message"] for one in bill_measurements([row], plan) if one["metric"] == "cost" and one["status"] == "PARTIAL"
    }
    assert message == "1 of 2 days have no rows: 2026-01-25."


def test_cost_per_1000_predictions_needs_predictions() -> None:
    rows = [billed(day, 2.0) for day in range(14)] + [predicted(0, 7000.0)]
    told = found(rows)
    assert told[0, TABLE_ROW, "cost_per_1000_predictions", None]["value"] == pytest.approx(2.0)
    assert told[1, TABLE_ROW, "cost_per_1000_predictions", None]["status"] == "UNDEFINED"


def by_hour(rows: list[dict[str, Any]], hours: int = 1) -> dict[tuple[int, str], dict[str, Any]]:
    """The rows of everything together on the first day, by windows of so many hours with 500 predictions each."""
    length = hours * DAY // 24
    windows = tuple(WindowKey("hours", start, start + length) for start in range(0, DAY, length))
    known = {"kind": PREDICTIONS, "granularity": "hours", "predictions": 500.0}
    counted = [{**billed(window.start / DAY, 0.0), **known} for window in windows]
    plan = BillPlan(windows, {window: (window.start, window.end) for window in windows}, {}, 30 * DAY)
    told = bill_measurements([*rows, *counted], plan)
    return {(one["start"] // length, one["metric"]): one for one in told if one["column_name"] == TABLE_ROW}


@pytest.mark.parametrize("missing", [(), (-3,)])
def test_a_bill_by_the_day_gives_no_cost_of_an_hours_predictions(missing: tuple[int, ...]) -> None:
    rows = [billed(day, 24.0) for day in range(-9, 1) if day not in missing]
    rows += [billed(day + 0.3, 0.1, "spark_monitor") for day in range(-9, 1)]
    told = by_hour(rows)
    row = told[0, "cost_per_1000_predictions"]
    assert (row["value"], row["status"]) == (None, "UNDEFINED")
    assert row["message"].startswith("The bill has charges every 24 hours, each for longer than this window")
    assert told[0, "cost"]["value"] == 24.0
    assert told[0, "cost"]["message"] == row["message"]
    assert told[1, "cost"]["status"] == "EMPTY"
    whole = by_hour(rows, hours=24)[0, "cost_per_1000_predictions"]
    assert whole["value"] == pytest.approx(1000 * 24.1 / 500)


def test_a_bill_by_the_hour_or_at_any_time_gives_the_cost_of_an_hours_predictions() -> None:
    random = np.random.default_rng(8)
    hourly = [billed(hour / 24, 1.0) for hour in range(-48, 24)]
    seldom = [billed(float(day), 1.0) for day in np.cumsum(random.exponential(3, 20)) - 60] + [billed(0.0, 1.0)]
    for rows in (hourly, seldom, hourly[46:49]):
        assert by_hour(rows)[0, "cost_per_1000_predictions"]["value"] == pytest.approx(2.0)


def test_currencies_are_never_added() -> None:
    rows = [billed(day, 1.0) for day in range(7)] + [billed(2, 5.0, currency="USD")]
    told = found(rows, budget=100.0)
    mixed = told[0, TABLE_ROW, "cost", None]
    assert (mixed["value"], mixed["status"]) == (None, "MIXED_CURRENCIES")
    assert mixed["message"] == "Costs in EUR, USD are not added: see a row for each."
    assert told[0, TABLE_ROW, "cost", "EUR"]["value"] == 7
    assert told[0, TABLE_ROW, "cost", "USD"]["value"] == 5
    used = told[0, TABLE_ROW, "budget_used_percent", None]
    assert (used["value"], used["status"]) == (7, "PARTIAL")
    assert used["message"].startswith("Costs in USD are left out: the budget is in EUR.")


def test_missing_days_are_named_and_a_window_without_rows_has_no_cost_and_no_zero() -> None:
    told = found([billed(day, 1.0) for day in (0, 1, 2, 4, 5, 6)])
    whole = told[0, TABLE_ROW, "cost", None]
    assert (whole["value"], whole["status"]) == (6, "PARTIAL")
    assert whole["message"] == "1 of 7 days have no rows: 1970-01-04."
    empty = told[1, TABLE_ROW, "cost", None]
    assert (empty["value"], empty["status"]) == (None, "EMPTY")
    assert empty["message"] == "The bill has no rows in this window; the last ones are of 1970-01-07 00:00:00 UTC."
    assert told[1, "serving", "cost", None]["status"] == "EMPTY"


def test_amounts_that_cannot_be_read_are_counted() -> None:
    rows = [billed(day, 1.0) for day in range(7)] + [billed(3, 0.0, unread=1)]
    assert "The amounts of 1 of 8 rows cannot be read" in found(rows)[0, TABLE_ROW, "cost", None]["message"]


def test_a_service_that_is_new_is_said_to_be() -> None:
    rows = [billed(day, 1.0) for day in range(14)] + [billed(9, 1.0, "search")]
    assert found(rows)[1, "search", "cost", None]["message"] == "This service has no recorded cost before this window."
    assert found(rows)[0, "serving", "cost", None]["message"] is None


def test_tags_cut_the_bill() -> None:
    told = found([billed(1, 2.0, tag="red"), billed(2, 3.0, tag="blue")])
    assert told[0, "tag=red", "cost", None]["value"] == 2


def test_the_budgets_use_and_forecast_follow_from_the_days_so_far() -> None:
    random = np.random.default_rng(5)
    daily = random.normal(10, 2, 14)
    told = found([billed(day, amount) for day, amount in enumerate(daily)], budget=300.0)
    used = told[1, TABLE_ROW, "budget_used_percent", None]
    assert used["value"] == pytest.approx(100 * daily.sum() / 300)
    forecast = told[1, TABLE_ROW, "budget_forecast_percent", None]
    expected = daily.sum() + 16 * daily.mean()
    half = stats.t.ppf(0.975, 13) * daily.std(ddof=1) * np.sqrt(16 + 16**2 / 14)
    assert forecast["value"] == pytest.approx(100 * expected / 300)
    assert (forecast["lower"], forecast["upper"]) == pytest.approx((100 * (expected - half) / 300, 100 * (expected + half) / 300))
    assert dict(forecast["details"])["budget"] == "300 EUR per month"


def test_the_forecasts_interval_holds_the_months_end_in_95_of_100_months() -> None:
    random = np.random.default_rng(8)
    months = random.normal(10, 3, (1000, 30))
    so_far = months[:, :9]
    block = CostBlock(spent=so_far.sum(axis=1), budget=np.full(1000, 100.0), open_days=np.full(1000, 21.0), days=list(so_far))
    interval = budget_forecast_percent(block)
    assert interval.lower is not None
    assert interval.upper is not None
    held = (interval.lower <= months.sum(axis=1)) & (months.sum(axis=1) <= interval.upper)
    assert 0.93 <= held.mean() <= 0.97


@pytest.mark.parametrize("shape", [(1.0,) * 7, (1.2, 1.2, 1.2, 1.2, 1.2, 0.5, 0.5), (1.05, 1.05, 1.05, 1.05, 1.05, 0.9, 0.85)])
@pytest.mark.parametrize("so_far", [3, 9, 20])
def test_the_forecast_knows_weekdays_by_the_month_before_and_its_interval_holds(shape: tuple[float, ...], so_far: int) -> None:
    random = np.random.default_rng([so_far, int(10 * shape[5])])
    months, held = 700, 0
    for month in range(months):
        weekdays = (np.arange(65) + month) % 7
        cost = 10 * np.array(shape)[weekdays] * (1 + 0.1 * random.normal(size=65))
        now = cost[35 : 35 + so_far]
        week = Week(weekdays[35 : 35 + so_far], weekdays[35 + so_far :], cost[:35], weekdays[:35])
        numbers = {"spent": np.array([now.sum()]), "budget": np.array([100.0]), "open_days": np.array([30.0 - so_far])}
        interval = budget_forecast_percent(CostBlock(days=[now], weeks=[week], **numbers))
        assert interval.lower is not None
        assert interval.upper is not None
        held += bool(interval.lower[0] <= cost[35:].sum() <= interval.upper[0])
    assert 0.93 <= held / months <= 0.995


def test_weekdays_of_a_bill_come_from_the_days_before_its_period() -> None:
    cost = {day: 1.0 if day % 7 >= 5 else 10.0 for day in range(65)}
    window = WindowKey("1 day", 39 * DAY, 40 * DAY)
    edges = tuple(day * DAY for day in range(66))
    weekdays = tuple(day % 7 for day in range(65))
    period = Period(35 * DAY, 65 * DAY, edges[35:], weekdays[35:], edges[:36], weekdays[:35])
    plan = BillPlan((window,), {window: edges[39:41]}, {window: period}, 0, 300.0, "EUR")
    measured = bill_measurements([billed(day, amount) for day, amount in cost.items() if day < 40], plan)
    [forecast] = [row for row in measured if row["metric"] == "budget_forecast_percent"]
    assert forecast["value"] == pytest.approx(100 * sum(amount for day, amount in cost.items() if day >= 35) / 300)


def test_an_empty_bill_has_rows_that_say_so() -> None:
    told = found([], budget=100.0)
    assert told[0, TABLE_ROW, "cost", None]["status"] == "EMPTY"
    assert told[0, TABLE_ROW, "budget_forecast_percent", None]["status"] == "EMPTY"


def test_a_service_whose_amounts_cannot_be_read_has_no_cost_rather_than_none() -> None:
    rows = [billed(day, 1.0) for day in range(7)] + [
        billed(2, None, "odd", None, unread=2, n=2),
        billed(3, 4.0, "half", unread=1, n=3),
    ]
    told = found(rows, budget=100.0)
    odd, half = told[0, "odd", "cost", None], told[0, "half", "cost", None]
    assert (odd["value"], odd["status"], odd["message"]) == (
        None,
        "UNDEFINED",
        "The amounts of 2 of 2 rows cannot be read, or have no price.",
    )
    assert (half["value"], half["status"], half["count"]) == (4, "PARTIAL", 2)
    assert half["message"] == "The amounts of 1 of 3 rows cannot be read, or have no price."
    # A record without a price has no currency: it is no cost in another one.
    whole = told[0, TABLE_ROW, "cost", None]
    assert (whole["value"], whole["status"], whole["count"]) == (11, "PARTIAL", 9)
    used = told[0, TABLE_ROW, "budget_used_percent", None]
    assert (used["value"], used["status"]) == (11, "PARTIAL")
    assert used["message"] == "The amounts of 3 of 12 rows cannot be read, or have no price."


def test_a_bill_of_which_no_amount_can_be_read_has_no_number() -> None:
    told = found([billed(day, None, unread=1) for day in range(7)] + [predicted(0, 100.0)], budget=10.0)
    names = ("cost", "cost_per_1000_predictions", "budget_used_percent", "budget_forecast_percent")
    assert {(told[0, TABLE_ROW, name, None]["value"], told[0, TABLE_ROW, name, None]["status"]) for name in names} == {
        (None, "UNDEFINED")
    }


def test_costs_of_a_currency_count_its_own_rows() -> None:
    told = found([billed(day, 1.0) for day in range(7)] + [billed(2, 5.0, currency="USD", n=3)])
    assert [told[0, TABLE_ROW, "cost", name]["count"] for name in (None, "EUR", "USD")] == [10, 7, 3]


@pytest.mark.parametrize("by_the_hour", [True, False])
def test_a_day_that_is_under_way_is_forecast_once(by_the_hour: bool) -> None:
    """Of bills by the hour, and of those that have a day's cost at its begin, of which nothing is to come that day."""
    hour = DAY // 24
    rows = [billed(place / 24, 1.0) for place in range(60)] if by_the_hour else [billed(day, 24.0) for day in range(3)]
    window = WindowKey("1 hour", 59 * hour, 60 * hour)
    month = Period(0, 30 * DAY, tuple(range(0, 31 * DAY, DAY)))
    plan = BillPlan((window,), {window: (window.start, window.end)}, {window: month}, 0, 1000.0, "EUR")
    told = {row["metric"]: row for row in bill_measurements(rows, plan) if row["column_name"] == TABLE_ROW}
    assert told["budget_used_percent"]["value"] == pytest.approx(6.0 if by_the_hour else 7.2)
    assert told["budget_forecast_percent"]["value"] == pytest.approx(100 * 24 * 30 / 1000)


def test_the_first_day_of_a_period_says_why_nothing_is_forecast() -> None:
    hour = DAY // 24
    for hours, sentence in ((12, "No whole day of it has ended"), (36, "One whole day does not say")):
        window = WindowKey("1 hour", (hours - 1) * hour, hours * hour)
        month = Period(0, 30 * DAY, tuple(range(0, 31 * DAY, DAY)))
        plan = BillPlan((window,), {window: (window.start, window.end)}, {window: month}, 0, 1000.0, "EUR")
        told = {row["metric"]: row for row in bill_measurements([billed(place / 24, 1.0) for place in range(hours)], plan)}
        assert sentence in told["budget_forecast_percent"]["message"]
        assert told["budget_forecast_percent"]["upper"] is None
        assert told["budget_used_percent"]["message"] is None
