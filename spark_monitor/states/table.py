"""The state of the rows themselves, the row ``:table`` of a profile: how many there are and which columns hold anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.grid import Integers
from spark_monitor.states.stored import counts

TAG = "TABL"


@dataclass(frozen=True, eq=False)
class TableState:
    """Number of rows, of rows without an id, and of values that are not null per column.

    >>> state = TableState.empty(2).merge(TableState(3, 1, np.array([3, 0])))
    >>> state.count, state.null_ids, state.present.tolist()
    (3, 1, [3, 0])
    """

    count: int
    null_ids: int
    present: Integers

    @classmethod
    def empty(cls, columns: int) -> TableState:
        """The state of no row of a table with so many columns."""
        return cls(0, 0, np.zeros(columns, dtype=np.int64))

    def update(self, nulls: Integers, *, rows: int, null_ids: int = 0) -> TableState:
        """This state and ``rows`` more rows, of which column i has ``nulls[i]`` nulls."""
        return self.merge(TableState(rows, null_ids, rows - np.asarray(nulls, dtype=np.int64)))

    def merge(self, other: TableState) -> TableState:
        """The state of both."""
        if self.present.size != other.present.size:
            raise StateError(f"table state: of {self.present.size} columns, the other of {other.present.size}.")
        return TableState(self.count + other.count, self.null_ids + other.null_ids, self.present + other.present)

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        return pack(TAG, {}, {"totals": np.array([self.count, self.null_ids], dtype=np.int64), "present": self.present})

    @classmethod
    def from_bytes(cls, data: bytes) -> TableState:
        """The state that ``to_bytes`` wrote."""
        _, arrays = unpack(data, TAG)
        count, null_ids = counts(arrays, "totals", 2).tolist()
        present = counts(arrays, "present")
        if null_ids > count or present.max(initial=0) > count:
            raise StateError(f"table state: of {count} rows it counts more than there are.")
        return cls(count, null_ids, present)
