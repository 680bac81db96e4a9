"""What a new version of the baseline would change: its rows on the current one's grids, by column. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.errors import ConfigError
from spark_monitor.sources.baseline import Baseline, accepted_period, frozen_names, latest_version, load_baseline, unframed
from spark_monitor.sources.predictions import Predictions, baseline_columns, kinds_agree
from spark_monitor.sources.readers.rows import ReadColumn, rows_for_profile
from spark_monitor.stages.compare import compare_plan, drift_rows, wanted
from spark_monitor.stages.context import Run
from spark_monitor.stages.first_pass import frame_plan
from spark_monitor.stages.freeze import baseline_frame, known_count, require_rows
from spark_monitor.stages.merge import profile

ADDED, GONE, RETYPED, COMPARED = "ADDED", "GONE", "RETYPED", "COMPARED"


@dataclass(frozen=True)
class ColumnChange:
    """One column of a new baseline beside the current one: whether it is there, and how far it has moved.

    ``ks`` is None for strings; deltas are new minus current.
    """

    column: str
    change: str
    ks: float | None = None
    tv_distance: float | None = None
    population_stability_index: float | None = None
    percent_null_delta: float | None = None
    avg_delta: float | None = None
    message: str | None = None

    @property
    def distance(self) -> float:
        """How far it has moved: KS, of strings total variation; beyond all distances where the column itself changed."""
        return 2.0 if self.change != COMPARED else self.ks if self.ks is not None else self.tv_distance or 0.0


@dataclass(frozen=True)
class BaselineDiff:
    """The current version, the rows of both, and the columns: those that change most first."""

    version: int
    rows: int | None
    new_rows: int
    columns: tuple[ColumnChange, ...]


def baseline_diff(run: Run, predictions: Predictions, *, period: tuple[datetime, datetime] | None = None) -> BaselineDiff:
    """The baseline that would be frozen now, of the monitor's file or of an accepted period, against the current version."""
    stored = run.store.committed("baselines").where(F.col("monitor_id") == run.monitor_id)
    latest = latest_version(stored)
    if latest is None:
        raise ConfigError(f"{run.monitor_id}: no baseline is frozen yet, so there is nothing to compare with. Leave out --diff.")
    current = load_baseline(stored, latest.version, frozen_names(run.config))
    run.accepted = accepted_period(run.config, predictions.frame, *period) if period is not None else None
    if period is not None:
        require_rows(run, predictions, period)
    frame, _ = baseline_frame(run, predictions)
    new = known_count(run, frame)
    columns, _ = baseline_columns(frame, predictions, run.config)
    ids = [name for name in run.config.predictions.id if name in frame.columns]
    rows = rows_for_profile(frame, columns, [], time=None, version_sql="NULL", ids=ids)
    frames = [_framed(current, column) for column in columns]
    states = profile(rows, frame_plan(frames)).withColumns(
        {"granularity": F.lit("baseline"), "start": F.lit(0).cast("long"), "end": F.lit(1).cast("long")}
    )
    whole = current.states.where("slice_key IS NULL")
    drift = drift_rows(states.withColumn("wanted", wanted("BASELINE")), whole, compare_plan(predictions, current))
    differences = [_change(row.asDict(recursive=True)) for row in drift.where(F.col("column_name") != TABLE_ROW).collect()]
    differences = [*_structural(current, columns), *(one for one in differences if one.column not in _apart(current, columns))]
    old = whole.where(F.col("column_name") == TABLE_ROW).select("count").collect()
    ordered = sorted(differences, key=lambda one: (-one.distance, one.column))
    return BaselineDiff(latest.version, int(old[0]["count"]) if old else None, new, tuple(ordered))


def _framed(current: Baseline, column: ReadColumn) -> Any:
    frozen = current.columns.get(column.name)
    return frozen if frozen is not None and kinds_agree((frozen.kind, frozen.data_type), column) is None else unframed(column)


def _apart(current: Baseline, columns: Sequence[ReadColumn]) -> set[str]:
    return {one.column for one in _structural(current, columns)}


def _structural(current: Baseline, columns: Sequence[ReadColumn]) -> list[ColumnChange]:
    """Columns that only one of both has, or that have another type."""
    names = {column.name for column in columns}
    differences = [
        ColumnChange(name, GONE, message="the new baseline does not have it") for name in current.columns if name not in names
    ]
    for column in columns:
        frozen = current.columns.get(column.name)
        if frozen is None:
            differences.append(ColumnChange(column.name, ADDED, message="the current baseline does not have it"))
        elif (reason := kinds_agree((frozen.kind, frozen.data_type), column)) is not None:
            differences.append(ColumnChange(column.name, RETYPED, message=reason))
    return differences


def _change(row: dict[str, Any]) -> ColumnChange:
    test = row.get("ks_test") or {}
    names = ("tv_distance", "population_stability_index", "percent_null_delta", "avg_delta", "message")
    return ColumnChange(row["column_name"], COMPARED, test.get("statistic"), *(row.get(name) for name in names))


__all__ = ["BaselineDiff", "ColumnChange", "baseline_diff"]
