"""Results as they would have been at an earlier timestamp: windows that had ended by then, and what was open then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol, TypeVar

from spark_monitor.insight.results import Results
from spark_monitor.insight.rows import IncidentRow, MeasureRow
from spark_monitor.windowing.windows import Window


class InWindow(Protocol):
    """A row that belongs to a window."""

    @property
    def window(self) -> Window: ...


WindowRow = TypeVar("WindowRow", bound=InWindow)


def results_at(results: Results, at: datetime) -> Results:
    """The results without windows that ended later, runs as of later, and incidents that began later.

    An incident that was resolved later is open. What nothing keeps by time, such as reasons of the latest window, is left out
    where there are later windows; with nothing later in the tables the results are what they were.
    """
    windows = [*(row.window for row in results.counts), *(row.window for row in results.measured_series)]
    if not any(window.end > at for window in windows) and not any(_is_later(row, at) for row in results.incidents):
        return results
    incidents = [_as_it_was(row, at) for row in results.incidents if row.opened < at and not _was_found_later(row, at)]
    opened = [row for row in incidents if row.is_open]
    listed_open = sum(row.is_open for row in results.incidents)
    return replace(
        results,
        counts=_ended(results.counts, at),
        verdicts=_ended(results.verdicts, at),
        failing=_ended(results.failing, at),
        undecided=(),
        incidents=[*opened, *(row for row in incidents if not row.is_open)],
        open_total=len(opened) + max(results.open_total - listed_open, 0),
        drift=_ended(results.drift, at),
        shifted_slices=_ended(results.shifted_slices, at),
        model=_ended(results.model, at),
        estimated=_ended(results.estimated, at),
        worst_slices=_ended(results.worst_slices, at),
        searched_slices=_ended(results.searched_slices, at),
        slices=_ended(results.slices, at),
        runs=[run for run in results.runs if run.as_of <= at],
        measures=_latest(_ended(results.measured_series, at)),
        measured_series=_ended(results.measured_series, at),
    )


def _ended(rows: Iterable[WindowRow], at: datetime) -> list[WindowRow]:
    return [row for row in rows if row.window.end <= at]


def _is_later(row: IncidentRow, at: datetime) -> bool:
    return row.opened >= at or _was_found_later(row, at) or (row.resolved is not None and row.resolved > at)


def _was_found_later(row: IncidentRow, at: datetime) -> bool:
    """Whether a later run found it, such as by labels that came later, although a run had looked at its windows by then."""
    return row.detected is not None and row.undetected_until is not None and row.detected > at


def _as_it_was(row: IncidentRow, at: datetime) -> IncidentRow:
    if row.resolved is None or row.resolved <= at:
        return row
    return replace(row, resolved=None, status="OPEN", last_seen=min(row.last_seen, at))


def _latest(rows: Iterable[MeasureRow]) -> list[MeasureRow]:
    """The last row of every series, windows of another length being another series."""
    latest: dict[object, MeasureRow] = {}
    for row in sorted(rows, key=lambda row: row.window):
        about = (row.version, row.dataset, row.family, row.metric, row.column, row.name, row.basis)
        latest[about, (row.window.end - row.window.start).days] = row
    return list(latest.values())
