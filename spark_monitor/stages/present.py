"""Stored states to the rows of ``profile_metrics``: the numbers that people read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.errors import StateError
from spark_monitor.kernel.merging import state_of
from spark_monitor.kernel.partials import OTHER, KernelColumn
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import Kind
from spark_monitor.stages.absent import absent_rows
from spark_monitor.stages.context import INPUT, Run, states_of, write
from spark_monitor.stages.frames import frames_of
from spark_monitor.stages.neighbours import Versions
from spark_monitor.states.presented import present
from spark_monitor.states.table import TableState
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CAPPED = "CAPPED"
KEYS = ("granularity", "start", "end", "model_version", "slice_key", "slice_value", "column_name")
_KEY_DDL = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, column_name string"
)
_NUMBERS_DDL = (
    "data_type string, status string, message string, count long, num_nulls long, num_nan long, num_inf long, num_zeros long, "
    "num_empty long, avg double, stddev double, min double, max double, median double, quantiles array<double>, "
    "rank_error double, min_length double, max_length double, avg_length double, distinct_count long, "
    "frequent_items array<struct<item: string, count: long>>, percent_null double, percent_nan double, percent_zeros double, "
    "percent_distinct double, non_null_columns array<string>"
)
_ITEMS = pa.list_(pa.struct([("item", pa.string()), ("count", pa.int64())]))
_TYPES: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "long": pa.int64(),
    "double": pa.float64(),
    "array<double>": pa.list_(pa.float64()),
    "array<string>": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class PresentPlan:
    """What the states' bytes do not say: the frame and the type of each column, and the order of the table's columns."""

    columns: Mapping[str, KernelColumn]
    data_types: Mapping[str, str]
    names: tuple[str, ...]
    sizes: frozenset[str] = frozenset()


def arrow_schema(ddl: str) -> pa.Schema:
    """The Arrow schema of a list of columns in Spark's words.

    >>> arrow_schema("count long, items array<struct<item: string, count: long>>").names
    ['count', 'items']
    """
    fields = []
    for name, kind in _columns_of(ddl):
        fields.append((name, _ITEMS if "struct" in kind else _TYPES[kind]))
    return pa.schema(fields)


def _columns_of(ddl: str) -> list[tuple[str, str]]:
    depth, start, parts = 0, 0, []
    for position, character in enumerate(ddl):
        depth += (character == "<") - (character == ">")
        if character == "," and not depth:
            parts.append(ddl[start:position])
            start = position + 1
    pairs = [part.strip().split(" ", 1) for part in [*parts, ddl[start:]]]
    return [(name, kind) for name, kind in pairs]


def profile_rows(states: DataFrame, plan: PresentPlan) -> DataFrame:
    """One row of ``profile_metrics`` per state, keyed by granularity, window (microseconds), version, slice and column."""
    ddl = f"{_KEY_DDL}, {_NUMBERS_DDL}"
    schema = arrow_schema(ddl)

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [row for state in batch.to_pylist() for row in presented_rows(state, plan)]
            yield pa.RecordBatch.from_pylist(rows, schema=schema)

    return states.select(*KEYS, "state", "sketch", "error").mapInArrow(run, ddl)


def presented_rows(stored: Mapping[str, Any], plan: PresentPlan) -> Iterator[dict[str, Any]]:
    """The row of one stored state; for ``:table`` also the rows of the columns whose type has no state."""
    name = stored["column_name"]
    key = {column: stored[column] for column in KEYS}
    column = None if name == TABLE_ROW else plan.columns[name]
    if stored["state"] is None:
        yield {**key, "data_type": plan.data_types.get(name), "status": "ERROR", "message": stored["error"]}
        return
    try:
        state = state_of(stored["state"], stored["sketch"], column)
        numbers = present(state, plan.names)
    except StateError as error:
        yield {**key, "data_type": plan.data_types.get(name), "status": "ERROR", "message": str(error)}
        return
    if name in plan.sizes:
        numbers |= _lengths(numbers)
    yield {**key, "data_type": plan.data_types.get(name), **numbers}
    if isinstance(state, TableState):
        yield from _unsupported_rows(key, state, plan)


def with_capped_said(rows: DataFrame, keys: Collection[str], most: int) -> DataFrame:
    """The rows, with status and sentence where the slice value ``other`` stands for all but the ``most`` frequent values."""
    if not keys:
        return rows
    here = (F.col("column_name") == TABLE_ROW) & (F.col("slice_value") == OTHER) & F.col("slice_key").isin(*keys)
    sentence = f"The slice has more than {most} values in the windows of this run: the less frequent ones are here together."
    return rows.withColumns(
        {
            "status": F.when(here & (F.col("status") == "OK"), F.lit(CAPPED)).otherwise(F.col("status")),
            "message": F.when(here & (F.col("status") == "OK"), F.concat_ws(" ", "message", F.lit(sentence))).otherwise(
                F.col("message")
            ),
        }
    )


def _lengths(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Of arrays, maps and structs the number is the size: it is a length too, and zero means empty."""
    return {
        "num_empty": numbers["num_zeros"],
        "min_length": numbers["min"],
        "max_length": numbers["max"],
        "avg_length": numbers["avg"],
    }


def _unsupported_rows(key: Mapping[str, Any], state: TableState, plan: PresentPlan) -> Iterator[dict[str, Any]]:
    for position, name in enumerate(plan.names):
        column = plan.columns[name]
        if column.grid is None and column.categories is None:
            nulls = state.count - int(state.present[position])
            yield {
                **key,
                "column_name": name,
                "data_type": plan.data_types.get(name),
                "count": state.count,
                "num_nulls": nulls,
                "percent_null": 100.0 * nulls / state.count if state.count else None,
                "status": "UNSUPPORTED",
                "message": f"Columns of type {plan.data_types.get(name)} are counted, not profiled.",
            }


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
