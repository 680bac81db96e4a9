"""Episodes of single subjects to problems, step by step: what began at one time and in one way is one incident."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.groups import WHOLE, Slice
from spark_monitor.diagnosis.problems import OF_COLUMNS, Problem, Shifts, absorb, alike
from spark_monitor.diagnosis.same_mix import explained_by_mix, other_labels, within_mix
from spark_monitor.diagnosis.same_onset import drifting_together, moving_slices, same_signature
from spark_monitor.diagnosis.same_table import (
    of_one_fault,
    rows_again,
    rows_gone,
    same_column,
    same_subject,
    table_troubles,
)
from spark_monitor.diagnosis.subjects import (
    BUDGET,
    COST,
    DUPLICATES,
    FAIRNESS,
    LABELS,
    LATE,
    MODEL,
    OF_SERVICE,
    PIPELINE,
    ROWS,
    SCHEMA,
    VALUES,
    VERSIONS,
)

KIND_OF_TRACK: Final = {
    ROWS: "lost_rows",
    DUPLICATES: "duplicated_window",
    SCHEMA: "schema_change",
    LATE: "late_data",
    LABELS: "late_data",
    VERSIONS: "version",
    MODEL: "performance",
    FAIRNESS: "fairness",
    **dict.fromkeys(OF_SERVICE, "service"),
    PIPELINE: "pipeline",
    COST: "cost",
    BUDGET: "cost",
}


OF_DRIFT: Final = frozenset({"drift", "correlation"})
"""Families of metrics of rows as a whole that tell how far these have moved."""


def problems(
    episodes: Iterable[Episode],
    located: Mapping[int, Slice],
    *,
    outputs: Collection[str] = (),
    slice_columns: Collection[str] = (),
    shifts: Shifts | None = None,
    steady: Mapping[int, frozenset[str]] | None = None,
) -> list[Problem]:
    """The problems that episodes amount to; ``located`` gives the slice of an episode by its ``id``, ``steady`` the keys within
    whose slices its column has not moved.

    ``outputs`` are the columns of the model's own outputs: where they move together with features, they are a symptom of these.
    ``slice_columns`` are the columns that slices are cut by: where one of them drifts, the mix of the rows has changed.
    """
    within = steady or {}
    single = [
        Problem([one], _kind(one), located.get(id(one), WHOLE), steady=within.get(id(one), frozenset())) for one in episodes
    ]
    merged = same_subject(single)
    merged = of_one_fault(same_column(merged))
    merged = rows_gone(rows_again(table_troubles(merged)))
    merged = same_signature(explained_by_mix(merged, shifts or {}, outputs))
    merged = drifting_together(merged, slice_columns, shifts or {}, outputs)
    merged = other_labels(moving_slices(_outputs_together(_symptoms(within_mix(merged), outputs), outputs)))
    return sorted(merged, key=lambda problem: (problem.opened, problem.kind, problem.main.first.subject))


def _kind(episode: Episode) -> str:
    track = episode.first.track
    if track == VALUES and episode.first.column is None:
        # Of no column: how all of them move together, or what is labelled or predicted; else a custom metric.
        return "drift" if {one.family for one in episode.first.failing} <= OF_DRIFT else "performance"
    return episode.finding.kind if track in OF_COLUMNS else KIND_OF_TRACK[track]


def _is_broken_before(cause: Problem, moved: Problem, outputs: Collection[str]) -> bool:
    """Whether features are broken while the model's outputs begin to move, or drift while these move by and by."""
    if cause is moved or cause.dataset != moved.dataset or set(cause.columns) <= set(outputs):
        return False
    is_open = cause.opened < moved.opened and cause.goes_on_at(moved.opened)
    if not is_open or not cause.columns:
        return False
    is_broken = cause.finding.is_fault or cause.kind in ("upstream", "mix_shift")
    return is_broken or (cause.kind == "drift" and not moved.finding.abrupt)


def _is_broken_output(cause: Problem, moved: Problem, outputs: Collection[str]) -> bool:
    """Whether another of the model's outputs is broken while one moves, which is made of it: a class of a missing score, say.

    One that has ceased to vary may itself follow from the other's move.
    """
    is_fault = bool(cause.columns) and set(cause.columns) <= set(outputs) and cause.finding.is_fault and cause.kind != "stuck"
    is_place = cause.slice in (WHOLE, moved.slice) and cause.dataset == moved.dataset
    if cause is moved or not (is_fault and is_place) or moved.finding.is_fault:
        return False
    return cause.opened == moved.opened or (cause.opened < moved.opened and cause.goes_on_at(moved.opened))


def _outputs_together(candidates: list[Problem], outputs: Collection[str]) -> list[Problem]:
    """Score and class of a model that begin to drift in the same window and slice are one problem: one follows from the other.

    So is a class that has ceased to vary, there or in a slice of it, as of scores that have all moved below the threshold.
    """
    moved = [one for one in candidates if one.kind == "drift" and one.columns and set(one.columns) <= set(outputs)]
    kept = [one for one in candidates if one not in moved]
    for members in alike(moved, lambda one: (one.dataset, one.granularity, one.opened, repr(one.slice))):
        first, *others = sorted(members, key=lambda one: one.main.first.name)
        for other in others:
            absorb(first, other)
        kept.append(first)
        for one in [one for one in kept if _has_ceased_with(one, first, outputs)]:
            absorb(first, one)
            kept.remove(one)
    return kept


def _has_ceased_with(one: Problem, moved: Problem, outputs: Collection[str]) -> bool:
    """Whether another of the model's outputs ceases to vary where and when one moves."""
    is_other = one is not moved and one.kind == "stuck" and set(one.columns) <= set(outputs) - {moved.main.first.name}
    began_with = (one.dataset, one.granularity, one.opened) == (moved.dataset, moved.granularity, moved.opened)
    return bool(one.columns) and is_other and began_with and moved.slice in (WHOLE, one.slice)


def _symptoms(candidates: list[Problem], outputs: Collection[str]) -> list[Problem]:
    """The model's outputs that move in the very window in which a feature does, or while one is broken, are part of that problem.

    So is what moves in a slice whose own column is broken: other rows are in it.
    """
    kept = list(candidates)
    for one in candidates:
        if one.main.first.track not in OF_COLUMNS:
            continue
        is_output = bool(one.columns) and set(one.columns) <= set(outputs)
        key_columns = set((one.slice[0] or "").split(", "))
        same = [other for other in kept if other is not one and (other.dataset, other.opened) == (one.dataset, one.opened)]
        causes = [other for other in same if other.finding.is_fault and other.main.first.name in key_columns]
        if is_output:
            features = [other for other in same if other.columns and not set(other.columns) <= set(outputs)]
            causes += [other for other in features if other.slice == one.slice or other.finding.is_fault or other.kind != "drift"]
            causes += [other for other in kept if _is_broken_before(other, one, outputs)]
            causes += [other for other in kept if _is_broken_output(other, one, outputs)]
        if causes:
            cause = min(causes, key=lambda other: (not other.finding.is_fault, one.opened - other.opened, other.main.first.name))
            cause.symptoms |= set(one.columns) - set(cause.columns)
            absorb(cause, one)
            kept.remove(one)
    return kept
