"""Which series become charts of a version's MLflow page: as many as a person looks through, with all that rules are about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from spark_monitor.catalogue.metric import Group
from spark_monitor.insight.reading import Reading

MOST_CHARTS: Final = 30
"""Charts of one model version; what rules and open incidents are about stays even where it is more."""

Series = tuple[Group, str, str | None, str | None, str | None]
"""A chart: its group and name, and the column and slice that it is about."""


def series_of(reading: Reading) -> Series:
    """The chart that a reading is a point of."""
    return reading.family, reading.name, reading.column, reading.slice_key, reading.slice_value


def charted(
    readings: Sequence[Reading], stays: Callable[[Series], bool], *, most: int = MOST_CHARTS
) -> tuple[tuple[Reading, ...], int]:
    """The readings of the charts that are shown, and how many charts are left out.

    What ``stays`` is shown; the groups then take turns, each with its next series in the order of the readings.

    >>> from datetime import UTC, datetime
    >>> from spark_monitor.windowing.windows import Window
    >>> week = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 8, tzinfo=UTC))
    >>> given = [Reading("1", week, group, name, 1.0) for group, name in [("quality", "a"), ("quality", "b"), ("cost", "c")]]
    >>> shown, left_out = charted(given, lambda series: False, most=2)
    >>> [reading.name for reading in shown], left_out
    (['a', 'c'], 1)
    """
    series_there = list(dict.fromkeys(map(series_of, readings)))
    kept = {series for series in series_there if stays(series)}
    groups: defaultdict[Group, list[Series]] = defaultdict(list)
    for series in series_there:
        if series not in kept:
            groups[series[0]].append(series)
    for series in _in_turns(groups):
        if len(kept) >= most:
            break
        kept.add(series)
    return tuple(reading for reading in readings if series_of(reading) in kept), len(series_there) - len(kept)


def _in_turns(groups: Mapping[Group, Sequence[Series]]) -> Iterator[Series]:
    for turn in range(max(map(len, groups.values()), default=0)):
        yield from (group[turn] for group in groups.values() if turn < len(group))
