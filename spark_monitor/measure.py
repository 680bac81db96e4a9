"""Predictions joined with their labels to the rows of ``model_metrics``: how well the model does, and how far that is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from spark_monitor.kernel.scored import COVERAGE, ScoredPlan, ScoredState, ScoredTask, merge_scored
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.kernel.times import instants
from spark_monitor.labels import maturity
from spark_monitor.profile import PARTIAL_DDL, WindowKey, partition_number
from spark_monitor.quoting import quote
from spark_monitor.read import TIME, VERSION, ReadSlice
from spark_monitor.scores.catalogue import present
from spark_monitor.states.coverage import CoverageState
from spark_monitor.windows import EPOCH

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
    measured = present(task, *(state for kind, state in states.items() if kind != COVERAGE))  # type: ignore[arg-type]
    for row in measured:
        if not coverage.labelled:
            yield {**row, "status": NO_LABELS, "message": f"None of {coverage.count} rows has a label yet."}
        else:
            yield row
