"""Who the rows are: which slice's share of the rows has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from spark_monitor.diagnosis.groups import WHOLE, Slice
from spark_monitor.text.formatting import percent, slice_name

LEAST_SHIFT: Final = 0.1
"""The smallest change of a slice's share of the rows, from the window before, that is a change of the mix."""


@dataclass(frozen=True)
class Shift:
    """A slice's share of the rows before and now, 0 to 1."""

    slice: Slice
    before: float
    now: float

    @property
    def phrase(self) -> str:
        """The change in words.

        >>> Shift(("a", "x"), 0.1, 0.4).phrase
        'a = x from 10.0 % to 40.0 % of the rows'
        """
        return f"{slice_name(*self.slice)} from {percent(self.before)} to {percent(self.now)} of the rows"


def shift_of(before: Mapping[Slice, int], now: Mapping[Slice, int], *, least: float) -> Shift | None:
    """The largest change of a slice's share of the rows; None where none reaches ``least``. Of equals the one that grew.

    >>> was, now = {(None, None): 10, ("a", "x"): 1}, {(None, None): 10, ("a", "x"): 4}
    >>> shift_of(was, now, least=0.1).slice
    ('a', 'x')
    """
    total_before, total_now = before.get(WHOLE, 0), now.get(WHOLE, 0)
    if not total_before or not total_now:
        return None
    shares = {one: (before.get(one, 0) / total_before, now.get(one, 0) / total_now) for one in ({*before, *now}) - {WHOLE}}
    changes = {one: after - was for one, (was, after) in shares.items()}
    largest = max(sorted(changes, key=repr), key=lambda one: (abs(changes[one]), changes[one]), default=WHOLE)
    return Shift(largest, *shares[largest]) if largest != WHOLE and abs(changes[largest]) >= least else None
