"""From the prediction table's rows to profile_states, profile_metrics and drift_metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.baseline import Baseline
from spark_monitor.compare import BASELINE, CONSECUTIVE, ComparePlan, drift_rows, wanted
from spark_monitor.due import DueWindow, Handled
from spark_monitor.freeze import FrozenColumn
from spark_monitor.kernel.partials import KernelPlan
from spark_monitor.present import PresentPlan, profile_rows, with_capped_said
from spark_monitor.profile import ProfilePlan, capped_slice_values, plan_segments, wanted_spans
from spark_monitor.read import Kind, rows_for_profile, within_any
from spark_monitor.sources import Predictions
from spark_monitor.steps.absent import absent_rows, gone_columns, missing_rows
from spark_monitor.steps.around import Versions, just_after, just_before
from spark_monitor.steps.composing import Parts, composed_of, stored_partials, stored_slice_values
from spark_monitor.steps.context import INPUT, Run, states_of, window_keys, write
from spark_monitor.steps.frames import apart_from_baseline, frames_of
from spark_monitor.steps.reading import choose_reader, read_states

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def profile_step(
    run: Run, predictions: Predictions, baseline: Baseline, due: Sequence[DueWindow], handled: Mapping[DueWindow, Handled]
) -> None:
    """Write the states of the due windows: from stored states of finer windows where they can be used, else from rows."""
    frames = frames_of(predictions, baseline)
    parts = composed_of(run, due, handled)
    work = planned(run, predictions, frames, due, parts)
    if parts and any(kept is not None for kept in work.plan.kernel.slice_values):
        # So many values that some are counted together: what was counted with others before cannot be told from them now.
        parts = {}
        work = planned(run, predictions, frames, due, parts)
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


def planned(run: Run, predictions: Predictions, frames: Sequence[FrozenColumn], due: Sequence[DueWindow], parts: Parts) -> Work:
    """What is left to read of the due windows where these parts of them are stored."""
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
    )
    types = tuple(column.data_type for column in predictions.columns)
    return Work(spans, rows, ProfilePlan(kernel, windows, keys, types, run.config.windows.zone))


def keep_states(run: Run, states: DataFrame, due: Sequence[DueWindow]) -> None:
    """Write states to profile_states, with their size."""
    size = "coalesce(length(state), 0) + coalesce(length(sketch), 0) AS bytes"
    kept = states.drop("data_type").selectExpr("*", f"'{INPUT}' AS log_type", size).withColumnRenamed("error", "message")
    write(run, "profile_states", kept, due)


def present_step(
    run: Run, predictions: Predictions, baseline: Baseline, due: Sequence[DueWindow], versions: Versions, commit: int | None
) -> None:
    """Write the rows of profile_metrics: of all states, and of what is not there."""
    frames = frames_of(predictions, baseline)
    plan = PresentPlan(
        columns={frame.name: frame.kernel for frame in frames},
        data_types={frame.name: frame.data_type for frame in frames},
        names=tuple(frame.name for frame in frames),
        sizes=frozenset(frame.name for frame in frames if frame.kind is Kind.SIZE),
    )
    rows = with_capped_said(profile_rows(states_of(run, due), plan), run.capped_slices, run.config.max_slice_values)
    absent = absent_rows(run, predictions, baseline, due, versions)
    rows = rows.unionByName(absent, allowMissingColumns=True).withColumns(
        {
            "log_type": F.lit(INPUT),
            "logging_table_commit_version": F.lit(commit).cast("long"),
            "monitor_version": F.lit(baseline.version).cast("long"),
        }
    )
    write(run, "profile_metrics", rows, due)


def compare_step(
    run: Run,
    predictions: Predictions,
    baseline: Baseline,
    due: Sequence[DueWindow],
    versions: Versions,
    handled: Mapping[DueWindow, Handled],
) -> None:
    """Write the rows of drift_metrics: each state against the baseline's and against the window before.

    A window whose window before is done again has another one to be compared with, so that comparison is done again too.
    """
    frames = frames_of(predictions, baseline)
    plan = ComparePlan(
        columns={frame.name: frame.kernel for frame in frames},
        apart=apart_from_baseline(predictions, baseline),
        frozen=tuple(baseline.columns),
    )
    states = states_of(run, due).withColumn("wanted", wanted(BASELINE, CONSECUTIVE))
    earlier, later = just_before(run, due), just_after(run, due, handled)
    if earlier:
        states = states.unionByName(states_of(run, earlier).withColumn("wanted", wanted()))
    if later:
        states = states.unionByName(states_of(run, later).withColumn("wanted", wanted(CONSECUTIVE)))
    drift = drift_rows(states, baseline.states, plan)
    compared = "named_struct('start', timestamp_micros(cmp_start), 'end', timestamp_micros(cmp_end))"
    drift = drift.withColumn("window_cmp", F.expr(f"CASE WHEN cmp_start IS NOT NULL THEN {compared} END"))
    gone = missing_rows(run, gone_columns(run.config, predictions, baseline), due, versions).drop("data_type")
    rows = drift.drop("cmp_start", "cmp_end").unionByName(
        gone.withColumn("drift_type", F.lit(BASELINE)), allowMissingColumns=True
    )
    rows = rows.withColumn("baseline_version", F.lit(baseline.version).cast("long"))
    if later:
        rows = rows.unionByName(drift_from_baseline(run, later), allowMissingColumns=True)
    write(run, "drift_metrics", rows, [*due, *later])


def drift_from_baseline(run: Run, windows: Sequence[DueWindow]) -> DataFrame:
    """The stored rows of drift_metrics that say how far these windows are from the baseline."""
    stored = run.store.frame("drift_metrics").where(run.store.in_windows(run.monitor_id, windows))
    times = {"start": F.expr("unix_micros(window.start)"), "end": F.expr("unix_micros(window.end)")}
    return stored.where(F.col("drift_type") == BASELINE).withColumns(times).drop("window", "monitor_id", "run_id")
