"""The windows around those that are due: which lie just before and after, and which versions had rows in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.stages.context import Run, states_of
from spark_monitor.windowing.due import DueWindow, Handled
from spark_monitor.windowing.occupied import joined
from spark_monitor.windowing.timestamps import micros
from spark_monitor.windowing.windows import windows_between

Versions = Mapping[DueWindow, set[str | None]]


def versions_within(run: Run, due: Sequence[DueWindow]) -> dict[DueWindow, set[str | None]]:
    """The model versions that have rows in each window; as many rows as windows and versions come to the driver."""
    table = states_of(run, due).where((F.col("column_name") == TABLE_ROW) & F.col("slice_key").isNull())
    return _versions(due, table.select("granularity", "start", "model_version").collect())


def versions_before(run: Run, due: Sequence[DueWindow]) -> dict[DueWindow, set[str | None]]:
    """The model versions that had rows in the windows of the lookback before."""
    earlier = windows_before(run, due, run.config.windows.lookback_duration)
    return versions_within(run, earlier) if earlier else {}


def windows_before(run: Run, due: Sequence[DueWindow], reach: timedelta) -> list[DueWindow]:
    """The windows that begin within ``reach`` before a due one, are not due themselves, and were handled as far as is known."""
    neighbours: set[DueWindow] = set()
    for granularity in run.schedule.granularities:
        due_windows = [one.window for one in due if one.granularity == granularity.label]
        if due_windows:
            spans = joined((window.start - reach, window.start) for window in due_windows)
            windows = (window for span in spans for window in windows_between(*span, granularity, run.schedule.zone))
            neighbours |= {DueWindow(granularity.label, window) for window in windows}
    handled = neighbours if run.handled is None else neighbours.intersection(run.handled)
    return sorted(handled - set(due))


def just_before(run: Run, due: Sequence[DueWindow]) -> list[DueWindow]:
    """The window before each due one, where it is not due itself."""
    starts = {(one.granularity, one.window.start) for one in due}
    return [one for one in windows_before(run, due, timedelta(microseconds=1)) if (one.granularity, one.window.end) in starts]


def just_after(run: Run, due: Sequence[DueWindow], handled: Mapping[DueWindow, Handled]) -> list[DueWindow]:
    """The window after each due one, where it was handled before and is not due itself.

    Where the monitor's file or the baseline was another then, its states may lie on other grids: it is left as it is.
    """
    ends = {(one.granularity, one.window.end) for one in due}
    same = (one for one, then in handled.items() if then.profile_hash is not None and then.profile_hash == run.profile_hash)
    return sorted({one for one in same if (one.granularity, one.window.start) in ends} - set(due))


def _versions(windows: Iterable[DueWindow], rows: Iterable[Any]) -> dict[DueWindow, set[str | None]]:
    by_start = {(one.granularity, micros(one.window.start)): one for one in windows}
    versions: dict[DueWindow, set[str | None]] = {}
    for row in rows:
        versions.setdefault(by_start[row["granularity"], row["start"]], set()).add(row["model_version"])
    return versions
