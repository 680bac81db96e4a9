"""Custom metrics that are derived of others, and the values of the baseline and of the window before beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import DIMENSIONS
from spark_monitor.config.aggregates import Derived, parse_derived
from spark_monitor.sources.predictions import Predictions, slice_applies
from spark_monitor.stages.baseline_rows import known_rows
from spark_monitor.stages.context import Run
from spark_monitor.stages.custom_bounds import with_bounds
from spark_monitor.stages.custom_values import SUMS, aggregates, struct
from spark_monitor.stages.labelled import baseline_rows, with_label
from spark_monitor.stages.neighbours import just_before
from spark_monitor.stages.row_dimensions import own_name
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from spark_monitor.config.metrics import CustomMetricConfig

ENDS: Final = ("low", "high")
_STORED_AS: Final = {"value": "value", "low": "lower", "high": "upper"}
_PREFIX: Final = {None: "m", "baseline": "b", "previous": "p"}


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
    prefixed = [(f"{prefix}{one.place}", one.config) for one in aggregates(run.config.metrics) for prefix in ("m", "b")]
    values = with_bounds(values, [one for one in prefixed if one[0] in values.columns])
    if "previous" in roots:
        values = _with_previous(run, values, windows)
    for one in derived:
        values = _with_derived(values, parsed[one.name], places, places[one.name])
    return values


def _with_derived(values: DataFrame, one: Derived, places: dict[str, int], place: int) -> DataFrame:
    held = {column: f"{_PREFIX[root]}{places[name]}" for root, name, column in one.columns}
    there = {column: struct for column, struct in held.items() if struct in values.columns}
    named, computed = values, F.expr(f"CAST({one.sql} AS DOUBLE)")
    for column in held:
        named = named.withColumn(column, _field(there, column, "value"))
    # The value, then what it would be with one number after the other at an end of its interval.
    named = named.withColumn(own_name("derived"), computed)
    for column in held:
        for end in ENDS:
            moved = named.withColumn(column, _field(there, column, end)).withColumn(own_name(f"{column}_{end}"), computed)
            named = moved.withColumn(column, _field(there, column, "value"))
    low, high = (_end(one, side) for side in ENDS)
    rows = [F.col(f"{there[column]}.rows") for root, _, column in one.columns if root is None and column in there]
    fields = {"value": F.col(own_name("derived")), "rows": reduce(F.least, rows) if rows else _nothing()}
    fields |= {name: _nothing() for name in SUMS} | {"low": low, "high": high}
    struct = F.struct(*(column.cast("double").alias(name) for name, column in fields.items()))
    names = [*values.columns, f"m{place}"]
    return named.withColumn(f"m{place}", struct).select(*dict.fromkeys(names))


def _field(there: Mapping[str, str], column: str, field: str) -> Column:
    return F.col(f"{there[column]}.{field}") if column in there else _nothing()


def _nothing() -> Column:
    return F.lit(None).cast("double")


def _end(one: Derived, side: str) -> Column:
    """One end of a derived number's interval, from how far it moves with each number at the ends of that one's interval.

    Numbers of other rows are independent: their squares are added. Those of the same rows may move together as they like: they
    are added themselves. Source: Zou and Donner, "Construction of confidence limits about effect measures: a general approach"
    (2008), which makes Newcombe's interval of a difference of those of both proportions.
    """
    value, sign = F.col(own_name("derived")), -1.0 if side == "low" else 1.0
    squares = F.lit(0.0)
    for root in dict.fromkeys(root for root, _, _ in one.columns):
        moves = F.lit(0.0)
        for of_root, _, column in one.columns:
            if of_root == root:
                ends = [(F.col(own_name(f"{column}_{end}")) - value) * sign for end in ENDS]
                # Of one that is not known nothing is: greatest leaves NULL out, the sum does not.
                moves = moves + F.greatest(*ends, F.lit(0.0)) + 0.0 * (ends[0] + ends[1])
        squares = squares + moves * moves
    return value + sign * F.sqrt(squares)


def _with_baseline(run: Run, predictions: Predictions, values: DataFrame) -> DataFrame:
    """The values beside those of the baseline's rows, slice by slice; one pass over the baseline, and one over its labels."""
    for labels in (False, True):
        metrics = [one for one in aggregates(run.config.metrics) if one.config.labels == labels]
        rows = _baseline_rows(run, predictions, labels=labels) if metrics else None
        if rows is None:
            continue
        sliced = [F.struct(F.lit(None).cast("string").alias("key"), F.lit(None).cast("string").alias("value"))]
        slices = (one for one in predictions.slices if slice_applies(rows, one))
        sliced += [F.struct(F.lit(one.key).alias("key"), F.expr(one.sql).alias("value")) for one in slices]
        exploded = rows.withColumn(own_name("slice"), F.explode(F.array(*sliced)))
        key, value = F.col(own_name("slice") + ".key").alias("b_key"), F.col(own_name("slice") + ".value").alias("b_value")
        frozen = exploded.groupBy(key, value).agg(*(struct(one).alias(f"b{one.place}") for one in metrics))
        same = values["slice_key"].eqNullSafe(frozen["b_key"]) & values["slice_value"].eqNullSafe(frozen["b_value"])
        # Grouped by key and value, so no row of the values is doubled.
        values = values.join(frozen, on=same, how="left").drop("b_key", "b_value")
    return values


def _baseline_rows(run: Run, predictions: Predictions, *, labels: bool) -> DataFrame | None:
    """The baseline's rows, with ``labels`` those that have one, which SQL calls ``label``; None where there are none."""
    source = run.baseline
    if source is None or (labels and not source.is_labelled):
        return None
    if labels:
        labelled = baseline_rows(run, predictions)
        return None if labelled is None else with_label(labelled[0])
    return known_rows(run, source, source.where)


def _with_previous(run: Run, values: DataFrame, windows: Sequence[DueWindow]) -> DataFrame:
    """The values beside those of the window before: as this run measures it, else as it is stored."""
    metrics = aggregates(run.config.metrics)
    fresh = values.select(
        *DIMENSIONS, *(F.col(f"m{one.place}.{field}").alias(f"{field}{one.place}") for one in metrics for field in _STORED_AS)
    )
    stored = run.store.frame("metrics").where(run.store.in_windows(run.monitor_id, just_before(run, windows)))
    of_metric = [(one.place, F.col("metric") == one.config.name) for one in metrics]
    earlier = (
        stored.where("dataset = 'predictions' AND family = 'custom'")
        .withColumns({edge: F.unix_micros(f"window.{edge}") for edge in ("start", "end")})
        .groupBy(*DIMENSIONS)
        .agg(
            *(
                F.max(F.when(is_metric, F.col(column))).alias(f"{field}{place}")
                for place, is_metric in of_metric
                for field, column in _STORED_AS.items()
            )
        )
    )
    both = fresh.unionByName(earlier)
    before = both.select(
        *(F.col(name).alias(f"was_{name}") for name in DIMENSIONS),
        *(
            F.struct(*(F.col(f"{field}{one.place}").alias(field) for field in _STORED_AS)).alias(f"p{one.place}")
            for one in metrics
        ),
    )
    same = values["start"] == before["was_end"]
    for name in ("granularity", "model_version", "slice_key", "slice_value"):
        same = same & values[name].eqNullSafe(before[f"was_{name}"])
    # A window is measured or stored, so there is one row per set of dimensions and no row is doubled.
    return values.join(before, on=same, how="left").drop(*(f"was_{name}" for name in DIMENSIONS))
