"""How many rows of a window have a label by now, and how clean the label table was for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack
from spark_monitor.states.magnitudes import Magnitudes
from spark_monitor.states.stored import counts

TAG = "COVR"


@dataclass(frozen=True)
class CoverageState:
    """Rows, rows with a label, labels beyond the first of their id, and ids whose labels contradict each other.

    ``delays`` counts the labelled rows by the seconds from prediction to label.

    >>> CoverageState.empty().update(rows=4, labelled=3).merge(CoverageState(1, 0, 0, 0)).coverage
    0.6
    """

    count: int
    labelled: int
    duplicates: int
    conflicts: int
    delays: Magnitudes = field(default_factory=Magnitudes.empty)

    @classmethod
    def empty(cls) -> CoverageState:
        """The state of no row."""
        return cls(0, 0, 0, 0)

    def update(self, *, rows: int, labelled: int, duplicates: int = 0, conflicts: int = 0) -> CoverageState:
        """This state and ``rows`` more rows, of which so many are labelled."""
        return self.merge(CoverageState(rows, labelled, duplicates, conflicts))

    def merge(self, other: CoverageState) -> CoverageState:
        """The state of both."""
        return CoverageState(
            self.count + other.count,
            self.labelled + other.labelled,
            self.duplicates + other.duplicates,
            self.conflicts + other.conflicts,
            self.delays.merge(other.delays),
        )

    @property
    def coverage(self) -> float | None:
        """The fraction of rows that have a label, 0 to 1; None without a row."""
        return self.labelled / self.count if self.count else None

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        totals = [self.count, self.labelled, self.duplicates, self.conflicts]
        return pack(TAG, {}, {"totals": np.array(totals, dtype=np.int64), **self.delays.arrays("delays")})

    @classmethod
    def from_bytes(cls, data: bytes) -> CoverageState:
        """The state that ``to_bytes`` wrote."""
        _, arrays = unpack(data, TAG)
        count, labelled, duplicates, conflicts = counts(arrays, "totals", 4).tolist()
        if labelled > count or conflicts > labelled:
            raise StateError(f"coverage state: of {count} rows {labelled} labelled, {conflicts} in conflict: that cannot be.")
        return cls(count, labelled, duplicates, conflicts, Magnitudes.restored(arrays, "delays"))
