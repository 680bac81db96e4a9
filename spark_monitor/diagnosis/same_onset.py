"""Columns that begin to fail or to drift in the same window, or in a slice that drifts already: one problem further up."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from spark_monitor.diagnosis.groups import WHOLE, Group, Slice
from spark_monitor.diagnosis.problems import OF_COLUMNS, Problem, Shifts, absorb, alike, is_prior

UPSTREAM_COLUMNS: Final = 2
"""So many columns with the same fault, or in the same slice, from the same window on have one cause further up."""


DRIFTING_COLUMNS: Final = 3
"""So many columns that begin to drift in all rows of the same window are one problem."""


OF_ONE_COLUMN = ("drift", "performance", "unseen_category")
"""Kinds that say nothing of a common source where several columns have them: each column has values of its own."""


def same_signature(problems: list[Problem]) -> list[Problem]:
    """Columns that begin to fail in the same window, in the same slice and in the same way are one problem further up."""
    columns = [one for one in problems if one.main.first.track in OF_COLUMNS and one.kind not in OF_ONE_COLUMN]
    rest = [one for one in problems if one not in columns]

    def key(one: Problem) -> tuple[str, ...]:
        return (*_about(one), repr(_place_among(one, columns)))

    for members in alike(columns, key):
        first, *others = sorted(members, key=lambda one: (one.slice == WHOLE, one.main.first.name))
        for other in others:
            absorb(first, other)
        if len(members) >= UPSTREAM_COLUMNS:
            first.kind = "upstream"
        rest.append(first)
    return rest


def _about(problem: Problem) -> tuple[str, ...]:
    return problem.dataset, problem.granularity, f"{problem.opened:020d}", problem.finding.signature


def _place_among(problem: Problem, problems: list[Problem]) -> Slice:
    """Where a problem is: what a part of all rows shows is in the one slice, if any, in which other columns show the same.

    It is not where other values of that slice's key fail: then each column is broken in its own way.
    """
    if problem.slice != WHOLE or problem.finding.part >= 1.0:
        return problem.slice
    places = {other.slice for other in problems if _about(other) == _about(problem)} - {WHOLE}
    place = places.pop() if len(places) == 1 else WHOLE
    return WHOLE if _fails_beside(problem.main.first, place) else place


def _fails_beside(group: Group, place: Slice) -> bool:
    """Whether checks of other values of a slice's key fail in a window.

    >>> from spark_monitor.diagnosis.groups import Failing, of_checks
    >>> one = of_checks(Failing("c", "ks", slice_key="store", slice_value="a"), start=0, end=1)
    >>> _fails_beside(one, ("store", "a")), _fails_beside(one, ("store", "b")), _fails_beside(one, ("plan", "x"))
    (False, True, False)
    """
    several = any(key.slice_key == place[0] and key.failing > 1 for key in group.keys)
    return several or any(one.slice_key == place[0] and one.slice != place for one in group.failing)


def drifting_together(
    problems: list[Problem], slice_columns: Collection[str], shifts: Shifts, outputs: Collection[str]
) -> list[Problem]:
    """Columns that begin to drift in the same window: because the mix of the rows has changed, in one slice, or many at once."""
    drifting = [
        one
        for one in problems
        if one.kind == "drift" and one.main.first.track in OF_COLUMNS and one.main.first.name not in outputs and not is_prior(one)
    ]
    rest = [one for one in problems if one not in drifting]
    for members in alike(drifting, lambda one: (one.dataset, one.granularity, one.opened)):
        shift = shifts.get((members[0].granularity, members[0].opened))
        of_slices = [one for one in members if one.main.first.name in slice_columns]
        mixed = (shift is not None or bool(of_slices)) and len(members) >= UPSTREAM_COLUMNS
        if mixed or (shift is not None and shift.slice[0] in {one.main.first.name for one in of_slices}):
            first, *others = sorted(members, key=lambda one: (one.main.first.name not in slice_columns, one.main.first.name))
            first.kind, first.shifted = "mix_shift", shift
            first.slice = _common_slice(members) if shift is None else shift.slice
            for other in others:
                absorb(first, other)
            rest.append(first)
        else:
            rest += _drifting_in_one_place(members)
    return rest


def _common_slice(members: list[Problem]) -> Slice:
    """The slice that all of them are in; WHOLE where they are in several."""
    slices = {one.slice for one in members}
    return slices.pop() if len(slices) == 1 else WHOLE


def _drifting_in_one_place(members: list[Problem]) -> list[Problem]:
    kept = []
    for together in alike(members, lambda one: repr(one.slice)):
        first, *others = sorted(together, key=lambda one: one.main.first.name)
        least = DRIFTING_COLUMNS if first.slice == WHOLE else UPSTREAM_COLUMNS
        if len(together) < least:
            kept += together
            continue
        for other in others:
            absorb(first, other)
        first.kind = "upstream"
        kept.append(first)
    return kept


def moving_slices(problems: list[Problem]) -> list[Problem]:
    """A slice that other columns begin to drift in while one drifts in it already: its rows are others than they were."""
    kept: list[Problem] = []
    open_in: dict[tuple[str, str, Slice], Problem] = {}
    for one in sorted(problems, key=lambda problem: (problem.opened, problem.main.first.subject)):
        about = (one.dataset, one.granularity, one.slice)
        earlier = open_in.get(about)
        if one.kind != "drift" or one.slice == WHOLE or one.main.first.track not in OF_COLUMNS:
            kept.append(one)
        elif earlier is not None and earlier.goes_on_at(one.opened):
            absorb(earlier, one)
        else:
            open_in[about] = one
            kept.append(one)
    return kept
