"""The step that writes model_metrics from labelled predictions."""

from __future__ import annotations

from collections.abc import Sequence

from spark_monitor.baseline import Baseline
from spark_monitor.due import DueWindow
from spark_monitor.kernel.scored import ScoredPlan
from spark_monitor.labels import LABEL, LABEL_CONFLICTS, LABEL_ROWS
from spark_monitor.measure import MeasurePlan, model_rows, rows_for_measure
from spark_monitor.profile import capped_slice_values, plan_segments
from spark_monitor.sources import Predictions, micros
from spark_monitor.states.binary import score_grid
from spark_monitor.steps.context import Run, window_keys, write
from spark_monitor.steps.labelling import PREFIX, labelled_rows


def measure_step(run: Run, predictions: Predictions, baseline: Baseline, windows: Sequence[DueWindow]) -> None:
    """Write the rows of model_metrics for these windows; nothing without labels."""
    if run.config.labels is None or not windows or run.schedule.horizon is None:
        return
    own, task = run.config.predictions, run.config.model.task
    rows = rows_for_measure(
        labelled_rows(run, predictions, windows),
        predictions.slices,
        time=own.time,
        version_sql=predictions.version_sql,
        task=task,
        prediction=own.prediction,
        score=own.score,
        label=PREFIX + LABEL,
        label_rows=PREFIX + LABEL_ROWS,
        label_conflicts=PREFIX + LABEL_CONFLICTS,
    )
    keys = window_keys(windows)
    edges, members = plan_segments(keys)
    frozen = baseline.columns.get(own.score) if own.score is not None else None
    kernel = ScoredPlan(
        edges=edges,
        windows=members,
        task=task,
        positive=own.positive,
        threshold=own.threshold,
        score_grid=score_grid(frozen.grid if frozen is not None else None),
        has_score=own.score is not None,
        has_prediction=own.prediction is not None,
        slice_keys=len(predictions.slices),
        slice_values=capped_slice_values(rows, len(predictions.slices), run.config.max_slice_values),
        byte_budget=run.config.task_bytes,
    )
    plan = MeasurePlan(kernel, keys, predictions.slice_keys, run.schedule.horizon, run.as_of, run.schedule.zone)
    measured = model_rows(rows, plan).selectExpr("*", f"timestamp_micros({micros(run.as_of)}) AS as_of")
    write(run, "model_metrics", measured, windows)
