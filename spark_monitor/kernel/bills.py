"""From sums of a bill by quarter of an hour to what is measured of each window, service and tag; currencies are never added."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any, Final

import numpy as np

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import measurements
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving import EMPTY, timestamp_text
from spark_monitor.kernel.serving_series import UNDEFINED
from spark_monitor.operations.billing import CostBlock, Week

BILL, PREDICTIONS = "bill", "predictions"
BILL_DDL: Final = (
    "kind string, at bigint, service string, currency string, tag string, amount double, n bigint, unread bigint, "
    "granularity string, predictions double"
)
PARTIAL: Final = "PARTIAL"
MIXED: Final = "MIXED_CURRENCIES"
NO_SERVICE: Final = "(no service)"
NEW_SERVICE: Final = "No cost of this service is known before this window."
NO_CURRENCY: Final = "(no currency)"
NAMED: Final = 5
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Period:
    """The budget's period that a window ends in, and the edges of its days, in microseconds; and of those before it.

    Each day's weekday stands beside (0 is Monday); without them every day is like another.
    """

    start: int
    end: int
    days: tuple[int, ...]
    weekdays: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    weekdays_before: tuple[int, ...] = ()


@dataclass(frozen=True)
class BillPlan:
    """The due windows, the edges of the days in each, the budget, and how far back services are known."""

    windows: tuple[WindowKey, ...]
    days: Mapping[WindowKey, tuple[int, ...]]
    periods: Mapping[WindowKey, Period] = field(default_factory=dict)
    lookback: int = 0
    budget: float | None = None
    budget_currency: str | None = None
    budget_per: str = "month"
    most_services: int = 200


@dataclass
class _Sum:
    """One service, tag or everything, of one window."""

    by_currency: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rows: int = 0

    def add(self, row: Row) -> None:
        self.by_currency[row["currency"] or NO_CURRENCY].append(row["amount"] or 0.0)
        self.rows += row["n"]


def bill_measurements(rows: Iterable[Row], plan: BillPlan) -> Iterator[dict[str, Any]]:
    """The measurements of every due window."""
    bill, predictions = [], {}
    for row in rows:
        if row["kind"] == BILL:
            bill.append(row)
        else:
            predictions[row["granularity"], row["at"]] = row["predictions"]
    bill.sort(key=lambda row: (row["at"], row["service"] or "", row["currency"] or "", row["tag"] or ""))
    times = [row["at"] for row in bill]
    for window in plan.windows:
        inside = bill[bisect_left(times, window.start) : bisect_left(times, window.end)]
        before = bill[bisect_left(times, window.start - plan.lookback) : bisect_left(times, window.start)]
        yield from _window(window, inside, before, predictions.get((window.granularity, window.start)), plan)
        if plan.budget is not None and window in plan.periods:
            period = plan.periods[window]
            spent = bill[bisect_left(times, period.start) : bisect_left(times, window.end)]
            earlier = bill[bisect_left(times, period.before[0]) : bisect_left(times, period.start)] if period.before else []
            yield from _against_budget(window, period, spent, plan, earlier)


def _window(
    window: WindowKey, inside: Sequence[Row], before: Sequence[Row], predictions: float | None, plan: BillPlan
) -> Iterator[dict[str, Any]]:
    whole, sums = _Sum(), defaultdict[str, _Sum](_Sum)
    for row in inside:
        whole.add(row)
        sums[row["service"] or NO_SERVICE].add(row)
        if row["tag"] is not None:
            sums[f"tag={row['tag']}"].add(row)
    last_costs: dict[str, int] = {}
    for row in before:
        last_costs[row["service"] or NO_SERVICE] = row["at"]
    status, message = _completeness(window, inside, before, plan)
    yield from _costs(window, TABLE_ROW, whole, status, message)
    yield from _per_prediction(window, whole, predictions, status, message)
    kept = sorted(sums, key=lambda name: (-sum(map(fsum, sums[name].by_currency.values())), name))[: plan.most_services]
    for name in kept:
        fresh = last_costs and name not in last_costs and not name.startswith("tag=")
        yield from _costs(window, name, sums[name], None, NEW_SERVICE if fresh else None)
    for name in sorted(set(last_costs) - set(sums)):
        absence = f"No cost of this service in this window; its last was {timestamp_text(last_costs[name])}."
        yield from _costs(window, name, _Sum(), EMPTY, absence)


def _completeness(
    window: WindowKey, inside: Sequence[Row], before: Sequence[Row], plan: BillPlan
) -> tuple[str | None, str | None]:
    """Whether each day of the window has rows, and whether all amounts could be read."""
    if not inside:
        since = f"; the last ones are of {timestamp_text(before[-1]['at'])}" if before else ""
        return EMPTY, f"The bill has no rows in this window{since}."
    days = plan.days[window]
    missing = days_without(days, inside)
    unread = sum(row["unread"] for row in inside)
    sentences = []
    if missing:
        shown = ", ".join(timestamp_text(day)[:10] for day in missing[:NAMED])
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        sentences.append(f"{len(missing)} of {len(days) - 1} days have no rows: {shown}{more}.")
    if unread:
        sentences.append(f"The amounts of {unread} of {sum(row['n'] for row in inside)} rows cannot be read, or have no price.")
    return (PARTIAL if sentences else None), " ".join(sentences) or None


def days_without(days: Sequence[int], rows: Sequence[Row]) -> list[int]:
    """The days, by their first timestamps, in which no row lies; ``days`` are the edges.

    >>> days_without([0, 10, 20, 30], [{"at": 3}, {"at": 25}])
    [10]
    """
    held = {bisect_left(days, row["at"] + 1) - 1 for row in rows}
    return [day for place, day in enumerate(days[:-1]) if place not in held]


def _row(window: WindowKey, metric_name: str, block: CostBlock, column: str, **fields: Any) -> dict[str, Any]:
    """One measurement; an undefined number says so where nothing else does."""
    metric = catalogue().metrics[metric_name]
    edges = {"granularity": window.granularity, "start": window.start, "end": window.end}
    where = [{**edges, "model_version": None, "slice_key": None, "slice_value": None}]
    given = {name: value for name, value in fields.items() if value is not None}
    status = given.pop("status", None)
    class_name, details, count = given.pop("class_name", None), given.pop("details", None), given.pop("count", None)
    message = given.pop("message", None)
    [row] = measurements(where, metric, metric.compute(block), count=[count], column_name=column, **given)
    if row["count"] is None:
        row["count"] = count
    return {**row, "class": class_name, "details": details, "message": message, "status": status or row["status"]}


def _costs(window: WindowKey, name: str, total: _Sum, status: str | None, message: str | None) -> Iterator[dict[str, Any]]:
    """What something cost: one row, or one for each currency beside one that says why they have no sum."""
    single = _single(total)
    if single is None and total.by_currency:
        sentence = f"Costs in {', '.join(sorted(total.by_currency))} are not added: see a row for each."
        block = CostBlock(cost=np.array([np.nan]))
        yield _row(window, "cost", block, name, status=MIXED, message=sentence, count=total.rows)
    elif single is None:
        yield _row(window, "cost", CostBlock(cost=np.array([np.nan])), name, status=status, message=message, count=0)
    for currency, amounts in sorted(total.by_currency.items()):
        block = CostBlock(cost=np.array([fsum(amounts)]))
        unit = currency if currency != NO_CURRENCY else None
        class_name = None if single is not None else currency
        fields = {"status": status, "message": message, "unit": unit, "count": total.rows, "class_name": class_name}
        yield _row(window, "cost", block, name, **fields)


def _single(total: _Sum) -> str | None:
    return next(iter(total.by_currency)) if len(total.by_currency) == 1 else None


def _per_prediction(
    window: WindowKey, whole: _Sum, predictions: float | None, status: str | None, message: str | None
) -> Iterator[dict[str, Any]]:
    currency = _single(whole)
    amount = fsum(whole.by_currency[currency]) if currency is not None else np.nan
    block = CostBlock(cost=np.array([amount]), predictions=np.array([np.nan if predictions is None else predictions]))
    unit = currency if currency != NO_CURRENCY else None
    count = None if predictions is None else int(predictions)
    if currency is None and whole.by_currency:
        status, message = MIXED, "Costs in several currencies are not added."
    elif not predictions and status != EMPTY:
        status, message = UNDEFINED, "No predictions are known of this window."
    yield _row(window, "cost_per_1000_predictions", block, TABLE_ROW, status=status, message=message, unit=unit, count=count)


def _against_budget(
    window: WindowKey, period: Period, rows: Sequence[Row], plan: BillPlan, earlier: Sequence[Row]
) -> Iterator[dict[str, Any]]:
    """What the period has cost so far, and what it will have cost at its end."""
    in_budget = [row for row in rows if (row["currency"] or NO_CURRENCY) == plan.budget_currency]
    others = sorted({row["currency"] or NO_CURRENCY for row in rows} - {str(plan.budget_currency)})
    past = [day for day in period.days if day <= window.end]
    missing = days_without(past, rows) if len(past) > 1 else []
    sums = _daily(past, in_budget, set(missing))
    sentences = []
    if others:
        sentences.append(f"Costs in {', '.join(others)} are left out: the budget is in {plan.budget_currency}.")
    if missing:
        sentences.append(f"{len(missing)} of {len(past) - 1} days of the {plan.budget_per} so far have no rows.")
    has_rows = bool(in_budget)
    status = (EMPTY if not rows else UNDEFINED) if not has_rows else (PARTIAL if sentences else None)
    if not has_rows:
        sentences = sentences or [f"The bill has no rows in this {plan.budget_per} so far."]
    block = CostBlock(
        spent=np.array([fsum(row["amount"] or 0.0 for row in in_budget) if has_rows else np.nan]),
        budget=np.array([plan.budget or np.nan]),
        open_days=np.array([float(len(period.days) - len(past) + len(missing))]),
        days=[sums if has_rows else np.empty(0)],
        weeks=[_week(period, past, set(missing), earlier, plan) if has_rows else None],
    )
    details = {
        "budget": f"{plan.budget:g} {plan.budget_currency} per {plan.budget_per}",
        "period_from": timestamp_text(period.start),
    }
    fields = {"status": status, "message": " ".join(sentences) or None, "details": list(details.items()), "count": len(sums)}
    for metric in ("budget_used_percent", "budget_forecast_percent"):
        yield _row(window, metric, block, TABLE_ROW, **fields)


def _week(period: Period, past: Sequence[int], missing: set[int], earlier: Sequence[Row], plan: BillPlan) -> Week | None:
    """The weekdays of the days so far and to come, and what days before the period cost, as far as they have rows."""
    if not period.weekdays or not period.before:
        return None
    of = dict(zip(period.days, period.weekdays, strict=False))
    so_far = [day for day in past[:-1] if day not in missing]
    to_come = [day for day in period.days[:-1] if day not in set(so_far)]
    absent = set(days_without(period.before, earlier))
    in_budget = [row for row in earlier if (row["currency"] or NO_CURRENCY) == plan.budget_currency]
    kept = [weekday for day, weekday in zip(period.before, period.weekdays_before, strict=False) if day not in absent]
    return Week(
        weekdays=np.array([of[day] for day in so_far], dtype=np.int64),
        open_weekdays=np.array([of[day] for day in to_come], dtype=np.int64),
        before=_daily(period.before, in_budget, absent),
        weekdays_before=np.array(kept, dtype=np.int64),
    )


def _daily(days: Sequence[int], rows: Sequence[Row], missing: set[int]) -> Any:
    """The sums of the complete days that have rows."""
    sums: dict[int, list[float]] = {day: [] for day in days[:-1] if day not in missing}
    for row in rows:
        place = bisect_left(days, row["at"] + 1) - 1
        if 0 <= place < len(days) - 1:
            sums.setdefault(days[place], []).append(row["amount"] or 0.0)
    return np.array([fsum(amounts) for _, amounts in sorted(sums.items())], dtype=np.float64)
