"""What rules must know besides the numbers of a window: the baseline's own. What no rule asks for costs nothing."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.limits import Learned, Relative
from spark_monitor.config.metrics import worse_of
from spark_monitor.config.rules import RuleConfig
from spark_monitor.rules.held import Knowledge, OfBaseline, OwnWindows
from spark_monitor.rules.leave_one_out import against_the_rest
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.sources.predictions import time_range
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.stages.context import INPUT, Run
from spark_monitor.stages.metric_rows import OF_BASELINE, metric_rows
from spark_monitor.store.literals import instant_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_WINDOWS: Final = 400
"""Of a longer baseline its last windows are taken, so that what comes to the driver is bounded by the number of columns."""


def knowledge_of(run: Run) -> Knowledge:
    """What the rules of this monitor must know."""
    learned, relative = (
        [rule for rule in run.config.rules if any(isinstance(limit, kind) for limit in rule.limits)]
        for kind in (Learned, Relative)
    )
    return Knowledge(
        own_windows=own_windows(run, learned) if learned else {},
        baseline=baseline_values(run, relative) if relative else {},
        worse=worse_of(run.config.metrics),
        zone=run.config.windows.zone,
        fdr=run.config.alerts.fdr,
    )


def baseline_values(run: Run, rules: list[RuleConfig]) -> dict[OfBaseline, float]:
    """The labelled baseline's own value of the model's metrics, whose rows have a granularity of their own."""
    own = (F.col("monitor_id") == run.monitor_id) & (F.col("granularity") == OF_BASELINE)
    named = F.col("metric").isin(*{rule.metric for rule in rules})
    rows = run.store.frame("model_metrics").where(own & named).where("value IS NOT NULL AND basis <> 'ESTIMATED'")
    keys = ("slice_key", "slice_value", "metric", "class")
    return {(TABLE_ROW, *(row[key] for key in keys)): row["value"] for row in rows.select(*keys, "value").collect()}


def own_windows(run: Run, rules: list[RuleConfig]) -> dict[str, OwnWindows]:
    """The baseline's own windows by column, from what is stored of the windows that lie within its first and last row.

    Only where the baseline is a part of the prediction table: the windows of another table are not its own.
    """
    span = baseline_span(run)
    if span is None:
        return {}
    every = run.schedule.granularities[0].label
    within = f"window.start >= {instant_sql(span[0])} AND window.end <= {instant_sql(span[1])} AND slice_key IS NULL"
    own = (F.col("monitor_id") == run.monitor_id) & (F.col("granularity") == every) & F.expr(within)
    profile = run.store.frame("profile_metrics").where(own).where(F.col("log_type") == INPUT)
    drift = run.store.frame("drift_metrics").where(own).where(F.col("drift_type") == "BASELINE")
    rows = metric_rows([profile, drift, run.store.frame("model_metrics").limit(0)], None, Rulebook.of(rules))
    kept = rows.where(F.col("column_name") != TABLE_ROW).where(f"start >= {_first_of(rows)}")
    asked = ("column_name", "model_version", "start", "family", "count", "count_delta", "numbers")
    return _by_column(kept.select(*asked).collect())


def _first_of(rows: DataFrame) -> int:
    """The start of the earliest window that is taken."""
    starts = rows.select("start").distinct().orderBy(F.desc("start")).limit(MOST_WINDOWS).collect()
    return int(starts[-1]["start"]) if starts else 0


def baseline_span(run: Run) -> tuple[datetime, datetime] | None:
    """The instants of the baseline's first and last row; None where its rows are none of the prediction table's."""
    baseline, predictions = run.config.baseline, run.config.predictions
    if baseline is None or (baseline.table, baseline.path) != (predictions.table, predictions.path):
        return None
    frame = read_source(run.spark, baseline)
    rows = frame.where(baseline.where) if baseline.where else frame
    return time_range(rows, predictions.time, run.config.windows.zone, run.as_of)


def _by_column(rows: list[Any]) -> dict[str, OwnWindows]:
    counts = {_place(row): row["count"] for row in rows if row["family"] == "profile"}
    totals = {_place(row): counts[_place(row)] - row["count_delta"] for row in rows if _is_compared(row, counts)}
    found: dict[str, dict[tuple[Any, ...], dict[str, float]]] = {}
    for row in rows:
        place = _place(row)
        n, whole = counts.get(place), totals.get(place)
        if n is None or whole is None or not 0 < n < whole:
            continue
        numbers = {number["metric"]: number["value"] for number in row["numbers"] if number["value"] is not None}
        moved = {name: against_the_rest(name, value, n, whole) for name, value in numbers.items()}
        own = found.setdefault(row["column_name"], {}).setdefault(place, {"v": 1 / n + 1 / (whole - n)})
        own |= moved if row["family"] == "drift" else numbers
    return {name: _owned(list(windows.values())) for name, windows in found.items()}


def _place(row: Any) -> tuple[Any, ...]:
    return row["column_name"], row["model_version"], row["start"]


def _is_compared(row: Any, counts: dict[tuple[Any, ...], int | None]) -> bool:
    return row["family"] == "drift" and row["count_delta"] is not None and counts.get(_place(row)) is not None


def _owned(windows: list[dict[str, float]]) -> OwnWindows:
    names = sorted({name for window in windows for name in window} - {"v"})
    v = np.array([window["v"] for window in windows], dtype=np.float64)
    return OwnWindows(v, {name: np.array([window.get(name, math.nan) for window in windows], dtype=np.float64) for name in names})
