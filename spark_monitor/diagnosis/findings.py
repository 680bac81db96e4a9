"""What is wrong with a column in one window: a kind, a phrase, and a signature that columns with the same trouble share."""

from __future__ import annotations

import math
from collections.abc import Mapping
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

SAME_FACTOR: Final = 0.05
"""Factors that differ by no more, relatively, are one factor: those that are read from quantiles differ by chance."""


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

    item: str | None = None
    """The placeholder, as it is written."""

    @property
    def is_fault(self) -> bool:
        """Whether it names a fault of the data."""
        return self.kind in FAULTS

    @property
    def signature(self) -> str:
        """The same for columns that have the same trouble."""
        if self.kind == "schema_change":
            return f"{self.kind} {self.what}"  # one that is gone has not the trouble of one that has another type
        return self.kind if self.factor is None else f"{self.kind} {self.factor:.4g}"

    def is_another_than(self, earlier: Finding, *, paused: bool = False) -> bool:
        """Whether it is another problem than the one that a subject already had: a fault where there had been none.

        After windows in which the subject did not fail (``paused``), another kind of fault or another factor is another problem
        as well; so is a factor where nothing had really changed before, whatever a rule's limit made of it.

        >>> chance, cents = Finding("unit_change", abrupt=False), Finding("unit_change", factor=100.0)
        >>> cents.is_another_than(chance), Finding("unit_change", factor=100.3).is_another_than(cents, paused=True)
        (True, False)
        """
        if not (self.is_fault and self.abrupt):
            return False
        if not earlier.is_fault:
            return True
        if earlier.kind != self.kind:
            return paused
        return self._has_another_factor(earlier) and (paused or (earlier.factor is None and not earlier.abrupt))

    def _has_another_factor(self, earlier: Finding) -> bool:
        if self.factor is None:
            return False
        return earlier.factor is None or not math.isclose(self.factor, earlier.factor, rel_tol=SAME_FACTOR)

    def tells_more_than(self, earlier: Finding) -> bool:
        """Whether it names what an earlier window of the same problem could not."""
        return self.kind == earlier.kind and self.factor is not None and earlier.factor is None


DRIFT: Final = Finding("drift", "its distribution has moved from the baseline's", abrupt=False)

FILLED: Final = Finding("drift", "fewer of its values are missing than in the baseline", "missing values are filled in upstream")
"""What a failing difference of missing values says where there are fewer now."""


NAMED_BY_METRIC: Final[Mapping[str, Finding]] = {
    "percent_null": Finding("missing", "values are missing"),
    "percent_nan": Finding("missing", "values are NaN"),
    "percent_empty": Finding("missing", "its strings are empty"),
    "correlation_shift": Finding("drift", "they no longer move together as they did"),
    "is_stuck": Finding("stuck", "its values hardly vary any more"),
    "is_constant": Finding("stuck", "it has one value alone"),
    "percent_sentinel": Finding("sentinel", "placeholder values stand where measurements were"),
    "percent_format_mismatch": Finding("unseen_category", "its strings have another format"),
    "percent_unseen": Finding("unseen_category", "it has values that were not seen before"),
    "percent_whitespace": Finding("unseen_category", "its strings have spaces around them"),
    "max_length": Finding("unseen_category", "its longest string has another length"),
    "percent_mojibake": Finding("encoding_swap", "its strings are damaged", "they were read in another encoding"),
    "category_permutation": Finding("encoding_swap", "its categories have exchanged their frequencies", "re-coded"),
    "percent_unparsable": Finding("schema_change", "its strings no longer parse as numbers"),
    "percent_duplicated_values": Finding("duplicated_window", "values that should be unique are there more than once"),
    "unit_factor": Finding("unit_change", "its values are in another scale", "another unit"),
}
"""What a failing quality metric says where the evidence itself is not at hand."""


def named_by_metrics(metrics: frozenset[str]) -> Finding:
    """What the names of the failing metrics say.

    >>> named_by_metrics(frozenset({"ks", "is_stuck"})).kind, named_by_metrics(frozenset({"ks"})).kind
    ('stuck', 'drift')
    """
    aliases = {"percent_null_delta": "percent_null", "num_nulls": "percent_null", "num_nan": "percent_nan"}
    named = {aliases.get(metric, metric) for metric in metrics}
    return next((finding for metric, finding in NAMED_BY_METRIC.items() if metric in named), DRIFT)
