"""What a distance gives for many pairs of states, and in which columns of ``drift_metrics`` it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spark_monitor.catalogue.interval import Floats, Interval

Column = Floats | Mapping[str, Floats]
"""A column of ``drift_metrics``: numbers, or the fields of a struct."""


@dataclass(frozen=True, eq=False)
class Distance(Interval):
    """An interval whose parts have columns of their own: ``columns`` by name, each an array of S numbers or a struct of them."""

    columns: Mapping[str, Column] = field(default_factory=dict)
