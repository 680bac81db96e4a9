"""When the rows of a window came: their number in every hour that has any, and the first and last of each hour.

Gaps of an hour and more are exact from this, whatever the parts the rows came in; shorter ones are not looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Integers
from spark_monitor.states.stored import counts, integers

TAG = "HOUR"
HOUR_MICROS = 3_600_000_000


@dataclass(frozen=True, eq=False)
class HourState:
    """Hours since 1970 (UTC) in increasing order, the rows of each, and its first and last timestamp in microseconds.

    >>> state = HourState.of(np.array([5, 1, HOUR_MICROS]))
    >>> state.hours.tolist(), state.rows.tolist(), state.first.tolist(), state.last.tolist()
    ([0, 1], [2, 1], [1, 3600000000], [5, 3600000000])
    """

    hours: Integers
    rows: Integers
    first: Integers
    last: Integers

    @classmethod
    def empty(cls) -> HourState:
        """The state of no row."""
        nothing = np.empty(0, dtype=np.int64)
        return cls(nothing, nothing, nothing, nothing)

    @classmethod
    def of(cls, micros: Integers) -> HourState:
        """The state of timestamps in any order."""
        times = np.sort(np.asarray(micros, dtype=np.int64))
        if not times.size:
            return cls.empty()
        hours = times // HOUR_MICROS
        starts = np.flatnonzero(np.append(True, hours[1:] != hours[:-1]))
        ends = np.append(starts[1:], times.size)
        return cls(hours[starts], ends - starts, times[starts], times[ends - 1])

    def update(self, micros: Integers) -> HourState:
        """This state and more timestamps."""
        return self.merge(HourState.of(micros))

    def merge(self, other: HourState) -> HourState:
        """The state of both."""
        hours = np.concatenate([self.hours, other.hours])
        order = np.argsort(hours, kind="stable")
        hours = hours[order]
        if not hours.size:
            return self
        starts = np.flatnonzero(np.append(True, hours[1:] != hours[:-1]))
        rows = np.add.reduceat(np.concatenate([self.rows, other.rows])[order], starts)
        first = np.minimum.reduceat(np.concatenate([self.first, other.first])[order], starts)
        last = np.maximum.reduceat(np.concatenate([self.last, other.last])[order], starts)
        return HourState(hours[starts], rows, first, last)

    @property
    def count(self) -> int:
        """Rows."""
        return int(self.rows.sum())

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return 4 * self.hours.nbytes

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        steps = np.diff(self.hours, prepend=0)
        begun = self.hours * HOUR_MICROS
        return pack(TAG, {}, {"steps": steps, "rows": self.rows, "first": self.first - begun, "last": self.last - begun})

    @classmethod
    def from_bytes(cls, data: bytes) -> HourState:
        """The state that ``to_bytes`` wrote."""
        _, arrays = unpack(data, TAG)
        steps = integers(arrays, "steps")
        rows, first, last = (counts(arrays, name, steps.size) for name in ("rows", "first", "last"))
        hours = np.cumsum(steps)
        rising = (steps[1:] > 0).all() and (rows > 0).all()
        if not rising or (first > last).any() or (last >= HOUR_MICROS).any() or (np.abs(hours) > 1 << 32).any():
            raise StateError("hour state: its hours do not rise, or an hour's rows lie outside it.")
        return cls(hours, rows, hours * HOUR_MICROS + first, hours * HOUR_MICROS + last)
