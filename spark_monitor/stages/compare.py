"""States against the baseline's and against the window before: the rows of ``drift_metrics``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import MEASUREMENT_DDL
from spark_monitor.distances.compare import drift_entries, with_columns
from spark_monitor.kernel.comparison import INPUT_SCHEMA, ComparePlan, Comparison, drift_ddl, drift_schema
from spark_monitor.kernel.measured_drift import MeasuredDrift, untabled
from spark_monitor.kernel.measured_predictions import MeasuredPredictions
from spark_monitor.kernel.pairs import BASELINE, CONSECUTIVE, GROUP
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.predictions import Predictions
from spark_monitor.stages.absent import gone_columns, missing_rows
from spark_monitor.stages.context import Run, states_of, write
from spark_monitor.stages.frames import apart_from_baseline, exact_to, frames_of
from spark_monitor.stages.neighbours import Versions, just_after, just_before
from spark_monitor.stages.references import reference_rows
from spark_monitor.states.columns import STATE_COLUMNS
from spark_monitor.store.metric_tables import DRIFT_METRICS
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow, Handled

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_ORDER = ("column_name", "slice_key", "slice_value", "is_current", "model_version", "granularity", "start")
_ABSENT = (("granularity", "string"), ("start", "long"), ("end", "long"), ("model_version", "string"))


def drift_rows(states: DataFrame, baseline: DataFrame, plan: ComparePlan) -> DataFrame:
    """Rows of ``drift_metrics``: of every state those drift types that its column ``wanted``, an array of strings, lists.

    ``states`` (granularity, start, end, version, slice, column, the state, error, wanted) hold the windows before as well, of
    which nothing is wanted; ``baseline`` (slice, column, the state, error) holds the frozen states.
    """
    ordered = in_order(states, baseline)

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from Comparison(plan).batches(map(_typed, batches))

    return ordered.mapInArrow(run, drift_ddl(plan.metrics))


def measured_drift(states: DataFrame, baseline: DataFrame, plan: ComparePlan) -> DataFrame:
    """Measurements of the distances that have no column of ``drift_metrics``."""

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from MeasuredDrift(plan).batches(map(_typed, batches))

    return in_order(states, baseline).mapInArrow(run, MEASUREMENT_DDL)


def measured_predictions(states: DataFrame, baseline: DataFrame, plan: ComparePlan) -> DataFrame:
    """Measurements of how far the model's predictions have moved."""

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from MeasuredPredictions(plan).batches(map(_typed, batches))

    return in_order(states, baseline).mapInArrow(run, MEASUREMENT_DDL)


def in_order(states: DataFrame, baseline: DataFrame) -> DataFrame:
    """Both kinds of states by column, slice, version and time, the baseline's first."""
    content = [*GROUP, "grid_id", *map(quote, STATE_COLUMNS), "error"]
    frozen = baseline.select(
        F.lit(False).alias("is_current"),
        *(F.lit(None).cast(kind).alias(name) for name, kind in _ABSENT),
        *content,
        wanted().alias("wanted"),
    )
    current = states.select(F.lit(True).alias("is_current"), *(name for name, _ in _ABSENT), *content, "wanted")
    return frozen.unionByName(current).repartition(*GROUP).sortWithinPartitions(*_ORDER)


def _typed(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([*map(_cast, batch.columns, INPUT_SCHEMA)], schema=INPUT_SCHEMA)


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    return column if column.type == field.type else column.cast(field.type)


def wanted(*drift_types: str) -> Column:
    """The drift types that are wanted of a state."""
    return F.array(*map(F.lit, drift_types)).cast("array<string>")


def tabled_metrics() -> tuple[str, ...]:
    """The distances whose every column ``drift_metrics`` has; the others are rows of ``metrics``."""
    entries = with_columns((*drift_entries("numeric"), *drift_entries("categorical")))
    names = tuple(dict.fromkeys(metric.name for metric in entries if metric.databricks_column in DRIFT_METRICS.names))
    missing = set(drift_schema(names).names) - {*DRIFT_METRICS.names, "start", "end", "cmp_start", "cmp_end"}
    assert not missing, f"drift_metrics has no columns {sorted(missing)}"
    return names


def compare_plan(predictions: Predictions, baseline: Baseline) -> ComparePlan:
    """What is compared, on which frames."""
    frames = frames_of(predictions, baseline)
    return ComparePlan(
        columns={frame.name: frame.kernel for frame in frames},
        apart=apart_from_baseline(predictions, baseline),
        frozen=tuple(baseline.columns),
        exact_to={frame.name: exact_to(frame.data_type) for frame in frames},
        metrics=tabled_metrics(),
    )


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
    plan = compare_plan(predictions, baseline)
    states = states_of(run, due).withColumn("wanted", wanted(BASELINE, CONSECUTIVE))
    earlier, later = just_before(run, due), just_after(run, due, handled)
    if earlier:
        states = states.unionByName(states_of(run, earlier).withColumn("wanted", wanted()))
    if later:
        states = states.unionByName(states_of(run, later).withColumn("wanted", wanted(CONSECUTIVE)))
    drift = drift_rows(states, baseline.states, plan)
    if any(untabled(kind, plan.metrics) for kind in ("numeric", "categorical")):
        stored_states = states_of(run, due).withColumn("wanted", wanted(BASELINE))
        run.measured.append(measured_drift(stored_states, baseline.states, plan))
    model_columns = (run.config.predictions.prediction, run.config.predictions.score)
    compared = {name for name in model_columns if name is not None and name in plan.columns}
    if compared:
        is_compared = F.col("column_name").isin(*sorted(compared))
        stored_states = states_of(run, due).where(is_compared).withColumn("wanted", wanted(BASELINE))
        run.measured.append(measured_predictions(stored_states, baseline.states.where(is_compared), plan))
    gone = missing_rows(run, gone_columns(run.config, predictions, baseline), due, versions).drop("data_type")
    rows = compared_windows(drift).unionByName(gone.withColumn("drift_type", F.lit(BASELINE)), allowMissingColumns=True)
    referred = reference_rows(run, [*due, *later], plan)
    if referred is not None:
        rows = rows.unionByName(compared_windows(referred), allowMissingColumns=True)
    for name, states_of_reference in baseline.references.items():
        stored_states = states_of(run, [*due, *later]).withColumn("wanted", wanted(BASELINE))
        against = drift_rows(stored_states, states_of_reference, plan).withColumn("baseline_name", F.lit(name))
        rows = rows.unionByName(compared_windows(against), allowMissingColumns=True)
    rows = rows.withColumn("baseline_version", F.lit(baseline.version).cast("long"))
    if later:
        rows = rows.unionByName(drift_from_baseline(run, later), allowMissingColumns=True)
    write(run, "drift_metrics", rows, [*due, *later])


def compared_windows(drift: DataFrame) -> DataFrame:
    """Drift rows with the window that each is compared with."""
    edges = "named_struct('start', timestamp_micros(cmp_start), 'end', timestamp_micros(cmp_end))"
    named = drift.withColumn("window_cmp", F.expr(f"CASE WHEN cmp_start IS NOT NULL THEN {edges} END"))
    return named.drop("cmp_start", "cmp_end")


def drift_from_baseline(run: Run, windows: Sequence[DueWindow]) -> DataFrame:
    """The stored rows of drift_metrics that say how far these windows are from the baseline."""
    stored = run.store.frame("drift_metrics").where(run.store.in_windows(run.monitor_id, windows))
    times = {"start": F.expr("unix_micros(window.start)"), "end": F.expr("unix_micros(window.end)")}
    from_baseline = (F.col("drift_type") == BASELINE) & F.col("baseline_name").isNull()
    return stored.where(from_baseline).withColumns(times).drop("window", "monitor_id", "run_id")
