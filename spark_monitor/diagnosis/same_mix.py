"""Columns that only look broken, or drift, because other rows came: the mix of the rows has changed, or that of the labels."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from spark_monitor.diagnosis.categories import EXCHANGED
from spark_monitor.diagnosis.groups import WHOLE, Slice
from spark_monitor.diagnosis.problems import OF_COLUMNS, Problem, Shifts, absorb, is_prior, under
from spark_monitor.diagnosis.scales import is_only_likely
from spark_monitor.diagnosis.shares import LEAST_SHIFT, Shift

MOVED_TOGETHER: Final = 1.5
"""Beside the slice that has grown or shrunk most others may have, by half as much again."""


def _is_well_in_slices(problem: Problem, slice_: Slice) -> bool:
    """Whether a column that fails in all rows is well in the slices of a key, as many as can be judged."""
    if not problem.main.first.whole or problem.slice != WHOLE:
        return False
    key = next((key for key in problem.main.first.keys if key.slice_key == slice_[0]), None)
    return slice_[0] in problem.steady or (key is not None and key.failing == 0 and key.well > 0)


def explained_by_mix(problems: list[Problem], shifts: Shifts, outputs: Collection[str] = ()) -> list[Problem]:
    """Columns that only look broken where a slice has grown: within each slice they are what they were, so that they drift.

    So does a column that slices are cut by and whose categories seem exchanged, where other inputs begin to drift with it: other
    names for the same rows leave the other columns as they are.
    """
    drifting = [one for one in problems if _is_drift_of_inputs(one, outputs)]
    for one in problems:
        shift = shifts.get((one.granularity, one.opened))
        if shift is None or one.main.first.track not in OF_COLUMNS:
            continue
        looks_exchanged = one.finding.what == EXCHANGED
        beside = any((other.dataset, other.opened) == (one.dataset, one.opened) for other in drifting if other is not one)
        if _is_well_in_slices(one, shift.slice) or (looks_exchanged and (_is_cut_otherwise(one.slice, shift) or beside)):
            one.kind = "drift"
    return problems


def _is_drift_of_inputs(problem: Problem, outputs: Collection[str]) -> bool:
    """Whether columns that are no outputs of the model drift in all rows."""
    first = problem.main.first
    is_column = first.track in OF_COLUMNS and first.column is not None and first.column not in outputs
    return is_column and problem.kind == "drift" and first.whole and problem.slice == WHOLE


def _is_cut_otherwise(slice_: Slice, shift: Shift) -> bool:
    """Whether a slice is of another key than the one that has grown: within it the mix is another one as well."""
    return slice_ != WHOLE and shift.slice[0] not in (slice_[0] or "").split(", ")


def within_mix(problems: list[Problem]) -> list[Problem]:
    """Columns that begin to drift while the mix of the rows is another one, and not within its slices, are part of that."""
    mixed = [one for one in problems if one.kind == "mix_shift" and one.shifted is not None]
    return under(problems, mixed, _is_of_mix)


def _is_of_mix(problem: Problem, mix: Problem) -> bool:
    is_column = problem.kind == "drift" and problem.main.first.track in OF_COLUMNS and problem.main.first.column is not None
    within = mix.goes_on_at(problem.opened)
    about = (problem.dataset, problem.granularity) == (mix.dataset, mix.granularity)
    if not (is_column and within and about) or mix.shifted is None:
        return False
    if _is_cut_otherwise(problem.slice, mix.shifted):
        return True
    return mix.opened < problem.opened and _is_well_in_slices(problem, mix.shifted.slice)


def other_labels(problems: list[Problem]) -> list[Problem]:
    """Columns that begin to drift in the window from which on labels are spread in another way: other cases arrive than before.

    Where the mix of the rows has changed there, and by as much, other labels follow from it; where it has hardly, its own change
    follows from theirs.
    """
    kept = list(problems)
    for labels in [one for one in problems if is_prior(one)]:
        same = [one for one in kept if one is not labels and (one.dataset, one.opened) == (labels.dataset, labels.opened)]
        mixed = next((one for one in same if one.kind == "mix_shift"), None)
        if mixed is not None and _makes_other_labels(mixed, labels):
            absorb(mixed, labels)
            kept.remove(labels)
            continue
        for one in [one for one in kept if one is mixed or (one is not labels and _is_of_labels(one, labels))]:
            absorb(labels, one)
            kept.remove(one)
    return kept


def _makes_other_labels(mix: Problem, labels: Problem) -> bool:
    """Whether a shift of the mix can be why labels are spread in another way.

    With w the slices' shares of the rows and p the labels' within each, labels move by the sum of (w' - w) p, which is no more
    than the share of the rows that has moved, however much slices differ.
    """
    moved = LEAST_SHIFT if mix.shifted is None else abs(mix.shifted.now - mix.shifted.before)
    values = [abs(one.value) for one in labels.main.first.failing if one.value is not None]
    return not values or max(values) <= MOVED_TOGETHER * moved


def _is_of_labels(problem: Problem, labels: Problem) -> bool:
    """Whether columns begin to drift while labels are spread in another way."""
    if problem.dataset != labels.dataset or problem.main.first.track not in OF_COLUMNS or is_prior(problem):
        return False
    is_drift = problem.kind in ("drift", "upstream") and not problem.finding.is_fault
    # Other cases have other categories, whose frequencies only look exchanged, and other values, which of few rows look scaled;
    # what is re-coded, or comes in another unit, leaves the labels as they are.
    looks_broken = problem.finding.what == EXCHANGED or is_only_likely(problem.finding)
    return (is_drift or (looks_broken and problem.opened == labels.opened)) and labels.goes_on_at(problem.opened)
