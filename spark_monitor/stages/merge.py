"""Partial states to one state per key: a small shuffle, in which the partials of a key are merged in the order they were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.merging import merge_partials
from spark_monitor.kernel.partials import NO_WINDOW
from spark_monitor.kernel.plan import ProfilePlan
from spark_monitor.kernel.tables import WHOLE
from spark_monitor.sources.readers.spark import partial_states
from spark_monitor.states.columns import STATE_COLUMNS, STATE_DDL

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


_KEYS = ("window", "model_version", "slice_key", "column")


_ORDER = (*_KEYS, "slice_value", "part", "sequence")


_STATE_DDL = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, "
    f"column_name string, data_type string, grid_id string, {STATE_DDL}, error string"
)
_NAMES = (
    *("granularity", "start", "end", "model_version", "slice_key", "slice_value", "column_name", "data_type", "grid_id"),
    *STATE_COLUMNS,
    "error",
)


def profile(rows: DataFrame, plan: ProfilePlan) -> DataFrame:
    """The states of all windows, versions, slices and columns of ``rows`` (made by ``read.rows_for_profile``)."""
    return merged(partial_states(rows, plan), plan)


def merged(partials: DataFrame, plan: ProfilePlan) -> DataFrame:
    """One state per key."""
    # What only the first stage needs does not travel again.
    names = replace(plan, kernel=replace(plan.kernel, edges=(), windows=(), slice_values=()))

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in merge_partials(batches, names.kernel.columns):
            yield _named(batch, names)

    # A column's slice values stay together: rows bring them in blocks, stored states one by one. So do all columns of a whole
    # window where tasks bring those of few rows as one row.
    column = f"IF(slice_key = {WHOLE}, 0, column)" if plan.kernel.is_packed else "column"
    sorted_partials = partials.repartition(*_KEYS[:-1], F.expr(column)).sortWithinPartitions(*_ORDER)
    return sorted_partials.mapInArrow(run, _STATE_DDL)


def _named(batch: pa.RecordBatch, plan: ProfilePlan) -> pa.RecordBatch:
    """Numbers of windows, slices and columns turned into what they stand for."""
    numbers = {name: batch.column(name).to_pylist() for name in ("window", "slice_key", "column")}
    windows = [None if number == NO_WINDOW else plan.windows[number] for number in numbers["window"]]
    kernel = plan.kernel.columns
    special = plan.kernel.special_rows()
    columns = [None if number < 0 else number for number in numbers["column"]]
    arrays = [
        pa.array([window.granularity if window else None for window in windows], pa.string()),
        pa.array([window.start if window else None for window in windows], pa.int64()),
        pa.array([window.end if window else None for window in windows], pa.int64()),
        batch.column("model_version"),
        pa.array([None if key == WHOLE else plan.slice_keys[key] for key in numbers["slice_key"]], pa.string()),
        batch.column("slice_value"),
        pa.array(
            [special.get(number, TABLE_ROW) if number < 0 else kernel[number].name for number in numbers["column"]], pa.string()
        ),
        pa.array([None if number is None else plan.data_types[number] for number in columns], pa.string()),
        pa.array([None if number is None else kernel[number].frame_id for number in columns], pa.string()),
        *(batch.column(name) for name in (*STATE_COLUMNS, "error")),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(_NAMES))
