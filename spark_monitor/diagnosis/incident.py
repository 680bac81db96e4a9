"""A problem as the row of ``incidents`` that people read: its name, its sentence, whom it concerns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.groups import Failing, Group, Slice, worst
from spark_monitor.diagnosis.places import HOST
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.sentences import diagnosis, failing_versions, own_groups, title
from spark_monitor.text.formatting import UTC_NAME, versions_named

MEMBERS_KEPT: Final = 200
"""Members of an incident that are stored; ``checks`` counts all."""

_ID_DIGITS: Final = 16


@dataclass(frozen=True)
class Incident:
    """One problem from its opening to its resolution; times are microseconds since 1970."""

    incident_id: str
    kind: str
    title: str
    diagnosis: str
    dataset: str
    column: str | None
    slice: Slice
    versions: tuple[str | None, ...]
    first: tuple[int, int]
    last: tuple[int, int]
    resolved: int | None
    occurrences: int
    checks: int
    members: tuple[Failing, ...]
    causes: tuple[Cause, ...]
    severity: str
    owner: str | None
    runbook: str | None
    columns: tuple[str, ...] = ()

    @property
    def opened(self) -> int:
        """The start of its first failing window."""
        return self.first[0]

    @property
    def last_seen(self) -> int:
        """The end of its last failing window."""
        return self.last[1]


def incident(
    problem: Problem,
    *,
    monitor_id: str,
    causes: Sequence[Cause] = (),
    outputs: Collection[str] = (),
    zone: str = UTC_NAME,
) -> Incident:
    """The incident that a problem is; ``outputs`` are the columns of the model's outputs, ``zone`` that of its sentence."""
    groups = problem.groups
    of_granularity = [group for group in own_groups(problem) if group.granularity == problem.granularity]
    members = _members([*own_groups(problem), *groups], problem.slice)
    severity = worst([one.severity for group in groups for one in group.failing])
    owner, runbook = _whose(groups, severity)
    kind = _kind(problem, groups, outputs)
    columns, all_causes = problem.columns, with_version(kind, groups, causes, outputs)
    return Incident(
        incident_id=_identity(monitor_id, problem),
        kind=kind,
        title=title(problem, kind),
        diagnosis=diagnosis(problem, kind, all_causes, zone),
        dataset=problem.dataset,
        column=_column(problem, columns),
        slice=problem.slice,
        versions=failing_versions(groups),
        first=problem.began or (of_granularity[0].start, of_granularity[0].end),
        last=(of_granularity[-1].start, of_granularity[-1].end),
        resolved=problem.resolved,
        occurrences=len({group.start for group in of_granularity}),
        checks=max(len(members), max(group.checks for group in groups)),
        members=tuple(members[:MEMBERS_KEPT]),
        causes=tuple(all_causes),
        severity=severity,
        owner=owner,
        runbook=runbook or f"docs/runbooks/{kind}.md",
        columns=tuple(columns),
    )


def renamed(groups: Iterable[Group], incidents: Iterable[tuple[str, Iterable[Group]]]) -> list[tuple[str, int, str | None]]:
    """The failing checks of ``groups``, by id and start of the window, whose incident is not the stored one, and which it is.

    >>> check = Failing("c1", "ks", incident_id="before")
    >>> group = Group("predictions", "1 day", "values", "price", 0, 9, failing=(check, Failing("c2", "psi")))
    >>> renamed([group], [("now", [group])]), renamed([group], [])
    ([('c1', 0, 'now'), ('c2', 0, 'now')], [('c1', 0, None)])
    """
    of_check = {
        (one.check_id, group.start): incident_id
        for incident_id, several in incidents
        for group in several
        for one in group.failing
    }
    stored = {(one.check_id, group.start): one.incident_id for group in groups for one in group.failing}
    return [(*about, of_check.get(about)) for about, before in stored.items() if of_check.get(about) != before]


def _identity(monitor_id: str, problem: Problem) -> str:
    """The first 16 hex digits of the SHA-256 of monitor, subject and opening: what later windows cannot change."""
    first = problem.main.first
    about = [monitor_id, *first.subject, problem.opened]
    return hashlib.sha256(json.dumps(about, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


def _column(problem: Problem, columns: Sequence[str]) -> str | None:
    """The one column that it is about; of other tracks the endpoint, step or service; None where it is about several."""
    first = problem.main.first
    if problem.kind in ("upstream", "mix_shift") and len(columns) > 1:
        return None
    if first.column not in (None, TABLE_ROW):
        return first.column
    return problem.place[1] if problem.place is not None and problem.place[0] != HOST else None


def _members(groups: Sequence[Group], place: Slice) -> list[Failing]:
    """Every check that failed, once, as it was when it failed first; those of all rows before those of slices.

    The first is what the incident is about: of slices' the one that it is in, of equals those of the groups given first.
    """
    members: dict[str, Failing] = {}
    for group in groups:
        for one in group.failing:
            members.setdefault(one.check_id, one)
    return sorted(members.values(), key=lambda one: (one.slice_key is not None, one.slice != place))


def _whose(groups: Sequence[Group], severity: str) -> tuple[str | None, str | None]:
    """Owner and runbook of the last of the worst failing checks that name one."""
    failing = [one for group in reversed(groups) for one in group.failing if one.severity == severity]
    owner = next((one.owner for one in failing if one.owner), None)
    runbook = next((one.runbook for one in failing if one.runbook), None)
    return owner, runbook


def with_version(kind: str, groups: Sequence[Group], causes: Sequence[Cause], outputs: Collection[str] = ()) -> list[Cause]:
    """The causes; of one version that does worse than another the version before all but a column that broke, which is none of
    the model's own ``outputs``.

    What holds for all rows alike, such as another relation of inputs and labels, would show in both.
    """
    failing = {version for group in groups for version in group.versions_failing}
    well = {version for group in groups for version in group.versions_spared} - failing
    if kind != "version" or not well - {None} or not failing - {None}:
        return list(causes)
    named, others = (versions_named(sorted(name for name in names if name is not None)) for names in (failing, well))
    sentence = f"{named[0].upper()}{named[1:]} alone: {others}, in the same windows, does well or surely better."
    place = 1 if causes and causes[0].kind == "column" and causes[0].what not in outputs else 0
    return [*causes[:place], Cause("version", named, None, sentence), *causes[place:]]


def _kind(problem: Problem, groups: Sequence[Group], outputs: Collection[str]) -> str:
    """``version`` where one version alone does worse, predicts otherwise than it did, or loses rows, while another does well, or
    surely better, meanwhile.
    """
    is_output = problem.kind == "drift" and bool(problem.columns) and set(problem.columns) <= set(outputs)
    if problem.kind not in ("performance", "concept_drift", "lost_rows") and not is_output:
        return problem.kind
    failing = {version for group in groups for version in group.versions_failing}
    well = {version for group in groups for version in group.versions_spared} - failing
    if problem.kind == "lost_rows":
        well -= {None}  # all versions together: that they are well says nothing of another version
    both = [group for group in groups if group.versions_spared - failing]
    return "version" if well and len(both) * 2 > len(groups) else problem.kind
