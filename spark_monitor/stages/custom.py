"""Custom metrics and business KPIs: SQL aggregates over the rows of every window, version and slice, and what is derived of them.

One more pass over the prediction table, made only where the monitor's file has ``metrics``; its rows are shuffled as partial
aggregates. Values travel as one struct per set of dimensions, and become measurements in Arrow batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.interval import Floats, Interval
from spark_monitor.catalogue.measurement import DIMENSIONS, MEASUREMENT_DDL, batch_of_measurements, measurements
from spark_monitor.catalogue.metric import Metric
from spark_monitor.config.aggregates import Aggregate, Derived, parse_aggregate, parse_derived
from spark_monitor.config.metrics import CustomMetricConfig
from spark_monitor.sources.labels import LABEL
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.stages.context import Run
from spark_monitor.stages.labelled import PREFIX, labelled_rows
from spark_monitor.stages.neighbours import just_before
from spark_monitor.stages.placed import own_name, placed, rows_within
from spark_monitor.states.ratios import count_bounds, ratio_bounds, sum_bounds
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


REPLICATES: Final = 200
_POISSON: Final = (0.36787944117144233, 0.7357588823428847, 0.9196986029286058, 0.9810118431238462, 0.9963401531726563)
"""Poisson(1): the chance of at most 0, 1, 2, 3 and 4 copies of a row in a bootstrap replicate."""

SUMS: Final = ("n", "x", "y", "xx", "xy", "yy")
WORSE: Final = {"down": "lower", "up": "higher", "both": "both"}


@dataclass(frozen=True)
class Sql:
    """A custom metric that aggregates rows."""

    config: CustomMetricConfig
    aggregate: Aggregate
    place: int

    @property
    def bootstrapped(self) -> bool:
        """Whether its interval comes from replicates."""
        return self.config.interval == "bootstrap"


def custom_step(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> None:
    """Measure the custom metrics of these windows; nothing where the monitor's file has none."""
    if not run.config.metrics or not windows:
        return
    values = values_of(run, predictions, windows)
    derived = [one for one in run.config.metrics if one.derived is not None]
    if derived:
        values = with_references(run, predictions, values, derived, windows)
    run.measured.append(measured(values, run.config.metrics))


def metric_of(config: CustomMetricConfig) -> Metric:
    """A custom metric as an entry of the catalogue."""

    def compute(value: Any) -> Any:
        return value

    compute.__doc__ = config.sql or config.derived
    return Metric(
        name=config.name,
        family="custom",
        compute=compute,
        worse=WORSE[config.direction],  # type: ignore[arg-type]
        unit=config.unit,
        columns=(":table",),
    )


def values_of(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> DataFrame:
    """One row per window, version and slice, with a struct ``m<i>`` for each metric that aggregates rows."""
    found: DataFrame | None = None
    for labels in (False, True):
        wanted = [one for one in aggregates(run.config.metrics) if one.config.labels == labels]
        if not wanted:
            continue
        rows = _labelled(run, predictions, windows) if labels else rows_within(run, predictions, windows)
        grouped = aggregated(placed(rows, run, predictions, windows), wanted)
        found = (
            grouped
            if found is None
            else found.join(grouped, on=_same(found, grouped), how="full").select(
                *(F.coalesce(found[name], grouped[name]).alias(name) for name in DIMENSIONS),
                *(one[name] for one in (found, grouped) for name in one.columns if name not in DIMENSIONS),
            )
        )
    if found is None:
        raise ValueError("values_of: no metric of the monitor aggregates rows")
    return found


def aggregates(metrics: Sequence[CustomMetricConfig]) -> list[Sql]:
    """The metrics that aggregate rows, with their places in the file."""
    return [Sql(one, parse_aggregate(one.sql), place) for place, one in enumerate(metrics) if one.sql is not None]


def _same(first: DataFrame, second: DataFrame) -> Column:
    condition = F.lit(True)
    for name in DIMENSIONS:
        condition = condition & first[name].eqNullSafe(second[name])
    return condition


def _labelled(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> DataFrame:
    """The rows that have a label, which SQL calls ``label``."""
    rows = labelled_rows(run, predictions, windows)
    labelled = rows.where(F.col(quote(PREFIX + LABEL)).isNotNull())
    return labelled.withColumn("label", F.col(quote(PREFIX + LABEL)))


def aggregated(rows: DataFrame, wanted: Sequence[Sql]) -> DataFrame:
    """The metrics' values and the sums that their intervals need, by dimensions."""
    where = {
        "granularity": F.col(own_name("granularity")),
        "start": F.col(own_name("start")),
        "end": F.col(own_name("end")),
        "model_version": F.col(own_name("version")),
        "slice_key": F.col(own_name("slice") + ".key"),
        "slice_value": F.col(own_name("slice") + ".value"),
    }
    keyed = rows.withColumns({own_name(name): column for name, column in where.items()})
    by = [F.col(own_name(name)).alias(name) for name in DIMENSIONS]
    plain = keyed.groupBy(*by).agg(*(_struct(one).alias(f"m{one.place}") for one in wanted))
    drawn = [one for one in wanted if one.bootstrapped]
    return plain if not drawn else _with_replicates(keyed, by, plain, drawn)


def _struct(one: Sql) -> Column:
    """Value and sums of a metric as one struct of doubles."""
    parts = {"value": F.expr(f"CAST({one.aggregate.sql} AS DOUBLE)"), "rows": F.count(F.lit(1)).cast("double")}
    if one.aggregate.numerator is not None and one.config.interval == "delta":
        x = f"CAST({one.aggregate.numerator} AS DOUBLE)"
        y = f"CAST({one.aggregate.denominator or '1'} AS DOUBLE)"
        both = f"CASE WHEN {x} IS NOT NULL OR {y} IS NOT NULL THEN 1D END"
        x, y = f"coalesce({x}, 0D)", f"coalesce({y}, 0D)"
        used = f"CASE WHEN {y} <> 0D OR {x} <> 0D THEN 1D END" if one.aggregate.form == "ratio" else both
        sums = (f"sum({used})", f"sum({x})", f"sum({y})", f"sum({x} * {x})", f"sum({x} * {y})", f"sum({y} * {y})")
        parts |= {name: F.expr(sql) for name, sql in zip(SUMS, sums, strict=True)}
    else:
        parts |= {name: F.lit(None).cast("double") for name in SUMS}
    empty = F.lit(None).cast("double")
    return F.struct(*(column.alias(name) for name, column in parts.items()), empty.alias("low"), empty.alias("high"))


def _with_replicates(keyed: DataFrame, by: Sequence[Column], plain: DataFrame, drawn: Sequence[Sql]) -> DataFrame:
    """The values with percentile intervals of Poisson bootstrap replicates; draws follow from the rows, not from chance."""
    own = [name for name in keyed.columns if not name.startswith(PREFIX)]
    seed = F.xxhash64(*(F.col(quote(name)).cast("string") for name in own))
    replicated = keyed.withColumn(own_name("replicate"), F.explode(F.sequence(F.lit(0), F.lit(REPLICATES - 1))))
    uniform = F.pmod(F.xxhash64(seed, F.col(own_name("replicate"))), F.lit(1 << 53)).cast("double") / float(1 << 53)
    copies = sum((F.when(uniform > F.lit(bound), F.lit(1)).otherwise(F.lit(0)) for bound in _POISSON), F.lit(0))
    counted = replicated.withColumn(own_name("copies"), copies).where(F.col(own_name("copies")) > 0)
    copied = counted.withColumn(own_name("copy"), F.explode(F.sequence(F.lit(1), F.col(own_name("copies")))))
    values = copied.groupBy(*by, F.col(own_name("replicate"))).agg(
        *(F.expr(f"CAST({one.aggregate.sql} AS DOUBLE)").alias(f"v{one.place}") for one in drawn)
    )
    bounds = values.groupBy(*DIMENSIONS).agg(
        *(F.expr(f"percentile(v{one.place}, array(0.025D, 0.975D))").alias(f"b{one.place}") for one in drawn)
    )
    joined = plain.join(bounds, on=_same(plain, bounds), how="left")
    changed = {
        f"m{one.place}": plain[f"m{one.place}"]
        .withField("low", bounds[f"b{one.place}"][0])
        .withField("high", bounds[f"b{one.place}"][1])
        for one in drawn
    }
    kept = [name for name in plain.columns if name not in changed]
    return joined.select(*(plain[name] for name in kept), *(column.alias(name) for name, column in changed.items()))


def with_references(
    run: Run,
    predictions: Predictions,
    values: DataFrame,
    derived: Sequence[CustomMetricConfig],
    windows: Sequence[DueWindow],
) -> DataFrame:
    """The values with a struct ``m<i>`` for each derived metric, in the order of the file."""
    places = {one.name: place for place, one in enumerate(run.config.metrics)}
    parsed = {one.name: parse_derived(one.derived or "", places) for one in derived}
    roots = {root for one in parsed.values() for root, _, _ in one.columns}
    if "baseline" in roots:
        values = _with_baseline(run, predictions, values)
    if "previous" in roots:
        values = _with_previous(run, values, windows)
    for one in derived:
        values = _with_derived(values, parsed[one.name], places, places[one.name])
    return values


def _with_derived(values: DataFrame, one: Derived, places: dict[str, int], place: int) -> DataFrame:
    prefix = {None: "m", "baseline": "b", "previous": "p"}
    named = values
    for root, name, column in one.columns:
        held = f"{prefix[root]}{places[name]}"
        known = held in values.columns
        named = named.withColumn(column, F.col(f"{held}.value") if known else F.lit(None).cast("double"))
    empty = F.lit(None).cast("double")
    fields = [F.expr(f"CAST({one.sql} AS DOUBLE)").alias("value"), F.lit(None).cast("double").alias("rows")]
    struct = F.struct(*fields, *(empty.alias(name) for name in (*SUMS, "low", "high")))
    return named.withColumn(f"m{place}", struct).drop(*(column for _, _, column in one.columns))


def _with_baseline(run: Run, predictions: Predictions, values: DataFrame) -> DataFrame:
    """The values beside those of the baseline's rows, slice by slice; one pass over the baseline."""
    wanted = [one for one in aggregates(run.config.metrics) if not one.config.labels]
    source = run.baseline
    if source is None or not wanted:
        return values
    rows = read_source(run.spark, source)
    rows = rows.where(source.where) if source.where is not None else rows
    sliced = [F.struct(F.lit(None).cast("string").alias("key"), F.lit(None).cast("string").alias("value"))]
    sliced += [F.struct(F.lit(one.key).alias("key"), F.expr(one.sql).alias("value")) for one in predictions.slices]
    exploded = rows.withColumn(own_name("slice"), F.explode(F.array(*sliced)))
    key, value = F.col(own_name("slice") + ".key").alias("b_key"), F.col(own_name("slice") + ".value").alias("b_value")
    frozen = exploded.groupBy(key, value).agg(*(_struct(one).alias(f"b{one.place}") for one in wanted))
    same = values["slice_key"].eqNullSafe(frozen["b_key"]) & values["slice_value"].eqNullSafe(frozen["b_value"])
    # Grouped by key and value, so no row of the values is doubled.
    return values.join(frozen, on=same, how="left").drop("b_key", "b_value")


def _with_previous(run: Run, values: DataFrame, windows: Sequence[DueWindow]) -> DataFrame:
    """The values beside those of the window before: as this run measures it, else as it is stored."""
    wanted = aggregates(run.config.metrics)
    fresh = values.select(*DIMENSIONS, *(F.col(f"m{one.place}.value").alias(f"v{one.place}") for one in wanted))
    stored = run.store.frame("metrics").where(run.store.in_windows(run.monitor_id, just_before(run, windows)))
    number = {one.place: F.when(F.col("metric") == one.config.name, F.col("value")) for one in wanted}
    earlier = (
        stored.where("dataset = 'predictions' AND family = 'custom'")
        .withColumns({edge: F.unix_micros(f"window.{edge}") for edge in ("start", "end")})
        .groupBy(*DIMENSIONS)
        .agg(*(F.max(column).alias(f"v{place}") for place, column in number.items()))
    )
    both = fresh.unionByName(earlier)
    before = both.select(
        *(F.col(name).alias(f"was_{name}") for name in DIMENSIONS),
        *(F.struct(F.col(f"v{one.place}").alias("value")).alias(f"p{one.place}") for one in wanted),
    )
    same = values["start"] == before["was_end"]
    for name in ("granularity", "model_version", "slice_key", "slice_value"):
        same = same & values[name].eqNullSafe(before[f"was_{name}"])
    # A window is measured or stored, so there is one row per set of dimensions and no row is doubled.
    return values.join(before, on=same, how="left").drop(*(f"was_{name}" for name in DIMENSIONS))


def measured(values: DataFrame, metrics: Sequence[CustomMetricConfig]) -> DataFrame:
    """Measurements of the values, in Arrow batches."""

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            where = batch.select(list(DIMENSIONS)).to_pylist()
            rows = [row for place, one in enumerate(metrics) for row in _measurements(where, batch.column(f"m{place}"), one)]
            yield batch_of_measurements(rows)

    names = [f"m{place}" for place in range(len(metrics))]
    return values.select(*DIMENSIONS, *names).mapInArrow(run, MEASUREMENT_DDL)


def _measurements(where: list[dict[str, Any]], structs: pa.StructArray, one: CustomMetricConfig) -> list[dict[str, Any]]:
    numbers = {field.name: _doubles(structs, field.name) for field in structs.type}
    rows = numbers["rows"]
    count = None if np.isnan(rows).all() else [None if np.isnan(number) else int(number) for number in rows]
    return measurements(where, metric_of(one), interval_of(numbers, one), count=count, column_name=":table")


def _doubles(structs: pa.StructArray, name: str) -> Floats:
    # A row without a struct (no labelled row) has NULL fields, which are NaN here.
    return np.asarray(structs.field(name).to_numpy(zero_copy_only=False), dtype=np.float64)


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
        _message(one, is_absent=bool(gone), has_bounds=bool(known)) for gone, known in zip(absent, ~np.isnan(low), strict=True)
    ]
    return Interval(
        value, np.where(absent, nothing, low), np.where(absent, nothing, high), np.zeros(value.shape), message=messages
    )


def _message(one: CustomMetricConfig, *, is_absent: bool, has_bounds: bool) -> str | None:
    if is_absent:
        what = "Its SQL gives no number here" if one.sql is not None else "A number that it is derived from is missing here"
        return f"{what}: no rows, only NULL, or a division by zero."
    if has_bounds or one.derived is not None or one.interval == "none":
        return None
    return "No interval follows from the form of this aggregate; `interval: bootstrap` draws one."


__all__ = ["custom_step", "interval_of", "metric_of"]
