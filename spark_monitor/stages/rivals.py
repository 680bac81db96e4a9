"""Rows that several model versions scored: whether a run has any, and which versions and part belong to each.

A row is known by its id within a segment of time, so an id that comes back in another window is another row there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.kernel.plan import plan_segments
from spark_monitor.sources.labels import id_strings, timestamp_micros
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import TIME, VERSION, within
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.states.paired import PARTS
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROW = "spark_monitor_row"
"""The column with the hash of a row's id."""
SAMPLED = 16
"""One id of so many is asked whether several versions scored it."""
_AT, _SEGMENT = "spark_monitor_at", "spark_monitor_segment"


def have_rivals(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> bool:
    """Whether several versions scored the same rows: a query over ids, times and versions where versions are a column."""
    columns = run.config.predictions
    if run.config.labels is None or not isinstance(columns.model_version, str):
        return False
    edges, _ = plan_segments(window_keys(windows))
    rows = predictions.frame.where(
        within(predictions.frame, columns.time, edges[0], edges[-1], zone=run.schedule.zone, with_null=False)
    )
    keyed = rows.select(
        row_hash(rows, columns.id).alias(ROW),
        F.expr(f"CAST({predictions.version_sql} AS STRING)").alias(VERSION),
        timestamp_micros(rows, columns.time, run.schedule.zone).alias(_AT),
    )
    sampled = keyed.where(f"pmod({ROW}, {SAMPLED}) = 0").withColumn(_SEGMENT, segment_of(_AT, edges))
    several = sampled.groupBy(ROW, _SEGMENT).agg(F.expr(f"min({VERSION}) < max({VERSION})").alias("several"))
    return bool(several.where("several").limit(1).collect())


def row_hash(frame: DataFrame, names: Sequence[str]) -> Column:
    """A number for the id of a row; NULL where a part of the id is missing."""
    strings = id_strings(frame, names, plain=())
    complete = reduce(lambda one, other: one & other, (text.isNotNull() for text in strings))
    return F.when(complete, F.xxhash64(*strings))


def segment_of(column: str, edges: Sequence[int]) -> Column:
    """The number of the last edge that is not after a timestamp in microseconds, found by halving; 0 before the first."""
    steps = ", ".join(str(1 << power) for power in reversed(range(len(edges).bit_length())))
    array = f"array({', '.join(f'{edge}L' for edge in edges)})"
    further = f"CASE WHEN low + step >= {len(edges)} THEN false ELSE element_at({array}, low + step + 1) <= {column} END"
    return F.expr(f"aggregate(array({steps}), 0, (low, step) -> IF({further}, low + step, low))")


def with_rivals(rows: DataFrame, edges: Sequence[int], zone: str) -> DataFrame:
    """Rows (time, version and ``ROW``), and for each the versions that scored the same (JSON; NULL: one alone) and its part."""
    placed = rows.withColumn(_AT, timestamp_micros(rows, TIME, zone)).withColumn(_SEGMENT, segment_of(_AT, edges))
    # Rows without an id are no one's rivals; by a hash of their own they do not all meet in one task.
    same = f"coalesce({ROW}, xxhash64({_AT}, {VERSION})), {_SEGMENT}"
    versions = placed.withColumn("versions", F.expr(f"array_sort(collect_set({VERSION}) OVER (PARTITION BY {same}))"))
    named = F.expr(f"CASE WHEN {ROW} IS NOT NULL AND size(versions) > 1 THEN to_json(versions) END")
    return versions.withColumn("versions", named).withColumn("part", F.expr(f"pmod({ROW}, {PARTS})"))
