"""Stored states to the rows of ``profile_metrics``: the numbers that people read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.partials import OTHER
from spark_monitor.kernel.plan import KernelColumn
from spark_monitor.kernel.state_rows import Block, by_column, opened, states_at
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import Kind
from spark_monitor.stages.absent import absent_rows
from spark_monitor.stages.context import INPUT, Run, states_of, write
from spark_monitor.stages.frames import exact_to, frames_of
from spark_monitor.stages.neighbours import Versions
from spark_monitor.states.columns import STATE_COLUMNS, sql_type
from spark_monitor.states.frequent_items import FREQUENT_ITEMS
from spark_monitor.states.numeric_block import NumericBlock
from spark_monitor.states.presented import present, present_categorical, present_numeric
from spark_monitor.states.table import TableState
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CAPPED = "CAPPED"
KEYS = ("granularity", "start", "end", "model_version", "slice_key", "slice_value", "column_name")
_COUNTS = ("count", "num_nulls", "num_nan", "num_inf", "num_zeros", "num_empty", "distinct_count")
_NUMBERS = (
    *("avg", "stddev", "min", "max", "median", "rank_error", "min_length", "max_length", "avg_length"),
    *("percent_null", "percent_nan", "percent_zeros", "percent_distinct"),
)
SCHEMA = pa.schema(
    [
        *((name, pa.int64() if name in ("start", "end") else pa.string()) for name in KEYS),
        *((name, pa.string()) for name in ("data_type", "status", "message")),
        *((name, pa.int64()) for name in _COUNTS),
        *((name, pa.float64()) for name in _NUMBERS),
        ("quantiles", pa.list_(pa.float64())),
        ("frequent_items", FREQUENT_ITEMS),
        ("non_null_columns", pa.list_(pa.string())),
    ]
)
_DDL = ", ".join(f"{field.name} {sql_type(field.type)}" for field in SCHEMA)


@dataclass(frozen=True)
class PresentPlan:
    """What the states' bytes do not say: the frame and the type of each column, and the order of the table's columns."""

    columns: Mapping[str, KernelColumn]
    data_types: Mapping[str, str]
    names: tuple[str, ...]
    sizes: frozenset[str] = frozenset()


def profile_rows(states: DataFrame, plan: PresentPlan) -> DataFrame:
    """One row of ``profile_metrics`` per state, keyed by granularity, window (microseconds), version, slice and column."""

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield from presented_rows(batch, plan)

    return states.select(*KEYS, "grid_id", *map(quote, STATE_COLUMNS), "error").mapInArrow(run, _DDL)


def presented_rows(batch: pa.RecordBatch, plan: PresentPlan) -> Iterator[pa.RecordBatch]:
    """The rows of stored states, column by column; for ``:table`` also those of the columns whose type has no state."""
    for name, rows in by_column(batch):
        column_rows = batch.take(pa.array(rows))
        if name == TABLE_ROW:
            yield pa.RecordBatch.from_pylist(list(_table_rows(column_rows, plan)), schema=SCHEMA)
            continue
        states = opened(column_rows, plan.columns[name], exact_to=exact_to(plan.data_types.get(name) or ""))
        broken = np.flatnonzero(states.places < 0)
        if broken.size:
            messages = pa.array([states.errors[place] for place in broken.tolist()], pa.string())
            failed = {"status": pa.array(["ERROR"] * broken.size), "message": messages}
            yield _batch(column_rows.take(pa.array(broken)), failed, plan.data_types.get(name))
        if states.block is not None:
            columns = _presented(states.block, is_size=name in plan.sizes)
            yield _batch(column_rows.take(pa.array(np.flatnonzero(states.places >= 0))), columns, plan.data_types.get(name))


def _presented(block: Block, *, is_size: bool) -> Mapping[str, pa.Array]:
    if not isinstance(block, NumericBlock):
        return present_categorical(block)
    columns = present_numeric(block)
    # Of arrays, maps and structs the number is the size: it is a length too, and zero means empty.
    lengths = {"num_empty": "num_zeros", "min_length": "min", "max_length": "max", "avg_length": "avg"} if is_size else {}
    return {**columns, **{name: columns[other] for name, other in lengths.items()}}


def _batch(rows: pa.RecordBatch, columns: Mapping[str, pa.Array], data_type: str | None) -> pa.RecordBatch:
    """Rows of profile_metrics with these columns; the others are NULL."""
    given = {
        **{name: rows.column(name) for name in KEYS},
        **columns,
        "data_type": pa.array([data_type] * rows.num_rows, pa.string()),
    }
    arrays = [given[one.name].cast(one.type) if one.name in given else pa.nulls(rows.num_rows, one.type) for one in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _table_rows(rows: pa.RecordBatch, plan: PresentPlan) -> Iterator[dict[str, Any]]:
    """The rows ``:table``, few, so one by one, and of the columns that have no state but what is counted there."""
    keys, errors = rows.select(list(KEYS)).to_pylist(), rows.column("error").to_pylist()
    for key, state, error in zip(keys, states_at(rows, None), errors, strict=True):
        if not isinstance(state, TableState):
            yield {**key, "status": "ERROR", "message": error}
            continue
        yield {**key, **present(state, plan.names)}
        yield from _unsupported_rows(key, state, plan)


def with_capped_noted(rows: DataFrame, keys: Collection[str], most: int) -> DataFrame:
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
    rows = with_capped_noted(profile_rows(states_of(run, due), plan), run.capped_slices, run.config.max_slice_values)
    absent = absent_rows(run, predictions, baseline, due, versions)
    rows = rows.unionByName(absent, allowMissingColumns=True).withColumns(
        {
            "log_type": F.lit(INPUT),
            "logging_table_commit_version": F.lit(commit).cast("long"),
            "monitor_version": F.lit(baseline.version).cast("long"),
        }
    )
    write(run, "profile_metrics", rows, due)
