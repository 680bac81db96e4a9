"""The worst silence: a table that has stopped makes no window due, so its age is measured although there is nothing to profile.

Costs nothing where no rule is about freshness; else a look for rows after the newest window, and one window's row written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import MEASUREMENT_SCHEMA
from spark_monitor.sources.predictions import Predictions, time_range
from spark_monitor.sources.readers.rows import within
from spark_monitor.stages.context import Run
from spark_monitor.stages.quality import arrival_rows, measured_frame
from spark_monitor.stages.record import PREDICTIONS, record_step
from spark_monitor.states.hours import HOUR_MICROS
from spark_monitor.windowing.due import DueWindow, Handled
from spark_monitor.windowing.timestamps import micros, timestamp_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FRESHNESS = "freshness_hours"


def silence_step(run: Run, predictions: Predictions, handled: Mapping[DueWindow, Handled]) -> tuple[DueWindow, ...]:
    """Write the freshness of the newest window anew, as of now; the window, or none where nothing was written."""
    if FRESHNESS not in {rule.metric for rule in run.config.rules}:
        return ()
    finest = run.schedule.granularities[0].label
    newest = max((one for one in handled if one.granularity == finest and one.window.end <= run.as_of), default=None)
    if newest is None:
        return ()
    stored = run.store.committed("metrics").where(run.store.in_windows(run.monitor_id, [newest]))
    kept_rows = stored.where(F.col("dataset") == PREDICTIONS)
    before = kept_rows.where(F.col("metric") == FRESHNESS).selectExpr(
        "unix_micros(as_of) AS as_of", "details['newest'] AS newest"
    )
    noted = before.collect()
    if noted and noted[0]["as_of"] >= micros(run.as_of):
        return ()
    noted_newest = datetime.fromisoformat(noted[0]["newest"]) if noted and noted[0]["newest"] else None
    last = _newest(run, predictions, newest, noted_newest)
    if last is None:
        return ()
    kept = kept_rows.where(F.col("metric") != FRESHNESS)
    kept = kept.withColumns({edge: F.unix_micros(f"window.{edge}") for edge in ("start", "end")})
    record_step(run, [newest], frames=[kept.select(*MEASUREMENT_SCHEMA.names), _fresh(run, newest, last)])
    return (newest,)


def _newest(run: Run, predictions: Predictions, newest: DueWindow, noted: datetime | None) -> int | None:
    """The newest row's timestamp: only rows after the newest window are looked for, where an older one is known."""
    time, zone = run.config.predictions.time, run.schedule.zone
    frame = predictions.frame
    if noted is not None:
        first = max(micros(newest.window.end), micros(noted))
        frame = frame.where(within(frame, time, first, micros(run.as_of), zone=zone, with_null=False))
    extremes = time_range(frame, time, zone, run.as_of)
    if extremes is not None:
        return micros(extremes[1])
    return None if noted is None else micros(noted)


def _fresh(run: Run, newest: DueWindow, last: int) -> DataFrame:
    hours = np.array([(micros(run.as_of) - last) / HOUR_MICROS])
    details = {"newest": timestamp_of(last).isoformat()}
    return measured_frame(run, arrival_rows(run, FRESHNESS, newest, hours, details))
