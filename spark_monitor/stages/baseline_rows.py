"""The rows of a baseline as a run may know them: of those that have a time, the ones before its as-of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.errors import ConfigError
from spark_monitor.preflight.types import is_time
from spark_monitor.sources.predictions import expressions, time_range
from spark_monitor.sources.readers.rows import before, read_source, with_roles
from spark_monitor.stages.context import Run
from spark_monitor.stages.occupancy import ENDING
from spark_monitor.text.formatting import counted
from spark_monitor.text.logs import log_of
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spark_monitor.config.sources import SourceConfig

log = log_of(__name__)


def described_rows(run: Run, source: SourceConfig, where: str | None) -> DataFrame:
    """The rows that a table and a condition describe, whenever they were made, with the columns of the roles."""
    frame = with_roles(read_source(run.spark, source), expressions(run.config.predictions))
    return frame.where(where) if where else frame


def known_rows(run: Run, source: SourceConfig, where: str | None) -> DataFrame:
    """Those of them that were made before the run's as-of, or have no time."""
    frame = described_rows(run, source, where)
    condition = is_known(run, frame)
    return frame if condition is None else frame.where(condition)


def is_known(run: Run, frame: DataFrame) -> Column | None:
    """The condition for that; None of a table without the time of predictions, whose rows are all known."""
    time = run.config.predictions.time
    if time not in frame.columns or not is_time(frame.schema[time].dataType):
        return None
    return before(frame, time, micros(run.as_of), zone=run.schedule.zone) | F.col(quote(time)).isNull()


def count_known(run: Run, source: SourceConfig, where: str | None, place: str) -> int:
    """How many rows a baseline has at the run's as-of: a ConfigError where there are none, a warning where more come later.

    ``place`` is the key of the monitor's file that describes it.
    """
    frame = described_rows(run, source, where)
    condition = is_known(run, frame)
    later = F.lit(0) if condition is None else F.count_if(~condition)
    row = frame.agg(F.count(F.lit(1)).alias("rows"), later.alias("later")).collect()[0]
    at, rows = f"--as-of {run.as_of.isoformat()}", row["rows"] - row["later"]
    of = f"{source.text}{' that its condition chooses' if where else ''}"
    if rows == 0 and row["later"] == 0:
        raise ConfigError(f"{run.monitor_id}: {place}: found no row of {of}. Nothing is frozen. Choose a period that has rows.")
    if rows == 0:
        span = time_range(frame, run.config.predictions.time, run.schedule.zone, ENDING)
        extent = f", from {span[0].isoformat()} to {span[1].isoformat()}" if span is not None else ""
        finding = f"{counted(row['later'], 'row')} of {of}{extent}, none before {at}"
        step = "Give a later --as-of, or a baseline of an earlier period"
        raise ConfigError(
            f"{run.monitor_id}: {place}: found {finding}. Only rows before it are known then: nothing is frozen. {step}."
        )
    if row["later"]:
        left = f"{counted(row['later'], 'row')} of {of} from {at} on, which are not known then, are left out"
        log.warning(f"{place}: {left}; it is frozen of the {rows:,} before. A later `spark-monitor freeze` takes them up.")
    return int(rows)
