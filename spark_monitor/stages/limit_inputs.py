"""What rules must know besides the numbers of a window: the baseline's own. What no rule asks for costs nothing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.limits import Learned, Relative
from spark_monitor.config.metrics import worse_of
from spark_monitor.rules.applied_limits import LimitInputs, OfBaseline
from spark_monitor.rules.learned import OwnWindows
from spark_monitor.rules.learned import own_windows as windows_of
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.sources.predictions import time_range
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.stages.context import INPUT, Run
from spark_monitor.stages.metric_rows import OF_BASELINE, metric_rows
from spark_monitor.store.literals import timestamp_sql
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.rules import RuleConfig

MOST_WINDOWS: Final = 400
"""Of a longer baseline its last windows are taken, so that what comes to the driver is bounded by the number of columns."""


def limit_inputs_of(run: Run) -> LimitInputs:
    """What the rules of this monitor must know."""
    learned, relative = (
        [rule for rule in run.config.rules if any(isinstance(limit, kind) for limit in rule.limits)]
        for kind in (Learned, Relative)
    )
    return LimitInputs(
        own_windows=own_windows(run, learned) if learned else {},
        baseline=baseline_values(run, relative) if relative else {},
        worse=worse_of(run.config.metrics),
        zone=run.config.windows.zone,
        fdr=run.config.alerts.fdr,
        labels_due=None if run.schedule.horizon is None else micros(run.as_of - run.schedule.horizon),
    )


def baseline_values(run: Run, rules: list[RuleConfig]) -> dict[OfBaseline, float]:
    """The labelled baseline's own value of the model's metrics, whose rows have a granularity of their own."""
    of_baseline = (F.col("monitor_id") == run.monitor_id) & (F.col("granularity") == OF_BASELINE)
    named = F.col("metric").isin(*{rule.metric for rule in rules})
    rows = run.store.frame("model_metrics").where(of_baseline & named).where("value IS NOT NULL AND basis <> 'ESTIMATED'")
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
    within = f"window.start >= {timestamp_sql(span[0])} AND window.end <= {timestamp_sql(span[1])} AND slice_key IS NULL"
    within_baseline = (F.col("monitor_id") == run.monitor_id) & (F.col("granularity") == every) & F.expr(within)
    profile = run.store.frame("profile_metrics").where(within_baseline).where(F.col("log_type") == INPUT)
    drift = run.store.frame("drift_metrics").where(within_baseline).where(F.col("drift_type") == "BASELINE")
    rows = metric_rows([profile, drift, run.store.frame("model_metrics").limit(0)], None, Rulebook.of(rules))
    kept = rows.where(F.col("column_name") != TABLE_ROW).where(f"start >= {_first_of(rows)}")
    asked = ("column_name", "model_version", "start", "family", "count", "count_delta", "numbers")
    return windows_of(row.asDict(recursive=True) for row in kept.select(*asked).collect())


def _first_of(rows: DataFrame) -> int:
    """The start of the earliest window that is taken."""
    starts = rows.select("start").distinct().orderBy(F.desc("start")).limit(MOST_WINDOWS).collect()
    return int(starts[-1]["start"]) if starts else 0


def baseline_span(run: Run) -> tuple[datetime, datetime] | None:
    """The timestamps of the baseline's first and last row; None where its rows are none of the prediction table's."""
    baseline, predictions = run.baseline, run.config.predictions
    if baseline is None or (baseline.table, baseline.path) != (predictions.table, predictions.path):
        return None
    frame = read_source(run.spark, baseline)
    rows = frame.where(baseline.where) if baseline.where else frame
    return time_range(rows, predictions.time, run.config.windows.zone, run.as_of)
