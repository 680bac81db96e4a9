"""A row for each version in the first window that it made predictions in: where it comes from, and what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import MEASUREMENT_DDL, measurements
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.kernel.pipeline_values import Value, value_rows
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.operations.registered import Registered
from spark_monitor.operations.retraining import Predicted, class_changes, schema_changes
from spark_monitor.operations.steps import PipelineBlock
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.stages.context import INPUT, Run, window_keys
from spark_monitor.stages.registered import measurement_tuple
from spark_monitor.stages.served_versions import Registry
from spark_monitor.text.masking import first_line
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import timestamp_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_NEW = 20
"""So many versions at most that came in one run are reported."""

CLASSIFIES = ("binary", "multiclass")


@dataclass(frozen=True)
class Arrival:
    """A version, its first window, and the version that came before it, if there is one."""

    version: str
    window: WindowKey
    before: str | None


def retraining_frame(run: Run, windows: Sequence[DueWindow], registry: Registry | None) -> DataFrame | None:
    """The rows of the versions whose first window is among these; None where there is none."""
    finest = [key for key in window_keys(windows) if key.granularity == run.schedule.granularities[0].label]
    arrivals = arrived(_firsts(run), finest)[:MOST_NEW] if finest else []
    if not arrivals:
        return None
    versions = sorted({name for one in arrivals for name in (one.version, one.before) if name is not None})
    registered, why = _registered(registry, versions)
    rows = [row for one in arrivals for row in arrival_rows(run, one, registered, _predicted(run, one), why)]
    return local_frame(run.spark, [measurement_tuple(row) for row in rows], MEASUREMENT_DDL)


def arrived(firsts: Mapping[str, int], windows: Sequence[WindowKey]) -> list[Arrival]:
    """The versions whose first window (by its start) is among these, each with the one that came last before it.

    >>> arrived({"1": 0, "2": 20}, [WindowKey("1 day", 20, 30)])
    [Arrival(version='2', window=WindowKey(granularity='1 day', start=20, end=30), before='1')]
    """
    by_start = {window.start: window for window in windows}
    order = sorted((start, name) for name, start in firsts.items())
    arrivals = []
    for start, name in order:
        if start in by_start:
            earlier = [other for began, other in order if began < start]
            arrivals.append(Arrival(name, by_start[start], earlier[-1] if earlier else None))
    return arrivals


def arrival_rows(
    run: Run,
    one: Arrival,
    entries: Mapping[str, Registered],
    predicted: tuple[Predicted | None, Predicted | None],
    why: str | None,
) -> list[dict[str, Any]]:
    """How many things a version changed with what and where it comes from, and by how much its positive rate moved."""
    old = entries.get(one.before) if one.before is not None else None
    changed = {"schema": schema_changes(old, entries.get(one.version)), "classes": class_changes(*predicted)}
    changes = {f"changed_{name}": what for name, what in changed.items() if what}
    registered = entries.get(one.version)
    details = {**changes, **(dict(registered.origin) if registered is not None else {})}
    details |= {"previous_version": one.before} if one.before is not None else {}
    sentences = [f"The {name} changed: {what}." for name, what in changed.items() if what]
    sentences += [why or f"Version {one.version} is not registered."] if registered is None else []
    value = Value(float(len(changes)), " ".join(sentences) or None, None, None, details)
    rows = list(value_rows(one.window, TABLE_ROW, {"model_pipeline": value}, one.version))
    before, now = predicted
    if run.config.model.task != "binary" or before is None or now is None or not (before.rows and now.rows):
        return rows
    each = [count for side in (now, before) for count in (side.positives(run.config.predictions.positive), side.rows)]
    counts = tuple(np.array([float(count)]) for count in each)
    metric = catalogue().metrics["positive_rate_change"]
    edges = {"granularity": one.window.granularity, "start": one.window.start, "end": one.window.end}
    where = [{**edges, "model_version": one.version, "slice_key": None, "slice_value": None}]
    result = metric.compute(PipelineBlock(positives=counts))
    return [*rows, *measurements(where, metric, result, count=[now.rows], column_name=TABLE_ROW)]


def _firsts(run: Run) -> dict[str, int]:
    """When the first window of each version begins; as many rows as versions come to the driver."""
    label = run.schedule.granularities[0].label
    whole = _stored(run, TABLE_ROW).where(F.col("granularity") == label).where("count > 0 AND model_version IS NOT NULL")
    first = whole.groupBy("model_version").agg(F.expr("min(unix_micros(window.start))").alias("first"))
    return {row["model_version"]: row["first"] for row in first.collect()}


def first_served(run: Run) -> datetime | None:
    """When the first window begins that a version made predictions in; None where none is known."""
    starts = _firsts(run).values()
    return timestamp_of(min(starts)) if starts else None


def _stored(run: Run, column: str) -> DataFrame:
    stored = run.store.frame("profile_metrics").where(F.col("monitor_id") == run.monitor_id)
    return stored.where((F.col("log_type") == INPUT) & F.col("slice_key").isNull() & (F.col("column_name") == column))


def _predicted(run: Run, one: Arrival) -> tuple[Predicted | None, Predicted | None]:
    """What the version before predicted in its last window up to this one, and what this version predicts."""
    column = run.config.predictions.prediction
    if column is None or one.before is None or run.config.model.task not in CLASSIFIES:
        return None, None
    stored = _stored(run, column).where(F.col("granularity") == one.window.granularity)
    both = stored.where(F.col("model_version").isin(one.version, one.before))
    near = both.where(f"unix_micros(window.start) <= {one.window.start}")
    last = near.groupBy("model_version").agg(
        F.expr("max_by(struct(count, num_nulls, frequent_items), window.start)").alias("last")
    )
    by_version = {row["model_version"]: _as_predicted(row["last"]) for row in last.collect()}
    return by_version.get(one.before), by_version.get(one.version)


def _as_predicted(row: Any) -> Predicted:
    items = {item["item"]: item["count"] for item in row["frequent_items"] or () if item["item"] is not None and item["count"]}
    return Predicted(items, int(row["count"] or 0) - int(row["num_nulls"] or 0))


def _registered(registry: Registry | None, versions: Sequence[str]) -> tuple[Mapping[str, Registered], str | None]:
    """What the registry says of the versions, or a sentence on why it says nothing."""
    if registry is None:
        return {}, "No registry is known: the file has no outputs.mlflow."
    try:
        return registry.versions(versions), None
    except Exception as error:  # the registry's own troubles cost nothing else
        return {}, f"The registry could not be read: {first_line(error)}"
