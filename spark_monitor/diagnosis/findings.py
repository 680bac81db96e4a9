"""What is wrong with a column in one window: a kind, a phrase, and a signature that columns with the same trouble share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KINDS: Final = (
    *("unit_change", "missing", "stuck", "unseen_category", "encoding_swap", "sentinel", "duplicated_window", "lost_rows"),
    *("schema_change", "late_data", "drift", "mix_shift", "concept_drift", "performance", "fairness", "service", "pipeline"),
    *("cost", "upstream", "version"),
)
"""Every kind of incident; docs/runbooks has a page for each."""

FAULTS: Final = frozenset(KINDS[:10])
"""Kinds that name a fault of the data, which begins at one time and in one way; the others name what a fault may lead to."""


@dataclass(frozen=True)
class Finding:
    """What is wrong: ``what`` goes on after the column's name, ``conclusion`` stands behind a colon at the sentence's end.

    >>> Finding("unit_change", "values are 1.609 times the baseline's", "another unit", factor=1.609344).signature
    'unit_change 1.609'
    """

    kind: str
    what: str = ""
    conclusion: str | None = None
    factor: float | None = None
    evidence: str | None = None
    """The metric or the column of profile_metrics that shows it."""

    part: float = 1.0
    """The share of the rows that show it."""

    abrupt: bool = True
    """Whether the window before looked otherwise."""

    @property
    def is_fault(self) -> bool:
        """Whether it names a fault of the data."""
        return self.kind in FAULTS

    @property
    def signature(self) -> str:
        """The same for columns that have the same trouble."""
        return self.kind if self.factor is None else f"{self.kind} {self.factor:.4g}"

    def is_another_than(self, earlier: Finding, *, paused: bool = False) -> bool:
        """Whether it is another problem than the one that a subject already had: a fault where there had been none.

        After windows in which the subject did not fail (``paused``), another kind of fault is another problem as well.
        """
        return self.is_fault and self.abrupt and (not earlier.is_fault or (paused and earlier.kind != self.kind))


DRIFT: Final = Finding("drift", "its distribution has moved from the baseline's", abrupt=False)
