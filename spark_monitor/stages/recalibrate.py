"""Calibrations on the newest final windows, from the stored states of labels: no row is read for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.kernel.recalibration import MADE_DDL, REACH_WINDOWS, SOURCE_DDL, Recalibrating
from spark_monitor.kernel.scored_states import KIND_NAMES
from spark_monitor.sources.baseline import Baseline
from spark_monitor.stages.context import INPUT, Run, window_keys
from spark_monitor.stages.scored_rows import STORED_STATE
from spark_monitor.states.grid import Grid
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_HOUR = 3_600_000_000


def recalibrating(run: Run, kind: int, grid: Grid, windows: Sequence[DueWindow]) -> Recalibrating | None:
    """Which calibrations the windows ask for; None where no labels come that could calibrate."""
    if run.schedule.horizon is None:
        return None
    horizon = int(run.schedule.horizon.total_seconds() * 1_000_000)
    reach = int(REACH_WINDOWS * run.schedule.granularities[0].nominal_hours * _HOUR)
    return Recalibrating(window_keys(windows), horizon, reach, kind, grid)


def calibrations(run: Run, stored: DataFrame, baseline: Baseline, asked: Recalibrating) -> DataFrame:
    """A row of MADE_DDL for each window and version that final windows of the same version, and of this baseline, calibrate."""
    finest, ends = run.schedule.granularities[0].label, [one.end for one in asked.windows]
    whole = stored.where(F.col("slice_key").isNull() & (F.col("kind") == KIND_NAMES[asked.kind]))
    states = whole.where(
        (F.col("log_type") == INPUT)
        & (F.col("granularity") == finest)
        & (F.col("baseline_version") == baseline.version)
        & (F.col("labelled") > 0)
        & F.col("properties").isNotNull()
        & (F.col("window.end") <= F.timestamp_micros(F.lit(max(ends) - asked.horizon)))
        & (F.col("window.start") >= F.timestamp_micros(F.lit(min(ends) - asked.horizon - asked.reach)))
    )
    edges = ("unix_micros(window.start) AS start", "unix_micros(window.end) AS end")
    spread = states.selectExpr("model_version", *edges, "labelled", STORED_STATE).mapInArrow(asked.spread, SOURCE_DDL)
    keys = ("granularity", "start", "end", "model_version")
    ordered = spread.repartition(*keys).sortWithinPartitions(*keys, F.col("until").desc())
    return ordered.mapInArrow(asked.merge, MADE_DDL)
