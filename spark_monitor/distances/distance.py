"""What every entry of the catalogue says about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Value = float | int | str | Mapping[str, float] | None
Side = TypeVar("Side")


@dataclass(frozen=True)
class Distance(Generic[Side]):
    """One distance: the name that rules use, its columns in drift_metrics (the first is the distance), and how to compute them.

    ``row`` takes the baseline's and the current side, both with at least one value, and gives a value for each column.
    Distances on bins take counts, int64[bins]; those on cells take references.
    """

    name: str
    symbol: str
    lowest: float
    highest: float
    description: str
    columns: tuple[str, ...]
    row: Callable[[Side, Side], tuple[Value, ...]]

    def values(self, baseline: Side, current: Side) -> dict[str, Value]:
        """The columns and their values."""
        return dict(zip(self.columns, self.row(baseline, current), strict=True))
