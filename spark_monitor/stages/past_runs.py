"""What the runs of a monitor left in the ledger: which windows they handled, of what versions of the tables, as of when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from spark_monitor.session import side_by_side
from spark_monitor.stages.context import COMMITTED, DUE, FREEZE, LABELS, NOT_READ, Run
from spark_monitor.store.ledger import NOTHING_NEW
from spark_monitor.text.quoting import literal
from spark_monitor.windowing.due import DueWindow, Handled
from spark_monitor.windowing.timestamps import micros, timestamp_of
from spark_monitor.windowing.windows import Window

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_LAST = ("source_versions", "config_hash", "profile_hash", "baseline_version")


@dataclass(frozen=True)
class Ledger:
    """What the committed runs of a monitor say: of all runs the windows, the rest of those that did whatever was due.

    A run that was given its windows does not say what else was due then. ``firsts`` is where the first window of each
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
    labels_as_of: datetime | None = None
    """The latest as-of of the runs that could read the labels, where there are any."""

    dead: tuple[str, ...] = ()
    """The runs whose rows, where they wrote any, nobody sees."""
    pruned_until: datetime | None = None
    """Until when the states of windows are deleted; also where that was broken off half-way."""

    run_before: datetime | None = None
    """The latest as-of of a run that looked at windows, among those before this run's."""


def read_ledger(run: Run) -> Ledger:
    """The ledger of this monitor, in two queries at once; as many rows as windows come to the driver."""
    runs = run.store.frame("runs").where(F.col("monitor_id") == run.monitor_id)
    committed = runs.where(F.col("status") == COMMITTED)
    results: list[Any] = side_by_side(run.spark, [partial(_last_of, runs, run.as_of), partial(_handled, committed)])
    last, windows = results
    dead = tuple(one for one in last["dead"] if one != run.run_id)
    handled = {_due(row): _as_handled(row) for row in windows}
    pruned = None if last["pruned_until"] is None else timestamp_of(last["pruned_until"])
    before = None if last["run_before"] is None else timestamp_of(last["run_before"])
    if last["last_as_of"] is None:
        return Ledger(handled, {}, {}, None, None, None, dead=dead, pruned_until=pruned, run_before=before)
    return Ledger(
        handled=handled,
        firsts=_firsts(row for row in windows if row["complete"]),
        source_versions=dict(last["source_versions"] or {}),
        config_hash=last["config_hash"],
        as_of=timestamp_of(last["as_of"]),
        baseline_version=last["baseline_version"],
        profile_hash=last["profile_hash"],
        last_as_of=timestamp_of(last["last_as_of"]),
        labels_as_of=None if last["labels_as_of"] is None else timestamp_of(last["labels_as_of"]),
        dead=dead,
        pruned_until=pruned,
        run_before=before,
    )


def _last_of(runs: DataFrame, as_of: datetime) -> Any:
    """One row: of the last committed run that did whatever was due what it saw; runs not committed; how far states are gone."""
    complete = f"status = {literal(COMMITTED)} AND kind = {literal(DUE)}"
    ended = f"status IN ({literal(COMMITTED)}, {literal(NOTHING_NEW)})"
    earlier = f"{ended} AND kind <> {literal(FREEZE)} AND as_of < timestamp_micros({micros(as_of)})"
    read = f"NOT try_element_at(source_versions, {literal(LABELS)}) <=> {literal(NOT_READ)}"
    last = "max_by({}, struct(ended, run_id)) FILTER (WHERE {}) AS {}"
    return runs.selectExpr(
        *(last.format(name, complete, name) for name in _LAST),
        last.format("unix_micros(as_of)", complete, "last_as_of"),
        f"unix_micros(max(as_of) FILTER (WHERE {complete})) AS as_of",
        f"unix_micros(max(as_of) FILTER (WHERE {complete} AND {read})) AS labels_as_of",
        f"sort_array(collect_list(run_id) FILTER (WHERE NOT {ended})) AS dead",
        "unix_micros(max(pruned_until)) AS pruned_until",
        f"unix_micros(max(as_of) FILTER (WHERE {earlier})) AS run_before",
    ).collect()[0]


def _firsts(windows: Iterable[Any]) -> dict[str, datetime]:
    firsts: dict[str, datetime] = {}
    for row in windows:
        start = timestamp_of(row["start"])
        firsts[row["granularity"]] = min(start, firsts.get(row["granularity"], start))
    return firsts


def _handled(runs: DataFrame) -> list[Any]:
    """Of each window what the last run that wrote it recorded, and whether any of those did whatever was due."""
    columns = ("ended", "run_id", "kind", "profile_hash", "unix_micros(as_of) AS as_of", "explode(windows) AS one")
    exploded = runs.selectExpr(*columns).selectExpr(
        *("ended", "run_id", "kind", "profile_hash", "as_of", "one.granularity AS granularity"),
        "unix_micros(one.start) AS start",
        "unix_micros(one.end) AS end",
        "one.label_fingerprint AS label_fingerprint",
    )
    agreed = "CASE WHEN count(profile_hash) = count(*) AND min(profile_hash) = max(profile_hash) THEN min(profile_hash) END"
    latest = exploded.groupBy("granularity", "start", "end").agg(
        F.expr("max_by(struct(as_of, label_fingerprint, profile_hash), struct(ended, run_id))").alias("last"),
        F.expr(agreed).alias("profile_hash"),
        F.expr(f"count_if(kind = {literal(DUE)}) > 0").alias("complete"),
    )
    return latest.collect()


def _as_handled(row: Any) -> Handled:
    last = row["last"]
    return Handled(timestamp_of(last["as_of"]), last["label_fingerprint"], row["profile_hash"], last["profile_hash"])


def _due(row: Any) -> DueWindow:
    return DueWindow(row["granularity"], Window(timestamp_of(row["start"]), timestamp_of(row["end"])))
