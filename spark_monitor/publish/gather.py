"""The facts of a monitor, gathered from its committed tables: bounded questions, and answers put together without Spark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol, TypeVar

from spark_monitor.config import MonitorConfig
from spark_monitor.publish.facts import FINAL, Facts, Failing, VersionFacts
from spark_monitor.publish.headline import latest_versions
from spark_monitor.publish.headline_metrics import LABEL_COVERAGE, SHOWN, higher_is_better, main_metric
from spark_monitor.publish.judged import beginnings, failing_checks, incidents, open_incidents, recent_runs, undecided, verdicts
from spark_monitor.publish.measured import drift_movers, drift_series, drifted_slices, model_series, recent_counts, worst_slices
from spark_monitor.publish.rows import (
    VERDICTS,
    CheckRow,
    CountRow,
    DriftRow,
    IncidentRow,
    ModelRow,
    RunRow,
    UndecidedRow,
    VerdictRow,
)
from spark_monitor.publish.scope import HISTORY_WINDOWS, CommittedTables, Scope
from spark_monitor.windows import Window

SHIFTS_SHOWN = 5
"""Columns that are named as having moved most, whatever the rules say of them."""


class OfVersion(Protocol):
    """A row that belongs to a model version."""

    @property
    def version(self) -> str | None: ...


VersionRow = TypeVar("VersionRow", bound=OfVersion)


@dataclass(frozen=True)
class Answers:
    """What the tables answered."""

    counts: Sequence[CountRow]
    verdicts: Sequence[VerdictRow] = ()
    failing: Sequence[CheckRow] = ()
    undecided: Sequence[UndecidedRow] = ()
    incidents: Sequence[IncidentRow] = ()
    open_incidents: Mapping[str | None, int] = field(default_factory=dict)
    beginnings: Mapping[str, tuple[datetime, int]] = field(default_factory=dict)
    shifts: Sequence[DriftRow] = ()
    drift_series: Sequence[DriftRow] = ()
    shifted_slices: Sequence[DriftRow] = ()
    model: Sequence[ModelRow] = ()
    worst_slices: Sequence[ModelRow] = ()
    runs: Sequence[RunRow] = ()


def facts(store: CommittedTables, config: MonitorConfig) -> Facts:
    """The facts of a monitor, from its committed tables."""
    monitor, label = config.monitor, config.windows.granularity.label
    predicted = recent_counts(store.committed("profile_metrics"), Scope(monitor, label))
    latest = latest_windows(predicted)
    history = Scope(monitor, label, tuple(sorted({row.window.start for row in predicted})[-HISTORY_WINDOWS:]))
    ending = {version: window.start for version, window in latest.items()}
    checks, opened = store.committed("checks"), store.committed("incidents")
    failing = failing_checks(checks, history, ending)
    answers = Answers(
        counts=predicted,
        verdicts=verdicts(checks, history),
        failing=failing,
        beginnings=beginnings(opened, history, (check.check_id for check in failing)),
        undecided=undecided(checks, history, ending),
        incidents=incidents(opened, history),
        open_incidents=open_incidents(opened, history),
        runs=recent_runs(store.committed("runs"), monitor),
    )
    return assembled(_with_drift(_with_labels(answers, store, config, history), store, config, history), config)


def assembled(answers: Answers, config: MonitorConfig) -> Facts:
    """The facts that answers amount to; the version seen last comes first."""
    latest, main = latest_windows(answers.counts), main_metric(config)
    order = sorted(latest, key=lambda version: (latest[version].end, version or ""), reverse=True)
    return Facts(
        monitor=config.monitor,
        model=config.model.name,
        task=config.model.task,
        granularity=config.windows.granularity.label,
        main_metric=main,
        has_rules=bool(config.rules),
        has_labels=config.labels is not None,
        versions=tuple(_version_facts(version, latest[version], answers, config) for version in order),
        open=tuple(row for row in answers.incidents if row.status == "OPEN"),
        resolved=tuple(row for row in answers.incidents if row.status != "OPEN"),
        open_total=sum(answers.open_incidents.values()),
        runs=tuple(answers.runs),
    )


def latest_windows(predicted: Sequence[CountRow]) -> dict[str | None, Window]:
    """The latest window of each of the versions seen last."""
    latest: dict[str | None, Window] = {}
    versions = latest_versions(predicted)
    for row in predicted:
        if row.version in versions:
            latest[row.version] = max(latest.get(row.version, row.window), row.window)
    return latest


def latest_labelled(rows: Iterable[ModelRow], main: str | None) -> list[ModelRow]:
    """Per version the main metric in its latest final window, and in the latest provisional one where that is later."""
    found: dict[tuple[str | None, str | None], ModelRow] = {}
    for row in sorted(rows, key=lambda row: row.window):
        if row.metric == main and row.value is not None:
            found[row.version, row.label_status] = row
    finals = {version: row.window for (version, maturity), row in found.items() if maturity == FINAL}
    kept = [row for row in found.values() if row.label_status == FINAL or row.window >= finals.get(row.version, row.window)]
    return sorted(kept, key=lambda row: (row.version or "", row.window))


def _with_labels(answers: Answers, store: CommittedTables, config: MonitorConfig, history: Scope) -> Answers:
    main, model = main_metric(config), store.committed("model_metrics")
    if config.labels is None:
        return answers
    measured = model_series(model, history, (*SHOWN[config.model.task], LABEL_COVERAGE))
    labelled = _narrowed(history, (row.window for row in latest_labelled(measured, main)))
    worst: Sequence[ModelRow] = ()
    if main is not None and config.slices:
        worst = worst_slices(model, labelled, main, higher_is_better=higher_is_better(main))
    return replace(answers, model=measured, worst_slices=worst)


def _with_drift(answers: Answers, store: CommittedTables, config: MonitorConfig, history: Scope) -> Answers:
    latest, drift = latest_windows(answers.counts), store.committed("drift_metrics")
    now = _narrowed(history, latest.values())
    shifts = [row for row in drift_movers(drift, now, most=SHIFTS_SHOWN) if row.window == latest.get(row.version)]
    columns = {row.column for row in shifts} | {row.column for row in answers.failing if row.family == "drift" and row.column}
    series = drift_series(drift, history, columns)
    return replace(
        answers, shifts=shifts, drift_series=series, shifted_slices=drifted_slices(drift, now) if config.slices else ()
    )


def _version_facts(version: str | None, window: Window, answers: Answers, config: MonitorConfig) -> VersionFacts:
    here, main = _of(version, answers.verdicts), main_metric(config)
    measured = _of(version, answers.model)
    realised = latest_labelled(measured, main)
    shown = realised[0].window if realised else None
    return VersionFacts(
        version,
        window,
        sum(row.count for row in _of(version, answers.counts) if row.window == window),
        verdicts={row.verdict: row.checks for row in here if row.window == window},
        open_incidents=answers.open_incidents.get(version, 0),
        failing=tuple(_since(check, answers) for check in _of(version, answers.failing)),
        undecided=tuple(_of(version, answers.undecided)),
        shifts=tuple(_of(version, answers.shifts)),
        shifted_slices=tuple(row for row in _of(version, answers.shifted_slices) if row.window == window),
        realised=tuple(realised),
        beside=tuple(row for row in measured if row.window == shown and row.metric != main and row.value is not None),
        worst_slices=tuple(row for row in _of(version, answers.worst_slices) if row.window == shown),
        unlabelled=next((row for row in measured if row.window == window and row.metric == main), None),
        counts=tuple(sorted(_of(version, answers.counts), key=lambda row: row.window)),
        main_series=tuple(sorted((row for row in measured if row.metric == main), key=lambda row: row.window)),
        drift_series=_by_column(_of(version, answers.drift_series)),
        verdict_series=_worst_by_window(here),
    )


def _since(check: CheckRow, answers: Answers) -> Failing:
    """The check with what its open incident knows."""
    begun = answers.beginnings.get(check.check_id or "")
    return Failing(check) if begun is None else Failing(check, *begun)


def _by_column(rows: Sequence[DriftRow]) -> dict[str, tuple[DriftRow, ...]]:
    columns = sorted({row.column for row in rows})
    ordered = sorted(rows, key=lambda row: row.window)
    return {column: tuple(row for row in ordered if row.column == column) for column in columns}


def _worst_by_window(rows: Sequence[VerdictRow]) -> tuple[tuple[Window, str], ...]:
    worst: dict[Window, str] = {}
    for row in sorted(rows, key=lambda row: VERDICTS.index(row.verdict)):
        worst.setdefault(row.window, row.verdict)
    return tuple(sorted(worst.items()))


def _of(version: str | None, rows: Iterable[VersionRow]) -> list[VersionRow]:
    return [row for row in rows if row.version == version]


def _narrowed(scope: Scope, windows: Iterable[Window]) -> Scope:
    return Scope(scope.monitor_id, scope.granularity, tuple(sorted({window.start for window in windows})))
