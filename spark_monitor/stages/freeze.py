"""From the baseline's rows to what later windows are measured against: a grid or categories per column, and states on them.

Two passes: sharp quantiles first (k = 8192), which give the grids, then exact counts on these grids, whole and per slice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.errors import ConfigError
from spark_monitor.kernel.covariances import COVARIANCE_ROW, CovariancePlan
from spark_monitor.kernel.partials import OTHER
from spark_monitor.kernel.plan import BYTE_BUDGET
from spark_monitor.session import both
from spark_monitor.sources.baseline import (
    Baseline,
    FrozenColumn,
    accepted_by,
    accepted_period,
    damaged_baseline,
    frozen_names,
    latest_version,
    load_baseline,
    signature,
    stored_rows,
    unframed,
)
from spark_monitor.sources.predictions import Predictions, baseline_columns, kinds_agree, time_range
from spark_monitor.sources.readers.rows import ReadColumn, rows_for_profile, within
from spark_monitor.sources.slice_values import MAX_SLICE_VALUES, capped_slice_values
from spark_monitor.stages.baseline_rows import count_known, known_rows
from spark_monitor.stages.context import Run
from spark_monitor.stages.correlation import covariance_plan
from spark_monitor.stages.first_pass import frame_plan, frozen_columns
from spark_monitor.stages.merge import profile
from spark_monitor.stages.occupancy import all_times
from spark_monitor.stages.quality_plan import known_codes
from spark_monitor.states.columns import DAMAGED_ROW, STATE_COLUMNS
from spark_monitor.text.formatting import harmless, to_minute
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import mask_secrets
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.occupied import without_strays
from spark_monitor.windowing.timestamps import micros
from spark_monitor.windowing.windows import window_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.references import ReferenceConfig

log = log_of(__name__)

ENOUGH_ROWS = f"slice_key IS NULL OR count >= 100 AND slice_value <> '{OTHER}'"
"""Of which slices it is kept how columns move together."""


def freeze(
    rows: DataFrame,
    columns: Sequence[ReadColumn],
    slice_keys: Sequence[str],
    *,
    max_slice_values: int = MAX_SLICE_VALUES,
    byte_budget: int = BYTE_BUDGET,
    correlate: Callable[[Sequence[FrozenColumn]], CovariancePlan | None] = lambda _: None,
) -> tuple[list[FrozenColumn], DataFrame]:
    """The frozen columns and the baseline's states on them; ``rows`` as ``read.rows_for_profile`` made them.

    ``correlate`` says which of the frozen columns are multiplied with each other.
    """
    frozen, kept = both(
        rows.sparkSession,
        lambda: frozen_columns(rows, columns, len(slice_keys), byte_budget=byte_budget),
        lambda: capped_slice_values(rows, len(slice_keys), max_slice_values),
    )
    plan = frame_plan(frozen, slice_keys=slice_keys, slice_values=kept, byte_budget=byte_budget, covariance=correlate(frozen))
    return frozen, profile(rows, plan)


def baseline_step(
    run: Run, predictions: Predictions, *, new: bool = False, period: tuple[datetime, datetime] | None = None
) -> Baseline:
    """The current baseline; frozen now where there is none, where the file describes another, or where ``new`` asks for it.

    ``period``: of the predictions of that time, which somebody has accepted, until the monitor's file describes another baseline.
    """
    stored = run.store.committed("baselines").where(F.col("monitor_id") == run.monitor_id)
    text = signature(run.config, predictions.slice_keys)
    latest = latest_version(stored)
    if latest is not None and latest.signature == DAMAGED_ROW and not new:
        raise damaged_baseline(latest.version, [TABLE_ROW])
    if latest is not None and latest.signature == text and not new:
        run.accepted = accepted_by(run.config, latest)
        return load_baseline(stored, latest.version, frozen_names(run.config))
    run.accepted = accepted_period(run.config, predictions.frame, *period) if period is not None else None
    if period is not None:
        require_rows(run, predictions, period)
    version = latest.version + 1 if latest is not None else 1
    log.info(f"freezing baseline {version}" + ("" if latest is None or new else ": the monitor's file describes another one"))
    write_baseline(run, predictions, version, text)
    fresh = run.store.frame("baselines").where(F.col("monitor_id") == run.monitor_id)
    return load_baseline(fresh, version, frozen_names(run.config))


def require_rows(run: Run, predictions: Predictions, period: tuple[datetime, datetime]) -> None:
    """ConfigError where an accepted period has no rows."""
    frame, _ = baseline_frame(run, predictions)
    if frame.select(F.lit(1)).limit(1).collect():
        return
    extremes = time_range(predictions.frame, run.config.predictions.time, run.schedule.zone, run.as_of)
    extent = f"they are from {extremes[0].isoformat()} to {extremes[1].isoformat()}" if extremes else "there are none at all"
    start, end = period
    raise ConfigError(
        f"--from {start.isoformat()} --to {end.isoformat()}: no prediction was made then; {extent}. Give a period that has rows."
    )


def write_baseline(run: Run, predictions: Predictions, version: int, text: str) -> None:
    """Freeze the baseline's rows and write them as a version; the same version is written again by a run that was killed."""
    frame, predicate = baseline_frame(run, predictions)
    rows_before = known_count(run, frame)
    columns, slices = baseline_columns(frame, predictions, run.config)
    ids = [name for name in run.config.predictions.id if name in frame.columns]
    rows = rows_for_profile(frame, columns, slices, time=None, version_sql="NULL", ids=ids)

    def correlate(columns: Sequence[FrozenColumn]) -> CovariancePlan | None:
        return covariance_plan(run.config, columns, columns, [None for _ in slices])

    frozen, states = freeze(
        rows,
        columns,
        [slice_.key for slice_ in slices],
        max_slice_values=run.config.max_slice_values,
        byte_budget=run.config.task_bytes,
        correlate=correlate,
    )
    names = [harmless(column.name) for column in frozen if known_codes(run.config, column) is not None]
    if names:
        log.info(f"compared as categories too, as these integers are names: {', '.join(names)} (`columns` may say otherwise)")
    states = states.where(f"column_name <> '{COVARIANCE_ROW}' OR grid_id IS NOT NULL OR ({ENOUGH_ROWS})")
    source, correlated = run.baseline or run.config.predictions, correlate(frozen) is not None
    kept = stored_rows(states, frozen, signature_text=text, correlated=correlated, accepted=run.accepted).selectExpr(
        *("column_name", "slice_key", "slice_value", "data_type", "grid", "categories", "grid_id", "config"),
        *map(quote, STATE_COLUMNS),
        "error AS message",
    )
    types = {column.name: column.data_type for column in frozen}
    type_of = F.create_map(*(F.lit(part) for pair in types.items() for part in pair)) if types else None
    data_type = F.coalesce("data_type", type_of[F.col("column_name")]) if type_of is not None else F.col("data_type")
    stamped = kept.withColumns(
        {
            "data_type": data_type,
            "monitor_id": F.lit(run.monitor_id),
            "baseline_version": F.lit(version),
            "source": F.lit(source.name),
            "predicate": F.lit(predicate and mask_secrets(predicate)),
            "source_version": F.lit(run.store.source_version(source)),
            "rows": F.when(F.col("slice_key").isNull(), F.lit(rows_before)),
            "created": F.lit(run.as_of),
            "status": F.when(F.col("count").isNotNull(), "OK").otherwise("UNSUPPORTED"),
            "run_id": F.lit(run.run_id),
        }
    )
    for reference in run.config.baselines:
        if reference.kind == "frozen":
            more = reference_states(run, predictions, reference, frozen).withColumn("baseline_version", F.lit(version))
            stamped = stamped.unionByName(more, allowMissingColumns=True)
    run.store.replace_baseline(stamped, monitor_id=run.monitor_id, version=version)


def known_count(run: Run, frame: DataFrame) -> int:
    """How many rows the baseline's ``frame`` has; a ConfigError where there are none."""
    baseline = run.baseline
    return frame.count() if baseline is None else count_known(run, baseline, baseline.where, "baseline")


def reference_states(run: Run, predictions: Predictions, reference: ReferenceConfig, frozen: Sequence[FrozenColumn]) -> DataFrame:
    """The states of another frozen period on the baseline's grids, as rows of ``baselines``; columns that it lacks have none."""
    frame = known_rows(run, reference.source, reference.where)
    columns, slices = baseline_columns(frame, predictions, run.config)
    ids = [name for name in run.config.predictions.id if name in frame.columns]
    rows = rows_for_profile(frame, columns, slices, time=None, version_sql="NULL", ids=ids)
    by_name = {column.name: column for column in frozen}
    same = [by_name[column.name] if _is_same(by_name.get(column.name), column) else unframed(column) for column in columns]
    keys = [slice_.key for slice_ in slices]
    kept = capped_slice_values(rows, len(keys), run.config.max_slice_values)
    states = profile(rows, frame_plan(same, slice_keys=keys, slice_values=kept, byte_budget=run.config.task_bytes))
    return states.selectExpr(
        *("column_name", "slice_key", "slice_value", "data_type", "grid_id"), *map(quote, STATE_COLUMNS), "error AS message"
    ).withColumns(
        {
            "name": F.lit(reference.name),
            # Counted by the columns of this table, which may be others than the baseline's.
            "non_null": F.lit(None).cast("array<bigint>"),
            "monitor_id": F.lit(run.monitor_id),
            "source": F.lit(reference.source.name),
            "predicate": F.lit(reference.where and mask_secrets(reference.where)),
            "source_version": F.lit(run.store.source_version(reference.source)),
            "created": F.lit(run.as_of),
            "status": F.when(F.col("count").isNotNull(), "OK").otherwise("UNSUPPORTED"),
            "run_id": F.lit(run.run_id),
        }
    )


def _is_same(frozen: FrozenColumn | None, column: ReadColumn) -> bool:
    return frozen is not None and kinds_agree((frozen.kind, frozen.data_type), column) is None


def baseline_frame(run: Run, predictions: Predictions) -> tuple[DataFrame, str | None]:
    """The baseline's rows before the as-of, and the predicate that chose them; without one in the file, the first window's."""
    baseline = run.baseline
    if baseline is not None:
        return known_rows(run, baseline, baseline.where), baseline.where
    time = run.config.predictions.time
    start, end = first_window(run, predictions)
    log.info(f"no baseline in the monitor's file: the first window, from {to_minute(start, run.schedule.zone)}, becomes it")
    inside = within(predictions.frame, time, micros(start), micros(end), zone=run.schedule.zone, with_null=False)
    return predictions.frame.where(inside), f"{time} from {start.isoformat()} to {end.isoformat()}"


def first_window(run: Run, predictions: Predictions) -> tuple[datetime, datetime]:
    """The first closed window that holds rows."""
    finest = run.schedule.granularities[0]
    bunches, _ = without_strays(all_times(run, predictions), finest)
    first = window_of(bunches[0].first, finest, run.schedule.zone) if bunches else None
    if first is None or first.end > run.as_of:
        raise ConfigError(
            f"{run.config.monitor}: baseline: none is given, and no window with rows was over at {run.as_of.isoformat()} "
            "to stand for one. Add `baseline`, or run with a later --as-of."
        )
    return first.start, first.end
