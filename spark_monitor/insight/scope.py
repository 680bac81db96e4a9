"""Which rows of the committed tables are asked for, and how many at most; instants, windows and columns of rows. Spark.

Every answer is limited by the constants below, never by the size of a table. Instants leave Spark as microseconds, because a
timestamp collected in Python is in the driver's zone in one mode of Spark and in the session's in the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.windowing.windows import Window

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Row

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
MOST_RUNS = 20

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class CommittedTables(Protocol):
    """What this room needs of a store: each table as its committed runs left it."""

    def committed(self, table: str) -> DataFrame:
        """The rows of a table that committed runs wrote."""
        ...


@dataclass(frozen=True)
class Scope:
    """Which rows: of one monitor, one granularity and these windows."""

    monitor_id: str
    granularity: str
    starts: tuple[datetime, ...] = ()


def micros(instant: datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (instant - EPOCH) // _MICROSECOND


def instant_of(count: int) -> datetime:
    """The instant of a number of microseconds."""
    return EPOCH + count * _MICROSECOND


def instant_literal(instant: datetime) -> Column:
    """An instant in a query, independent of the session's zone."""
    return F.timestamp_micros(F.lit(micros(instant)))


def of_monitor(frame: DataFrame, scope: Scope) -> DataFrame:
    """The rows of the scope's monitor and granularity."""
    return frame.where((F.col("monitor_id") == scope.monitor_id) & (F.col("granularity") == scope.granularity))


def in_windows(frame: DataFrame, scope: Scope) -> DataFrame:
    """The rows of the scope's windows."""
    return of_monitor(frame, scope).where(is_in_windows(scope))


def is_in_windows(scope: Scope) -> Column:
    """Whether a row is of one of the scope's windows."""
    if not scope.starts:
        return F.lit(False)
    start = F.col("window.start")
    between = (start >= instant_literal(min(scope.starts))) & (start <= instant_literal(max(scope.starts)))
    return between & start.isin([instant_literal(instant) for instant in sorted(scope.starts)])


def at_latest(latest: Mapping[str | None, datetime]) -> Column:
    """Whether a row is of its version's latest window, which is given by its start."""
    return any_of(
        [
            F.col("model_version").eqNullSafe(F.lit(version)) & (F.col("window.start") == instant_literal(start))
            for version, start in latest.items()
        ]
    )


def whole(frame: DataFrame) -> DataFrame:
    """The rows that are about all rows of a window, no slice."""
    return frame.where(F.col("slice_key").isNull())


def any_of(conditions: Sequence[Column]) -> Column:
    """Whether one of the conditions holds."""
    return reduce(lambda left, right: left | right, conditions, F.lit(False))


def most_rows(series: int) -> int:
    """The bound of an answer with a number of series per version."""
    return series * MOST_VERSIONS * MOST_WINDOWS


def cut() -> list[Column]:
    """What a row is about, as columns to collect: version, and the window's two edges in microseconds."""
    start, end = F.unix_micros("window.start").alias("_start"), F.unix_micros("window.end").alias("_end")
    return [F.col("model_version"), start, end]


def window_in(row: Row) -> Window:
    """The window of a collected row."""
    return Window(instant_of(row._start), instant_of(row._end))


def column_in(row: Row) -> str | None:
    """The column that a collected row is about, None where it is about no single one."""
    return None if row.column_name == TABLE_ROW else row.column_name
