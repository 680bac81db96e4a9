"""The quality of columns: the stored numbers and counters of each beside its baseline's, to rows of ``metrics``.

Rows stream by sorted by slice and column, the baseline's first, then counters, then the windows' own; many columns are one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.measurement import DIMENSIONS, MEASUREMENT_DDL, MEASUREMENT_SCHEMA
from spark_monitor.catalogue.metric import Metric, metric_of
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.errors import StateError
from spark_monitor.kernel.checks import ColumnChecks
from spark_monitor.kernel.column_rows import (
    BASELINE_KIND,
    COUNTERS_KIND,
    CURRENT_KIND,
    NOT_COUNTED,
    Kinds,
    beside,
    block_of,
    chunks,
)
from spark_monitor.kernel.comparison import arrow_numbers
from spark_monitor.kernel.quality_rows import COUNTERS_ROW
from spark_monitor.quality.column_block import NOT_MEANT, ColumnBlock
from spark_monitor.quality.permutation import category_permutation
from spark_monitor.quality.unit_factor import unit_factor
from spark_monitor.quality.values import (
    percent_empty,
    percent_format_mismatch,
    percent_mojibake,
    percent_out_of_range,
    percent_sentinel,
    percent_unparsable,
    percent_unseen,
    percent_whitespace,
)
from spark_monitor.quality.variation import is_constant, is_stuck
from spark_monitor.states.counters import COUNTERS, CounterState

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

METRICS: tuple[Metric, ...] = tuple(
    metric_of(function)
    for function in (
        *(percent_format_mismatch, percent_unparsable, percent_out_of_range, percent_unseen, percent_sentinel),
        *(percent_empty, percent_whitespace, percent_mojibake, is_constant, is_stuck, unit_factor, category_permutation),
    )
)
OF_PLUGINS: tuple[Metric, ...] = tuple(
    metric
    for metric in catalogue().of("quality")
    if not metric.module.startswith("spark_monitor.") and TABLE_ROW not in metric.columns
)
"""Quality metrics that packages outside have added."""

_PLACE = ("granularity", "start", "end", "model_version", "slice_key", "slice_value", "column_name")
_VALUES = ("value", "value_error", "lower", "upper")
_DETAILS = MEASUREMENT_SCHEMA.field("details").type
_NUMBERS = ("min", "max", "avg", "stddev", "distinct_count", "num_empty")
_BASELINE_OF_METRIC = frozenset({"is_stuck", "unit_factor", "category_permutation"})
_COUNTERS_DDL = (
    "granularity string, start long, end long, model_version string, slice_key string, slice_value string, column_name string, "
    "counters array<long>"
)
_COUNTERS_SCHEMA = pa.schema(
    [
        *((name, pa.int64() if name in ("start", "end") else pa.string()) for name in _PLACE),
        ("counters", pa.list_(pa.int64())),
    ]
)


@dataclass(frozen=True)
class ColumnPlan:
    """What rows do not say: the columns in the order of their counters, what each is held against, and which hold strings."""

    names: tuple[str, ...]
    checks: tuple[ColumnChecks | None, ...]
    texts: frozenset[str]
    numeric: frozenset[str]
    codes: frozenset[str] = frozenset()
    """Numbers that are names."""

    basis: str | None = None

    def counted(self, state: CounterState) -> Iterator[tuple[str, list[int]]]:
        """Every column with its counters, ``NOT_COUNTED`` where it is not held against one."""
        for place, (name, checks) in enumerate(zip(self.names, self.checks, strict=True)):
            wanted = (checks.counted if checks is not None else frozenset()) | (
                {"whitespace", "mojibake"} if name in self.texts else frozenset()
            )
            values = state.counts[place].tolist()
            yield name, [values[at] if counter in wanted else NOT_COUNTED for at, counter in enumerate(COUNTERS)]


def column_measurements(profile: DataFrame, baseline: DataFrame, counters: DataFrame, plan: ColumnPlan) -> DataFrame:
    """Rows of MEASUREMENT_DDL. ``profile`` and ``baseline`` hold rows of profile_metrics (``baseline`` keyed by slice and column
    alone), ``counters`` the stored states ``:counters`` of the same windows.
    """
    numbers = ["data_type", "count", "num_nulls", *_NUMBERS, "quantiles", "frequent_items"]
    current = profile.where(f"column_name <> '{TABLE_ROW}' AND count IS NOT NULL").select(
        F.lit(CURRENT_KIND).alias("kind"), *_PLACE, F.lit(None).cast("array<long>").alias("counters"), *numbers
    )
    frozen = baseline.where(f"column_name <> '{TABLE_ROW}' AND count IS NOT NULL").select(
        F.lit(BASELINE_KIND).alias("kind"), *_PLACE, F.lit(None).cast("array<long>").alias("counters"), *numbers
    )
    counted = counter_rows(counters, plan).select(F.lit(COUNTERS_KIND).alias("kind"), *_PLACE, "counters")
    keys = ("slice_key", "slice_value", "column_name")
    together = frozen.unionByName(current).unionByName(counted, allowMissingColumns=True).repartition(*keys)
    ordered = together.sortWithinPartitions(*keys, "kind", "granularity", "start", "model_version")

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for chunk in chunks(batches):
            yield from measured(chunk, plan)

    return ordered.mapInArrow(run, MEASUREMENT_DDL)


def counter_rows(states: DataFrame, plan: ColumnPlan) -> DataFrame:
    """The stored counters, a row for each place and column."""

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = []
            for stored in batch.to_pylist():
                try:
                    state = CounterState.from_bytes(stored["sketch"] or b"")
                except StateError:
                    continue  # without counters a column's metrics say that they are not known
                if len(state.counts) == len(plan.names):
                    rows += [{**stored, "column_name": name, "counters": counts} for name, counts in plan.counted(state)]
            yield pa.RecordBatch.from_pylist([{n: row[n] for n in _COUNTERS_SCHEMA.names} for row in rows], _COUNTERS_SCHEMA)

    whole = states.where(F.col("column_name") == COUNTERS_ROW).select(*_PLACE, "sketch")
    return whole.mapInArrow(run, _COUNTERS_DDL)


def measured(chunk: pa.RecordBatch, plan: ColumnPlan) -> Iterator[pa.RecordBatch]:
    """Every metric of the columns of a chunk."""
    rows = beside(chunk)
    if not rows.current.size:
        return
    kinds, nothing = Kinds(plan.numeric, plan.codes), np.full(rows.current.size, -1)
    current = block_of(chunk, rows.current, rows.counters, kinds)
    baseline = block_of(chunk, rows.baseline, nothing, kinds)
    places = chunk.select([*DIMENSIONS, "column_name"]).take(pa.array(rows.current))
    for metric in METRICS:
        basis = plan.basis if metric.name in _BASELINE_OF_METRIC else None
        yield batch_of(metric, metric.compute(current, baseline), places, basis)
    for metric in OF_PLUGINS:
        yield batch_of(metric, guarded(metric, current, baseline), places, None)


def guarded(metric: Metric, current: ColumnBlock, baseline: ColumnBlock) -> Interval:
    """What a plug-in's metric gives; where it raises, or gives another number of values, every place says so.

    Columns of another kind than the metric names are left out.
    """
    size = len(current.count)
    try:
        interval = Interval.of(metric.compute(current, baseline))
        if len(interval) != size:
            raise ValueError(f"it gave {len(interval)} values for {size} columns")
    except Exception as error:  # somebody else's code: whatever it raises is that metric's status
        message = f"Metric {metric.name} of {metric.module} could not be computed: {type(error).__name__}: {error}"
        interval = Interval(np.full(size, np.nan), status=["ERROR"] * size, message=[message] * size)
    meant = (
        current.numeric if metric.columns == ("numeric",) else ~current.numeric if metric.columns == ("categorical",) else None
    )
    status = interval.statuses if meant is None else np.where(meant, interval.statuses, NOT_MEANT)
    count = current.count if interval.count is None else interval.count
    return replace(interval, status=status.tolist(), count=count)


def batch_of(metric: Metric, interval: Interval, places: pa.RecordBatch, basis: str | None) -> pa.RecordBatch:
    """A metric's numbers as rows of measurements of these dimensions and columns; where it has no meaning there is none."""
    status = interval.statuses
    kept = np.flatnonzero(status != NOT_MEANT)
    constant = {"dataset": metric.dataset, "family": metric.family, "metric": metric.name, "unit": metric.unit, "basis": basis}
    taken = places.take(pa.array(kept))
    count = interval.count if interval.count is not None else np.zeros(len(status), dtype=np.int64)
    given: dict[str, pa.Array] = {
        **{name: taken.column(name) for name in (*DIMENSIONS, "column_name")},
        **{name: pa.array([value] * kept.size, pa.string()) for name, value in constant.items()},
        **{name: arrow_numbers(getattr(interval, name)[kept]) for name in _VALUES if getattr(interval, name) is not None},
        "count": pa.array(np.asarray(count)[kept], pa.int64()),
        "status": pa.array([str(status[at]) for at in kept.tolist()], pa.string()),
    }
    if interval.message is not None:
        given["message"] = pa.array([interval.message[at] for at in kept.tolist()], pa.string())
    if interval.details is not None:
        details = [interval.details[at] for at in kept.tolist()]
        given["details"] = pa.array([None if one is None else list(one.items()) for one in details], _DETAILS)
    arrays = [given[one.name] if one.name in given else pa.nulls(kept.size, one.type) for one in MEASUREMENT_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=MEASUREMENT_SCHEMA)
