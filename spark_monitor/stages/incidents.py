"""Checks over time to incidents: a rule that keeps failing is opened once and resolved once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from spark_monitor.stages.context import Run

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

SERIES = (
    "monitor_id",
    "check_id",
    "granularity",
    "model_version",
    "slice_key",
    "slice_value",
    "column_name",
    "class",
)
"""What one incident is about; NULL is a value like any other."""

_COLUMNS = (
    "monitor_id incident_id check_id metric column_name model_version slice_key slice_value granularity "
    "opened last_seen resolved occurrences severity status owner runbook reason notified_at run_id"
)
COLUMNS = tuple(_COLUMNS.split())
"""The columns of the table ``incidents``."""

OPEN, RESOLVED = "OPEN", "RESOLVED"
_OF_LAST_FAILURE = ("metric", "severity", "owner", "runbook", "reason")
_ID_DIGITS = 16


def incidents(checks_history: DataFrame, previous: DataFrame | None, *, run_id: str) -> DataFrame:
    """All incidents of the checks of all windows so far; the same history gives the same rows.

    An incident opens at the start of the first window with FAIL and stays open over FAIL, UNDECIDED, NO_DATA and ERROR: what
    cannot be judged resolves nothing. The first PASS or WARN after it resolves it, at that window's end. ``last_seen`` is the
    end of its last FAIL, ``occurrences`` counts its FAILs; severity, owner, runbook and reason are those of the last.
    ``notified_at`` is carried over from ``previous``, the incidents as they were, so nobody is told twice.
    """
    found = _episodes(checks_history).withColumns(
        {
            "incident_id": _incident_id(),
            "status": F.when(F.col("resolved").isNull(), F.lit(OPEN)).otherwise(F.lit(RESOLVED)),
            "run_id": F.lit(run_id),
        }
    )
    if previous is None:
        return found.withColumn("notified_at", F.lit(None).cast("timestamp")).select(*COLUMNS)
    # One row per incident, being grouped by it, so no incident is doubled.
    told = previous.groupBy(F.col("incident_id").alias("told_id")).agg(F.max("notified_at").alias("notified_at"))
    return found.join(told, on=F.col("incident_id") == F.col("told_id"), how="left").select(*COLUMNS)


def _episodes(checks_history: DataFrame) -> DataFrame:
    """Gaps and islands: the windows from one that is well to the next that is well are one episode, if any of them failed."""
    is_well, is_failed = F.col("verdict").isin("PASS", "WARN"), F.col("verdict") == "FAIL"
    in_time = Window.partitionBy(*SERIES).orderBy("start")
    until_now = in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    afterwards = in_time.rowsBetween(1, Window.unboundedFollowing)
    failed_end = F.when(is_failed, F.col("end"))
    numbered = checks_history.withColumns({"start": F.col("window.start"), "end": F.col("window.end")}).withColumns(
        {
            "episode": F.count(F.when(is_well, F.lit(1))).over(until_now),
            "well_again": F.min(F.when(is_well, F.col("end"))).over(afterwards),
        }
    )
    last = F.max_by(F.struct(*_OF_LAST_FAILURE), failed_end)
    grouped = numbered.groupBy(*SERIES, "episode").agg(
        F.min(F.when(is_failed, F.col("start"))).alias("opened"),
        F.max(failed_end).alias("last_seen"),
        F.max("well_again").alias("resolved"),
        F.count_if(is_failed).alias("occurrences"),
        last.alias("last"),
    )
    return grouped.where("opened IS NOT NULL").select("*", *(F.col(f"last.{name}").alias(name) for name in _OF_LAST_FAILURE))


def _incident_id() -> Column:
    """The first 16 hex digits of the SHA-256 of the series and the instant it opened.

    Texts enter as hexadecimal, so no separator can be part of one, and NULL is not the empty text.
    """
    texts = [F.coalesce(F.hex(F.encode(F.col(name), "UTF-8")), F.lit("-")) for name in SERIES]
    return F.substring(F.sha2(F.concat_ws(".", *texts, F.unix_micros("opened").cast("string")), 256), 1, _ID_DIGITS)


def incident_step(run: Run) -> None:
    """Write the monitor's incidents, which follow from the history of its checks."""
    own = F.col("monitor_id") == run.monitor_id
    found = incidents(
        run.store.frame("checks").where(own),
        run.store.committed("incidents").where(own),
        run_id=run.run_id,
    )
    run.store.replace_monitor("incidents", found, monitor_id=run.monitor_id)
