"""What a bill has used of its budget, and what the budget's period will have cost at its end."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from math import fsum
from typing import Any

import numpy as np

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.bill_plan import NO_CURRENCY, PARTIAL, BillPlan, Period, Row, bill_row, days_without, unread_rows
from spark_monitor.kernel.charges import counted
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving import EMPTY, timestamp_text
from spark_monitor.kernel.serving_series import UNDEFINED
from spark_monitor.operations.billing import CostBlock, Week


def against_budget(
    window: WindowKey,
    period: Period,
    rows: Sequence[Row],
    plan: BillPlan,
    earlier: Sequence[Row],
    *,
    days_of: tuple[Sequence[Row], Sequence[Row]],
) -> Iterator[dict[str, Any]]:
    """What the period has cost so far, and what it will have cost at its end.

    ``days_of`` are those of ``rows`` and of ``earlier`` that say which days are there.
    """
    in_budget = [row for row in _with_amount(rows) if (row["currency"] or NO_CURRENCY) == plan.budget_currency]
    past = [day for day in period.days if day <= window.end]
    missing = days_without(past, _with_amount(days_of[0])) if len(past) > 1 else []
    sums = _daily(past, in_budget, set(missing))
    sentences = _gaps(rows, plan, len(missing), len(past) - 1)
    has_rows = bool(in_budget)
    status = (EMPTY if not rows else UNDEFINED) if not has_rows else (PARTIAL if sentences else None)
    if not has_rows:
        sentences = sentences or [f"The bill has no rows in this {plan.budget_per} so far."]
    open_days = len(period.days) - len(past) + len(missing)
    block = CostBlock(
        spent=np.array([fsum(row["amount"] for row in in_budget) if has_rows else np.nan]),
        budget=np.array([plan.budget or np.nan]),
        open_days=np.array([float(open_days)]),
        days=[sums if has_rows else np.empty(0)],
        weeks=[_week(period, past, set(missing), earlier, plan, days_of[1]) if has_rows else None],
        begun=np.array([fsum(row["amount"] for row in in_budget if past and row["at"] >= past[-1])]),
        absent=np.array([fsum(row["amount"] for row in in_budget if _day_of(past, row) in set(missing))]),
    )
    details = {
        "budget": f"{plan.budget:.15g} {plan.budget_currency} per {plan.budget_per}",
        "period_from": timestamp_text(period.start),
    }
    for metric in ("budget_used_percent", "budget_forecast_percent"):
        few = [] if metric == "budget_used_percent" or not has_rows or not open_days else _too_few(len(sums))
        message = " ".join([*sentences, *few]) or None
        row_status = UNDEFINED if few and not len(sums) else status
        fields = {"status": row_status, "message": message, "details": list(details.items()), "count": len(sums)}
        yield bill_row(window, metric, block, TABLE_ROW, **fields)


def _gaps(rows: Sequence[Row], plan: BillPlan, missing: int, days: int) -> list[str]:
    """What is left out of the sum: other currencies, days without rows, amounts that cannot be read."""
    sentences = []
    others = sorted({row["currency"] or NO_CURRENCY for row in _with_amount(rows)} - {str(plan.budget_currency)})
    if others:
        sentences.append(f"Costs in {', '.join(others)} are left out: the budget is in {plan.budget_currency}.")
    if missing:
        sentences.append(f"{missing} of {days} days of the {plan.budget_per} so far have no rows.")
    unread = counted(rows, "unread")
    if unread:
        sentences.append(unread_rows(unread, counted(rows, "n")))
    return sentences


def _too_few(days: int) -> list[str]:
    """Why there is no forecast, or none with an interval, after so few whole days."""
    if not days:
        return ["No whole day of it has ended: there is no forecast yet."]
    return ["One whole day does not say how much days differ: the forecast has no interval yet."] if days == 1 else []


def _with_amount(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["amount"] is not None]


def _week(
    period: Period, past: Sequence[int], missing: set[int], earlier: Sequence[Row], plan: BillPlan, days_of: Sequence[Row]
) -> Week | None:
    """The weekdays of the days so far and to come, and what days before the period cost, as far as they have rows."""
    if not period.weekdays or not period.before:
        return None
    of = dict(zip(period.days, period.weekdays, strict=False))
    so_far = [day for day in past[:-1] if day not in missing]
    to_come = [day for day in period.days[:-1] if day not in set(so_far)]
    absent = set(days_without(period.before, _with_amount(days_of)))
    in_budget = [row for row in earlier if (row["currency"] or NO_CURRENCY) == plan.budget_currency]
    kept = [weekday for day, weekday in zip(period.before, period.weekdays_before, strict=False) if day not in absent]
    begun = [day for day in to_come if not past or day >= past[-1]]
    return Week(
        weekdays=np.array([of[day] for day in so_far], dtype=np.int64),
        open_weekdays=np.array([of[day] for day in to_come], dtype=np.int64),
        before=_daily(period.before, in_budget, absent),
        weekdays_before=np.array(kept, dtype=np.int64),
        begun=of[begun[0]] if begun else None,
    )


def _daily(days: Sequence[int], rows: Sequence[Row], missing: set[int]) -> Any:
    """The sums of the complete days that have rows."""
    sums: dict[int | None, list[float]] = {day: [] for day in days[:-1] if day not in missing}
    for row in rows:
        day = _day_of(days, row)
        if day in sums:
            sums[day].append(row["amount"] or 0.0)
    return np.array([fsum(amounts) for amounts in sums.values()], dtype=np.float64)


def _day_of(days: Sequence[int], row: Row) -> int | None:
    """The first timestamp of the day that a row lies in; ``days`` are the edges."""
    place = bisect_left(days, row["at"] + 1) - 1
    return days[place] if 0 <= place < len(days) - 1 else None
