"""How many rows of a window have a label by now, and how clean the label table was for them."""

from __future__ import annotations

from dataclasses import dataclass

from spark_monitor.errors import StateError
from spark_monitor.states.codec import pack, unpack

TAG = "COVR"
_FIELDS = ("count", "labelled", "duplicates", "conflicts")


@dataclass(frozen=True)
class CoverageState:
    """Rows, rows with a label, labels beyond the first of their id, and ids whose labels contradict each other.

    >>> CoverageState.empty().update(rows=4, labelled=3).merge(CoverageState(1, 0, 0, 0)).coverage
    0.6
    """

    count: int
    labelled: int
    duplicates: int
    conflicts: int

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
        )

    @property
    def coverage(self) -> float | None:
        """The share of rows that have a label, 0 to 1; None without a row."""
        return self.labelled / self.count if self.count else None

    def to_bytes(self) -> bytes:
        """The state's bytes."""
        return pack(TAG, {name: getattr(self, name) for name in _FIELDS}, {})

    @classmethod
    def from_bytes(cls, data: bytes) -> CoverageState:
        """The state that ``to_bytes`` wrote."""
        meta, _ = unpack(data, TAG)
        try:
            return cls(*(int(meta[name]) for name in _FIELDS))
        except (KeyError, ValueError, TypeError) as error:
            raise StateError(f"coverage state: damaged ({type(error).__name__}: {error}).") from error
