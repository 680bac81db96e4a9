"""The labelled baseline cut into windows, by which estimates know how much windows differ: a slice of `model_states`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from spark_monitor.kernel.scored_states import KIND_NAMES, TREE, scored_state
from spark_monitor.preflight.types import is_time
from spark_monitor.sources.readers.rows import ReadSlice
from spark_monitor.stages.context import Run
from spark_monitor.stages.measure_plan import MADE
from spark_monitor.stages.scored_rows import STORED_STATE
from spark_monitor.states.grid import Grid
from spark_monitor.states.named_arrays import NAMED_COLUMNS, bytes_of_row
from spark_monitor.windowing.timestamps import micros, timestamp_of
from spark_monitor.windowing.windows import windows_between

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

WINDOWS_KEY = ":window"
"""The slice key of these states; no metric is shown of them."""
MOST_WINDOWS = 24
"""Of a longer baseline so many windows are kept, evenly spread."""
_MOST_LISTED = 50_000
_HOUR = 3_600_000_000


def baseline_windows(run: Run, joined: DataFrame, span: tuple[int, int]) -> ReadSlice | None:
    """The slice that tells the windows apart, over rows that have `MADE`; None where the baseline's rows have no time."""
    time, granularity = run.config.predictions.time, run.schedule.granularities[0]
    if time not in joined.columns or not is_time(joined.schema[time].dataType):
        return None
    start, end = span
    if (end - start) / _HOUR > _MOST_LISTED * granularity.nominal_hours:
        return None
    windows = list(windows_between(timestamp_of(start), timestamp_of(end), granularity, run.schedule.zone))
    step = max(-(-len(windows) // MOST_WINDOWS), 1)
    kept = [(micros(one.start), micros(one.end)) for one in windows[::step]]
    if len(kept) < 2:
        return None
    places = (f"WHEN {MADE} >= {first} AND {MADE} < {last} THEN '{place}'" for place, (first, last) in enumerate(kept))
    return ReadSlice(WINDOWS_KEY, f"CASE {' '.join(places)} END")


def without_windows(stored: DataFrame) -> DataFrame:
    """States without those of the baseline's windows."""
    return stored.where(~F.col("slice_key").eqNullSafe(WINDOWS_KEY))


def flat_states(stored: DataFrame) -> DataFrame:
    """Stored states under the names that `stored_states` reads."""
    edges = ("unix_micros(window.start) AS start", "unix_micros(window.end) AS end")
    states = without_windows(stored).where(F.col("kind") != KIND_NAMES[TREE])
    return states.selectExpr("granularity", *edges, "slice_key", "slice_value", "model_version", "kind", STORED_STATE)


def whole_and_windows(stored: DataFrame, kind: int, grid: Grid) -> tuple[int, Any, list[Any]] | None:
    """The baseline's version, its state of a kind, and those of its windows; at most 25 rows come to the driver."""
    is_window = (F.col("slice_key") == WINDOWS_KEY) & F.col("slice_value").isNotNull()
    of_kind = stored.where((F.col("kind") == KIND_NAMES[kind]) & F.col("properties").isNotNull())
    chosen = of_kind.where(F.col("slice_key").isNull() | is_window)
    rows = chosen.select("slice_key", "slice_value", "baseline_version", *NAMED_COLUMNS).collect()
    whole = [row for row in rows if row["slice_key"] is None]
    if not whole:
        return None
    ordered = sorted((row for row in rows if row["slice_key"] is not None), key=lambda row: int(row["slice_value"]))
    states = [scored_state(kind, bytes_of_row(row.asDict()), grid) for row in (whole[0], *ordered)]
    return int(whole[0]["baseline_version"]), states[0], states[1:]
