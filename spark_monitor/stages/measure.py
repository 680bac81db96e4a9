"""Predictions joined with their labels to the rows of ``model_metrics``: how well the model does, and how far that is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spark_monitor.kernel.plan import PARTIAL_DDL, WindowKey, plan_segments
from spark_monitor.kernel.scored import COVERAGE, ScoredPlan, ScoredState, ScoredTask, merge_scored
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.kernel.times import instants
from spark_monitor.scores.catalogue import present
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.labels import LABEL, LABEL_CONFLICTS, LABEL_ROWS
from spark_monitor.sources.predictions import Predictions, micros
from spark_monitor.sources.readers.rows import TIME, VERSION, ReadSlice
from spark_monitor.sources.readers.spark import partition_number
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.context import Run, window_keys, write
from spark_monitor.stages.labelled import PREFIX, labelled_rows
from spark_monitor.states.binary import score_grid
from spark_monitor.states.coverage import CoverageState
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.maturity import maturity
from spark_monitor.windowing.windows import EPOCH

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

REALISED = "REALISED"
NO_LABELS = "NO_LABELS"
COVERAGE_METRICS = ("label_coverage", "label_duplicates", "label_conflicts")
_KEYS = ("window", "model_version", "slice_key", "slice_value", "column")
_DDL = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, metric string, "
    "class string, value double, value_error double, lower double, upper double, count long, label_coverage double, "
    "label_status string, basis string, status string, message string"
)
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("granularity",)),
        *((name, pa.int64()) for name in ("start", "end")),
        *((name, pa.string()) for name in ("model_version", "slice_key", "slice_value", "metric", "class")),
        *((name, pa.float64()) for name in ("value", "value_error", "lower", "upper")),
        ("count", pa.int64()),
        ("label_coverage", pa.float64()),
        *((name, pa.string()) for name in ("label_status", "basis", "status", "message")),
    ]
)
_ROWS_OUT = 2048


@dataclass(frozen=True)
class MeasurePlan:
    """The kernel's plan, what its numbers stand for, and when labels count as complete."""

    kernel: ScoredPlan
    windows: tuple[WindowKey, ...]
    slice_keys: tuple[str, ...]
    horizon: timedelta
    as_of: datetime
    zone: str = "UTC"


def rows_for_measure(
    joined: DataFrame,
    slices: Sequence[ReadSlice],
    *,
    time: str,
    version_sql: str,
    task: str,
    prediction: str | None,
    score: str | None,
    label: str,
    label_rows: str,
    label_conflicts: str,
) -> DataFrame:
    """The frame that a task of measuring expects, from predictions that carry their labels."""
    number = task == "regression"
    answer = "NULL" if prediction is None else quote(prediction)
    probability = "NULL" if score is None else quote(score)
    return joined.selectExpr(
        f"{quote(time)} AS {TIME}",
        f"CAST({version_sql} AS STRING) AS {VERSION}",
        *(f"{slice_.sql} AS s{position}" for position, slice_ in enumerate(slices)),
        f"{_try_double(quote(label)) if number else quote(label)} AS label",
        f"{_try_double(answer) if number else answer} AS prediction",
        f"{_try_double(probability)} AS score",
        f"CAST({quote(label_rows)} AS BIGINT) AS label_rows",
        f"{quote(label_conflicts)} AS label_conflicts",
    )


def _try_double(sql: str) -> str:
    return f"try_cast({sql} AS DOUBLE)"


def model_rows(rows: DataFrame, plan: MeasurePlan) -> DataFrame:
    """Rows of ``model_metrics`` for every window, version and slice: one per metric and class, coverage among them."""
    kernel, zone = plan.kernel, plan.zone

    def gather(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        timed = (batch.set_column(0, TIME, instants(batch.column(0), zone)) for batch in batches)
        yield from ScoredTask(kernel, partition_number()).run(timed)

    def measure(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found: list[dict[str, Any]] = []
        for place, states in merge_scored(batches, kernel.score_grid):
            found += measured_rows(place, states, plan)
            if len(found) >= _ROWS_OUT:
                yield pa.RecordBatch.from_pylist(found, schema=SCHEMA)
                found = []
        yield pa.RecordBatch.from_pylist(found, schema=SCHEMA)

    partials = rows.mapInArrow(gather, PARTIAL_DDL)
    return partials.repartition(*_KEYS[:-1]).sortWithinPartitions(*_KEYS, "part", "sequence").mapInArrow(measure, _DDL)


def measured_rows(place: tuple[Any, ...], states: Mapping[int, ScoredState], plan: MeasurePlan) -> Iterator[dict[str, Any]]:
    """The rows of one window, version and slice."""
    number, version, slice_key, slice_value = place
    window, coverage = plan.windows[number], states[COVERAGE]
    if not isinstance(coverage, CoverageState):
        raise TypeError(f"the coverage of {place} is a {type(coverage).__name__}")
    end = EPOCH + timedelta(microseconds=window.end)
    key = {
        "granularity": window.granularity,
        "start": window.start,
        "end": window.end,
        "model_version": version,
        "slice_key": None if slice_key == WHOLE else plan.slice_keys[slice_key],
        "slice_value": slice_value,
        "label_coverage": coverage.coverage,
        "label_status": maturity(window_end=end, horizon=plan.horizon, as_of=plan.as_of, labelled=coverage.labelled),
        "basis": REALISED,
    }
    for row in (*_coverage_rows(coverage), *_metric_rows(coverage, states, plan.kernel.task)):
        yield {**key, **row}


def _coverage_rows(coverage: CoverageState) -> Iterator[dict[str, Any]]:
    values = (coverage.coverage, coverage.duplicates, coverage.conflicts)
    for metric, value in zip(COVERAGE_METRICS, values, strict=True):
        number = None if value is None else float(value)
        bounds = {"value": number, "lower": number, "upper": number, "value_error": 0.0}
        yield {"metric": metric, "class": None, **bounds, "count": coverage.count, "status": "OK", "message": None}


def _metric_rows(coverage: CoverageState, states: Mapping[int, ScoredState], task: str) -> Iterator[dict[str, Any]]:
    measured = present(task, *(state for kind, state in states.items() if kind != COVERAGE))
    for row in measured:
        if not coverage.labelled:
            yield {**row, "status": NO_LABELS, "message": f"None of {coverage.count} rows has a label yet."}
        else:
            yield row


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
