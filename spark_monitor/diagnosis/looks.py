"""What one column looks like in one window, beside its baseline and the window before: the evidence of a finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from spark_monitor.diagnosis.groups import Slice
from spark_monitor.text.words import number_in

LEAST_ROWS: Final = 50
"""Of fewer rows the shape of a distribution says nothing about units, exchanged names or stuck values."""


@dataclass(frozen=True)
class Look:
    """The numbers of one row of profile_metrics; ``items`` are the frequent values as texts with their rows."""

    count: int = 0
    nulls: int = 0
    status: str = "OK"
    message: str | None = None
    mean: float | None = None
    stddev: float | None = None
    least: float | None = None
    greatest: float | None = None
    quantiles: tuple[float, ...] = ()
    distinct: int | None = None
    longest: float | None = None
    mean_length: float | None = None
    items: Mapping[str, int] = field(default_factory=dict)

    @property
    def percent_null(self) -> float:
        """NULLs in percent of the rows."""
        return 100.0 * self.nulls / self.count if self.count else 0.0

    @property
    def filled(self) -> int:
        """Rows that have a value."""
        return self.count - self.nulls

    @property
    def atoms(self) -> dict[float, int]:
        """The frequent values that are finite numbers."""
        numbers = ((number_in(item), rows) for item, rows in self.items.items())
        return {value: rows for value, rows in numbers if value is not None}

    def share(self, item: str) -> float:
        """The share of the rows with a value that hold this one."""
        return self.items.get(item, 0) / self.filled if self.filled else 0.0


@dataclass(frozen=True)
class Measured:
    """A quality metric's value with its details."""

    value: float
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """All that is known of a column in one window and slice."""

    now: Look | None = None
    baseline: Look | None = None
    before: Look | None = None
    quality: Mapping[str, Measured] = field(default_factory=dict)
    name: str = ""
    """The column's name, whose words may say what its numbers are."""

    season: Look | None = None
    """The same hour a day before, of windows of days the same weekday: what a season makes one expect now."""

    season_before: Look | None = None
    """The window before that one: what a season made one expect of the window before."""

    by_weekday: bool = False
    """Whether the season is of weekdays: then a window before that has changed as well does not make one expect this."""

    season_earlier: Look | None = None
    """The same hour, or weekday, once more before: it tells which of two days is the odd one."""

    @property
    def is_code(self) -> bool:
        """Whether numbers are held against the ones that are known: then they are names."""
        is_number = self.baseline is not None and self.baseline.mean is not None
        return is_number and "percent_unseen" in self.quality

    def measured(self, metric: str) -> float:
        """A quality metric's value, 0 where there is none."""
        metric_value = self.quality.get(metric)
        return metric_value.value if metric_value is not None else 0.0


EvidenceKey = tuple[str, int, str | None, Slice]
"""Column, start of the window, model version and slice."""
