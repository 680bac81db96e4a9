"""Problems of one table that fail together: coarser windows, a column's values and gaps, rows and duplicates."""

from __future__ import annotations

from typing import Final

from spark_monitor.diagnosis.findings import FILLED
from spark_monitor.diagnosis.problems import OF_COLUMNS, Problem, absorb, alike, under
from spark_monitor.diagnosis.subjects import (
    DUPLICATES,
    ROWS,
    SCHEMA,
    VALUES,
)

SOON: Final = 2
"""What else of a column begins to fail so many windows after its fault, while that goes on, only could not be decided earlier."""

FILLING: Final = frozenset({"sentinel", "stuck", "unseen_category"})
"""Faults that write a value where one was missing: while they go on there are fewer missing values."""


def same_subject(problems: list[Problem]) -> list[Problem]:
    """What coarser windows show of a subject belongs to what finer ones show at the same time."""
    kept: list[Problem] = []
    by_length = sorted(problems, key=lambda one: (one.main.first.end - one.main.first.start, one.opened))
    for one in by_length:
        group = one.main.first
        finer = [
            other
            for other in kept
            if (other.dataset, other.main.first.track, other.main.first.name) == (group.dataset, group.track, group.name)
            and other.granularity != one.granularity
            and other.opened < one.main.last.end
            and one.opened < (other.resolved or other.main.last.end)
        ]
        if finer:
            absorb(finer[0], one)
        else:
            kept.append(one)
    return kept


def same_column(problems: list[Problem]) -> list[Problem]:
    """A column's values and its missing values that fail from the same window on; a fault names both."""
    columns = [one for one in problems if one.main.first.track in OF_COLUMNS]
    rest = [one for one in problems if one.main.first.track not in OF_COLUMNS]
    for members in alike(columns, lambda one: (one.dataset, one.granularity, one.main.first.name, one.opened)):
        first, *others = sorted(members, key=lambda one: (not one.finding.is_fault, one.main.first.track))
        for other in others:
            absorb(first, other)
        rest.append(first)
    return rest


def of_one_fault(problems: list[Problem]) -> list[Problem]:
    """What a column's fault does beside is no problem of its own, though its checks were decided a window sooner or later.

    Placeholders that also stand where values were missing leave fewer missing; values that go missing leave others than before.
    """
    ordered = sorted(problems, key=lambda one: (one.opened, one.main.first.track != VALUES))
    faults = [one for one in ordered if one.main.first.track in OF_COLUMNS and one.finding.is_fault]
    return under(ordered, faults, _is_of_fault)


def _is_of_fault(problem: Problem, fault: Problem) -> bool:
    one, first = problem.main.first, fault.main.first
    about = (one.dataset, one.granularity, one.name) == (first.dataset, first.granularity, first.name)
    if not about or one.track == first.track or one.track not in OF_COLUMNS:
        return False
    length, later = first.end - first.start, problem.opened - fault.opened
    same = problem.kind == fault.kind
    if problem.finding.is_fault and not (same and later > 0):
        return False
    if later < 0:
        return -later <= length and problem.goes_on_at(fault.opened)
    fills = fault.kind in FILLING and (same or problem.finding.what == FILLED.what)
    return fault.goes_on_at(problem.opened) and (fills or later <= SOON * length)


def table_troubles(problems: list[Problem]) -> list[Problem]:
    """Rows, duplicates and columns of one table that fail from the same window on: duplicates explain rows, columns theirs."""
    kept = list(problems)
    for one in problems:
        track = one.main.first.track
        same = [other for other in kept if other is not one and (other.dataset, other.opened) == (one.dataset, one.opened)]
        if track == ROWS:
            above = [other for other in same if other.main.first.track == DUPLICATES]
        elif one.kind == "schema_change" and track in OF_COLUMNS:
            above = [other for other in same if other.main.first.track == SCHEMA]
        else:
            continue
        if above:
            absorb(above[0], one)
            kept.remove(one)
    return kept


def rows_again(problems: list[Problem]) -> list[Problem]:
    """Columns that begin to drift in the window that holds rows more than once: every row counts double, chance as well."""
    again = {(one.dataset, one.granularity, one.opened): one for one in problems if one.main.first.track == DUPLICATES}
    kept = []
    for one in problems:
        above = again.get((one.dataset, one.granularity, one.opened))
        if above is None or one.main.first.track not in OF_COLUMNS or one.kind != "drift" or one.main.first.column is None:
            kept.append(one)
        else:
            absorb(above, one)
    return kept


def rows_gone(problems: list[Problem]) -> list[Problem]:
    """Columns that drift only in windows with another number of rows than expected: what came is no fair sample of all rows.

    Half a day without rows moves every column that follows the hour. A drift that outlasts it, and any fault, is a problem apart.
    """
    counts = {(one.dataset, one.granularity, one.opened): one for one in problems if one.main.first.track == ROWS}
    kept = []
    for one in problems:
        above = counts.get((one.dataset, one.granularity, one.opened))
        is_drift = one.main.first.track in OF_COLUMNS and one.kind == "drift" and one.main.first.column is not None
        if above is None or not is_drift or one.main.last.end > above.main.last.end:
            kept.append(one)
        else:
            above.symptoms |= set(one.columns)
            absorb(above, one)
    return kept
