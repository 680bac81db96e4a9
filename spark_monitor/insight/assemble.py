"""Facts, as people read them, from the results of the tables. No Spark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.facts import Facts, VersionFacts
from spark_monitor.insight.headline_metrics import main_metric, shown_metrics
from spark_monitor.insight.local_times import in_zone
from spark_monitor.insight.results import Results, empty_since, latest_labelled, latest_windows
from spark_monitor.insight.rows import VERDICTS, DriftRow, ModelRow, VerdictRow
from spark_monitor.insight.scope import HISTORY_WINDOWS, SHIFTS
from spark_monitor.windowing.windows import Window


class OfVersion(Protocol):
    """A row that belongs to a model version."""

    @property
    def version(self) -> str | None: ...


VersionRow = TypeVar("VersionRow", bound=OfVersion)


def assembled(results: Results, config: MonitorConfig) -> Facts:
    """The facts that results amount to, in the monitor's zone; the version seen last comes first."""
    latest, main = latest_windows(results.counts), main_metric(config)
    order = sorted(latest, key=lambda version: (latest[version].end, version or ""), reverse=True)
    facts = Facts(
        monitor=config.monitor,
        model=config.model.name,
        task=config.model.task,
        granularity=config.windows.granularity.label,
        main_metric=main,
        has_rules=bool(config.rules),
        has_labels=config.labels is not None,
        zone=config.windows.zone,
        versions=tuple(_version_facts(version, latest[version], results, config) for version in order),
        open=tuple(row for row in results.incidents if row.is_open),
        resolved=tuple(row for row in results.incidents if not row.is_open),
        open_total=max(results.open_total, sum(row.is_open for row in results.incidents)),
        runs=tuple(results.runs),
        empty=empty_since(results.counts),
        measures=tuple(results.measures),
        measured_series=tuple(results.measured_series),
        heat=tuple(results.heat),
        columns=tuple(results.columns),
        distributions=tuple(results.distributions),
        baselines=tuple(results.baselines),
    )
    return in_zone(facts, config.windows.zone)


def _version_facts(version: str | None, window: Window, results: Results, config: MonitorConfig) -> VersionFacts:
    judged, measured, moved = _of(version, results.verdicts), _of(version, results.model), _of(version, results.drift)
    main = main_metric(config)
    realised = latest_labelled(measured, main)
    labelled = realised[0].window if realised else None
    failing = _of(version, results.failing)
    shifts = _shifts(
        [row for row in moved if row.window == window], {check.column for check in failing if check.family == "drift"}
    )
    return VersionFacts(
        version,
        window,
        sum(row.count for row in _of(version, results.counts) if row.window == window),
        verdicts={row.verdict: row.checks for row in judged if row.window == window},
        open_incidents=_open_of(version, results),
        failing=tuple(failing),
        undecided=tuple(_of(version, results.undecided)),
        shifts=tuple(shifts),
        shifted_slices=tuple(row for row in _of(version, results.shifted_slices) if row.window == window),
        realised=tuple(realised),
        beside=tuple(_beside(measured, labelled, config)),
        estimated=tuple(_in_order([row for row in _of(version, results.estimated) if row.window == window], config)),
        worst_slices=tuple(_worst_slices(version, results, labelled, main)),
        unlabelled=next((row for row in measured if row.window == window and row.metric == main), None),
        counts=tuple(_recent(_of(version, results.counts))),
        main_series=tuple(_recent([row for row in measured if row.metric == main])),
        estimated_series=tuple(_recent([row for row in _of(version, results.estimated) if row.metric == _estimated(config)])),
        drift_series={row.column: tuple(_recent([other for other in moved if other.column == row.column])) for row in shifts},
        verdict_series=_worst_by_window(judged),
    )


def _shifts(now: Sequence[DriftRow], drifted: set[str | None]) -> list[DriftRow]:
    """The columns that moved most in the latest window, and those that drifted by a rule; farthest first."""
    ordered = sorted(now, key=lambda row: (-row.ks, row.column))
    return [row for place, row in enumerate(ordered) if place < SHIFTS or row.column in drifted]


def _worst_slices(version: str | None, results: Results, window: Window | None, main: str | None) -> list[ModelRow]:
    """What the search named in the last labelled window; where it named none, or was not asked for, the worst of the file's."""
    at_window = [row for row in _of(version, results.searched_slices) if (row.window, row.metric) == (window, main)]
    return at_window or [row for row in _of(version, results.worst_slices) if row.window == window]


def _open_of(version: str | None, results: Results) -> int:
    """Open incidents of a version; one that names no version is about all of them."""
    return sum(row.is_open and (version in row.versions or not row.versions) for row in results.incidents)


def _beside(measured: Sequence[ModelRow], window: Window | None, config: MonitorConfig) -> list[ModelRow]:
    """The other metrics of the window whose main metric is shown, in the order in which they are listed."""
    rows = [row for row in measured if row.window == window and row.value is not None and row.metric != main_metric(config)]
    return _in_order(rows, config)


def _in_order(rows: Sequence[ModelRow], config: MonitorConfig) -> list[ModelRow]:
    by_metric = {row.metric: row for row in rows}
    return [by_metric[metric] for metric in shown_metrics(config.model.task) if metric in by_metric]


def _estimated(config: MonitorConfig) -> str | None:
    """The metric whose estimate stands beside labels: the main one, or the task's first where there are no labels at all."""
    return main_metric(config) or next(iter(shown_metrics(config.model.task)), None)


def _worst_by_window(rows: Sequence[VerdictRow]) -> tuple[tuple[Window, str], ...]:
    worst: dict[Window, str] = {}
    for row in sorted(rows, key=lambda row: VERDICTS.index(row.verdict)):
        worst.setdefault(row.window, row.verdict)
    return tuple(sorted(worst.items()))[-HISTORY_WINDOWS:]


class InWindow(Protocol):
    """A row that belongs to a window."""

    @property
    def window(self) -> Window: ...


WindowRow = TypeVar("WindowRow", bound=InWindow)


def _recent(rows: Iterable[WindowRow]) -> list[WindowRow]:
    return sorted(rows, key=lambda row: row.window)[-HISTORY_WINDOWS:]


def _of(version: str | None, rows: Iterable[VersionRow]) -> list[VersionRow]:
    return [row for row in rows if row.version == version]
