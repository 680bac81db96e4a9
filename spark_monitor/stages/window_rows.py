"""What is known of a window's rows, all versions together, and of each version's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.quality_rows import COUNTERS_ROW, HOURS_ROW
from spark_monitor.states.hours import HourState

Place = tuple[str, int]
"""A window by its granularity and its start."""


@dataclass
class WindowRows:
    """What is known of a window's rows, all versions together; ``hours`` is None where no state tells them."""

    count: int = 0
    checksum: int = 0
    has_checksum: bool = False
    hours: HourState | None = None

    @property
    def content(self) -> tuple[int, int] | None:
        """What tells a window's content from another's."""
        return (self.checksum, self.count) if self.has_checksum and self.count else None


def window_rows(rows: Iterable[Mapping[str, Any]]) -> dict[Place, WindowRows]:
    """The windows of which summaries tell, versions added up."""
    by_place: dict[Place, WindowRows] = {}
    for row in rows:
        one = by_place.setdefault((row["granularity"], row["start"]), WindowRows())
        if row["count"] is None:
            continue
        if row["column_name"] == TABLE_ROW:
            one.count += row["count"]
        elif row["column_name"] == COUNTERS_ROW:
            one.checksum, one.has_checksum = (one.checksum + int(row["checksum"])) % (1 << 64), True
        elif row["column_name"] == HOURS_ROW:
            arrays = [np.array(row[name], dtype=np.int64) for name in ("hours", "first", "last")]
            state = HourState(arrays[0], np.ones(arrays[0].size, dtype=np.int64), arrays[1], arrays[2])
            one.hours = state if one.hours is None else one.hours.merge(state)
    return by_place


def version_counts(rows: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Place, str | None, tuple[int, int]]]:
    """The rows of each window's versions and of all of them together; 0 of a version that had some in the window before."""
    by_place: dict[Place, dict[str | None, int]] = {}
    for row in rows:
        if row["column_name"] == TABLE_ROW and row["count"] is not None:
            by_place.setdefault((row["granularity"], row["start"]), {})[row["model_version"]] = row["count"]
    before: dict[str, dict[str | None, int]] = {}
    for place in sorted(by_place):
        earlier, counts = before.get(place[0], {}), by_place[place]
        gone = {version: 0 for version, count in earlier.items() if count and version not in counts}
        whole = sum(counts.values())
        for version, count in sorted({**gone, **counts}.items(), key=lambda entry: (entry[0] is None, entry[0] or "")):
            yield place, version, (count, whole)
        before[place[0]] = counts
