"""What a monitor would look at: rows, their times, features and windows, as `check` tells them before any work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyspark.errors import AnalysisException

from spark_monitor.sources.predictions import Predictions, time_range
from spark_monitor.stages.context import Run
from spark_monitor.stages.past_runs import read_ledger
from spark_monitor.windowing.due import DueWindow
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


def overview(run: Run, predictions: Predictions) -> Overview:
    """Two aggregates over the time column, and the ledger where there is one."""
    time, every = run.config.predictions.time, run.schedule.granularities[0]
    span = time_range(predictions.frame, time, run.schedule.zone, run.as_of)
    windows = closed_windows(span[0], run.as_of, every, run.schedule.zone) if span is not None else []
    within = [one for one in windows if span is not None and one.start <= span[1]]
    handled = _handled(run)
    return Overview(
        rows=predictions.frame.count(),
        first=span[0] if span is not None else None,
        last=span[1] if span is not None else None,
        columns=tuple(column.name for column in predictions.columns),
        every=every.label,
        windows=len(within),
        due=sum(DueWindow(every.label, one) not in handled for one in within),
    )


def _handled(run: Run) -> frozenset[DueWindow]:
    try:
        if not run.spark.catalog.tableExists(run.store.place.relation("runs")):
            return frozenset()
    except AnalysisException:  # of a path that does not exist Spark raises where it could say no
        return frozenset()
    return frozenset(read_ledger(run).handled)
