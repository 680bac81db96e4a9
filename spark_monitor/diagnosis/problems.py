"""A problem: the episodes that share a cause, what they are about, and since when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from spark_monitor.diagnosis.episodes import WELL_WINDOWS, Episode
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.groups import WHOLE, Group, Slice
from spark_monitor.diagnosis.shares import Shift
from spark_monitor.diagnosis.subjects import MISSING, VALUES

OF_COLUMNS: Final = (VALUES, MISSING)

LABEL_SHIFT: Final = "label_shift"

Shifts = Mapping[tuple[str, int], Shift]
"""By granularity and start of a window: which slice's share of the rows has changed there."""


Place = tuple[str, str]
"""What a place is, a host, an endpoint or a service of the bill, and its name."""


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
    """Columns that only show it, such as the model's outputs."""

    steady: frozenset[str] = frozenset()
    """Slice keys within whose values the column is what it was, though all rows together are not."""

    place: Place | None = None
    """Of a service or a bill: where it comes from, if its checks are not of that place themselves."""

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
    def began(self) -> tuple[int, int] | None:
        """The window that it began in, where none surely failed yet."""
        return next((one.began for one in self._finest if one.began is not None and one.began[0] == self.opened), None)

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

    def goes_on_at(self, timestamp: int) -> bool:
        """Whether it has begun and there is evidence that it has not ended: it failed lately, and is not resolved.

        An incident stays open while nobody can decide; that is no evidence that it goes on. Where the window itself is well, what
        else begins there has other reasons.
        """
        if timestamp < self.opened or (self.resolved is not None and timestamp >= self.resolved):
            return False
        of_columns = self.main.first.track in OF_COLUMNS
        if all(timestamp in one.well for one in self._finest if (one.first.track in OF_COLUMNS) == of_columns):
            return False
        last = max((one.last for one in self._finest), key=lambda group: group.end)
        return timestamp < last.end + WELL_WINDOWS * (last.end - last.start)


def absorb(problem: Problem, other: Problem) -> None:
    """Make another problem part of one."""
    problem.episodes += other.episodes


def under(problems: Iterable[Problem], owners: Sequence[Problem], belongs: Callable[[Problem, Problem], bool]) -> list[Problem]:
    """The problems that remain where each that belongs to one of the owners has become part of the first such."""
    independent: list[Problem] = []
    for one in problems:
        above = next((owner for owner in owners if owner is not one and belongs(one, owner)), None)
        if above is None:
            independent.append(one)
        else:
            absorb(above, one)
    return independent


def alike(problems: Iterable[Problem], key: Callable[[Problem], Any]) -> list[list[Problem]]:
    """Problems with an equal key, together."""
    return [list(members) for _, members in groupby(sorted(problems, key=key), key=key)]


def spares_a_version(cause: Problem, fall: Problem) -> bool:
    """Whether a model version does well when a fall begins, although the cause is there in that version as well."""
    first = fall.main.first
    broken = {version for group in cause.groups for version in group.versions_failing}
    return bool(broken & (first.versions_spared - {None}))


def is_prior(problem: Problem) -> bool:
    """Whether it is that the labels are spread in another way."""
    return problem.main.first.name == LABEL_SHIFT and problem.main.first.column is None
