"""What the committed tables say of the demo's story: the incidents a run opened, and the two injected faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pandas as pd

from spark_monitor.demo.data import VISIBILITY_FAULT_AIRPORT, VISIBILITY_FAULT_FROM, VISIBILITY_FAULT_TO, WIND_FAULT_FROM
from spark_monitor.text.formatting import counted, number

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.outputs.result import RunResult

SEVERITIES = ("critical", "high", "medium", "low")
INCIDENTS_TOLD = 6
WEEK = "1 week"
ONE_VERSION = "1"  # both versions see the same features


@dataclass(frozen=True)
class WeekChecked:
    """One check of one week."""

    start: pd.Timestamp
    value: float
    verdict: str


def opened_incidents(result: RunResult, *, since: datetime) -> Iterator[str]:
    """The incidents that opened after ``since``, the worst first, and how many more there are."""
    from pyspark.sql import functions as F

    opened = result.incidents.where(F.col("opened") > F.lit(since)).withColumn("total", F.expr("count(*) OVER ()"))
    severity = F.array_position(F.array(*map(F.lit, SEVERITIES)), F.col("severity"))
    worst = opened.orderBy(severity, "status", "opened", "incident_id")
    rows = worst.select("severity", "status", "diagnosis", "total").limit(INCIDENTS_TOLD).collect()
    for row in rows:
        yield f"{row['severity'].upper()}{' (over by now)' if row['status'] == 'RESOLVED' else ''}: {row['diagnosis']}"
    more = (rows[0]["total"] if rows else 0) - len(rows)
    if more:
        yield f"and {counted(more, 'more incident')}, less severe"


def faults_found(checks: DataFrame) -> Iterator[str]:
    """Both injected faults against the checks of every week."""
    wind, visibility = weeks(checks)
    yield "  wind_speed in km/h: " + found_line(
        "tv_distance",
        [week for week in wind if week.start < WIND_FAULT_FROM],
        [week for week in wind if week.start >= WIND_FAULT_FROM],
    )
    silent = [week for week in visibility if VISIBILITY_FAULT_FROM <= week.start < VISIBILITY_FAULT_TO]
    yield f"  visib missing at {VISIBILITY_FAULT_AIRPORT}: " + found_line(
        "percent_null", [week for week in visibility if week not in silent], silent
    )


def weeks(checks: DataFrame) -> tuple[list[WeekChecked], list[WeekChecked]]:
    """The weeks of two checks in their order: wind_speed's distance over all rows, visib's missing values at one airport."""
    from pyspark.sql import functions as F

    of_wind = (F.col("metric") == "tv_distance") & (F.col("column_name") == "wind_speed") & F.col("slice_key").isNull()
    at_airport = (F.col("slice_key") == "origin") & (F.col("slice_value") == VISIBILITY_FAULT_AIRPORT)
    of_visibility = (F.col("metric") == "percent_null") & (F.col("column_name") == "visib") & at_airport
    weekly = (F.col("model_version") == ONE_VERSION) & (F.col("granularity") == WEEK) & F.col("value").isNotNull()
    rows = (
        checks.where((of_wind | of_visibility) & weekly)
        .selectExpr("metric", "unix_micros(window.start) AS start", "value", "verdict")
        .orderBy("start")
        .collect()
    )
    by_metric: dict[str, list[WeekChecked]] = {"tv_distance": [], "percent_null": []}
    for row in rows:
        start = pd.Timestamp(row["start"], unit="us", tz="UTC")
        by_metric[row["metric"]].append(WeekChecked(start, row["value"], row["verdict"]))
    return by_metric["tv_distance"], by_metric["percent_null"]


def found_line(metric: str, clean: Sequence[WeekChecked], faulty: Sequence[WeekChecked]) -> str:
    """What a check says of the weeks with a fault and of those without."""
    if not clean or not faulty:
        return f"{metric} was not checked in these weeks."
    return (
        f"{metric} {span(faulty)} in {counted(len(faulty), 'week')} with the fault ({verdicts(faulty)}), "
        f"{span(clean)} in {counted(len(clean), 'week')} without ({verdicts(clean)})."
    )


def span(values: Sequence[WeekChecked]) -> str:
    """The smallest and the largest value."""
    smallest, largest = number(min(week.value for week in values)), number(max(week.value for week in values))
    return smallest if smallest == largest else f"{smallest} to {largest}"


def verdicts(values: Sequence[WeekChecked]) -> str:
    """How many weeks have which verdict.

    >>> verdicts([WeekChecked(pd.Timestamp(0), 0.5, "FAIL"), WeekChecked(pd.Timestamp(1), 0.5, "PASS")])
    '1 FAIL, 1 PASS'
    """
    names = [week.verdict for week in values]
    return ", ".join(f"{names.count(verdict)} {verdict}" for verdict in sorted(set(names)))
