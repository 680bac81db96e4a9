"""Rows to states: a partial profile in every task, then a small shuffle that merges the partials of a key.

Two stages whatever the number of columns, slices and windows. Partials are merged in the order of their partition and number, so
that the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spark_monitor.kernel.covariances import CovariancePlan
from spark_monitor.kernel.plan import KernelPlan, ProfilePlan, plan_segments, wanted_spans
from spark_monitor.kernel.quality_rows import QualityPlan
from spark_monitor.sources.baseline import Baseline, FrozenColumn
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import rows_for_profile, within_any
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.coarse import Parts, composed_of, stored_partials, stored_slice_values
from spark_monitor.stages.context import INPUT, Run, window_keys, write
from spark_monitor.stages.correlation import limited_columns, profiled_covariance
from spark_monitor.stages.frames import frames_of
from spark_monitor.stages.quality_plan import extra_names, quality_plan
from spark_monitor.stages.reader import choose_reader, read_states
from spark_monitor.windowing.due import DueWindow, Handled

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def profile_step(
    run: Run, predictions: Predictions, baseline: Baseline, due: Sequence[DueWindow], handled: Mapping[DueWindow, Handled]
) -> None:
    """Write the states of the due windows: from stored states of finer windows where they can be used, else from rows."""
    frames = frames_of(predictions, baseline)
    parts = composed_of(run, due, handled)
    quality = quality_plan(run.config, predictions, baseline, frames)
    together = profiled_covariance(run.config, predictions, baseline, frames) if baseline.covariance is not None else None
    limited = limited_columns(run.config, baseline)
    if limited is not None:
        run.notes.append(limited)
    work = planned(run, predictions, frames, due, parts, (quality, together))
    if parts and any(kept is not None for kept in work.plan.kernel.slice_values):
        # So many values that some are counted together: what was counted with others before cannot be separated from them now.
        parts = {}
        work = planned(run, predictions, frames, due, parts, (quality, together))
    run.capped_slices = [
        key for key, kept in zip(work.plan.slice_keys, work.plan.kernel.slice_values, strict=True) if kept is not None
    ]
    run.spans, run.merged_windows = work.spans, len({part for several in parts.values() for part in several})
    reading = choose_reader(run, predictions, work.spans)
    stored = stored_partials(run, parts, work.plan) if parts else None
    read_states(run, reading, work.rows, work.plan, lambda states: keep_states(run, states, due), stored=stored)


@dataclass(frozen=True)
class Work:
    """What a profile reads: the spans of time, the rows in them, and the plan by which they become states."""

    spans: list[tuple[int, int]]
    rows: DataFrame
    plan: ProfilePlan


def planned(
    run: Run,
    predictions: Predictions,
    frames: Sequence[FrozenColumn],
    due: Sequence[DueWindow],
    parts: Parts,
    beside: tuple[QualityPlan, CovariancePlan | None],
) -> Work:
    """What is left to read of the due windows where these parts of them are stored; ``beside`` is gathered beside columns."""
    time, windows = run.config.predictions.time, window_keys(due)
    edges, members = plan_segments(windows, {number: window_keys(several) for number, several in parts.items()})
    spans = wanted_spans(edges, members)
    rows = rows_for_profile(
        predictions.frame.where(within_any(predictions.frame, time, spans, zone=run.config.windows.zone, with_null=False)),
        predictions.columns,
        predictions.slices,
        time=time,
        version_sql=predictions.version_sql,
        ids=run.config.predictions.id,
        extras=extra_names(run.config, predictions),
    )
    keys = predictions.slice_keys
    stored = stored_slice_values(run, parts, keys) if parts else None
    kernel = KernelPlan(
        columns=tuple(frame.kernel for frame in frames),
        edges=edges,
        windows=members,
        slice_keys=len(keys),
        slice_values=capped_slice_values(rows, len(keys), run.config.max_slice_values, stored=stored),
        byte_budget=run.config.task_bytes,
        quality=beside[0],
        covariance=beside[1],
    )
    types = tuple(column.data_type for column in predictions.columns)
    return Work(spans, rows, ProfilePlan(kernel, windows, keys, types, run.config.windows.zone))


def keep_states(run: Run, states: DataFrame, due: Sequence[DueWindow]) -> None:
    """Write states to profile_states."""
    kept = states.drop("data_type").selectExpr("*", f"'{INPUT}' AS log_type").withColumnRenamed("error", "message")
    write(run, "profile_states", kept, due)
