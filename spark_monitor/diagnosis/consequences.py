"""What follows from a problem and is none of its own: a model that does worse from the window on in which its inputs broke."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from spark_monitor.diagnosis.falls import Fall
from spark_monitor.diagnosis.groups import WHOLE, Failing, Slice
from spark_monitor.diagnosis.problems import Problem, is_prior, spares_a_version, under
from spark_monitor.diagnosis.selective import is_of_coverage
from spark_monitor.diagnosis.slice_causes import is_of_one_slice
from spark_monitor.diagnosis.subjects import DUPLICATES, FAIRNESS, MODEL

OF_THE_MODEL: Final = (MODEL, FAIRNESS)
OF_INPUTS: Final = frozenset({"upstream", "mix_shift"})
"""Kinds beside the faults of columns that a model's fall in the same window follows from."""

EXPECTED_PART: Final = 0.5
"""A fall follows from inputs that drift where they make one expect at least so much of it."""

OUTPUTS_APART: Final = 2
"""Outputs that begin to move so many windows before or after the model's metric fails are part of its fall."""

Explained = dict[int, Problem]
"""By the ``id`` of a problem of inputs: the model's fall that belongs to it."""


def with_consequences(
    problems: Sequence[Problem], falls: Mapping[int, Fall], *, outputs: Collection[str] = ()
) -> tuple[list[Problem], Explained]:
    """The problems without those that follow from another, which takes their checks; and which falls they were.

    A fall of the model that begins in the window in which a column breaks, several fail together or the mix of rows changes is
    that one problem; one that begins with drift alone is, where the drift is sudden or the estimate before the labels falls, too.
    So is one that begins while a column is broken: within two windows, or where the metric is no further off than it just was.
    Outputs that move about when the model falls without any such cause are part of the fall, and so are the labels where one
    slice explains it: there they follow the inputs in another way, and their rate is a symptom. Outputs that move for one group
    when it is treated less fairly are part of that.
    """
    explained: Explained = {}
    kept = _without_labels_of_copies(problems)
    for one in sorted(problems, key=lambda problem: problem.main.first.track == MODEL):
        if one.main.first.track not in OF_THE_MODEL:
            continue
        cause = min(
            (other for other in kept if other is not one and _leads_to(other, one, falls.get(id(one)), outputs)),
            key=lambda other: (
                other.opened != one.opened,
                not other.finding.is_fault,
                not _of_inputs(other),
                other.main.first.name,
            ),
            default=None,
        )
        if cause is not None:
            if id(cause) not in explained or one.main.first.track == MODEL:
                explained[id(cause)] = one
            cause.episodes = [*cause.episodes, *one.episodes]
            kept.remove(one)
        else:
            _take_outputs(one, kept, outputs)
            if one.main.first.track == MODEL:
                _take_labels(one, kept)
    return kept, explained


def _without_labels_of_copies(problems: Sequence[Problem]) -> list[Problem]:
    """The problems without missing labels where rows came again under ids of their own, which no label has."""
    copies = [one for one in problems if one.main.first.track == DUPLICATES]

    def belongs(one: Problem, owner: Problem) -> bool:
        return is_of_coverage(one) and owner.dataset == one.dataset and owner.opened == one.opened

    return under(problems, copies, belongs)


def _leads_to(cause: Problem, fall: Problem, numbers: Fall | None, outputs: Collection[str]) -> bool:
    if cause.dataset != fall.dataset:
        return False
    if cause.opened != fall.opened:
        return _goes_on(cause, fall, numbers, outputs)
    if cause.main.first.track in OF_THE_MODEL:
        return (cause.main.first.track, fall.main.first.track) == (MODEL, FAIRNESS)
    if is_prior(cause):
        return not is_of_one_slice(numbers)
    if not cause.columns or _only_outputs(cause, outputs):
        return False
    part = None if numbers is None else numbers.expected_part
    expected = part is not None and part >= EXPECTED_PART
    return cause.finding.is_fault or cause.kind in OF_INPUTS or expected or _may_be_sudden_cause(cause, numbers)


def _only_outputs(cause: Problem, outputs: Collection[str]) -> bool:
    """Whether it is that the model's outputs move, which a fall is no consequence of; broken ones, such as a score that stands
    still, are.
    """
    return set(cause.columns) <= set(outputs) and not cause.finding.is_fault


def _of_inputs(cause: Problem) -> bool:
    return cause.kind in OF_INPUTS or is_prior(cause)


def _goes_on(cause: Problem, fall: Problem, numbers: Fall | None, outputs: Collection[str]) -> bool:
    """Whether a fall begins while inputs are broken, and soon, or with numbers like those of the windows before."""
    if cause.main.first.track in OF_THE_MODEL or fall.main.first.track in OF_THE_MODEL[1:] or not cause.columns:
        return False
    is_open = cause.opened < fall.opened and cause.goes_on_at(fall.opened)
    first = fall.main.first
    soon = fall.opened - cause.opened <= OUTPUTS_APART * (first.end - first.start)
    # Labels of few rows cannot be judged in the very window in which a column that drifts jumped.
    is_cause = cause.finding.is_fault or cause.kind in OF_INPUTS or (soon and _may_be_sudden_cause(cause, numbers))
    if not is_open or _only_outputs(cause, outputs) or not is_cause:
        return False
    # What is wrong in several versions does not explain, windows later, a fall that one of them has no part in.
    if spares_a_version(cause, fall):
        return False
    # What is wrong in one slice does not explain, windows later, a fall that this slice has no part in.
    if cause.slice != WHOLE and all(one.slice != cause.slice for one in first.failing) and not _fell_too(cause.slice, numbers):
        return False
    return soon or _is_as_before(first.failing, numbers)


def _fell_too(slice_: Slice, numbers: Fall | None) -> bool:
    """Whether a slice, which may be too small for checks of its own, fell at least as far as all rows did."""
    if numbers is None or not numbers.is_worse or slice_ not in numbers.slices_now or slice_ not in numbers.slices_before:
        return False
    change = numbers.slices_now[slice_].value - numbers.slices_before[slice_].value
    return change <= numbers.change if numbers.lower_is_worse else change >= numbers.change


def _is_as_before(failing: Sequence[Failing], numbers: Fall | None) -> bool:
    """Whether what fails lies within twice its interval of the windows before: a number that was near its limit already."""
    if numbers is None:
        return False
    check = next((one for one in failing if one.metric == numbers.metric and one.value is not None), None)
    if check is None or check.value is None or check.lower is None or check.upper is None:
        return False
    reach = check.upper - check.value if numbers.lower_is_worse else check.value - check.lower
    return abs(numbers.before.value - check.value) <= 2 * reach


def _may_be_sudden_cause(cause: Problem, numbers: Fall | None) -> bool:
    """Drift of all rows, however sudden, is not why one slice alone does worse."""
    return _is_sudden(cause) and (cause.slice != WHOLE or not is_of_one_slice(numbers))


def _is_sudden(cause: Problem) -> bool:
    """Whether a column drifts that looked well in the window before: an estimate trusts such inputs although nobody should."""
    return cause.kind == "drift" and cause.finding.abrupt


def _take_labels(fall: Problem, kept: list[Problem]) -> None:
    for other in list(kept):
        if is_prior(other) and other.dataset == fall.dataset and other.opened == fall.opened:
            fall.episodes = [*fall.episodes, *other.episodes]
            kept.remove(other)


def _take_outputs(fall: Problem, kept: list[Problem], outputs: Collection[str]) -> None:
    first = fall.main.first
    near = OUTPUTS_APART * (first.end - first.start)
    for other in list(kept):
        is_output = bool(other.columns) and set(other.columns) <= set(outputs)
        same = other.dataset == fall.dataset and abs(other.opened - fall.opened) <= near and _may_concern(other.slice, fall)
        if other is not fall and is_output and other.kind == "drift" and same:
            fall.episodes = [*fall.episodes, *other.episodes]
            kept.remove(other)


def _may_concern(slice_: Slice, fall: Problem) -> bool:
    """Whether what moves in a slice is about a fall: of fairness only what moves for a group that it is about, or for all."""
    return fall.main.first.track != FAIRNESS or slice_ == WHOLE or any(one.slice == slice_ for one in fall.main.first.failing)
