"""Reads the committed tables of a monitor, once for everything that is shown of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.earlier import results_at
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.headline_metrics import LABEL_COVERAGE, higher_is_better, main_metric, shown_metrics
from spark_monitor.insight.judgement_queries import failing_checks, incidents, open_total, recent_runs, undecided, verdicts
from spark_monitor.insight.measurement_queries import (
    drifted_slices,
    model_series,
    moved_columns,
    recent_counts,
    searched_slices,
    slice_series,
    worst_slices,
)
from spark_monitor.insight.picture_queries import (
    baseline_distributions,
    column_series,
    distributions,
    heat,
    measured_series,
    measures,
)
from spark_monitor.insight.results import Results, latest_versions, latest_windows, usual_worst
from spark_monitor.insight.rows import CheckRow, ColumnRow, CountRow, IncidentRow, ModelRow
from spark_monitor.insight.scope import HISTORY_WINDOWS, MOST_HEAT_WINDOWS, MOST_VERSIONS, MOST_WINDOWS, MOVERS, Scope
from spark_monitor.insight.tables import Tables
from spark_monitor.windowing.windows import Window


def facts(tables: Tables, config: MonitorConfig, *, pictures: bool = False, at: datetime | None = None) -> Facts:
    """The facts of a monitor, from its committed tables; as they would have been ``at`` an earlier timestamp."""
    results = read_results(tables, config, pictures=pictures)
    return assembled(results if at is None else results_at(results, at), config)


def read_results(tables: Tables, config: MonitorConfig, windows: Iterable[Window] = (), *, pictures: bool = False) -> Results:
    """Ask about the latest windows, and about others: all of the monitor's own granularity, and a bounded number of them.

    ``pictures`` asks for what only a report draws: the heat map, distributions and the series of other datasets.
    """
    starts = sorted(set(windows))
    scope = Scope(config.monitor, config.windows.granularity.label, tuple(window.start for window in starts[-MOST_WINDOWS:]))
    predicted = recent_counts(tables, scope)
    questions = _Questions(tables, config, predicted, scope)
    failing = failing_checks(tables, questions.scope, questions.latest)
    problems = incidents(tables, config.monitor)
    measured, estimated, worst, slices = questions.labels()
    results = Results(
        counts=questions.predicted,
        verdicts=verdicts(tables, questions.scope),
        failing=failing,
        undecided=undecided(tables, questions.scope, questions.latest),
        incidents=problems,
        open_total=open_total(tables, config.monitor),
        drift=moved_columns(tables, questions.scope, questions.latest, _drifted(failing)),
        shifted_slices=drifted_slices(tables, questions.now) if config.slices else (),
        model=measured,
        estimated=estimated,
        worst_slices=worst,
        searched_slices=searched_slices(tables, questions.scope) if config.worst_slices is not None else (),
        slices=slices,
        runs=recent_runs(tables, config.monitor),
        measures=measures(tables, scope),
        measured_series=measured_series(tables, scope),
        left_out=_left_out(len(starts), len({row.version for row in predicted})),
    )
    return questions.pictured(results, failing, problems) if pictures else results


@dataclass(frozen=True)
class _Questions:
    """What is known once the predictions are counted: which versions and windows the other questions are about."""

    tables: Tables
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

    def labels(self) -> tuple[list[ModelRow], list[ModelRow], list[ModelRow], list[ModelRow]]:
        """Metrics of all rows, those that are estimated, the worst slices of every window, and the series of the usual ones."""
        main = main_metric(self.config)
        shown = shown_metrics(self.config.model.task)
        if not shown:
            return [], [], [], []
        estimated = model_series(self.tables, self.scope, shown, basis="ESTIMATED")
        if self.config.labels is None:
            return [], estimated, [], []
        measured = model_series(self.tables, self.scope, (*shown, LABEL_COVERAGE))
        if main is None or not self.config.slices:
            return measured, estimated, [], []
        worst = worst_slices(self.tables, self.scope, main, higher_is_better=higher_is_better(main))
        named = [(key, value) for chosen in usual_worst(worst).values() for key, value in chosen if key is not None]
        return measured, estimated, worst, slice_series(self.tables, self.scope, main, named)

    def pictured(self, results: Results, failing: Iterable[CheckRow], problems: Iterable[IncidentRow]) -> Results:
        """The results with what only a report draws."""
        recent = self._of(sorted({row.window.start for row in self.predicted if row.count})[-MOST_HEAT_WINDOWS:])
        broken = [check.column for check in failing] + [row.column for row in problems if row.is_open]
        rows = heat(self.tables, recent, [name for name in broken if name is not None])
        columns = list(dict.fromkeys(row.column for row in rows))
        shapes: list[ColumnRow] = distributions(self.tables, self.now, columns) if columns else []
        return replace(
            results,
            heat=rows,
            columns=column_series(self.tables, recent, columns) if columns else (),
            distributions=shapes,
            baselines=baseline_distributions(self.tables, self.config.monitor, columns) if columns else (),
        )

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
