"""Columns that went, came or changed their type: against the baseline, and against the table at the run before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.measurement import DIMENSIONS, measurements
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.quality.arrivals import ArrivalBlock
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.predictions import Predictions
from spark_monitor.stages.absent import gone_columns
from spark_monitor.stages.context import Run
from spark_monitor.store.literals import timestamp_sql
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import micros

BASELINE, LAST_RUN = "BASELINE", "LAST_RUN"
Schema = Mapping[str, str]


@dataclass(frozen=True)
class Changes:
    """The names of columns that are missing, were added, or have another type, each with its types."""

    missing: tuple[str, ...]
    added: tuple[str, ...]
    retyped: tuple[str, ...]


def changes(before: Schema, now: Schema) -> Changes:
    """How a table's columns differ from what they were.

    >>> changes({"a": "int", "b": "string"}, {"a": "double", "c": "int"})
    Changes(missing=('b: string',), added=('c: int',), retyped=('a: int, now double',))
    """
    return Changes(
        tuple(f"{name}: {kind}" for name, kind in before.items() if name not in now),
        tuple(f"{name}: {kind}" for name, kind in now.items() if name not in before),
        tuple(f"{name}: {kind}, now {now[name]}" for name, kind in before.items() if name in now and now[name] != kind),
    )


def schema_rows(run: Run, predictions: Predictions, baseline: Baseline, due: Sequence[DueWindow]) -> list[dict[str, Any]]:
    """Measurements of the newest due window of the finest granularity: the table is looked at as it is now."""
    finest = [one for one in due if one.granularity == run.schedule.granularities[0].label]
    if not finest:
        return []
    newest = max(finest)
    now = {field.name: field.dataType.simpleString() for field in predictions.frame.schema.fields}
    gone = {frozen.name: frozen.data_type for frozen in gone_columns(run.config, predictions, baseline)}
    frozen = {
        column.name: baseline.columns[column.name].data_type for column in predictions.columns if column.name in baseline.columns
    }
    profiled = {column.name: column.data_type for column in predictions.columns}
    rows = _measured(run, newest, BASELINE, changes({**frozen, **gone}, profiled), {"baseline_version": str(baseline.version)})
    before = _schema_before(run, newest)
    details = {"schema": json.dumps(now, ensure_ascii=False)}
    return [*rows, *_measured(run, newest, LAST_RUN, None if before is None else changes(before, now), details)]


def _measured(
    run: Run, window: DueWindow, basis: str, changed: Changes | None, details: Mapping[str, str]
) -> list[dict[str, Any]]:
    literal = getattr(run.config.predictions.model_version, "literal", None)
    edges = {"granularity": window.granularity, "start": micros(window.window.start), "end": micros(window.window.end)}
    dimensions = {**dict.fromkeys(DIMENSIONS), **edges, "model_version": literal}
    rows = []
    for kind in ("missing", "added", "retyped"):
        name = f"columns_{kind}"
        names = getattr(changed, kind) if changed is not None else ()
        metric = catalogue().metrics[name]
        block = ArrivalBlock(
            count=np.zeros(1, dtype=np.int64),
            numbers={name: np.array([float(len(names)) if changed is not None else np.nan])},
            why={name: ["No run before tells which columns the table had."]},
            details={
                name: [{**(details if kind == "added" else {}), **({"columns": "; ".join(names)} if names else {})} or None]
            },
        )
        result = metric.compute(block, None)
        measured = measurements([dimensions], metric, result, column_name=TABLE_ROW, basis=basis)
        rows += [{**row, "count": None, "message": "; ".join(names) or row["message"]} for row in measured]
    return rows


def _schema_before(run: Run, window: DueWindow) -> Schema | None:
    """The table's columns as the last run that looked at an earlier window saw them."""
    stored = run.store.committed("metrics").where(F.col("monitor_id") == run.monitor_id)
    before = stored.where(
        f"metric = 'columns_added' AND basis = '{LAST_RUN}' AND window.start < {timestamp_sql(window.window.start)}"
    )
    latest = before.orderBy(F.desc("window.start"), F.desc("as_of")).limit(1).selectExpr("details['schema'] AS schema").collect()
    return dict(json.loads(latest[0]["schema"])) if latest and latest[0]["schema"] else None
