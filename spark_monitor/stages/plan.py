"""The step that finds what a run has to do: from the ledger, the tables' versions and the as-of instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.config.monitor import LabelsConfig
from spark_monitor.sources.labels import instant_micros
from spark_monitor.sources.predictions import Predictions, micros, time_range
from spark_monitor.sources.readers.rows import read_source, within
from spark_monitor.stages.context import COMMITTED, DUE, Run
from spark_monitor.stages.datasets import dataset_versions
from spark_monitor.stages.labelled import label_fingerprints
from spark_monitor.stages.touched import touched_windows
from spark_monitor.windowing.due import DueWindow, Handled, due_windows, label_candidates, relabelled
from spark_monitor.windowing.windows import EPOCH, Window

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PREDICTIONS, LABELS = "predictions", "labels"
MANY_WINDOWS = 10_000
"""More due windows than this, a year of hours, are more often a wrong time in a row than a backfill."""


@dataclass(frozen=True)
class Plan:
    """What a run has to do: windows to profile, windows whose labels alone changed, and the labels' fingerprints of both.

    ``handled`` are the windows that runs handled before: their states are stored.
    """

    due: tuple[DueWindow, ...]
    relabelled: tuple[DueWindow, ...]
    fingerprints: Mapping[DueWindow, int]
    handled: Mapping[DueWindow, Handled] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[DueWindow, ...]:
        """Every window that the run writes."""
        return tuple(sorted({*self.due, *self.relabelled}))


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
        as_of=_instant(as_of),
        baseline_version=row["baseline_version"],
        profile_hash=row["profile_hash"],
        last_as_of=_instant(row["as_of_micros"]),
    )


def _firsts(runs: DataFrame) -> dict[str, datetime]:
    starts = runs.selectExpr("explode(windows) AS one").groupBy("one.granularity")
    found = starts.agg(F.expr("unix_micros(min(one.start))").alias("start")).collect()
    return {row["granularity"]: _instant(row["start"]) for row in found}


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
        _due(row): Handled(_instant(row["last"]["as_of"]), row["last"]["label_fingerprint"], row["profile_hash"])
        for row in latest.collect()
    }


def _due(row: Any) -> DueWindow:
    return DueWindow(row["granularity"], Window(_instant(row["start"]), _instant(row["end"])))


def _instant(since: int) -> datetime:
    return (EPOCH + timedelta(microseconds=since)).astimezone(UTC)


def source_versions(run: Run) -> dict[str, str]:
    """The version of each source that has one; a source without is read again in every run."""
    sources = {PREDICTIONS: run.config.predictions, LABELS: run.config.labels}
    found = {name: run.store.source_version(source) for name, source in sources.items() if source is not None}
    return {name: version for name, version in found.items() if version is not None} | dataset_versions(run)


def plan_step(
    run: Run,
    predictions: Predictions,
    ledger: Ledger,
    versions: Mapping[str, str],
    *,
    baseline_version: int,
    asked: tuple[datetime, datetime] | None,
) -> Plan:
    """What is due, and which other windows' labels have changed."""
    # Of a run that was killed half-way the former rows of its windows are gone: these windows are due whatever was asked.
    # Windows of other datasets, such as those of a serving log, are due by what is stored of them.
    own = {granularity.label for granularity in run.schedule.granularities}
    interrupted = run.store.interrupted_windows(run.monitor_id)
    torn = [one for one in interrupted if one.window.end <= run.as_of and one.granularity in own]
    if asked is not None:
        due = sorted({*run.schedule.asked(*asked, run.as_of), *torn})
        return Plan(tuple(due), (), label_fingerprints(run, predictions, due), ledger.handled)
    moved = _moved(run, ledger, versions, baseline_version)
    found, exact = _due_now(run, predictions, ledger, versions, moved=moved)
    due = sorted({*found, *torn})
    candidates = _candidates(run, ledger, versions, due)
    # What was labelled in a window that is not due is what it was, if neither its predictions nor any labels can be others.
    if candidates and (exact or not moved) and not _labels_moved(run, ledger, versions):
        fingerprints = {**label_fingerprints(run, predictions, due), **_fingerprints_before(ledger, candidates)}
    else:
        fingerprints = label_fingerprints(run, predictions, [*due, *candidates])
    horizon = run.schedule.horizon or timedelta(0)
    changed = relabelled(candidates, ledger.handled, fingerprints, as_of=run.as_of, horizon=horizon)
    return Plan(tuple(due), tuple(changed), fingerprints, ledger.handled)


def many_windows(due: Sequence[DueWindow]) -> str | None:
    """A warning where so many windows are due that a row with a wrong time, such as 1970, is the likely reason.

    >>> hours = [DueWindow("1 hour", Window(EPOCH + timedelta(hours=n), EPOCH + timedelta(hours=n + 1))) for n in range(20_000)]
    >>> many_windows(hours[:100]), many_windows(hours)[:58]
    (None, '20,000 windows are due, the first from 1970-01-01 00:00 UT')
    """
    if len(due) <= MANY_WINDOWS:
        return None
    first = min(one.window.start for one in due)
    return (
        f"{len(due):,} windows are due, the first from {first:%Y-%m-%d %H:%M} UTC. If the table does not begin there, rows "
        "have a wrong time: correct or remove them, or name the windows with --from and --to."
    )


def has_news(run: Run, predictions: Predictions, ledger: Ledger, versions: Mapping[str, str], *, baseline_version: int) -> bool:
    """Whether a run would find a window to write; labels are read only where everything else is as it was."""
    moved = _moved(run, ledger, versions, baseline_version)
    if _due_now(run, predictions, ledger, versions, moved=moved)[0]:
        return True
    return bool(plan_step(run, predictions, ledger, versions, baseline_version=baseline_version, asked=None).windows)


def _moved(run: Run, ledger: Ledger, versions: Mapping[str, str], baseline_version: int) -> bool:
    """Whether what was profiled may be something else now: the prediction table, the monitor's file or the baseline."""
    return (
        PREDICTIONS not in versions
        or versions[PREDICTIONS] != ledger.source_versions.get(PREDICTIONS)
        or ledger.config_hash != run.config.config_hash()
        or ledger.baseline_version != baseline_version
    )


def _due_now(
    run: Run, predictions: Predictions, ledger: Ledger, versions: Mapping[str, str], *, moved: bool
) -> tuple[list[DueWindow], bool]:
    """The windows that are due, and whether the rows of all others are certainly what they were."""
    if not moved and ledger.as_of is not None and run.as_of <= ledger.as_of:
        return [], True
    first = _first_row(run, predictions, ledger, touched=moved)
    closed = run.schedule.closed(first, run.as_of) if first is not None else []
    if not moved:
        return due_windows(closed, ledger.handled, touched=()), True
    before = ledger.source_versions.get(PREDICTIONS) if _follows(run, ledger) else None
    if before is not None:
        # Windows that were asked for may lie before the first row that there is now.
        closed = sorted({*closed, *_handled_and_over(run, ledger)})
    touched = touched_windows(run, closed, before=before, after=versions.get(PREDICTIONS))
    return due_windows(closed, ledger.handled, touched=touched.windows), touched.exact


def _follows(run: Run, ledger: Ledger) -> bool:
    """Whether this run would make of the same rows what the last one made, and sees all that any run has seen."""
    same = ledger.profile_hash is not None and ledger.profile_hash == run.profile_hash
    return same and ledger.as_of is not None and ledger.last_as_of == ledger.as_of <= run.as_of


def _handled_and_over(run: Run, ledger: Ledger) -> list[DueWindow]:
    known = {granularity.label for granularity in run.schedule.granularities}
    return [one for one in ledger.handled if one.granularity in known and one.window.end <= run.as_of]


def _first_row(run: Run, predictions: Predictions, ledger: Ledger, *, touched: bool) -> datetime | None:
    """An instant in the first window that has rows; of a table whose rows were looked at before, only older ones are read."""
    # A row stood in the first window of the finest granularity; a coarser one may not have had a window that was over.
    known = ledger.firsts.get(run.schedule.granularities[0].label)
    if known is not None and not touched:
        return known  # the table is the same, and so is its first row
    before = run.as_of if known is None else min(known, run.as_of)
    older = time_range(predictions.frame, run.config.predictions.time, run.schedule.zone, before)
    return known if older is None else older[0]


def _fingerprints_before(ledger: Ledger, windows: list[DueWindow]) -> dict[DueWindow, int]:
    found = {one: ledger.handled[one].label_fingerprint for one in windows}
    return {one: fingerprint for one, fingerprint in found.items() if fingerprint is not None}


def _labels_moved(run: Run, ledger: Ledger, versions: Mapping[str, str]) -> bool:
    """Whether labels may be others than at the last run: another table, or some whose time has come since."""
    labels = run.config.labels
    if labels is None or ledger.as_of is None:
        return False
    if LABELS not in versions or versions[LABELS] != ledger.source_versions.get(LABELS):
        return True
    return has_labels_since(run.spark, labels, run.schedule.zone, ledger.as_of, run.as_of)


def has_labels_since(spark: SparkSession, labels: LabelsConfig, zone: str, after: datetime, until: datetime) -> bool:
    """Whether a label's time lies between two instants, both included."""
    frame, start, end = read_source(spark, labels), micros(after), micros(until) + 1
    if isinstance(frame.schema[labels.time].dataType, T.TimestampType):
        since = within(frame, labels.time, start, end, zone=zone, with_null=False)
    else:
        # As where labels are joined: a local time that the clock skips is another instant there than among predictions.
        known = instant_micros(frame, labels.time, zone)
        since = (known >= start) & (known < end)
    return bool(frame.where(since).limit(1).collect())


def _candidates(run: Run, ledger: Ledger, versions: Mapping[str, str], due: list[DueWindow]) -> list[DueWindow]:
    """Windows whose labels may be others now: none where neither the label table nor the as-of instant has moved."""
    if run.schedule.horizon is None or ledger.as_of is None:
        return []
    unmoved = LABELS in versions and versions[LABELS] == ledger.source_versions.get(LABELS)
    if unmoved and run.as_of <= ledger.as_of:
        return []
    return label_candidates(
        ledger.handled, due, as_of=run.as_of, since=ledger.as_of, lookback=run.schedule.lookback, horizon=run.schedule.horizon
    )
