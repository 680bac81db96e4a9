"""Which rows of the committed tables are asked for, and how many at most; timestamps and windows of rows.

Every answer is limited by the constants below, never by the size of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.insight.tables import Tables
from spark_monitor.windowing.timestamps import micros, timestamp_of
from spark_monitor.windowing.windows import Window

MOST_VERSIONS = 20
"""Model versions that are published and summed up: those seen last."""

MOST_WINDOWS = 1_000
"""Windows published in one go."""

HISTORY_WINDOWS = 104
"""Windows that the summary and the report look back: two years of weeks."""

MOVERS = 10
"""Columns with the greatest KS that are published per version."""

SHIFTS = 5
"""Columns that are named as having moved most in the latest window, whatever the rules say of them."""

WORST_SLICES = 5
"""Slices whose main metric is published per version."""

MOST_CHECKS = 200
MOST_INCIDENTS = 500
INCIDENTS_A_PAGE = 2_000
"""Incidents that are looked at in one go where all of them are: whom to tell what."""

MOST_RUNS = 20
MOST_HEAT_COLUMNS, MOST_HEAT_WINDOWS, MOST_HEAT_VERSIONS = 60, 53, 2
"""Rows, columns and layers of the heat map, and of what opens from it; the rest is in the tables."""

MOST_PICTURES = 60
"""Open incidents whose series are fetched."""

MOST_MEASURES, MOST_MEASURED_POINTS = 400, 20_000
"""Rows of quality, fairness, system, pipelines and cost that are shown, and points of their series."""


@dataclass(frozen=True)
class Scope:
    """Which rows: of one monitor, one granularity and these windows."""

    monitor_id: str
    granularity: str
    starts: tuple[datetime, ...] = ()


def timestamp_in(row: Mapping[str, Any], name: str) -> datetime | None:
    """The timestamp that a row holds in microseconds."""
    count = row.get(name)
    return None if count is None else timestamp_of(count)


def of_monitor(tables: Tables, scope: Scope) -> str:
    """The condition of the scope's monitor and granularity."""
    return f"monitor_id = {tables.literal(scope.monitor_id)} AND granularity = {tables.literal(scope.granularity)}"


def in_windows(tables: Tables, scope: Scope) -> str:
    """The condition of the scope's windows."""
    return f"{of_monitor(tables, scope)} AND {is_in_windows(scope)}"


def is_in_windows(scope: Scope) -> str:
    """Whether a row is of one of the scope's windows."""
    if not scope.starts:
        return "1 = 0"
    return f"window_start IN ({', '.join(str(micros(start)) for start in sorted(scope.starts))})"


def at_latest(tables: Tables, latest: Mapping[str | None, datetime]) -> str:
    """Whether a row is of its version's latest window, which is given by its start."""
    parts = [
        f"({same(tables, 'model_version', version)} AND window_start = {micros(start)})" for version, start in latest.items()
    ]
    return f"({' OR '.join(parts)})" if parts else "1 = 0"


def same(tables: Tables, column: str, value: str | None) -> str:
    """Whether a column holds a value, NULL being one."""
    return f"{column} IS NULL" if value is None else f"{column} = {tables.literal(value)}"


def one_of(tables: Tables, column: str, values: Iterable[str]) -> str:
    """Whether a column holds one of some strings."""
    listed = ", ".join(tables.literal(value) for value in sorted(set(values)))
    return f"{column} IN ({listed})" if listed else "1 = 0"


def against_baseline(tables: Tables) -> str:
    """Drift from the baseline itself, not from another reference that the monitor's file names."""
    unnamed = " AND baseline_name IS NULL" if tables.has("drift_metrics", "baseline_name") else ""
    return f"drift_type = 'BASELINE'{unnamed}"


def most_rows(series: int) -> int:
    """The bound of an answer with a number of series per version."""
    return series * MOST_VERSIONS * MOST_WINDOWS


def window_in(row: Mapping[str, Any]) -> Window:
    """The window of a row."""
    return Window(timestamp_of(row["window_start"]), timestamp_of(row["window_end"]))


def column_in(row: Mapping[str, Any]) -> str | None:
    """The column that a row is about, None where it is about no single one."""
    name = row["column_name"]
    return None if name == TABLE_ROW else name
