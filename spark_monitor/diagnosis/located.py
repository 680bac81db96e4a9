"""Where a subject fails: all rows, or the one slice that explains it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.diagnosis.groups import WHOLE, Failing, Group, Slice

Rank = tuple[bool, bool, float, int, int, str, str]
NO_ROWS: Final[Mapping[Slice, int]] = {}
CANDIDATES: Final = 3
"""So many slices of one group are looked at more closely."""


def candidates(group: Group, rows: Mapping[Slice, int] = NO_ROWS) -> list[Slice]:
    """The slices that may explain a group: values that fail while the other values of their key are well, the worst first.

    >>> from spark_monitor.diagnosis.groups import Key, of_checks
    >>> check = Failing("c", "percent_null", column="visib", slice_key="origin", slice_value="JFK", value=100.0)
    >>> candidates(of_checks(check, start=0, end=1, keys=(Key("origin", 1, 2),)))
    [('origin', 'JFK')]
    """
    sliced = [one for one in group.failing if one.slice_key is not None and not cut_by(one.slice, group.column)]
    keys = {key.slice_key: key for key in group.keys if key.slice_key is not None}
    telling = [one for one in sliced if (key := keys.get(one.slice_key or "")) is None or key.failing == 1 or not group.whole]
    best: dict[Slice, Rank] = {}
    for one in telling:
        key = keys.get(one.slice_key or "")
        rank = _rank(one, 1 if key is None else key.failing, _main_metric(group.failing), rows.get(one.slice, 0))
        best[one.slice] = min(rank, best.get(one.slice, rank))
    return sorted(best, key=lambda slice_: best[slice_])[:CANDIDATES]


def cut_by(slice_: Slice, column: str | None) -> bool:
    """Whether a slice is one of the column's own values: what is wrong with these cannot be said to be in one of them.

    >>> cut_by(("origin, carrier", "JFK, AA"), "carrier"), cut_by(("origin", "JFK"), "carrier"), cut_by(("km > 5", "true"), "km")
    (True, False, True)
    """
    return column is not None and column in re.findall(r"\w+", slice_[0] or "") + (slice_[0] or "").split(", ")


def _main_metric(failing: Sequence[Failing]) -> str:
    """The metric by which slices are compared: the one that most of the failing slices have."""
    counts: dict[str, int] = {}
    for one in failing:
        if one.slice_key is not None:
            counts[one.metric] = counts.get(one.metric, 0) + 1
    return min(counts, key=lambda metric: (-counts[metric], metric), default="")


def _rank(one: Failing, failing_values: int, metric: str, rows: int) -> Rank:
    """What orders slices: keys of which few values fail, bad values, few columns, many rows."""
    key = one.slice_key or ""
    comparable = one.metric == metric and one.value is not None
    size = 0.0 if not comparable or one.value is None else one.value if catalogue().lower_is_worse(metric) else -abs(one.value)
    return failing_values > 1, not comparable, size, key.count(","), -rows, key, one.slice_value or ""


def location(group: Group, explaining: Mapping[Slice, bool], rows: Mapping[Slice, int] | None = None) -> Slice:
    """The slice that an incident is about, WHOLE for all rows; ``explaining`` says of slices whether they show the fault whole.

    Where all rows fail, a slice is named only if it is the only one of its key that fails, and it shows a fault. Of slices of
    several keys that fail alike the one of the most ``rows`` is: the others fail as far as they lie in it.
    """
    named = candidates(group, rows or NO_ROWS)
    clear = {key.slice_key for key in group.keys if key.failing == 1 and key.well >= 1}
    for slice_ in named:
        if slice_[0] in clear and (explaining.get(slice_, False) or not group.whole):
            return slice_
    return WHOLE if group.whole or not named or _everywhere(group) else named[0]


def _everywhere(group: Group) -> bool:
    """Whether every value of every key fails."""
    return bool(group.keys) and all(key.well == 0 and key.failing > 1 for key in group.keys)


def places(slice_: Slice, groups: Sequence[Group]) -> list[Slice]:
    """The slices of one key in which a trouble is that never is one of all rows, the one that it was located in first.

    Those belong to it that fail in at least half of the windows in which it does; one that fails now and then does by chance.

    >>> from spark_monitor.diagnosis.groups import Key, of_checks
    >>> fall = [Failing(name, "accuracy_score", "model", None, "plan", name, value=0.6) for name in ("free", "gold")]
    >>> places(WHOLE, [of_checks(fall[0], start=0, end=1, failing=tuple(fall))])
    [('plan', 'free'), ('plan', 'gold')]
    """
    if any(group.whole for group in groups):
        return [] if slice_ == WHOLE else [slice_]
    counts: dict[Slice, int] = {}
    for group in groups:
        for one in {one.slice for one in group.failing}:
            counts[one] = counts.get(one, 0) + 1
    often = [one for one, windows in counts.items() if 2 * windows >= len(groups)]
    keys = [key for key, _ in often]
    # Where several keys fail alike, the one of most such values: of slices cut finer every value is a part of these.
    key = slice_[0] or min(keys, key=lambda name: (-keys.count(name), name or ""), default=None)
    return list(dict.fromkeys([*([slice_] * (slice_ != WHOLE)), *sorted((one for one in often if one[0] == key), key=repr)]))
