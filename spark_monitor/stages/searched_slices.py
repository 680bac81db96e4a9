"""Crosses of the configured slices in which the worst slices are looked for, besides those that the monitor's file names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.sources.readers.rows import ReadSlice, crossed_slices

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import MonitorConfig

MOST_CROSSES: Final = 50
"""Of more slices the first crosses, those of fewer columns first: each is another key of the states."""


def searched_crosses(config: MonitorConfig, slices: Sequence[ReadSlice]) -> tuple[ReadSlice, ...]:
    """The crosses of single slices up to the search's depth that the file does not name itself; ``slices`` are those it names.

    They have states, for the search, and no rows of their own in `model_metrics`.
    """
    if config.worst_slices is None:
        return ()
    named = {frozenset([one] if isinstance(one, str) else one) for one in config.slices}
    singles = [read for one, read in zip(config.slices, slices, strict=True) if isinstance(one, str)]
    crosses = [
        crossed_slices(several)
        for size in range(2, config.worst_slices.depth + 1)
        for several in combinations(singles, size)
        if frozenset(one.key for one in several) not in named
    ]
    return tuple(crosses[:MOST_CROSSES])


def of_named_slices(states: DataFrame, crosses: Sequence[ReadSlice]) -> DataFrame:
    """The states without those of crosses that are only searched."""
    if not crosses:
        return states
    return states.where(F.col("slice_key").isNull() | ~F.col("slice_key").isin(*(one.key for one in crosses)))
