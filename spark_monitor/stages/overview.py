"""What a monitor would look at: rows, their times, features and windows, as `check` tells them before any work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from spark_monitor.session import as_written
from spark_monitor.sources.baseline import CODES, latest_version
from spark_monitor.sources.predictions import Predictions, time_range
from spark_monitor.stages.context import Run
from spark_monitor.stages.occupancy import all_times
from spark_monitor.stages.past_runs import read_ledger
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.occupied import without_strays
from spark_monitor.windowing.windows import closed_windows


@dataclass(frozen=True)
class Overview:
    """The prediction table as the monitor sees it at a timestamp; ``due`` windows are over and have not been handled."""

    rows: int
    first: datetime | None
    last: datetime | None
    columns: tuple[str, ...]
    every: str
    windows: int
    due: int
    codes: tuple[str, ...] = ()
    """Integers that the frozen baseline compares as names too."""
    note: str = ""
    """What a run says of the rows whose times lie far before all others."""


def overview(run: Run, predictions: Predictions) -> Overview:
    """Three aggregates over the time column, and the ledger and the frozen baseline where there are some."""
    with as_written(run.spark):
        return _overview(run, predictions)


def _overview(run: Run, predictions: Predictions) -> Overview:
    time, every = run.config.predictions.time, run.schedule.granularities[0]
    span = time_range(predictions.frame, time, run.schedule.zone, run.as_of)
    bunches, strays = without_strays(all_times(run, predictions), every)
    windows = closed_windows(bunches[0].first, run.as_of, every, run.schedule.zone) if bunches else []
    within = [one for one in windows if span is not None and one.start <= span[1]]
    has_run = _has_run(run)
    handled = frozenset(read_ledger(run).handled) if has_run else frozenset()
    return Overview(
        rows=predictions.frame.count(),
        first=span[0] if span is not None else None,
        last=span[1] if span is not None else None,
        columns=tuple(column.name for column in predictions.columns),
        every=every.label,
        windows=len(within),
        due=sum(DueWindow(every.label, one) not in handled for one in within),
        codes=_codes(run) if has_run else (),
        note="" if strays is None else strays.message,
    )


def _has_run(run: Run) -> bool:
    try:
        return bool(run.spark.catalog.tableExists(run.store.place.relation("runs")))
    except AnalysisException:  # of a path that does not exist Spark raises where it could say no
        return False


def _codes(run: Run) -> tuple[str, ...]:
    """The columns whose integers the newest baseline takes for names, where the file does not say that they are numbers."""
    stored = run.store.committed("baselines").where(F.col("monitor_id") == run.monitor_id)
    latest = latest_version(stored)
    if latest is None:
        return ()
    codes = stored.where((F.col("baseline_version") == latest.version) & F.col("slice_key").isNull() & F.col("name").isNull())
    rows = codes.where(F.get_json_object("config", f"$.facts.{CODES}") == "1.0").select("column_name").distinct().collect()
    return tuple(sorted(row["column_name"] for row in rows if run.config.columns.get(row["column_name"]) != "numeric"))
