"""Calibrations on the newest final windows, from the stored states of labels: no row is read for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.estimation.estimator import Estimator
from spark_monitor.kernel.recalibration import MADE_DDL, REACH_WINDOWS, SOURCE_DDL, Recalibrating
from spark_monitor.kernel.scored_states import ANSWERS, KIND_NAMES
from spark_monitor.sources.baseline import Baseline
from spark_monitor.stages.context import INPUT, Run, window_keys
from spark_monitor.stages.scored_rows import STORED_STATE
from spark_monitor.states.grid import Grid
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_HOUR = 3_600_000_000


def recalibrating(run: Run, kind: int, grid: Grid, windows: Sequence[DueWindow], baseline: Estimator) -> Recalibrating | None:
    """Which calibrations the windows ask for; None where no labels come that could calibrate."""
    if run.schedule.horizon is None:
        return None
    horizon = int(run.schedule.horizon.total_seconds() * 1_000_000)
    reach = int(REACH_WINDOWS * run.schedule.granularities[0].nominal_hours * _HOUR)
    return Recalibrating(window_keys(windows), horizon, reach, kind, grid, baseline, run.schedule.granularities[0].label)


def calibrations(run: Run, stored: DataFrame, baseline: Baseline, asked: Recalibrating) -> DataFrame:
    """A row of MADE_DDL for each window and version that final windows of the same version, and of this baseline, calibrate."""
    finest, ends = run.schedule.granularities[0].label, [one.end for one in asked.windows]
    stored_kinds = sorted({KIND_NAMES[asked.kind], KIND_NAMES[ANSWERS]})
    whole = stored.where(F.col("slice_key").isNull() & F.col("kind").isin(*stored_kinds) & F.col("properties").isNotNull())
    of_baseline = whole.where((F.col("log_type") == INPUT) & (F.col("baseline_version") == baseline.version))
    is_final = (
        (F.col("granularity") == finest)
        & (F.col("window.end") <= F.timestamp_micros(F.lit(max(ends) - asked.horizon)))
        & (F.col("window.start") >= F.timestamp_micros(F.lit(min(ends) - asked.horizon - asked.reach)))
    )
    is_own = (
        (F.col("kind") == KIND_NAMES[ANSWERS])
        & (F.col("window.end") <= F.timestamp_micros(F.lit(max(ends))))
        & (F.col("window.start") >= F.timestamp_micros(F.lit(min(one.start for one in asked.windows))))
    )
    edges = ("unix_micros(window.start) AS start", "unix_micros(window.end) AS end")
    named = ("granularity", "model_version", *edges, "kind", "labelled", STORED_STATE)
    spread = of_baseline.where(is_final | is_own).selectExpr(*named).mapInArrow(asked.spread, SOURCE_DDL)
    keys = ("granularity", "start", "end", "model_version")
    order = (*keys, F.col("until").desc(), F.col("since").desc(), "source", "answers")
    ordered = spread.repartition(*keys).sortWithinPartitions(*order)
    return ordered.mapInArrow(asked.merge, MADE_DDL)
