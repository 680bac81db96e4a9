"""The windows of which a table or a frame has rows."""

from __future__ import annotations

from typing import Final

from pyspark.sql import DataFrame

from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import timestamp_of
from spark_monitor.windowing.windows import Window

EDGES: Final = tuple(f"unix_micros(`window`.`{edge}`) AS `{edge}`" for edge in ("start", "end"))


def windows_of(frame: DataFrame) -> list[DueWindow]:
    """The windows of which a frame has rows."""
    return _collected(frame.selectExpr("granularity", *EDGES).distinct())


def _collected(windows: DataFrame) -> list[DueWindow]:
    rows = windows.collect()
    return sorted(DueWindow(row["granularity"], Window(timestamp_of(row["start"]), timestamp_of(row["end"]))) for row in rows)
