"""Who the rows are: which slice's share of the rows has changed."""

from __future__ import annotations

from collections.abc import Mapping

from spark_monitor.diagnosis.groups import WHOLE, Slice
from spark_monitor.text.wording import percent, slice_name


def shift_of(before: Mapping[Slice, int], now: Mapping[Slice, int], *, least: float) -> str | None:
    """The largest change of a slice's share of the rows, in a phrase; None where none reaches ``least``.

    >>> was, now = {(None, None): 10, ("a", "x"): 1}, {(None, None): 10, ("a", "x"): 4}
    >>> shift_of(was, now, least=0.1)
    'a = x from 10.0 % to 40.0 % of the rows'
    """
    total_before, total_now = before.get(WHOLE, 0), now.get(WHOLE, 0)
    if not total_before or not total_now:
        return None
    slices = sorted(({*before, *now}) - {WHOLE}, key=repr)
    changes = {one: now.get(one, 0) / total_now - before.get(one, 0) / total_before for one in slices}
    largest = max(changes, key=lambda one: (abs(changes[one]), changes[one]), default=WHOLE)
    if largest == WHOLE or abs(changes[largest]) < least:
        return None
    was, share = before.get(largest, 0) / total_before, now.get(largest, 0) / total_now
    return f"{slice_name(*largest)} from {percent(was)} to {percent(share)} of the rows"
