"""The quality of columns: the stored numbers and counters of each beside its baseline's, to rows of ``metrics``.

Rows stream by sorted by slice and column, the baseline's first, then counters, then the windows' own; many columns are one block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.measurement import DIMENSIONS, MEASUREMENT_DDL, MEASUREMENT_SCHEMA
from spark_monitor.catalogue.metric import Metric, metric_of
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.errors import StateError
from spark_monitor.kernel.checks import ColumnChecks
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

BASELINE_KIND, COUNTERS_KIND, CURRENT_KIND = 0, 1, 2
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

TIMES = ("date", "timestamp", "timestamp_ntz")
_PLACE = ("granularity", "start", "end", "model_version", "slice_key", "slice_value", "column_name")
_NUMBERS = ("min", "max", "avg", "stddev", "distinct_count", "num_empty")
_BASELINE_OF_METRIC = frozenset({"is_stuck", "unit_factor", "category_permutation"})
_BLOCK_ROWS = 2_000
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
NOT_COUNTED = -1


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
        held: list[Beside] = []
        for one in beside(row for batch in batches for row in batch.to_pylist()):
            held.append(one)
            if len(held) >= _BLOCK_ROWS:
                yield from measured(held, plan)
                held = []
        yield from measured(held, plan)

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


@dataclass(frozen=True)
class Beside:
    """A column's row, its counters and its baseline's row."""

    row: Mapping[str, Any]
    counters: Sequence[int] | None
    baseline: Mapping[str, Any] | None


@dataclass
class _Group:
    key: tuple[Any, ...] | None = None
    baseline: Mapping[str, Any] | None = None
    counters: dict[tuple[Any, ...], Sequence[int]] = field(default_factory=dict)


def beside(rows: Iterable[Mapping[str, Any]]) -> Iterator[Beside]:
    """Every current row with what belongs to it, from rows sorted by slice, column and kind."""
    group = _Group()
    for row in rows:
        key = (row["slice_key"], row["slice_value"], row["column_name"])
        if key != group.key:
            group = _Group(key)
        place = (row["granularity"], row["start"], row["model_version"])
        if row["kind"] == BASELINE_KIND:
            group.baseline = row
        elif row["kind"] == COUNTERS_KIND:
            group.counters[place] = row["counters"]
        else:
            yield Beside(row, group.counters.get(place), group.baseline)


def measured(held: Sequence[Beside], plan: ColumnPlan) -> Iterator[pa.RecordBatch]:
    """Every metric of some columns."""
    if not held:
        return
    current = block_of([one.row for one in held], [one.counters for one in held], plan)
    baseline = block_of([one.baseline for one in held], [None] * len(held), plan)
    for metric in METRICS:
        basis = plan.basis if metric.name in _BASELINE_OF_METRIC else None
        yield batch_of(metric, metric.compute(current, baseline), [one.row for one in held], basis)
    for metric in OF_PLUGINS:
        yield batch_of(metric, guarded(metric, current, baseline), [one.row for one in held], None)


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


def block_of(rows: Sequence[Mapping[str, Any] | None], counters: Sequence[Sequence[int] | None], plan: ColumnPlan) -> ColumnBlock:
    """Rows of profile_metrics as a block; a row that is not there has no values."""
    there = [row or {} for row in rows]

    def floats(name: str) -> Floats:
        return np.array([np.nan if row.get(name) is None else row[name] for row in there], dtype=np.float64)

    quantiles = np.full((len(rows), 101), np.nan)
    for place, row in enumerate(there):
        if row.get("quantiles"):
            quantiles[place] = row["quantiles"]
    counted = np.array([one if one is not None else [NOT_COUNTED] * len(COUNTERS) for one in counters], dtype=np.float64)
    counted[counted == NOT_COUNTED] = np.nan
    return ColumnBlock(
        count=np.nan_to_num(floats("count")).astype(np.int64),
        nulls=np.nan_to_num(floats("num_nulls")).astype(np.int64),
        numeric=np.array([row.get("column_name") in plan.numeric for row in there], dtype=np.bool_),
        codes=np.array([row.get("column_name") in plan.codes for row in there], dtype=np.bool_),
        min=floats("min"),
        max=floats("max"),
        mean=floats("avg"),
        stddev=floats("stddev"),
        distinct_count=floats("distinct_count"),
        empties=floats("num_empty"),
        quantiles=quantiles,
        items=[[(item["item"], item["count"]) for item in row.get("frequent_items") or ()] for row in there],
        times=np.array([row.get("data_type") in TIMES for row in there], dtype=np.bool_),
        counters={name: counted[:, at] for at, name in enumerate(COUNTERS)},
    )


def batch_of(metric: Metric, interval: Interval, rows: Sequence[Mapping[str, Any]], basis: str | None) -> pa.RecordBatch:
    """A metric's numbers as rows of measurements; places where it has no meaning are left out."""
    status = interval.statuses
    kept = np.flatnonzero(status != NOT_MEANT).tolist()
    count = interval.count if interval.count is not None else np.zeros(len(rows), dtype=np.int64)
    constant = {"dataset": metric.dataset, "family": metric.family, "metric": metric.name, "unit": metric.unit, "basis": basis}
    columns: dict[str, list[Any]] = {name: [rows[at][name] for at in kept] for name in (*DIMENSIONS, "column_name")}
    columns |= {name: [value] * len(kept) for name, value in constant.items()}
    for name in ("value", "value_error", "lower", "upper"):
        numbers = getattr(interval, name)
        columns[name] = [_finite(numbers, at) for at in kept]
    columns["count"] = [int(count[at]) for at in kept]
    columns["status"] = [str(status[at]) for at in kept]
    columns["message"] = [None if interval.message is None else interval.message[at] for at in kept]
    columns["details"] = [None if interval.details is None else _pairs(interval.details[at]) for at in kept]
    columns["class"] = [None] * len(kept)
    arrays = [pa.array(columns[name.name], type=name.type) for name in MEASUREMENT_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=MEASUREMENT_SCHEMA)


def _finite(numbers: Floats | None, at: int) -> float | None:
    return float(numbers[at]) if numbers is not None and np.isfinite(numbers[at]) else None


def _pairs(details: Mapping[str, str] | None) -> list[tuple[str, str]] | None:
    return None if details is None else list(details.items())
