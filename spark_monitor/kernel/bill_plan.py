"""What a bill is measured by: windows and their days, the budget and its period, and how a measurement of it is written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from spark_monitor.catalogue.measurement import measurements
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.charges import reaches_beyond
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.operations.billing import CostBlock
from spark_monitor.text.formatting import UTC_NAME, local
from spark_monitor.windowing.timestamps import timestamp_of

BILL, PREDICTIONS = "bill", "predictions"
BILL_DDL: Final = (
    "kind string, at bigint, service string, currency string, tag string, amount double, n bigint, unread bigint, "
    "granularity string, predictions double, until bigint, first double, last double"
)
PARTIAL: Final = "PARTIAL"
MIXED: Final = "MIXED_CURRENCIES"
OWN_SERVICE: Final = "spark_monitor"
"""What monitoring itself cost, where the file says what an hour of a run costs."""

MOVER: Final = "moved_service"
"""In the details of the whole bill: which service most of its difference from the time before comes from."""

NO_SERVICE: Final = "(no service)"
NEW_SERVICE: Final = "This service has no recorded cost before this window."
NOTHING_BEFORE: Final = "The bill has no charges before this window that a service could be new beside."
NO_CURRENCY: Final = "(no currency)"
NAMED: Final = 5
FEWEST_GAPS, REGULAR, MOSTLY, LONGER = 4, 1.1, 0.75, 1.5
"""So many times between charges tell that they are regular, most of them alike; a day of 23 hours is as long as one of 24."""
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
    zone: str = UTC_NAME
    """Whose days they are."""

    known_for: int = 0
    """Microseconds before a window in which a service that is not new has charges, where that is more than the lookback."""


def time_between(times: Sequence[int]) -> int | None:
    """The regular time between charges, in microseconds, of sorted ``times``; None where there is none.

    >>> time_between([0, 0, 10, 20, 30, 50]), time_between([0, 1, 7, 8, 30])
    (10, None)
    """
    distinct = sorted(set(times))
    gaps = [later - earlier for earlier, later in pairwise(distinct)]
    if len(gaps) < FEWEST_GAPS:
        return None
    least = min(gaps)
    return least if sum(gap <= REGULAR * least for gap in gaps) >= MOSTLY * len(gaps) else None


def longer_charges(apart: int | None, window: WindowKey, rows: Sequence[Row] = ()) -> str | None:
    """The message about a bill whose charges are for longer than a window, as of days in hours; None of others.

    Charges with a period say so themselves, where they make up more than half of the window's; of others their regularity does.
    """
    beyond = sum(abs(row["amount"] or 0.0) for row in rows if reaches_beyond(row, int(LONGER * (window.end - window.start))))
    if beyond > sum(abs(row["amount"] or 0.0) for row in rows) / 2:
        return "Most of it is charged for more time than this window and counted in proportion to time: see longer windows."
    if apart is None or apart <= LONGER * (window.end - window.start):
        return None
    hours = f"{apart / 3_600_000_000:.3g}"
    return f"The bill has charges every {hours} hours, each for longer than this window: add windows as long to `windows.also`."


def unread_rows(unread: int, rows: int) -> str:
    """The message about amounts that are left out.

    >>> unread_rows(1, 8)
    'The amounts of 1 of 8 rows cannot be read, or have no price.'
    """
    return f"The amounts of {unread} of {rows} rows cannot be read, or have no price."


def days_without(days: Sequence[int], rows: Sequence[Row]) -> list[int]:
    """The days, by their first timestamps, in which no row lies; ``days`` are the edges.

    >>> days_without([0, 10, 20, 30], [{"at": 3}, {"at": 25}])
    [10]
    """
    held = {bisect_left(days, row["at"] + 1) - 1 for row in rows}
    return [day for place, day in enumerate(days[:-1]) if place not in held]


def day_text(day: int, zone: str) -> str:
    """The date of a day by its first timestamp, in the zone whose day it is.

    >>> day_text(1_769_278_500_000_000, "Asia/Kathmandu"), day_text(1_769_278_500_000_000, "UTC")
    ('2026-01-25', '2026-01-24')
    """
    return f"{local(timestamp_of(day), zone):%Y-%m-%d}"


def bill_row(window: WindowKey, metric_name: str, block: CostBlock, column: str, **fields: Any) -> dict[str, Any]:
    """One measurement; an undefined number says so where nothing else does."""
    metric = catalogue().metrics[metric_name]
    edges = {"granularity": window.granularity, "start": window.start, "end": window.end}
    where = [{**edges, "model_version": None, "slice_key": None, "slice_value": None}]
    settings = {name: value for name, value in fields.items() if value is not None}
    status = settings.pop("status", None)
    class_name, details, count = settings.pop("class_name", None), settings.pop("details", None), settings.pop("count", None)
    message = settings.pop("message", None)
    [row] = measurements(where, metric, metric.compute(block), count=[count], column_name=column, **settings)
    if row["count"] is None:
        row["count"] = count
    return {**row, "class": class_name, "details": details, "message": message, "status": status or row["status"]}
