"""What the committed runs of a monitor say: which windows they handled, of what versions of the tables, as of when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from spark_monitor.stages.context import COMMITTED, DUE, Run
from spark_monitor.windowing.due import DueWindow, Handled
from spark_monitor.windowing.instants import instant_of
from spark_monitor.windowing.windows import Window

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Ledger:
    """What the committed runs of a monitor say: of all runs the windows, the rest of those that did whatever was due.

    A run that was told its windows does not tell what else was due then. ``firsts`` tells where the first window of each
    granularity begins: a row stood in that of the finest. ``as_of`` is the latest of all, ``last_as_of`` that of the last run.
    """

    handled: Mapping[DueWindow, Handled]
    firsts: Mapping[str, datetime]
    source_versions: Mapping[str, str]
    config_hash: str | None
    as_of: datetime | None
    baseline_version: int | None
    profile_hash: str | None = None
    last_as_of: datetime | None = None


def read_ledger(run: Run) -> Ledger:
    """The ledger of this monitor; as many rows as windows come to the driver."""
    own = run.store.frame("runs").where((F.col("monitor_id") == run.monitor_id) & (F.col("status") == COMMITTED))
    complete = own.where(F.col("kind") == DUE)
    told = complete.selectExpr("*", "unix_micros(as_of) AS as_of_micros")
    last = told.orderBy(F.desc("ended"), F.desc("run_id")).limit(1).collect()
    handled = _handled(own)
    if not last:
        return Ledger(handled, {}, {}, None, None, None)
    row = last[0]
    as_of = complete.agg(F.expr("unix_micros(max(as_of))").alias("as_of")).collect()[0]["as_of"]
    return Ledger(
        handled=handled,
        firsts=_firsts(complete),
        source_versions=dict(row["source_versions"] or {}),
        config_hash=row["config_hash"],
        as_of=instant_of(as_of),
        baseline_version=row["baseline_version"],
        profile_hash=row["profile_hash"],
        last_as_of=instant_of(row["as_of_micros"]),
    )


def _firsts(runs: DataFrame) -> dict[str, datetime]:
    starts = runs.selectExpr("explode(windows) AS one").groupBy("one.granularity")
    found = starts.agg(F.expr("unix_micros(min(one.start))").alias("start")).collect()
    return {row["granularity"]: instant_of(row["start"]) for row in found}


def _handled(runs: DataFrame) -> dict[DueWindow, Handled]:
    own = ("ended", "run_id", "profile_hash", "unix_micros(as_of) AS as_of", "explode(windows) AS one")
    exploded = runs.selectExpr(*own).selectExpr(
        *("ended", "run_id", "profile_hash", "as_of", "one.granularity AS granularity"),
        "unix_micros(one.start) AS start",
        "unix_micros(one.end) AS end",
        "one.label_fingerprint AS label_fingerprint",
    )
    agreed = "CASE WHEN count(profile_hash) = count(*) AND min(profile_hash) = max(profile_hash) THEN min(profile_hash) END"
    latest = exploded.groupBy("granularity", "start", "end").agg(
        F.expr("max_by(struct(as_of, label_fingerprint), struct(ended, run_id))").alias("last"),
        F.expr(agreed).alias("profile_hash"),
    )
    return {
        _due(row): Handled(instant_of(row["last"]["as_of"]), row["last"]["label_fingerprint"], row["profile_hash"])
        for row in latest.collect()
    }


def _due(row: Any) -> DueWindow:
    return DueWindow(row["granularity"], Window(instant_of(row["start"]), instant_of(row["end"])))
