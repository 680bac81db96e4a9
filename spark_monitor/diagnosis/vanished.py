"""Since when a column is gone, or has another type: a table that was written anew has it in none of its windows.

What stands in the windows that were handled again tells nothing: when they were handled before, the column was there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from spark_monitor.diagnosis.carried import Earlier
from spark_monitor.diagnosis.groups import FAIL, HELD, Group
from spark_monitor.diagnosis.problems import OF_COLUMNS

KINDS = ("schema_change", "upstream")
"""What one column that is gone is, and several of them."""


def since_gone(groups: Iterable[Group], had_it: Collection[tuple[str, int]], earlier: Iterable[Earlier]) -> list[Group]:
    """The groups, those of columns that are gone HELD before the columns were.

    ``had_it`` are the windows, by granularity and start, that runs before handled with other columns than this one. A column is
    gone since an ``earlier`` incident says so, else since the first failing window that is none of them; where all are, since the
    last, for it went after that was handled.
    """
    together = list(groups)
    begun = _begun(earlier)
    since: dict[tuple[str, str], int] = {}
    for about, starts in _failing(together).items():
        new = [start for start in starts if (about[0], start) not in had_it]
        if len(new) < len(starts) or about[1] in begun:
            since[about] = begun[about[1]] if about[1] in begun else min(new, default=starts[-1])
    return [_held(group) if _was_well(group, since, had_it) else group for group in together]


def _was_well(group: Group, since: Mapping[tuple[str, str], int], had_it: Collection[tuple[str, int]]) -> bool:
    """Whether a window fails for want of a column that it had, or for the other type that its values have now."""
    is_of_column = group.state == FAIL and group.track in OF_COLUMNS and group.column is not None
    if not is_of_column or group.start >= since.get(_about(group), group.start):
        return False
    return _is_gone(group) or (group.granularity, group.start) in had_it


def _is_gone(group: Group) -> bool:
    """Whether a column has lost a number, for nothing else fails without one; of another type's values others may be there."""
    return (
        group.state == FAIL
        and group.track in OF_COLUMNS
        and group.column is not None
        and any(one.value is None for one in group.failing)
    )


def _about(group: Group) -> tuple[str, str]:
    return group.granularity, group.name


def _failing(groups: Iterable[Group]) -> dict[tuple[str, str], list[int]]:
    """The starts of the windows in which each column is gone, in order."""
    starts: dict[tuple[str, str], set[int]] = {}
    for group in groups:
        if _is_gone(group):
            starts.setdefault(_about(group), set()).add(group.start)
    return {about: sorted(of_column) for about, of_column in starts.items()}


def _begun(earlier: Iterable[Earlier]) -> Mapping[str, int]:
    """Since when each column was found to be gone that is not back yet."""
    opened: dict[str, int] = {}
    for one in earlier:
        if one.kind in KINDS and one.resolved is None:
            for column in (*one.columns, *((one.column,) if one.column is not None else ())):
                opened[column] = min(one.opened, opened.get(column, one.opened))
    return opened


def _held(group: Group) -> Group:
    return replace(group, state=HELD, failing=(), checks=0, versions_failing=())
