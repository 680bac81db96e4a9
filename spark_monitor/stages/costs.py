"""A bill to measurements: its sums in due windows, beside the predictions of these and the budget's period."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, batch_of_measurements
from spark_monitor.kernel.bill_plan import BILL, BILL_DDL, OWN_SERVICE, PREDICTIONS, BillPlan, Period
from spark_monitor.kernel.bills import bill_measurements
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.sources.costs import Bill, sums
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.stages.lost_predictions import prediction_counts
from spark_monitor.text.quoting import literal
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import Granularity, parse_every, parse_zone
from spark_monitor.windowing.timestamps import ONE_MICROSECOND, micros, timestamp_of
from spark_monitor.windowing.windows import window_of, windows_between

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.costs import CostsConfig

ONE_DAY = Granularity("day")
DAYS_BEFORE = timedelta(days=35)
"""So many days before a budget's period say how the days of a week differ, and before a window which services are not new."""


def first_of_costs(run: Run, bill: Bill) -> datetime | None:
    """When the first row of the bill is; None where there is none before the as-of timestamp."""
    at = bill.frame.selectExpr("unix_micros(CAST(time AS TIMESTAMP)) AS at").where(F.col("at").between(1, micros(run.as_of)))
    first = at.agg(F.min("at").alias("at")).collect()[0]["at"]
    return None if first is None else timestamp_of(first)


def cost_frame(run: Run, section: CostsConfig, bill: Bill, windows: Sequence[DueWindow]) -> DataFrame:
    """The measurements of these windows, by one task over sums: they are few beside the rows of any table."""
    keys, budget = window_keys(windows), section.budget
    behind = run.schedule.lookback // ONE_MICROSECOND
    periods = {key: _period(run, key, budget.per) for key in keys} if budget is not None else {}
    plan = BillPlan(
        windows=keys,
        days={key: _days(run, key.start, min(key.end, micros(run.as_of))) for key in keys},
        periods=periods,
        lookback=behind,
        known_for=DAYS_BEFORE // ONE_MICROSECOND,
        budget=budget.amount if budget is not None else None,
        budget_currency=budget.currency.upper() if budget is not None else None,
        budget_per=budget.per if budget is not None else "month",
        most_services=run.config.max_slice_values,
        zone=run.schedule.zone,
    )
    firsts = [period.before[0] if period.before else period.start for period in periods.values()]
    start = min([*(key.start - max(behind, plan.known_for) for key in keys), *firsts])
    end = min(max(key.end for key in keys), micros(run.as_of))
    parts = [sums(bill, start, end), _predictions(run, windows)]
    if section.rate_per_hour is not None:
        parts.append(_own_cost(run, section.rate_per_hour, plan.budget_currency, start, end))

    def measure(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = [row for batch in batches for row in batch.to_pylist()]
        yield batch_of_measurements(bill_measurements(rows, plan))

    empty = local_frame(run.spark, [], BILL_DDL)
    gathered = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts, empty)
    return gathered.repartition(1).mapInArrow(measure, MEASUREMENT_DDL)


def _period(run: Run, key: WindowKey, per: str) -> Period:
    """The day, week or month that the window's last timestamp lies in."""
    last = timestamp_of(key.end - 1)
    period = window_of(last, parse_every(f"1 {per}"), run.schedule.zone)
    start, end = micros(period.start), micros(period.end)
    days = _days(run, start, end)
    if per == "day":
        return Period(start, end, days)
    before = _days(run, micros(period.start - DAYS_BEFORE), start)
    return Period(start, end, days, _weekdays(run, days), before, _weekdays(run, before))


def _weekdays(run: Run, edges: Sequence[int]) -> tuple[int, ...]:
    """The weekday of each day between edges, by the monitor's clock; 0 is Monday."""
    zone = parse_zone(run.schedule.zone)
    return tuple(timestamp_of(edge).astimezone(zone).weekday() for edge in edges[:-1])


def _days(run: Run, start: int, end: int) -> tuple[int, ...]:
    """The edges of the days that lie wholly within a span; a window within a day is its own."""
    first, last = timestamp_of(start), timestamp_of(end)
    days = [one for one in windows_between(first, last, ONE_DAY, run.schedule.zone) if one.start >= first and one.end <= last]
    if not days or last - first < timedelta(hours=23):
        return (start, end)
    return (*(micros(one.start) for one in days), micros(days[-1].end))


def _predictions(run: Run, windows: Sequence[DueWindow]) -> DataFrame:
    counted = prediction_counts(run, windows).where("model_version IS NULL")
    return counted.selectExpr(f"'{PREDICTIONS}' AS kind", "start AS at", "granularity", "predictions")


def _own_cost(run: Run, rate: float, currency: str | None, start: int, end: int) -> DataFrame:
    """What this monitor's runs cost, by their seconds, at the timestamps that they pretended to be."""
    runs = run.store.frame("runs").where((F.col("monitor_id") == run.monitor_id) & (F.col("run_id") != run.run_id))
    ended = runs.where("ended IS NOT NULL").where(f"unix_micros(as_of) >= {start} AND unix_micros(as_of) < {end}")
    shown = literal(currency) if currency is not None else "CAST(NULL AS STRING)"
    seconds = "(unix_micros(ended) - unix_micros(started)) / 1e6"
    return ended.selectExpr(
        f"'{BILL}' AS kind",
        "unix_micros(as_of) AS at",
        f"'{OWN_SERVICE}' AS service",
        f"{shown} AS currency",
        f"{rate!r} * {seconds} / 3600 AS amount",
        "1L AS n",
        "0L AS unread",
    )
