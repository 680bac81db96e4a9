"""What people read of an incident: its title, and its diagnosis in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.diagnosis.allowed import allowed_text, lower_is_worse, two_limits
from spark_monitor.diagnosis.episodes import STALE, STALE_WINDOWS, SUPERSEDED, WELL_WINDOWS
from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.farthest import farthest_off
from spark_monitor.diagnosis.groups import WHOLE, Failing, Group, Slice
from spark_monitor.diagnosis.kpis import is_custom
from spark_monitor.diagnosis.located import places
from spark_monitor.diagnosis.model_outputs import OF_REVERSALS
from spark_monitor.diagnosis.places import HOST, OF_PARTS
from spark_monitor.diagnosis.problems import LABEL_SHIFT, OF_COLUMNS, Problem, is_prior
from spark_monitor.diagnosis.subjects import MODEL, PIPELINE
from spark_monitor.quality.arrivals import NAMELY, OF_SCHEMA
from spark_monitor.text.formatting import (
    UTC_NAME,
    counted,
    harmless,
    in_words,
    local,
    number,
    rounded,
    slice_name,
    versions_named,
    with_interval,
)
from spark_monitor.windowing.timestamps import timestamp_of

COLUMNS_NAMED: Final = 4
STEPS_NAMED: Final = 3
SLICES_NAMED: Final = 3
EVERYWHERE: Final = " in every slice"


def failing_versions(groups: Sequence[Group]) -> tuple[str | None, ...]:
    return tuple(
        sorted({version for group in groups for version in group.versions_failing}, key=lambda name: (name is None, name or ""))
    )


TITLES_OF_REPEATED: Final[Mapping[str, str]] = {
    "duplicated_window": "rows are there more than once",
    "percent_duplicate_rows": "rows are there more than once",
    "percent_duplicate_ids": "ids are there more than once",
    "percent_copied_rows": "rows are there more than once under other ids",
    "percent_duplicated_values": "values of {} are there more than once",
}
"""Titles by the metric that fails, the one that tells most first: where rows are repeated, so are their ids."""

OF_SIGN: Final = -1.0
"""The factor of a change that is none of units."""

TITLES: Final[Mapping[str, str]] = {
    "unit_change": "{} is in another unit",
    "missing": "{} is missing",
    "stuck": "{} is stuck",
    "unseen_category": "{} has values that were not seen before",
    "encoding_swap": "{} is coded in another way",
    "sentinel": "{} holds placeholder values",
    "duplicated_window": "rows are there more than once",
    "lost_rows": "the number of rows is not as expected",
    "schema_change": "the table's columns have changed",
    "late_data": "data or labels come late",
    "drift": "{} has drifted",
    "mix_shift": "the mix of rows has changed",
    "concept_drift": "{} is worse although the inputs say it should not be",
    "performance": "{} is worse than allowed",
    "fairness": "{} is worse than allowed",
    "service": "{} is beyond what is allowed",
    "pipeline": "{} is beyond what is allowed",
    "cost": "{} is beyond what is allowed",
    "upstream": "{} fail together",
    "version": "{} is worse in one version alone",
}


def title(problem: Problem, kind: str) -> str:
    """A few words: what, and where."""
    slices = [one.slice for one in _fallen(problem)] or [problem.slice] * (problem.slice != WHOLE)
    where = f" where {_names(slices)}" if slices else ""
    named = _title_of(problem, kind).format(_subject(problem))
    several = " and " in _subject(problem) or (len(problem.columns) > 1 and problem.main.first.column is not None)
    if several and TITLES[kind].startswith("{}"):
        named = named.replace(" is ", " are ", 1).replace(" has ", " have ", 1)
    if kind == "version" and problem.kind in ("lost_rows", "version"):
        named = f"{_subject(problem)} is not as expected in one version"
    elif kind == "version" and problem.kind == "drift":
        named = f"{_subject(problem)} {'have' if len(problem.columns) > 1 else 'has'} drifted in one version alone"
    on = f" on host {harmless(problem.place[1])}" if problem.place is not None and problem.place[0] == HOST else ""
    return f"{named}: {_subject(problem)}" if kind == "mix_shift" else f"{named}{where}{on}"


def _title_of(problem: Problem, kind: str) -> str:
    if kind == "schema_change" and problem.main.first.track in OF_COLUMNS and problem.finding.evidence == "status":
        return f"{{}}: {problem.finding.what}"
    if problem.finding.conclusion in OF_REVERSALS:
        return problem.finding.conclusion or ""
    if kind == "unit_change" and problem.finding.factor == OF_SIGN:
        return "{} has flipped signs"
    if kind != "duplicated_window":
        return TITLES[kind]
    failing = {one.metric for group in own_groups(problem) for one in group.failing}
    named = next((title for metric, title in TITLES_OF_REPEATED.items() if metric in failing), TITLES[kind])
    return named.replace("{}", harmless(problem.main.first.column or "").replace("{", "{{").replace("}", "}}"))


def _subject(problem: Problem) -> str:
    """What an incident is about, as it stands at the head of a sentence."""
    columns = [harmless(name) for name in problem.columns]
    if problem.main.first.track in OF_COLUMNS and problem.main.first.column is not None:
        named = ", ".join(columns[:COLUMNS_NAMED])
        return named if len(columns) <= COLUMNS_NAMED else f"{named} and {counted(len(columns) - COLUMNS_NAMED, 'more column')}"
    if problem.main.first.name == LABEL_SHIFT:
        return "the spread of labels"
    metrics = list(dict.fromkeys(one.metric for group in _same_name(problem) for one in group.failing))
    about = problem.main.first.column
    if about in (None, TABLE_ROW) and problem.place is not None and problem.place[0] != HOST:
        about = problem.place[1]
    column = f" of {harmless(about)}" if about not in (None, ":table") and about is not None else ""
    return f"{' and '.join(metrics[:2])}{' and others' if len(metrics) > 2 else ''}{column}"


def diagnosis(problem: Problem, kind: str, causes: Sequence[Cause], zone: str = UTC_NAME) -> str:
    """One sentence: what, where, since when by the clock of ``zone``, how much, and what that means.

    It is made of values that come from data, each made harmless.
    """
    finding, groups = problem.finding, problem.groups
    since = f"since {in_words(local(timestamp_of(problem.opened), zone))}"
    place = _where(problem)
    where = f"{place}{_in_versions(groups, everywhere=place == EVERYWHERE, placed=bool(place))}"
    what = _what(problem, kind)
    conclusion = f": {finding.conclusion}" if finding.conclusion and kind in (finding.kind, "upstream") else ""
    # In which version it is stands before.
    named = [one for one in causes[:1] if one.kind != "version"]
    cause = named[0].what if named and not conclusion and not problem.finding.is_fault else None
    first = f"; the first cause to look at is {cause}" if cause is not None else ""
    subject = f"{_subject(problem)}: " if _is_of_columns(problem) else ""
    return f"{subject}{what} {since}{where}{conclusion}{first}{_consequence(problem)}.{_ended(problem, zone)}"


def _is_of_columns(problem: Problem) -> bool:
    """Whether it is about columns; those that move because other labels come are no more than their consequence."""
    return bool(problem.columns) and problem.main.first.track in OF_COLUMNS and not is_prior(problem)


def own_groups(problem: Problem) -> list[Group]:
    """The failing windows of what it is about, without those of what followed from it."""
    first = problem.main.first
    if first.track == PIPELINE or is_prior(problem):
        return [group for group in problem.groups if group.name == first.name]
    same = [group for group in problem.groups if (group.track in OF_COLUMNS) == (first.track in OF_COLUMNS)]
    return same if is_custom(first) else [group for group in same if not is_custom(group)]


def _same_name(problem: Problem) -> list[Group]:
    """The failing windows whose numbers are told; of a service and a bill those of the one endpoint or service, or of all."""
    first, groups = problem.main.first, own_groups(problem)
    if first.track not in OF_PARTS:
        return groups
    own = [group for group in groups if group.name == first.name]
    return [*(group for group in own if group.track == first.track), *(group for group in own if group.track != first.track)]


def _consequence(problem: Problem) -> str:
    """What the model made of broken inputs; which steps wait for a broken one."""
    if problem.main.first.track == PIPELINE:
        waiting = sorted({group.name for group in problem.groups} - {problem.main.first.name})
        named = ", ".join(map(harmless, waiting[:STEPS_NAMED]))
        more = f" and {len(waiting) - STEPS_NAMED} more" if len(waiting) > STEPS_NAMED else ""
        return f"; what waits for it did not do well either: {named}{more}" if waiting else ""
    first = problem.main.first
    fallen = [] if first.track == MODEL else [group for group in problem.groups if group.track == MODEL]
    drifted = [harmless(name) for name in problem.columns[:COLUMNS_NAMED]] if is_prior(problem) else []
    with_it = f"; with it {' and '.join(drifted)} moved" if drifted else ""
    moved = [] if is_custom(first) else [group for group in problem.groups if is_custom(group)]
    return with_it + "".join(f"; {_farthest(groups, problem.slice)}" for groups in (fallen, moved) if groups)


def _what(problem: Problem, kind: str) -> str:
    finding = problem.finding
    if kind == "mix_shift":
        return (
            f"the mix of the rows has changed{f' ({problem.shifted.phrase})' if problem.shifted else ''}, {_strongest(problem)}"
        )
    if kind == finding.kind and finding.is_fault and finding.what:
        return finding.what
    if kind == "upstream":
        return finding.what if finding.is_fault else f"their distributions have moved together, {_strongest(problem)}"
    if kind in ("drift", "version") and finding.what and _is_of_columns(problem):
        return f"{finding.what}, {_strongest(problem)}"
    return _strongest(problem)


def _strongest(problem: Problem) -> str:
    beside = [f"{number(one.value)} in {slice_name(*one.slice)}" for one in _fallen(problem)[1:SLICES_NAMED]]
    of_first = _farthest(_same_name(problem), problem.slice)
    return " and ".join([of_first, *beside]) if problem.slice == WHOLE else of_first


def _fallen(problem: Problem) -> list[Failing]:
    """Where several slices of one key fail and never all rows: the farthest check of each, of those that are off to one side.

    A group that does worse than the rest makes another one look better than its own rest: that is no second trouble.
    """
    groups = own_groups(problem)
    named = places(problem.slice, groups)
    valued = [one for group in groups for one in group.failing if one.value is not None and one.slice in named]
    same = [one for one in valued if one.metric == valued[0].metric]
    far = {slice_: farthest_off([one for one in same if one.slice == slice_]) for slice_ in {one.slice for one in same}}
    lead = far.get(problem.slice) or farthest_off(list(far.values())) if far else None
    if lead is None:
        return []
    one_side = [one for one in far.values() if one is lead or ((one.value or 0.0) < 0) == ((lead.value or 0.0) < 0)]
    ordered = sorted(one_side, key=lambda one: (one is not lead, -abs(one.value or 0.0), repr(one.slice)))
    return ordered if len(ordered) > 1 else []


def _names(slices: Sequence[Slice]) -> str:
    """Some slices by their names, of many the first."""
    named = [slice_name(*one) for one in slices[:SLICES_NAMED]]
    more = [f"{len(slices) - SLICES_NAMED} more"] * (len(slices) > SLICES_NAMED)
    return " and ".join([*named, *more])


def _farthest(groups: Sequence[Group], place: Slice) -> str:
    """The number that is farthest off: of all rows where these fail, of the first metric."""
    failing = [one for group in groups for one in group.failing if one.value is not None]
    whole = [one for one in failing if one.slice_key is None] or failing
    if not whole:
        reason = next((one.reason for group in groups for one in group.failing if one.reason), None)
        return harmless(reason.rstrip("."), 300) if reason else "a check fails"
    first = next(group.failing for group in groups if whole[0] in group.failing)
    metric = next((name for name in TITLES_OF_REPEATED if any(one.metric == name for one in first)), whole[0].metric)
    same = [one for one in whole if one.metric == metric]
    # A number of another slice, or a limit of another window, says nothing of this one.
    far = farthest_off([one for one in same if one.slice == place] or same)
    allowed, (_, high) = allowed_text(far), two_limits(allowed_text(far))
    sentence, above = catalogue().sentence(metric), high is not None and far.value is not None and far.value > high
    reach = "down to" if lower_is_worse(far) and not above else "up to"
    among = f" in {slice_name(far.slice_key, far.slice_value)}" if far.slice_key is not None and place == WHOLE else ""
    limit = f" ({metric}, allowed: {rounded(allowed)})" if sentence else f" (allowed: {rounded(allowed)})"
    value = f"{number(far.value)}{with_interval(far.lower, far.upper)}"
    if far.metric == "row_count_ratio" and far.value == 0:
        return f"there is none of the rows expected{limit if allowed else ''}{among}"
    phrase = sentence.replace("{}", value) if sentence else f"{metric} is {reach} {value}"
    named = (far.reason or "").rstrip(".").partition(NAMELY)[2] if metric in OF_SCHEMA else ""
    return f"{phrase}{f' ({harmless(named)})' if named else ''}{limit if allowed else ''}{among}"


def _where(problem: Problem) -> str:
    if problem.kind == "mix_shift":
        return ""
    if problem.slice != WHOLE:
        return f" where {_names([one.slice for one in _fallen(problem)] or [problem.slice])}"
    first = problem.main.first
    keys = [key for key in first.keys if key.slice_key is not None]
    if not keys or not first.whole:
        return ""
    return EVERYWHERE if all(key.well == 0 and key.failing for key in keys) else ""


def _in_versions(groups: Sequence[Group], *, everywhere: bool, placed: bool) -> str:
    failing = failing_versions(groups)
    well = {version for group in groups for version in group.versions_spared} - set(failing)
    if failing in ((), (None,)):
        return ""
    if well:
        return f"{',' if placed else ' in'} {versions_named(failing)} alone"
    named = {1: versions_named(failing), 2: "both versions"}.get(len(failing), "all versions")
    return f" and {named}" if everywhere else f" in {named}" if not placed else f", {named}"


def _ended(problem: Problem, zone: str) -> str:
    if problem.resolved is None:
        return ""
    when = in_words(local(timestamp_of(problem.resolved), zone))
    ending = problem.main.ending
    if ending == STALE:
        return f" It was closed on {when}: no window failed in {counted(STALE_WINDOWS, 'window')}, and none could be judged well."
    if ending == SUPERSEDED:
        return f" On {when} another problem took its place."
    return f" It has been well since, for {counted(WELL_WINDOWS, 'window')} on {when}."
