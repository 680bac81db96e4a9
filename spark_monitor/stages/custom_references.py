"""Custom metrics that are derived of others, and the values of the baseline and of the window before beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.catalogue.measurement import DIMENSIONS
from spark_monitor.config.aggregates import Derived, parse_derived
from spark_monitor.sources.predictions import Predictions, slice_applies
from spark_monitor.stages.baseline_rows import known_rows
from spark_monitor.stages.context import Run
from spark_monitor.stages.custom_values import SUMS, aggregates, struct
from spark_monitor.stages.labelled import baseline_rows, with_label
from spark_monitor.stages.neighbours import just_before
from spark_monitor.stages.placed import own_name
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.metrics import CustomMetricConfig


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
        is_there = held in values.columns
        named = named.withColumn(column, F.col(f"{held}.value") if is_there else F.lit(None).cast("double"))
    empty = F.lit(None).cast("double")
    fields = [F.expr(f"CAST({one.sql} AS DOUBLE)").alias("value"), F.lit(None).cast("double").alias("rows")]
    struct = F.struct(*fields, *(empty.alias(name) for name in (*SUMS, "low", "high")))
    return named.withColumn(f"m{place}", struct).drop(*(column for _, _, column in one.columns))


def _with_baseline(run: Run, predictions: Predictions, values: DataFrame) -> DataFrame:
    """The values beside those of the baseline's rows, slice by slice; one pass over the baseline, and one over its labels."""
    for labels in (False, True):
        wanted = [one for one in aggregates(run.config.metrics) if one.config.labels == labels]
        rows = _baseline_rows(run, predictions, labels=labels) if wanted else None
        if rows is None:
            continue
        sliced = [F.struct(F.lit(None).cast("string").alias("key"), F.lit(None).cast("string").alias("value"))]
        known = (one for one in predictions.slices if slice_applies(rows, one))
        sliced += [F.struct(F.lit(one.key).alias("key"), F.expr(one.sql).alias("value")) for one in known]
        exploded = rows.withColumn(own_name("slice"), F.explode(F.array(*sliced)))
        key, value = F.col(own_name("slice") + ".key").alias("b_key"), F.col(own_name("slice") + ".value").alias("b_value")
        frozen = exploded.groupBy(key, value).agg(*(struct(one).alias(f"b{one.place}") for one in wanted))
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
        found = baseline_rows(run, predictions)
        return None if found is None else with_label(found[0])
    return known_rows(run, source, source.where)


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
