"""What a bill is measured by: windows and their days, the budget and its period, and how a measurement of it is written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from spark_monitor.catalogue.measurement import measurements
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.operations.billing import CostBlock

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


def unread_rows(unread: int, rows: int) -> str:
    """What is said of amounts that are left out.

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


def bill_row(window: WindowKey, metric_name: str, block: CostBlock, column: str, **fields: Any) -> dict[str, Any]:
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
