"""What is not there, as rows of the tables: windows without rows, slice values and columns that only the baseline has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.partials import OTHER
from spark_monitor.sources.baseline import Baseline, FrozenColumn
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.predictions import Predictions, only_in_baseline
from spark_monitor.stages.context import Run, states_of
from spark_monitor.stages.neighbours import Versions, versions_before
from spark_monitor.windowing.absence import EMPTY, MISSING, empty_windows
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.monitor import MonitorConfig

_PLACE_DDL = "granularity string, start long, end long, model_version string"
_SLICED = ("granularity", "start", "model_version", "slice_key")


def gone_columns(config: MonitorConfig, predictions: Predictions, baseline: Baseline) -> list[FrozenColumn]:
    """The columns that only the baseline has; those that the monitor's file has left out since are not looked for."""
    return [baseline.columns[name] for name in only_in_baseline(config, predictions.frame.columns, baseline.columns)]


def absent_rows(
    run: Run, predictions: Predictions, baseline: Baseline, due: Sequence[DueWindow], versions: Versions
) -> DataFrame:
    """Rows of profile_metrics for what is not there: empty windows, and columns and slice values that only the baseline has."""
    rows = empty_rows(run, due, versions)
    gone = missing_rows(run, gone_columns(run.config, predictions, baseline), due, versions)
    absent = rows.unionByName(gone, allowMissingColumns=True)
    slices = absent_slices(run, predictions, baseline, due, versions)
    return absent if slices is None else absent.unionByName(slices, allowMissingColumns=True)


def empty_rows(run: Run, due: Sequence[DueWindow], versions: Versions) -> DataFrame:
    """One row per window and version that was expected in it and made no prediction."""
    literal_version = getattr(run.config.predictions.model_version, "literal", None)
    always = [literal_version] if literal_version is not None else []
    seen = {**versions_before(run, due), **versions}
    empty = empty_windows(due, seen, lookback=run.config.windows.lookback_duration, always=always)
    rows = [(*_placed(one.due), one.model_version, TABLE_ROW, EMPTY, one.message, 0) for one in empty]
    return local_frame(run.spark, rows, f"{_PLACE_DDL}, column_name string, status string, message string, count long")


def absent_slices(
    run: Run, predictions: Predictions, baseline: Baseline, due: Sequence[DueWindow], versions: Versions
) -> DataFrame | None:
    """One row per slice value that the baseline has and that has no row in a window in which the version has some.

    Where the baseline or the window counts values of a key together as ``other``, one that is not counted apart may well be
    there, so nothing is reported of that key. That no row lacks the key's value is nothing to be missed.
    """
    keys = predictions.slice_keys
    if not keys:
        return None
    table = (F.col("column_name") == TABLE_ROW) & F.col("slice_key").isin(*keys) & F.col("slice_value").isNotNull()
    frozen = baseline.states.where(table).select("slice_key", "slice_value")
    together = frozen.where(F.col("slice_value") == OTHER).select("slice_key")
    expected = places_of(run, due, versions).join(frozen.join(together, on="slice_key", how="left_anti"), how="cross")
    there = {name: f"{name}_there" for name in _SLICED}
    values = states_of(run, due).where(table).groupBy(*(F.col(name).alias(other) for name, other in there.items()))
    same = [F.col(name).eqNullSafe(F.col(other)) for name, other in there.items()]
    joined = expected.join(values.agg(F.collect_set("slice_value").alias("present")), same, how="left")
    is_there = F.arrays_overlap("present", F.array("slice_value", F.lit(OTHER)))
    absent = joined.where(~F.coalesce(is_there, F.lit(False))).drop("present", *there.values())
    sentence = f"No rows of this slice in this window; baseline {baseline.version} has some."
    constants = {"column_name": TABLE_ROW, "status": EMPTY, "message": sentence}
    return absent.withColumns({**{name: F.lit(text) for name, text in constants.items()}, "count": F.lit(0).cast("long")})


def missing_rows(run: Run, gone: Sequence[FrozenColumn], due: Sequence[DueWindow], versions: Versions) -> DataFrame:
    """One row per column that is gone, window and version."""
    columns = [
        (
            frozen.name,
            frozen.data_type,
            MISSING,
            f"The column is missing: the baseline has it as {frozen.data_type}, the prediction table does not.",
        )
        for frozen in gone
    ]
    named = local_frame(run.spark, columns, "column_name string, data_type string, status string, message string")
    return places_of(run, due, versions).join(named, how="cross")


def places_of(run: Run, due: Sequence[DueWindow], versions: Versions) -> DataFrame:
    """Every due window with each version that has rows in it."""
    places = [(*_placed(one), version) for one in due for version in sorted(versions.get(one, ()), key=str)]
    return local_frame(run.spark, places, _PLACE_DDL)


def _placed(one: DueWindow) -> tuple[str, int, int]:
    return one.granularity, micros(one.window.start), micros(one.window.end)
