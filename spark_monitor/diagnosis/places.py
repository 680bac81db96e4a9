"""Where a service or a bill is off: problems of one machine, endpoint or service of the bill are one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.diagnosis.problems import Place, Problem, absorb, alike
from spark_monitor.diagnosis.subjects import BUDGET, COST, OF_SERVICE

OF_PARTS: Final = (*OF_SERVICE, COST, BUDGET)
HOST: Final = "host"

Places = Mapping[int, Place]
"""By the ``id`` of a problem: the machine, endpoint or service that the remarks of its failing measurements name."""


def with_places(problems: Iterable[Problem], places: Places) -> list[Problem]:
    """The problems where those of one place are one, each with its place.

    What fails because of one machine is that machine's, in whatever endpoint. Else what all endpoints or services fail in, taken
    together, belongs to the one that it comes from, and theirs to it where it comes from several. How slow something is and how
    often it fails are one problem where they begin together at one place; otherwise each is its own.
    """
    every = list(problems)
    kept = [one for one in every if one.main.first.track not in OF_PARTS]
    for members in alike((one for one in every if one not in kept), lambda one: (one.dataset, one.granularity)):
        kept += _beginning_together(_with_tags(_with_parts(_of_machines(members, places), places), places))
    return sorted(kept, key=lambda one: (one.opened, one.kind, one.main.first.subject))


def _of_machines(problems: Sequence[Problem], places: Places) -> list[Problem]:
    """What one machine is behind is one problem, while that goes on; of all endpoints together where these fail."""
    roots: list[Problem] = []
    for one in sorted(problems, key=lambda problem: (problem.opened, not _is_whole(problem), problem.main.first.subject)):
        place = places.get(id(one))
        if place is None or place[0] != HOST:
            roots.append(one)
            continue
        one.place = place
        root = next((other for other in roots if other.place == place and other.goes_on_at(one.opened)), None)
        if root is None:
            roots.append(one)
        elif _is_whole(one) and not _is_whole(root):
            root.episodes = [*one.episodes, *root.episodes]
        else:
            absorb(root, one)
    return roots


def _with_parts(problems: Sequence[Problem], places: Places) -> list[Problem]:
    """All endpoints or services together, and those that fail meanwhile."""
    kept = list(problems)
    for whole in problems:
        if not _is_whole(whole) or whole.place is not None:
            continue
        parts = [one for one in kept if one is not whole and one.place is None and _is_part(one, whole)]
        place = places.get(id(whole))
        named = {place[1]} if place is not None else {one.main.first.name for one in parts}
        of_named = [one for one in parts if one.main.first.name in named]
        if len(named) == 1 and of_named:
            lead, *others = sorted(of_named, key=lambda one: one.opened)
            taken = [whole, *others]
        elif place is not None:
            whole.place, lead, taken = place, whole, []
        else:
            lead, taken = whole, [one for one in parts if one.opened >= whole.opened]
        for one in taken:
            absorb(lead, one)
        kept = [one for one in kept if one not in taken]
    return kept


def _with_tags(problems: Sequence[Problem], places: Places) -> list[Problem]:
    """A tag of a bill cuts what its services cost: what one service is behind is that one's, under whatever tags it is billed."""
    kept = list(problems)
    for one in problems:
        place = places.get(id(one))
        if place is None or one.main.first.track != COST or _is_whole(one):
            continue
        root = next((other for other in kept if other is not one and _is_behind(other, one, place, places)), None)
        if root is not None:
            absorb(root, one)
            kept = [other for other in kept if other is not one]
    return kept


def _is_behind(root: Problem, tag: Problem, place: Place, places: Places) -> bool:
    """Whether a problem is that of the service which a tag's cost comes from, and goes on where the tag's begins."""
    is_service = root.main.first.name == place[1] or place in (root.place, places.get(id(root)))
    return root.main.first.track == COST and is_service and (root.opened == tag.opened or root.goes_on_at(tag.opened))


def _beginning_together(problems: Sequence[Problem]) -> list[Problem]:
    """Slowness, failures and load of one place that begin in one window; a budget that is crossed as a cost begins to rise."""
    kept: list[Problem] = []
    for one in sorted(problems, key=lambda problem: OF_PARTS.index(problem.main.first.track)):
        same = (other for other in kept if other.opened == one.opened and _is_same_place(other, one))
        above = next(same, None)
        if above is None:
            kept.append(one)
        else:
            absorb(above, one)
    return kept


def _is_same_place(one: Problem, other: Problem) -> bool:
    tracks = {one.main.first.track, other.main.first.track}
    if tracks <= set(OF_SERVICE):
        return (one.main.first.name, one.place) == (other.main.first.name, other.place)
    return tracks == {COST, BUDGET}


def _is_whole(problem: Problem) -> bool:
    return problem.main.first.name == TABLE_ROW


def _is_part(part: Problem, whole: Problem) -> bool:
    """Whether one endpoint or service fails in the same way while all together do."""
    if part.main.first.track != whole.main.first.track or _is_whole(part):
        return False
    failing = {group.start for group in whole.groups}
    return part.opened == whole.opened or part.opened in failing or whole.opened in {group.start for group in part.groups}


__all__ = ["Places", "with_places"]
