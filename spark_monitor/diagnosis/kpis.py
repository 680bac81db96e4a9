"""Custom metrics that move because of what they are made of: a column that broke, rows that are lost, other cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spark_monitor.diagnosis.groups import WHOLE, Group, Slice
from spark_monitor.diagnosis.problems import OF_COLUMNS, Problem, absorb, is_prior
from spark_monitor.diagnosis.subjects import DUPLICATES, MODEL, ROWS, VALUES

OF_ROWS: Final = (ROWS, DUPLICATES)


@dataclass(frozen=True)
class Ingredients:
    """What a custom metric is computed from: columns of the rows, in lower case, and whether the labels are among them."""

    columns: frozenset[str] = frozenset()
    labels: bool = False


def is_custom(group: Group) -> bool:
    """Whether it is about a custom metric, which belongs to no column."""
    return group.track == VALUES and group.column is None and any(one.family == "custom" for one in group.failing)


def with_custom_metrics(problems: Sequence[Problem], ingredients: Mapping[str, Ingredients]) -> list[Problem]:
    """The problems, where a custom metric that fails because of what it is made of is part of that problem.

    So it is from the window on in which a column that it reads fails, and while one is broken; with rows that are lost or
    repeated for as long as these are; where the mix of rows changes; if it reads labels, where other cases come or the model does
    worse. Of custom metrics without such a reason those that read the same column and begin to fail together are one problem.
    """
    kept = list(problems)
    metrics = [one for one in problems if is_custom(one.main.first)]
    for one in metrics:
        of_metric = ingredients.get(one.main.first.name, Ingredients())
        reasons = [other for other in kept if other not in metrics and _is_reason(other, one, of_metric)]
        reasons = reasons or [other for other in kept if other in metrics and _are_made_alike(other, one, ingredients)]
        if reasons:
            absorb(min(reasons, key=_order), one)
            kept.remove(one)
    return kept


def _order(reason: Problem) -> tuple[bool, int, str]:
    return not reason.finding.is_fault, -reason.opened, reason.main.first.name


def _is_reason(reason: Problem, moved: Problem, of_metric: Ingredients) -> bool:
    if reason.dataset != moved.dataset or not _meet(reason.slice, moved.slice):
        return False
    begins_with = reason.opened == moved.opened
    if reason.main.first.track in OF_ROWS:
        return begins_with and moved.main.last.end <= reason.main.last.end
    if is_prior(reason) or reason.main.first.track == MODEL:
        return begins_with and (of_metric.labels or bool(of_metric.columns & _columns(reason)))
    if reason.kind == "mix_shift":
        return begins_with
    if not of_metric.columns & _columns(reason):
        return False
    is_broken = reason.finding.is_fault or reason.kind == "upstream"
    return begins_with or (is_broken and reason.opened < moved.opened and reason.goes_on_at(moved.opened))


def _columns(problem: Problem) -> frozenset[str]:
    """All columns that fail in it, those that only show it among them, in lower case."""
    named = (group.column for group in problem.groups if group.track in OF_COLUMNS)
    return frozenset(name.lower() for name in named if name is not None)


def _meet(one: Slice, other: Slice) -> bool:
    """Whether some rows can be in both slices: two values of one key share none."""
    return WHOLE in (one, other) or one == other or one[0] != other[0]


def _are_made_alike(one: Problem, other: Problem, ingredients: Mapping[str, Ingredients]) -> bool:
    if one is other or (one.dataset, one.opened, one.slice) != (other.dataset, other.opened, other.slice):
        return False
    first, second = (ingredients.get(problem.main.first.name, Ingredients()) for problem in (one, other))
    return bool(first.columns & second.columns) or (first.labels and second.labels)
