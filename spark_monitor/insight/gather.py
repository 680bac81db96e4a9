"""The questions that a monitor's committed tables are asked, once for everything that is shown of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.answers import Answers, latest_versions, latest_windows, usual_worst
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.headline_metrics import LABEL_COVERAGE, SHOWN, higher_is_better, main_metric
from spark_monitor.insight.judged import failing_checks, incidents, open_incidents, recent_runs, undecided, verdicts
from spark_monitor.insight.measured import drifted_slices, model_series, moved_columns, recent_counts, slice_series, worst_slices
from spark_monitor.insight.rows import CheckRow, CountRow, ModelRow
from spark_monitor.insight.scope import HISTORY_WINDOWS, MOST_VERSIONS, MOST_WINDOWS, MOVERS, CommittedTables, Scope
from spark_monitor.windowing.windows import Window


def facts(store: CommittedTables, config: MonitorConfig) -> Facts:
    """The facts of a monitor, from its committed tables."""
    return assembled(gather(store, config), config)


def gather(store: CommittedTables, config: MonitorConfig, windows: Iterable[Window] = ()) -> Answers:
    """Ask about the latest windows, and about others: all of the monitor's own granularity, and a bounded number of them."""
    wanted = sorted(set(windows))
    asked = Scope(config.monitor, config.windows.granularity.label, tuple(window.start for window in wanted[-MOST_WINDOWS:]))
    predicted = recent_counts(store.committed("profile_metrics"), asked)
    questions = _Questions(store, config, predicted, asked)
    checks, opened = store.committed("checks"), store.committed("incidents")
    failing = failing_checks(checks, opened, questions.scope, questions.latest)
    measured, worst, slices = questions.labels()
    return Answers(
        counts=questions.predicted,
        verdicts=verdicts(checks, questions.scope),
        failing=failing,
        undecided=undecided(checks, questions.scope, questions.latest),
        incidents=incidents(opened, questions.scope),
        open_incidents=open_incidents(opened, questions.scope),
        drift=moved_columns(store.committed("drift_metrics"), questions.scope, questions.latest, _drifted(failing)),
        shifted_slices=drifted_slices(store.committed("drift_metrics"), questions.now) if config.slices else (),
        model=measured,
        worst_slices=worst,
        slices=slices,
        runs=recent_runs(store.committed("runs"), config.monitor),
        left_out=_left_out(len(wanted), len({row.version for row in predicted})),
    )


@dataclass(frozen=True)
class _Questions:
    """What is known once the predictions are counted: which versions and windows the other questions are about."""

    store: CommittedTables
    config: MonitorConfig
    all_predicted: list[CountRow]
    asked: Scope

    @property
    def predicted(self) -> list[CountRow]:
        versions = latest_versions(self.all_predicted)
        return [row for row in self.all_predicted if row.version in versions]

    @property
    def latest(self) -> dict[str | None, datetime]:
        return {version: window.start for version, window in latest_windows(self.all_predicted).items()}

    @property
    def scope(self) -> Scope:
        recent = sorted({row.window.start for row in self.predicted})[-HISTORY_WINDOWS:]
        return self._of({*recent, *self.asked.starts})

    @property
    def now(self) -> Scope:
        return self._of(self.latest.values())

    def labels(self) -> tuple[list[ModelRow], list[ModelRow], list[ModelRow]]:
        """Metrics of all rows, the worst slices of every window, and the series of those that usually are."""
        if self.config.labels is None:
            return [], [], []
        model, main = self.store.committed("model_metrics"), main_metric(self.config)
        measured = model_series(model, self.scope, (*SHOWN[self.config.model.task], LABEL_COVERAGE))
        if main is None or not self.config.slices:
            return measured, [], []
        worst = worst_slices(model, self.scope, main, higher_is_better=higher_is_better(main))
        named = [(key, value) for chosen in usual_worst(worst).values() for key, value in chosen if key is not None]
        return measured, worst, slice_series(model, self.scope, main, named)

    def _of(self, starts: Iterable[datetime]) -> Scope:
        return Scope(self.asked.monitor_id, self.asked.granularity, tuple(sorted(set(starts))))


def _drifted(failing: Iterable[CheckRow]) -> list[str]:
    columns = dict.fromkeys(check.column for check in failing if check.family == "drift" and check.column is not None)
    return list(columns)[:MOVERS]


def _left_out(windows: int, versions: int) -> str | None:
    parts = []
    if windows > MOST_WINDOWS:
        parts.append(f"{windows - MOST_WINDOWS} older windows")
    if versions > MOST_VERSIONS:
        parts.append(f"{versions - MOST_VERSIONS} other model versions")
    return f"{' and '.join(parts)} are in the tables alone" if parts else None
