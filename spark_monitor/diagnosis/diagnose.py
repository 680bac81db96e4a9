"""From groups of failing checks and evidence to incidents: the whole of the room in one function."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from spark_monitor.diagnosis.composition import problems
from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.episodes import Episode, Silent, Windows, episodes
from spark_monitor.diagnosis.exchanged import exchanged
from spark_monitor.diagnosis.findings import DRIFT, Finding
from spark_monitor.diagnosis.groups import FAIL, WHOLE, Group, Slice
from spark_monitor.diagnosis.hidden import Populated, hidden_place, is_elsewhere_too, openings, slices_of, steady_keys
from spark_monitor.diagnosis.incident import Incident, incident
from spark_monitor.diagnosis.located import candidates, location
from spark_monitor.diagnosis.looks import Evidence, EvidenceKey
from spark_monitor.diagnosis.onsets import Onset, Subject, doubted, keys_of, keys_of_versions, onsets, together
from spark_monitor.diagnosis.placeholders import placeholder_in
from spark_monitor.diagnosis.places import with_places
from spark_monitor.diagnosis.problems import OF_COLUMNS, Problem, Shifts


def incidents(
    groups: Iterable[Group], windows: Windows, evidence: Mapping[EvidenceKey, Evidence], *, monitor_id: str, **about: Any
) -> list[Incident]:
    """The incidents of the groups, in the order in which they opened, without the causes of a model's fall."""
    together = with_places(problems_of(groups, windows, evidence, **about), {})
    return [incident(one, monitor_id=monitor_id, outputs=about.get("outputs", ())) for one in together]


def problems_of(
    groups: Iterable[Group],
    windows: Windows,
    evidence: Mapping[EvidenceKey, Evidence],
    *,
    outputs: Collection[str] = (),
    slice_columns: Collection[str] = (),
    shifts: Shifts | None = None,
    populated: Populated | None = None,
    silent: Silent = frozenset(),
) -> list[Problem]:
    """The problems of the groups, in the order in which they began; the same groups and evidence give the same problems."""
    all_groups = list(groups)
    named, located = _named(all_groups, evidence, outputs, populated or {})
    begun = onsets(all_groups, evidence, named)
    _take_names(begun, named, located)
    within = {
        (group.subject, group.start): steady_keys(_sliced(group, evidence, populated))
        for group in openings(all_groups)
        if populated
    }
    found_episodes = episodes(all_groups, windows, named, {about: onset.window for about, onset in begun.items()}, silent)
    where = {id(one): _slice_of(one, located) for one in found_episodes}
    steady = {id(one): within.get((one.first.subject, one.first.start), frozenset()) for one in found_episodes}
    return problems(found_episodes, where, outputs=outputs, slice_columns=slice_columns, shifts=shifts, steady=steady)


def evidence_keys(groups: Iterable[Group], populated: Populated | None = None) -> list[EvidenceKey]:
    """What must be looked at: each failing column in all rows, and in the slices that may explain it.

    Last come all slices of the first failing window that have rows enough (``populated``): a fault may be in one of them though
    its own checks cannot say so.
    """
    keys: dict[EvidenceKey, None] = {}
    all_groups = list(groups)
    for group in all_groups:
        if group.state == FAIL and group.track in OF_COLUMNS and group.column is not None:
            version = group.failing[0].version
            for slice_ in (WHOLE, *candidates(group)):
                keys.setdefault((group.column, group.start, version, slice_))
    first = openings(all_groups)
    for group in first:
        for slice_ in (WHOLE, *candidates(group)):
            keys.update(dict.fromkeys(keys_of_versions(group, group.start, group.versions_failing, slice_)))
    for group, before in doubted(all_groups):
        keys.update(dict.fromkeys(keys_of(group, before)))
    for group in first if populated else ():
        for slice_ in slices_of(group, populated or {}):
            keys.setdefault((group.column or "", group.start, group.failing[0].version, slice_))
    return list(keys)


Named = dict[tuple[tuple[str, str, str, str], int], Finding]


def _named(
    groups: Iterable[Group], evidence: Mapping[EvidenceKey, Evidence], outputs: Collection[str], populated: Populated
) -> tuple[Named, dict[tuple[object, int], Slice]]:
    """What is wrong with each subject in each failing window, and in which slice."""
    all_groups = list(groups)
    moved = exchanged(all_groups, evidence)
    named: Named = {}
    located: dict[tuple[object, int], Slice] = {}
    opening = {id(group) for group in openings(all_groups)} if populated else set()
    for group in all_groups:
        if group.state != FAIL:
            continue
        finding, slice_ = _finding(group, evidence, of_output=group.column in outputs)
        if slice_ == WHOLE and id(group) in opening and group.column not in outputs:
            finding, slice_ = _hidden(group, finding, evidence, populated)
        if (group.column or "", group.start) in moved and group.column not in outputs:
            finding, slice_ = moved[group.column or "", group.start], WHOLE
        named[group.subject, group.start], located[group.subject, group.start] = finding, slice_
    return named, located


def _take_names(begun: Mapping[tuple[Subject, int], Onset], named: Named, located: dict[tuple[object, int], Slice]) -> None:
    """Where the failing window itself does not tell what is wrong, the one in which it began may."""
    for about, onset in begun.items():
        if onset.finding is not None and not named[about].is_fault:
            named[about] = onset.finding
            if onset.finding.part >= 1.0:
                located[about] = WHOLE


def _finding(group: Group, evidence: Mapping[EvidenceKey, Evidence], *, of_output: bool) -> tuple[Finding, Slice]:
    """All rows are asked first; a slice that shows a fault more clearly, while the others of its key are well, is its place."""
    if group.track not in OF_COLUMNS or group.column is None:
        return DRIFT, location(group, {})
    version = group.failing[0].version
    whole = _of_versions(group, WHOLE, evidence, of_output=of_output)
    sliced = {
        slice_: _of_versions(group, slice_, evidence, of_output=of_output)
        for slice_ in candidates(group)
        if (group.column, group.start, version, slice_) in evidence
    }
    looks = {one: evidence[group.column, group.start, version, one].now for one in sliced}
    rows = {one: look.count for one, look in looks.items() if look is not None}
    slice_ = location(group, {one: finding.is_fault for one, finding in sliced.items()}, rows)
    in_slice = sliced.get(slice_)
    of_all, of_slice = (evidence.get((group.column, group.start, version, one), Evidence()) for one in (WHOLE, slice_))
    if in_slice is None:
        return whole, slice_
    slice_finding = _as_in_slice(whole, in_slice, of_slice)
    if group.whole and _is_of_all_rows(whole, of_all, slice_finding, of_slice):
        return whole, WHOLE  # that smaller slices keep their more lenient limits says nothing of them
    return slice_finding, slice_


def _metrics(group: Group, slice_: Slice) -> frozenset[str]:
    """The metrics that fail in a slice, or in all rows; all of them where none does there."""
    here = frozenset(one.metric for one in group.failing if one.slice == slice_)
    return here or frozenset(one.metric for one in group.failing)


def _of_versions(group: Group, slice_: Slice, evidence: Mapping[EvidenceKey, Evidence], *, of_output: bool) -> Finding:
    """What all rows or a slice show: those of one version, or, where these tell no fault or no sure factor, of all that fail."""
    key = (group.column or "", group.start, group.failing[0].version, slice_)
    alone = finding_of(evidence.get(key, Evidence()), _metrics(group, slice_), of_output=of_output)
    looks = [evidence[one] for one in keys_of_versions(group, group.start, group.versions_failing, slice_) if one in evidence]
    if len(looks) < 2 or of_output or (alone.is_fault and alone.kind != "unit_change"):
        return alone
    pooled = finding_of(together(looks), frozenset())
    return pooled if pooled.is_fault else alone


def _as_in_slice(whole: Finding, in_slice: Finding, evidence: Evidence) -> Finding:
    """What is wrong in the slice that it comes from, as much as it is there."""
    may_hold_it = in_slice.kind in ("drift", "sentinel", "unseen_category", "schema_change")
    held = placeholder_in(whole, evidence) if whole.kind == "sentinel" and may_hold_it else None
    if held is not None:
        return held
    return in_slice if in_slice.is_fault or not whole.is_fault else whole


def _is_of_all_rows(whole: Finding, rows: Evidence, in_slice: Finding, of_slice: Evidence) -> bool:
    """Whether all rows show what a slice does, and all of them, or those beside it as well as those within."""
    if not whole.is_fault or whole.kind != in_slice.kind or whole.is_another_than(in_slice, paused=True):
        return False
    return whole.part >= 1.0 or is_elsewhere_too(whole, rows, in_slice, of_slice)


def _hidden(
    group: Group, whole: Finding, evidence: Mapping[EvidenceKey, Evidence], populated: Populated
) -> tuple[Finding, Slice]:
    """What is wrong in the one slice that a trouble of all rows comes from; as it was where there is none."""
    sliced = _sliced(group, evidence, populated)
    rows = evidence.get((group.column or "", group.start, group.failing[0].version, WHOLE), Evidence())
    place = hidden_place(whole, sliced, rows)
    return (whole, WHOLE) if place == WHOLE else (_as_in_slice(whole, *sliced[place]), place)


def _sliced(
    group: Group, evidence: Mapping[EvidenceKey, Evidence], populated: Populated
) -> dict[Slice, tuple[Finding, Evidence]]:
    """What the slices of a window show of a column, whether or not checks of theirs fail."""
    keys = {one: (group.column or "", group.start, group.failing[0].version, one) for one in slices_of(group, populated)}
    looks = {one: evidence[key] for one, key in keys.items() if key in evidence}
    # What is wrong in a slice is what its own numbers show, whatever fails in all rows.
    return {one: (finding_of(look, frozenset()), look) for one, look in looks.items()}


def _slice_of(episode: Episode, located: Mapping[tuple[object, int], Slice]) -> Slice:
    """Where the window that shows it says it is: the first that fails in all rows; where none does, the first that fails."""
    first = episode.shown or next((group for group in episode.groups if group.whole), episode.first)
    return located.get((first.subject, first.start), WHOLE)
