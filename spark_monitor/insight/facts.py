"""What a person wants to know of a monitor, as values: the one source of the summary, the report and the Markdown. No Spark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from spark_monitor.insight.rows import (
    VERDICTS,
    CheckRow,
    ColumnRow,
    CountRow,
    DriftRow,
    HeatRow,
    IncidentRow,
    MeasureRow,
    ModelRow,
    RunRow,
    UndecidedRow,
)
from spark_monitor.text.formatting import counted, in_words
from spark_monitor.windowing.windows import Window

FINAL, PROVISIONAL = "FINAL", "PROVISIONAL"
"""Whether a window's labels may still change."""


@dataclass(frozen=True)
class VersionFacts:
    """One model version as its latest window, its latest labels and its open incidents show it."""

    version: str | None
    window: Window
    count: int
    verdicts: Mapping[str, int] = field(default_factory=dict)
    open_incidents: int = 0
    failing: tuple[CheckRow, ...] = ()
    undecided: tuple[UndecidedRow, ...] = ()
    shifts: tuple[DriftRow, ...] = ()
    shifted_slices: tuple[DriftRow, ...] = ()
    realised: tuple[ModelRow, ...] = ()
    beside: tuple[ModelRow, ...] = ()
    estimated: tuple[ModelRow, ...] = ()
    worst_slices: tuple[ModelRow, ...] = ()
    unlabelled: ModelRow | None = None
    counts: tuple[CountRow, ...] = ()
    main_series: tuple[ModelRow, ...] = ()
    estimated_series: tuple[ModelRow, ...] = ()
    drift_series: Mapping[str, tuple[DriftRow, ...]] = field(default_factory=dict)
    verdict_series: tuple[tuple[Window, str], ...] = ()

    @property
    def verdict(self) -> str | None:
        """The worst verdict in the latest window; None where nothing was checked."""
        return next((verdict for verdict in VERDICTS if self.verdicts.get(verdict)), None)

    @property
    def status(self) -> str:
        """FAIL while an incident is open, whichever window opened it; else the latest window's verdict."""
        return "FAIL" if self.open_incidents else self.verdict or "UNCHECKED"

    @property
    def drifted(self) -> tuple[CheckRow, ...]:
        """What fails of drift."""
        return tuple(check for check in self.failing if check.family == "drift")

    @property
    def broken(self) -> tuple[CheckRow, ...]:
        """What fails of the data and of the model."""
        return tuple(check for check in self.failing if check.family != "drift")


@dataclass(frozen=True)
class Facts:
    """A monitor's state after its last committed run."""

    monitor: str
    model: str
    task: str
    granularity: str
    main_metric: str | None = None
    has_rules: bool = True
    has_labels: bool = True
    zone: str = "UTC"
    """In which its windows and all its timestamps are."""

    versions: tuple[VersionFacts, ...] = ()
    open: tuple[IncidentRow, ...] = ()
    resolved: tuple[IncidentRow, ...] = ()
    open_total: int = 0
    runs: tuple[RunRow, ...] = ()
    empty: tuple[Window, ...] = ()
    measures: tuple[MeasureRow, ...] = ()
    measured_series: tuple[MeasureRow, ...] = ()
    heat: tuple[HeatRow, ...] = ()
    columns: tuple[ColumnRow, ...] = ()
    distributions: tuple[ColumnRow, ...] = ()
    baselines: tuple[ColumnRow, ...] = ()

    @property
    def last_committed(self) -> RunRow | None:
        """The last run that committed."""
        return next((run for run in self.runs if run.status in ("COMMITTED", "NOTHING_NEW")), None)

    @property
    def as_of(self) -> datetime | None:
        """Up to when the tables know: the latest as-of of runs that ended well, whichever of them came last."""
        return max((run.as_of for run in self.runs if run.status in ("COMMITTED", "NOTHING_NEW")), default=None)

    @property
    def unpublished(self) -> RunRow | None:
        """The last committed run that MLflow does not show yet."""
        return next((run for run in self.runs if run.status == "COMMITTED" and run.published == "PENDING"), None)

    @property
    def last_failure(self) -> RunRow | None:
        """The last run, where it failed after the last that committed."""
        return self.runs[0] if self.runs and self.runs[0].status == "FAILED" else None

    @property
    def status(self) -> str:
        """The state in one word: NO_DATA where the feed has ended, else the worst of its versions and of what is open."""
        if self.empty:
            return "NO_DATA"
        statuses = {"FAIL"} if self.open_total else {version.status for version in self.versions}
        return next((verdict for verdict in VERDICTS if verdict in statuses), "UNCHECKED")

    @property
    def sentence(self) -> str:
        """The state in one sentence: what a person reads first."""
        problems = f"{counted(self.open_total, 'open incident')}" if self.open_total else "no open incident"
        worst = f"; the worst: {self.open[0].title}" if self.open else ""
        if self.empty and self.versions and any(row.count for row in self.versions):
            last = max(version.window for version in self.versions if version.count)
            return (
                f"No rows since {in_words(last.end)}: {counted(len(self.empty), 'window')} empty. What follows is of "
                f"{last.text}, the last window with rows; {problems}{worst}."
            )
        if self.empty:
            return f"No window has any rows: {counted(len(self.empty), 'window')} empty; {problems}{worst}."
        if not self.versions:
            return "No window has been monitored yet."
        return f"{problems[0].upper()}{problems[1:]} as of {self.versions[0].window.text}{worst}."
