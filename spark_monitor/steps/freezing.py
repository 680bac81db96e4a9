"""The step that freezes a baseline, on first use and whenever the monitor's file describes another one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.baseline import Baseline, latest_version, load_baseline, signature, stored_rows
from spark_monitor.errors import ConfigError
from spark_monitor.freeze import freeze
from spark_monitor.read import read_source, rows_for_profile, within
from spark_monitor.sources import Predictions, baseline_columns, micros, time_range
from spark_monitor.steps.context import Run
from spark_monitor.windows import closed_windows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def baseline_step(run: Run, predictions: Predictions, *, new: bool = False) -> Baseline:
    """The current baseline; frozen now where there is none, where the file describes another, or where ``new`` asks for it."""
    stored = run.store.committed("baselines").where(F.col("monitor_id") == run.monitor_id)
    text = signature(run.config, predictions.slice_keys)
    latest = latest_version(stored)
    if latest is not None and latest[1] == text and not new:
        return load_baseline(stored, latest[0])
    version = latest[0] + 1 if latest is not None else 1
    run.say(f"freezing baseline {version}" + ("" if latest is None or new else ": the monitor's file describes another one"))
    write_baseline(run, predictions, version, text)
    fresh = run.store.frame("baselines").where(F.col("monitor_id") == run.monitor_id)
    return load_baseline(fresh, version)


def write_baseline(run: Run, predictions: Predictions, version: int, text: str) -> None:
    """Freeze the baseline's rows and write them as a version; the same version is written again by a run that was killed."""
    frame, predicate = baseline_frame(run, predictions)
    columns, slices = baseline_columns(frame, predictions, run.config)
    ids = [name for name in run.config.predictions.id if name in frame.columns]
    rows = rows_for_profile(frame, columns, slices, time=None, version_sql="NULL", ids=ids)
    frozen, states = freeze(
        rows,
        columns,
        [slice_.key for slice_ in slices],
        max_slice_values=run.config.max_slice_values,
        byte_budget=run.config.task_bytes,
    )
    source = run.config.baseline or run.config.predictions
    kept = stored_rows(states, frozen, signature_text=text).selectExpr(
        *("column_name", "slice_key", "slice_value", "data_type", "grid", "categories", "state", "sketch", "config"),
        "error AS message",
    )
    types = {column.name: column.data_type for column in frozen}
    known = F.create_map(*(F.lit(part) for pair in types.items() for part in pair)) if types else None
    data_type = F.coalesce("data_type", known[F.col("column_name")]) if known is not None else F.col("data_type")
    stamped = kept.withColumns(
        {
            "data_type": data_type,
            "monitor_id": F.lit(run.monitor_id),
            "baseline_version": F.lit(version),
            "source": F.lit(source.table or source.path),
            "predicate": F.lit(predicate),
            "source_version": F.lit(run.store.source_version(source)),
            "rows": F.when(F.col("slice_key").isNull(), F.lit(frame.count())),
            "created": F.lit(run.as_of),
            "status": F.when(F.col("state").isNotNull(), "OK").otherwise("UNSUPPORTED"),
            "run_id": F.lit(run.run_id),
        }
    )
    run.store.replace_baseline(stamped, monitor_id=run.monitor_id, version=version)


def baseline_frame(run: Run, predictions: Predictions) -> tuple[DataFrame, str | None]:
    """The baseline's rows and the predicate that chose them; without a baseline in the file, the first window with rows."""
    baseline = run.config.baseline
    if baseline is not None:
        frame = read_source(run.spark, baseline)
        return (frame.where(baseline.where) if baseline.where else frame), baseline.where
    time = run.config.predictions.time
    start, end = first_window(run, predictions)
    run.say(f"no baseline in the monitor's file: the first window, from {start:%Y-%m-%d %H:%M} UTC, becomes it")
    inside = within(predictions.frame, time, micros(start), micros(end), zone=run.schedule.zone, with_null=False)
    return predictions.frame.where(inside), f"{time} from {start.isoformat()} to {end.isoformat()}"


def first_window(run: Run, predictions: Predictions) -> tuple[datetime, datetime]:
    """The first closed window that holds rows."""
    zone = run.config.windows.zone
    found = time_range(predictions.frame, run.config.predictions.time, zone, run.as_of)
    closed = closed_windows(found[0], run.as_of, run.schedule.granularities[0], zone) if found else []
    if not closed:
        raise ConfigError(
            f"{run.config.monitor}: baseline: none is given, and no window with rows was over at {run.as_of.isoformat()} "
            "to stand for one. Add `baseline`, or run with a later --as-of."
        )
    return closed[0].start, closed[0].end
