"""From sums of a bill by quarter of an hour to what is measured of each window, service and tag; currencies are never added."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from typing import Any

import numpy as np

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.bill_plan import (
    BILL,
    MIXED,
    MOVER,
    NAMED,
    NEW_SERVICE,
    NO_CURRENCY,
    NO_SERVICE,
    NOTHING_BEFORE,
    OWN_SERVICE,
    PARTIAL,
    BillPlan,
    Row,
    bill_row,
    day_text,
    days_without,
    longer_charges,
    time_between,
    unread_rows,
)
from spark_monitor.kernel.budgets import against_budget
from spark_monitor.kernel.charges import LONGEST_DAY, Charges, counted, of_single_days
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving import EMPTY, timestamp_text
from spark_monitor.kernel.serving_series import UNDEFINED
from spark_monitor.operations.billing import CostBlock


@dataclass
class _Sum:
    """One service, tag or everything, of one window."""

    by_currency: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rows_of: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    rows: int = 0
    unread: int = 0
    charges: set[int] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Add a row, or a piece of one; where no amount of it can be read it has none, in whatever currency."""
        charge = id(row.get("charge", row))
        n, unread = (0, 0) if charge in self.charges else (row["n"], row["unread"])
        self.charges.add(charge)
        self.rows += n
        self.unread += unread
        if row["amount"] is not None:
            currency = row["currency"] or NO_CURRENCY
            self.by_currency[currency].append(row["amount"])
            self.rows_of[currency] += n - unread

    @property
    def remark(self) -> str | None:
        """A sentence about amounts that are left out."""
        return unread_rows(self.unread, self.rows) if self.unread else None


def bill_measurements(rows: Iterable[Row], plan: BillPlan) -> Iterator[dict[str, Any]]:
    """The measurements of every due window."""
    bill, predictions = [], {}
    for row in rows:
        if row["kind"] == BILL:
            bill.append(row)
        else:
            predictions[row["granularity"], row["at"]] = row["predictions"]
    charges = Charges(bill)
    apart = time_between([row["at"] for row in charges.single if row["service"] != OWN_SERVICE])
    daily = time_between(sorted(row["at"] for row in of_single_days(bill) if row["service"] != OWN_SERVICE))
    days_have_own = daily is not None and daily <= LONGEST_DAY
    for window in plan.windows:
        inside = charges.within(_edges(window.start, window.end, plan.days[window]))
        before = charges.within((window.start - plan.lookback, window.start)) if plan.lookback else []
        known_for = max(plan.lookback, plan.known_for)
        earlier = charges.within((window.start - known_for, window.start)) if known_for else []
        known = {row["service"] or NO_SERVICE for row in earlier}
        longer = longer_charges(apart, window, inside)
        asked = predictions.get((window.granularity, window.start))
        yield from _window(window, inside, before, asked, plan, longer, known, days_have_own=days_have_own)
        if plan.budget is not None and window in plan.periods:
            period = plan.periods[window]
            spent = charges.within(_edges(period.start, window.end, period.days))
            earlier = charges.within(period.before) if period.before else []
            kept = (spent, earlier) if not days_have_own else (of_single_days(spent), of_single_days(earlier))
            yield from against_budget(window, period, spent, plan, earlier, days_of=kept)


def _edges(start: int, end: int, days: Sequence[int]) -> list[int]:
    """The edges of a span and those of the days within it."""
    return [start, *(day for day in days if start < day < end), end]


def _window(
    window: WindowKey,
    inside: Sequence[Row],
    before: Sequence[Row],
    predictions: float | None,
    plan: BillPlan,
    longer: str | None,
    known: set[str],
    *,
    days_have_own: bool = False,
) -> Iterator[dict[str, Any]]:
    whole, sums = _Sum(), defaultdict[str, _Sum](_Sum)
    tags = {f"tag={row['tag']}" for row in inside if row["tag"] is not None}
    for row in inside:
        whole.add(row)
        sums[row["service"] or NO_SERVICE].add(row)
        if row["tag"] is not None:
            sums[f"tag={row['tag']}"].add(row)
    last_costs: dict[str, int] = {}
    for row in before:
        last_costs[row["service"] or NO_SERVICE] = row["at"]
    of_days = of_single_days(inside) if days_have_own else inside
    status, message = _completeness(window, inside, before, plan, of_days)
    message = " ".join(filter(None, (message, longer))) or None
    yield from _costs(window, TABLE_ROW, whole, status, message, _mover(window, inside, before, whole))
    yield from _per_prediction(window, whole, predictions, status, message, longer)
    fresh = [row["service"] or NO_SERVICE for row in inside] if known else []
    fresh = sorted({*fresh} - known, key=lambda name: (-sum(map(fsum, sums[name].by_currency.values())), name))
    yield _new_services(window, sums, fresh, known, EMPTY if status == EMPTY else None, message)
    kept = sorted(sums, key=lambda name: (-sum(map(fsum, sums[name].by_currency.values())), name))[: plan.most_services]
    for name in kept:
        remarks = [NEW_SERVICE] if name in fresh else []
        remarks += [sums[name].remark or ""] if sums[name].unread else []
        status_of = PARTIAL if sums[name].unread else None
        # A tag cuts the same bill: what is behind its move is a service as well.
        of_tag, of_tag_before = ([row for row in rows if f"tag={row['tag']}" == name] for rows in (inside, before))
        mover = _mover(window, of_tag, of_tag_before, sums[name]) if name in tags else None
        yield from _costs(window, name, sums[name], status_of, " ".join(remarks) or None, mover)
    for name in sorted(set(last_costs) - set(sums)):
        absence = f"No cost of this service in this window; its last was {timestamp_text(last_costs[name])}."
        yield from _costs(window, name, _Sum(), EMPTY, absence)


def _new_services(
    window: WindowKey, sums: Mapping[str, _Sum], fresh: Sequence[str], known: set[str], status: str | None, message: str | None
) -> dict[str, Any]:
    """How many services have their first charges in the window, and which; the dearest stands where an incident looks for it."""
    undefined = status is None and not known
    status = UNDEFINED if undefined else status
    message = NOTHING_BEFORE if undefined else message if status == EMPTY else None
    details = None
    if fresh:
        more = f" and {len(fresh) - NAMED} more" if len(fresh) > NAMED else ""
        message = f"No charges before this window: {', '.join(fresh[:NAMED])}{more}."
        currency = _single(sums[fresh[0]])
        if currency is not None:
            details = [(MOVER, f"{fresh[0]} {fsum(sums[fresh[0]].by_currency[currency]):.6g} (0 on average before)")]
    block = CostBlock(fresh=np.array([np.nan if status is not None else float(len(fresh))]))
    return bill_row(window, "new_services", block, TABLE_ROW, status=status, message=message, details=details)


def _completeness(
    window: WindowKey, inside: Sequence[Row], before: Sequence[Row], plan: BillPlan, of_days: Sequence[Row]
) -> tuple[str | None, str | None]:
    """Whether each day of the window has rows, and whether all amounts could be read."""
    if not inside:
        since = f"; the last ones are of {timestamp_text(before[-1]['at'])}" if before else ""
        return EMPTY, f"The bill has no rows in this window{since}."
    days = plan.days[window]
    missing = days_without(days, of_days)
    unread = counted(inside, "unread")
    sentences = []
    if missing:
        shown = ", ".join(day_text(day, plan.zone) for day in missing[:NAMED])
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        sentences.append(f"{len(missing)} of {len(days) - 1} days have no rows: {shown}{more}.")
    if unread:
        sentences.append(unread_rows(unread, counted(inside, "n")))
    return (PARTIAL if sentences else None), " ".join(sentences) or None


def _mover(window: WindowKey, inside: Sequence[Row], before: Sequence[Row], whole: _Sum) -> str | None:
    """The service that makes up most of how the window differs from so much time on average before; None where none does."""
    span, currency = window.start - before[0]["at"] if before else 0, _single(whole)
    if span < window.end - window.start or currency is None:
        return None
    costs, usual = defaultdict[str, float](float), defaultdict[str, float](float)
    for sums, rows, part in ((costs, inside, 1.0), (usual, before, (window.end - window.start) / span)):
        for row in rows:
            if row["amount"] is not None and (row["currency"] or NO_CURRENCY) == currency:
                sums[row["service"] or NO_SERVICE] += part * row["amount"]
    moved = {name: costs[name] - usual[name] for name in {*costs, *usual}}
    all_together = sum(moved.values())
    name = max(sorted(moved), key=lambda one: moved[one] * all_together, default=None)
    if name is None or moved[name] * all_together <= 0 or abs(moved[name]) < abs(all_together) / 2:
        return None
    return f"{name} {costs[name]:.6g} ({usual[name]:.6g} on average before)"


def _costs(
    window: WindowKey, name: str, total: _Sum, status: str | None, message: str | None, mover: str | None = None
) -> Iterator[dict[str, Any]]:
    """What something cost: one row, or one for each currency beside one that says why they have no sum."""
    single = _single(total)
    if single is None and total.by_currency:
        sentence = f"Costs in {', '.join(sorted(total.by_currency))} are not added: see a row for each."
        block = CostBlock(cost=np.array([np.nan]))
        yield bill_row(window, "cost", block, name, status=MIXED, message=sentence, count=total.rows)
    elif single is None:
        status = UNDEFINED if total.rows else status
        yield bill_row(window, "cost", CostBlock(cost=np.array([np.nan])), name, status=status, message=message, count=total.rows)
    for currency, amounts in sorted(total.by_currency.items()):
        block = CostBlock(cost=np.array([fsum(amounts)]))
        unit = currency if currency != NO_CURRENCY else None
        class_name = None if single is not None else currency
        details = [(MOVER, mover)] if mover is not None else None
        remarks = {"status": status, "message": message, "details": details, "count": total.rows_of[currency]}
        yield bill_row(window, "cost", block, name, unit=unit, class_name=class_name, **remarks)


def _single(total: _Sum) -> str | None:
    return next(iter(total.by_currency)) if len(total.by_currency) == 1 else None


def _per_prediction(
    window: WindowKey, whole: _Sum, predictions: float | None, status: str | None, message: str | None, longer: str | None
) -> Iterator[dict[str, Any]]:
    currency = _single(whole)
    amount = fsum(whole.by_currency[currency]) if currency is not None and longer is None else np.nan
    block = CostBlock(cost=np.array([amount]), predictions=np.array([np.nan if predictions is None else predictions]))
    unit = currency if currency != NO_CURRENCY else None
    count = None if predictions is None else int(predictions)
    if currency is None and whole.by_currency:
        status, message = MIXED, "Costs in several currencies are not added."
    elif not predictions and status != EMPTY:
        status, message = UNDEFINED, "No predictions are recorded for this window."
    elif (currency is None or longer is not None) and status != EMPTY:
        status = UNDEFINED
    yield bill_row(window, "cost_per_1000_predictions", block, TABLE_ROW, status=status, message=message, unit=unit, count=count)
