"""The intervals of custom metrics: from sums, from replicates, or from those of the metrics that they are derived from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.config.aggregates import parse_aggregate
from spark_monitor.stages.custom_values import SUMS
from spark_monitor.states.ratios import count_bounds, ratio_bounds, sum_bounds

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.metrics import CustomMetricConfig


def with_bounds(values: DataFrame, columns: Sequence[tuple[str, CustomMetricConfig]]) -> DataFrame:
    """The values, with the ends of its interval in each of these structs."""
    names = values.columns

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            arrays = dict(zip(names, batch.columns, strict=True))
            arrays |= {name: bounded(arrays[name], one) for name, one in columns}
            yield pa.RecordBatch.from_arrays(list(arrays.values()), names=names)

    return values.mapInArrow(run, values.schema)


def bounded(structs: pa.StructArray, one: CustomMetricConfig) -> pa.StructArray:
    """The same structs, with ``low`` and ``high`` as far as they are known."""
    interval = interval_of(numbers_of(structs), one)
    ends = {"low": interval.lower, "high": interval.upper}
    fields = list(structs.type)
    arrays = [
        pa.array(ends[field.name], pa.float64(), from_pandas=True) if field.name in ends else structs.field(field.name)
        for field in fields
    ]
    return pa.StructArray.from_arrays(arrays, fields=fields, mask=structs.is_null())


def numbers_of(structs: pa.StructArray) -> dict[str, Floats]:
    """The fields as arrays, NaN where they are NULL."""
    # A row without a struct (no labelled row) has NULL fields, which are NaN here.
    return {
        field.name: np.asarray(structs.field(field.name).to_numpy(zero_copy_only=False), dtype=np.float64)
        for field in structs.type
    }


def interval_of(numbers: dict[str, Floats], one: CustomMetricConfig) -> Interval:
    """The value with its interval, as far as the form of the aggregate or its replicates give one."""
    value, form = numbers["value"], parse_aggregate(one.sql).form if one.sql is not None else "other"
    nothing = np.full(value.shape, np.nan)
    low, high = numbers["low"], numbers["high"]
    if one.interval == "delta" and form == "ratio":
        low, high = ratio_bounds(*(numbers[name] for name in SUMS))
    elif one.interval == "delta" and form == "sum":
        low, high = sum_bounds(numbers["x"], numbers["xx"])
    elif one.interval == "delta" and form == "count":
        low, high = count_bounds(value)
    absent = np.isnan(value)
    messages = [
        _message(one, is_absent=bool(gone), has_bounds=bool(bounded))
        for gone, bounded in zip(absent, ~np.isnan(low), strict=True)
    ]
    return Interval(
        value, np.where(absent, nothing, low), np.where(absent, nothing, high), np.zeros(value.shape), message=messages
    )


def _message(one: CustomMetricConfig, *, is_absent: bool, has_bounds: bool) -> str | None:
    if is_absent:
        what = "Its SQL gives no number here" if one.sql is not None else "A number that it is derived from is missing here"
        return f"{what}: no rows, only NULL, or a division by zero; or what it gives is not finite."
    if has_bounds or one.interval == "none":
        return None
    if one.derived is not None:
        return "A metric that it is derived from has no interval here, or that interval leads to no number."
    return "No interval follows from the form of this aggregate; `interval: bootstrap` draws one."
