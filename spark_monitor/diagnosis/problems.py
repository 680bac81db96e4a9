"""Episodes of single subjects to problems: what began at one time and in one way is one incident."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.diagnosis.episodes import Episode
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.groups import WHOLE, Group, Slice
from spark_monitor.diagnosis.shares import Shift
from spark_monitor.diagnosis.subjects import (
    COST,
    DUPLICATES,
    FAIRNESS,
    LABELS,
    LATE,
    MISSING,
    MODEL,
    PIPELINE,
    ROWS,
    SCHEMA,
    SERVICE,
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
    SERVICE: "service",
    PIPELINE: "pipeline",
    COST: "cost",
}
OF_COLUMNS: Final = (VALUES, MISSING)
OF_DRIFT: Final = frozenset({"drift", "correlation"})
"""Families of metrics of rows as a whole that tell how far these have moved."""

LABEL_SHIFT: Final = "label_shift"
UPSTREAM_COLUMNS: Final = 2
"""So many columns with the same fault, or in the same slice, from the same window on have one cause further up."""

DRIFTING_COLUMNS: Final = 3
"""So many columns that begin to drift in all rows of the same window are one problem."""

Shifts = Mapping[tuple[str, int], Shift]
"""By granularity and start of a window: which slice's share of the rows has changed there."""


@dataclass
class Problem:
    """One incident in the making: episodes, the first of which names it."""

    episodes: list[Episode]
    kind: str
    slice: Slice = WHOLE
    shifted: Shift | None = None
    """Of a shift of the mix: what has grown or shrunk."""
    notes: list[str] = field(default_factory=list)
    symptoms: set[str] = field(default_factory=set)
    """Columns that only show it, such as the model's answers."""

    steady: frozenset[str] = frozenset()
    """Slice keys within whose values the column is what it was, though all rows together are not."""

    @property
    def main(self) -> Episode:
        """The episode that names it."""
        return self.episodes[0]

    @property
    def finding(self) -> Finding:
        """What was found first."""
        return self.main.finding

    @property
    def dataset(self) -> str:
        """The dataset."""
        return self.main.first.dataset

    @property
    def granularity(self) -> str:
        """How long its windows are."""
        return self.main.first.granularity

    @property
    def opened(self) -> int:
        """The start of its first failing window, of the finest windows that fail: a month began before its worst week."""
        of_columns = self.main.first.track in OF_COLUMNS
        return min(one.opened for one in self._finest if (one.first.track in OF_COLUMNS) == of_columns)

    @property
    def _finest(self) -> list[Episode]:
        return [episode for episode in self.episodes if episode.first.granularity == self.granularity]

    @property
    def groups(self) -> list[Group]:
        """All failing windows of all subjects, in their order."""
        return sorted(
            (group for episode in self.episodes for group in episode.groups), key=lambda group: (group.start, group.subject)
        )

    @property
    def columns(self) -> list[str]:
        """The columns that it is about, by name, without those that only show it."""
        named = {group.column for group in self.groups if group.column is not None and group.track in OF_COLUMNS}
        return sorted(named - self.symptoms)

    @property
    def resolved(self) -> int | None:
        """When all of it had ended, in the finest windows that fail; None while some of it has not."""
        ends = [episode.resolved for episode in self._finest]
        return None if None in ends else max(end for end in ends if end is not None)


def problems(
    found: Iterable[Episode],
    located: Mapping[int, Slice],
    *,
    outputs: Collection[str] = (),
    slice_columns: Collection[str] = (),
    shifts: Shifts | None = None,
    steady: Mapping[int, frozenset[str]] | None = None,
) -> list[Problem]:
    """The problems that episodes amount to; ``located`` gives the slice of an episode by its ``id``, ``steady`` the keys within
    whose slices its column has not moved.

    ``outputs`` are the columns of the model's own answers: where they move together with features, they are a symptom of these.
    ``slice_columns`` are the columns that slices are cut by: where one of them drifts, the mix of the rows has changed.
    """
    within = steady or {}
    single = [Problem([one], _kind(one), located.get(id(one), WHOLE), steady=within.get(id(one), frozenset())) for one in found]
    merged = _same_subject(single)
    merged = _same_column(merged)
    merged = _rows_again(_table_troubles(merged))
    merged = _parts_of_a_whole(merged)
    merged = _same_signature(_explained_by_mix(merged, shifts or {}))
    merged = _drifting_together(merged, slice_columns, shifts or {}, outputs)
    merged = _other_labels(_moving_slices(_symptoms(_within_mix(merged), outputs)))
    return sorted(merged, key=lambda problem: (problem.opened, problem.kind, problem.main.first.subject))


def _kind(episode: Episode) -> str:
    track = episode.first.track
    if track == VALUES and episode.first.column is None:
        # Of no column: how all of them move together, or what is labelled or answered; else a custom metric.
        return "drift" if {one.family for one in episode.first.failing} <= OF_DRIFT else "performance"
    return episode.finding.kind if track in OF_COLUMNS else KIND_OF_TRACK[track]


OF_ONE_COLUMN = ("drift", "performance", "unseen_category")
"""Kinds that say nothing of a common source where several columns have them: each column has values of its own."""


def _same_subject(found: list[Problem]) -> list[Problem]:
    """What coarser windows show of a subject belongs to what finer ones show at the same time."""
    kept: list[Problem] = []
    by_length = sorted(found, key=lambda one: (one.main.first.end - one.main.first.start, one.opened))
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
            _absorb(finer[0], one)
        else:
            kept.append(one)
    return kept


def _absorb(problem: Problem, other: Problem) -> None:
    problem.episodes += other.episodes


def _merged(found: Iterable[Problem], key: Callable[[Problem], Any]) -> list[list[Problem]]:
    return [list(members) for _, members in groupby(sorted(found, key=key), key=key)]


def _same_column(found: list[Problem]) -> list[Problem]:
    """A column's values and its missing values that fail from the same window on; a fault names both."""
    columns = [one for one in found if one.main.first.track in OF_COLUMNS]
    rest = [one for one in found if one.main.first.track not in OF_COLUMNS]
    for members in _merged(columns, lambda one: (one.dataset, one.granularity, one.main.first.name, one.opened)):
        first, *others = sorted(members, key=lambda one: (not one.finding.is_fault, one.main.first.track))
        for other in others:
            _absorb(first, other)
        rest.append(first)
    return rest


def _table_troubles(found: list[Problem]) -> list[Problem]:
    """Rows, duplicates and columns of one table that fail from the same window on: duplicates explain rows, columns theirs."""
    kept = list(found)
    for one in found:
        track = one.main.first.track
        same = [other for other in kept if other is not one and (other.dataset, other.opened) == (one.dataset, one.opened)]
        if track == ROWS:
            above = [other for other in same if other.main.first.track == DUPLICATES]
        elif one.kind == "schema_change" and track in OF_COLUMNS:
            above = [other for other in same if other.main.first.track == SCHEMA]
        else:
            continue
        if above:
            _absorb(above[0], one)
            kept.remove(one)
    return kept


def _rows_again(found: list[Problem]) -> list[Problem]:
    """Columns that begin to drift in the window that holds rows more than once: every row counts double, chance as well."""
    again = {(one.dataset, one.granularity, one.opened): one for one in found if one.main.first.track == DUPLICATES}
    kept = []
    for one in found:
        above = again.get((one.dataset, one.granularity, one.opened))
        if above is None or one.main.first.track not in OF_COLUMNS or one.kind != "drift" or one.main.first.column is None:
            kept.append(one)
        else:
            _absorb(above, one)
    return kept


def _parts_of_a_whole(found: list[Problem]) -> list[Problem]:
    """Endpoints, steps or services that fail from the same window on as all of them together are that one problem."""
    wholes = {
        (one.dataset, one.main.first.track, one.opened): one
        for one in found
        if one.main.first.track in (SERVICE, PIPELINE, COST) and one.main.first.name == TABLE_ROW
    }
    kept = []
    for one in found:
        whole = wholes.get((one.dataset, one.main.first.track, one.opened))
        if whole is None or whole is one:
            kept.append(one)
        else:
            _absorb(whole, one)
    return kept


def _is_well_in_slices(problem: Problem, slice_: Slice) -> bool:
    """Whether a column that fails in all rows is well in the slices of a key, as many as can be judged."""
    if not problem.main.first.whole or problem.slice != WHOLE:
        return False
    key = next((key for key in problem.main.first.keys if key.slice_key == slice_[0]), None)
    return slice_[0] in problem.steady or (key is not None and key.failing == 0 and key.well > 0)


def _explained_by_mix(found: list[Problem], shifts: Shifts) -> list[Problem]:
    """Columns that only look broken where a slice has grown: within each slice they are what they were, so that they drift."""
    for one in found:
        shift = shifts.get((one.granularity, one.opened))
        if shift is not None and one.main.first.track in OF_COLUMNS and _is_well_in_slices(one, shift.slice):
            one.kind = "drift"
    return found


def _within_mix(found: list[Problem]) -> list[Problem]:
    """Columns that begin to drift while the mix of the rows is another one, and not within its slices, are part of that."""
    mixed = [one for one in found if one.kind == "mix_shift" and one.shifted is not None]
    kept = []
    for one in found:
        above = next((mix for mix in mixed if mix is not one and _is_of_mix(one, mix)), None)
        if above is None:
            kept.append(one)
        else:
            _absorb(above, one)
    return kept


def _is_of_mix(problem: Problem, mix: Problem) -> bool:
    is_column = problem.kind == "drift" and problem.main.first.track in OF_COLUMNS and problem.main.first.column is not None
    within = mix.opened <= problem.opened and (mix.resolved is None or problem.opened < mix.resolved)
    about = (problem.dataset, problem.granularity) == (mix.dataset, mix.granularity)
    if not (is_column and within and about) or mix.shifted is None:
        return False
    # In the slices of another key the mix is another one as well.
    of_others = problem.slice != WHOLE and mix.shifted.slice[0] not in (problem.slice[0] or "").split(", ")
    return of_others or (mix.opened < problem.opened and _is_well_in_slices(problem, mix.shifted.slice))


def _same_signature(found: list[Problem]) -> list[Problem]:
    """Columns that begin to fail in the same window, in the same slice and in the same way are one problem further up."""
    columns = [one for one in found if one.main.first.track in OF_COLUMNS and one.kind not in OF_ONE_COLUMN]
    rest = [one for one in found if one not in columns]

    def key(one: Problem) -> tuple[str, ...]:
        return (one.dataset, one.granularity, f"{one.opened:020d}", repr(one.slice), one.finding.signature)

    for members in _merged(columns, key):
        first, *others = sorted(members, key=lambda one: one.main.first.name)
        for other in others:
            _absorb(first, other)
        if len(members) >= UPSTREAM_COLUMNS:
            first.kind = "upstream"
        rest.append(first)
    return rest


def _drifting_together(
    found: list[Problem], slice_columns: Collection[str], shifts: Shifts, outputs: Collection[str]
) -> list[Problem]:
    """Columns that begin to drift in the same window: because the mix of the rows has changed, in one slice, or many at once."""
    drifting = [
        one for one in found if one.kind == "drift" and one.main.first.track in OF_COLUMNS and one.main.first.name not in outputs
    ]
    rest = [one for one in found if one not in drifting]
    for members in _merged(drifting, lambda one: (one.dataset, one.granularity, one.opened)):
        shift = shifts.get((members[0].granularity, members[0].opened))
        of_slices = [one for one in members if one.main.first.name in slice_columns]
        mixed = (shift is not None or bool(of_slices)) and len(members) >= UPSTREAM_COLUMNS
        if mixed or (shift is not None and shift.slice[0] in {one.main.first.name for one in of_slices}):
            first, *others = sorted(members, key=lambda one: (one.main.first.name not in slice_columns, one.main.first.name))
            first.kind, first.shifted = "mix_shift", shift
            first.slice = _common_slice(members) if shift is None else shift.slice
            for other in others:
                _absorb(first, other)
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
    for together in _merged(members, lambda one: repr(one.slice)):
        first, *others = sorted(together, key=lambda one: one.main.first.name)
        least = DRIFTING_COLUMNS if first.slice == WHOLE else UPSTREAM_COLUMNS
        if len(together) < least:
            kept += together
            continue
        for other in others:
            _absorb(first, other)
        first.kind = "upstream"
        kept.append(first)
    return kept


def is_prior(problem: Problem) -> bool:
    """Whether it is that the labels are spread in another way."""
    return problem.main.first.name == LABEL_SHIFT and problem.main.first.column is None


def _other_labels(found: list[Problem]) -> list[Problem]:
    """Columns that begin to drift in the window from which on labels are spread in another way: other cases arrive than before.

    Where the mix of the rows has changed there, other labels follow from it.
    """
    kept = list(found)
    for labels in [one for one in found if is_prior(one)]:
        same = [one for one in kept if one is not labels and (one.dataset, one.opened) == (labels.dataset, labels.opened)]
        mixed = next((one for one in same if one.kind == "mix_shift"), None)
        if mixed is not None:
            _absorb(mixed, labels)
            kept.remove(labels)
            continue
        for one in [one for one in kept if one is not labels and _is_of_labels(one, labels)]:
            _absorb(labels, one)
            kept.remove(one)
    return kept


def _is_of_labels(problem: Problem, labels: Problem) -> bool:
    """Whether columns begin to drift while labels are spread in another way."""
    if problem.dataset != labels.dataset or problem.main.first.track not in OF_COLUMNS or is_prior(problem):
        return False
    is_drift = problem.kind in ("drift", "upstream") and not problem.finding.is_fault
    return is_drift and labels.opened <= problem.opened and (labels.resolved is None or problem.opened < labels.resolved)


def _moving_slices(found: list[Problem]) -> list[Problem]:
    """A slice that other columns begin to drift in while one drifts in it already: its rows are others than they were."""
    kept: list[Problem] = []
    open_in: dict[tuple[str, str, Slice], Problem] = {}
    for one in sorted(found, key=lambda problem: (problem.opened, problem.main.first.subject)):
        about = (one.dataset, one.granularity, one.slice)
        earlier = open_in.get(about)
        if one.kind != "drift" or one.slice == WHOLE or one.main.first.track not in OF_COLUMNS:
            kept.append(one)
        elif earlier is not None and (earlier.resolved is None or one.opened < earlier.resolved):
            _absorb(earlier, one)
        else:
            open_in[about] = one
            kept.append(one)
    return kept


def _is_broken_before(cause: Problem, answers: Problem, outputs: Collection[str]) -> bool:
    """Whether features are broken while the model's answers begin to move, or drift while these move by and by."""
    if cause is answers or cause.dataset != answers.dataset or set(cause.columns) <= set(outputs):
        return False
    is_open = cause.opened < answers.opened and (cause.resolved is None or answers.opened < cause.resolved)
    if not is_open or not cause.columns:
        return False
    is_broken = cause.finding.is_fault or cause.kind in ("upstream", "mix_shift")
    return is_broken or (cause.kind == "drift" and not answers.finding.abrupt)


def _symptoms(found: list[Problem], outputs: Collection[str]) -> list[Problem]:
    """The model's answers that move in the very window in which a feature does, or while one is broken, are part of that problem.

    So is what moves in a slice whose own column is broken: other rows are in it.
    """
    kept = list(found)
    for one in found:
        if one.main.first.track not in OF_COLUMNS:
            continue
        is_answer = bool(one.columns) and set(one.columns) <= set(outputs)
        key_columns = set((one.slice[0] or "").split(", "))
        same = [other for other in kept if other is not one and (other.dataset, other.opened) == (one.dataset, one.opened)]
        causes = [other for other in same if other.finding.is_fault and other.main.first.name in key_columns]
        if is_answer:
            features = [other for other in same if other.columns and not set(other.columns) <= set(outputs)]
            causes += [other for other in features if other.slice == one.slice or other.finding.is_fault or other.kind != "drift"]
            causes += [other for other in kept if _is_broken_before(other, one, outputs)]
        if causes:
            cause = min(causes, key=lambda other: (not other.finding.is_fault, one.opened - other.opened, other.main.first.name))
            cause.symptoms |= set(one.columns) - set(cause.columns)
            _absorb(cause, one)
            kept.remove(one)
    return kept
