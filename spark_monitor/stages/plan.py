"""The step that finds what a run has to do: from the ledger, the tables' versions and the as-of timestamp."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import types as T

from spark_monitor.sources.labels import timestamp_micros
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import read_source, within
from spark_monitor.stages.context import LABELS, NOT_READ, Run
from spark_monitor.stages.datasets import dataset_versions
from spark_monitor.stages.labelled import label_fingerprints
from spark_monitor.stages.occupancy import PREDICTIONS, due_now
from spark_monitor.stages.past_runs import Ledger
from spark_monitor.windowing.composition import candidates
from spark_monitor.windowing.due import LABELS_OF_BEFORE, NO_LABEL_READ, DueWindow, Handled, label_candidates, relabelled
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.config.monitor import LabelsConfig


@dataclass(frozen=True)
class Plan:
    """What a run has to do: windows to profile, windows whose labels alone changed, and the labels' fingerprints of both.

    ``handled`` are the windows that runs handled before: their states are stored. ``note`` is what a person should know of
    times without rows, or of rows with times that no window holds.
    """

    due: tuple[DueWindow, ...]
    relabelled: tuple[DueWindow, ...]
    fingerprints: Mapping[DueWindow, int]
    handled: Mapping[DueWindow, Handled] = field(default_factory=dict)
    note: str = ""

    @property
    def windows(self) -> tuple[DueWindow, ...]:
        """Every window that the run writes."""
        return tuple(sorted({*self.due, *self.relabelled}))


def source_versions(run: Run) -> dict[str, str]:
    """The version of each source that has one; a source without is read again in every run."""
    sources = {PREDICTIONS: run.config.predictions, LABELS: run.config.labels}
    versions = {name: run.store.source_version(source) for name, source in sources.items() if source is not None}
    if run.no_labels:
        versions[LABELS] = NOT_READ
    return {name: version for name, version in versions.items() if version is not None} | dataset_versions(run)


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
    labels = {granularity.label for granularity in run.schedule.granularities}
    interrupted = run.store.interrupted_windows(run.monitor_id, ledger.dead)
    torn = [one for one in interrupted if one.window.end <= run.as_of and one.granularity in labels]
    if asked is not None:
        due = sorted({*run.schedule.asked(*asked, run.as_of), *torn})
        now = _without_labels(due, torn, ledger) if run.no_labels else _fingerprints(run, predictions, due, ledger)
        return Plan(tuple(due), (), now, ledger.handled)
    moved = _moved(run, ledger, versions, baseline_version)
    look = due_now(run, predictions, ledger, versions, moved=moved)
    due = sorted({*look.due, *torn})
    if run.no_labels:
        return Plan(tuple(due), (), _without_labels(due, torn, ledger), ledger.handled, look.note)
    open_windows = _candidates(run, ledger, versions, due)
    # What was labelled in a window that is not due is what it was, if neither its predictions nor any labels can be others.
    if open_windows and (look.exact or not moved) and not _labels_moved(run, ledger, versions):
        fingerprints = {**_fingerprints(run, predictions, due, ledger), **_fingerprints_before(ledger, open_windows)}
    else:
        fingerprints = _fingerprints(run, predictions, [*due, *open_windows], ledger)
    horizon = run.schedule.horizon or timedelta(0)
    changed = relabelled(open_windows, ledger.handled, fingerprints, as_of=run.as_of, horizon=horizon)
    return Plan(tuple(due), tuple(changed), fingerprints, ledger.handled, look.note)


def has_news(run: Run, predictions: Predictions, ledger: Ledger, versions: Mapping[str, str], *, baseline_version: int) -> bool:
    """Whether a run would find a window to write; labels are read only where everything else is as it was."""
    moved = _moved(run, ledger, versions, baseline_version)
    if due_now(run, predictions, ledger, versions, moved=moved).due:
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


def _fingerprints(run: Run, predictions: Predictions, windows: list[DueWindow], ledger: Ledger) -> dict[DueWindow, int]:
    """The fingerprints of windows and of those handled before within coarser ones, whose rows these need: they may be parts."""
    finer = candidates(windows, ledger.handled, run.schedule.granularities)
    return label_fingerprints(run, predictions, [*windows, *finer])


def _without_labels(due: Iterable[DueWindow], torn: Collection[DueWindow], ledger: Ledger) -> dict[DueWindow, int]:
    """What stands in the place of fingerprints: rows that were labelled before stay, unless a run that died has replaced them."""
    unread = (None, NO_LABEL_READ)
    again = {one for one in due if one in torn or one not in ledger.handled or ledger.handled[one].label_fingerprint in unread}
    return {one: NO_LABEL_READ if one in again else LABELS_OF_BEFORE for one in due}


def _fingerprints_before(ledger: Ledger, windows: list[DueWindow]) -> dict[DueWindow, int]:
    fingerprints = {one: ledger.handled[one].label_fingerprint for one in windows}
    return {one: fingerprint for one, fingerprint in fingerprints.items() if fingerprint is not None}


def _labels_moved(run: Run, ledger: Ledger, versions: Mapping[str, str]) -> bool:
    """Whether labels may be others than at the last run: another table, or some whose time has come since."""
    labels = run.config.labels
    if labels is None or ledger.as_of is None:
        return False
    if LABELS not in versions or versions[LABELS] != ledger.source_versions.get(LABELS):
        return True
    return has_labels_since(run.spark, labels, run.schedule.zone, ledger.as_of, run.as_of)


def has_labels_since(spark: SparkSession, labels: LabelsConfig, zone: str, after: datetime, until: datetime) -> bool:
    """Whether a label's time lies between two timestamps, both included."""
    return bool(label_times_between(spark, labels, zone, after, until).limit(1).collect())


def label_times_between(spark: SparkSession, labels: LabelsConfig, zone: str, after: datetime, until: datetime) -> DataFrame:
    """The labels whose time lies between two timestamps, both included."""
    frame, start, end = read_source(spark, labels), micros(after), micros(until) + 1
    if isinstance(frame.schema[labels.time].dataType, T.TimestampType):
        since = within(frame, labels.time, start, end, zone=zone, with_null=False)
    else:
        # As where labels are joined: a local time that the clock skips is another timestamp there than among predictions.
        known_at = timestamp_micros(frame, labels.time, zone)
        since = (known_at >= start) & (known_at < end)
    return frame.where(since)


def _candidates(run: Run, ledger: Ledger, versions: Mapping[str, str], due: list[DueWindow]) -> list[DueWindow]:
    """Windows whose labels may be others now: none where neither the label table nor the as-of timestamp has moved."""
    if run.schedule.horizon is None or ledger.as_of is None:
        return []
    unmoved = LABELS in versions and versions[LABELS] == ledger.source_versions.get(LABELS)
    if unmoved and run.as_of <= ledger.as_of:
        return []
    return label_candidates(
        ledger.handled,
        due,
        as_of=run.as_of,
        since=ledger.labels_as_of or ledger.as_of,
        lookback=run.schedule.lookback,
        horizon=run.schedule.horizon,
    )
