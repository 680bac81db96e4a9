"""Rows that several model versions scored: whether a run has any, and which versions and part belong to each.

A row is known by its id within a piece of time: what no end of a window of any granularity cuts. An id that comes back in another
piece is another row there, so that what several versions scored in a month is what they did in its days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.sources.labels import id_strings, timestamp_micros
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import TIME, VERSION
from spark_monitor.stages.context import Run
from spark_monitor.stages.labelled import Spans, rows_in
from spark_monitor.states.paired import PARTS
from spark_monitor.windowing.timestamps import micros, timestamp_of
from spark_monitor.windowing.windows import windows_between

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROW = "spark_monitor_row"
"""The column with the hash of a row's id."""
SAMPLED = 16
"""One id of so many is asked whether several versions scored it."""
_AT, _SEGMENT = "spark_monitor_at", "spark_monitor_segment"


@dataclass(frozen=True)
class SharedRows:
    """The timestamps that bound pieces of time, and the numbers of the pieces in which several versions scored the same rows."""

    edges: tuple[int, ...]
    pieces: tuple[int, ...]


def pieces_of(run: Run, spans: Spans) -> tuple[int, ...]:
    """The timestamps by which windows of any granularity cut some spans of time: always the same, whichever windows are due."""
    between = [(timestamp_of(start), timestamp_of(end)) for start, end in spans]
    windows = (
        window
        for start, end in between
        for granularity in run.schedule.granularities
        for window in windows_between(start, end, granularity, run.schedule.zone)
    )
    return tuple(sorted({micros(edge) for window in windows for edge in (window.start, window.end)}))


def shared_rows_of(run: Run, predictions: Predictions, spans: Spans) -> SharedRows | None:
    """Where several versions scored the same rows: a query over ids, times and versions where versions are a column."""
    columns = run.config.predictions
    if not spans or run.config.labels is None or run.no_labels or not isinstance(columns.model_version, str):
        return None
    edges, rows = pieces_of(run, spans), rows_in(run, predictions, spans)
    keyed = rows.select(
        row_hash(rows, columns.id).alias(ROW),
        F.expr(f"CAST({predictions.version_sql} AS STRING)").alias(VERSION),
        timestamp_micros(rows, columns.time, run.schedule.zone).alias(_AT),
    )
    sampled = keyed.where(f"pmod({ROW}, {SAMPLED}) = 0").withColumn(_SEGMENT, segment_of(_AT, edges))
    several = sampled.groupBy(ROW, _SEGMENT).agg(F.expr(f"min({VERSION}) < max({VERSION})").alias("several"))
    segments = several.where("several").select(_SEGMENT).distinct().collect()
    return SharedRows(edges, tuple(sorted(row[_SEGMENT] for row in segments))) if segments else None


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


def with_shared_rows(rows: DataFrame, shared: SharedRows, zone: str) -> DataFrame:
    """Rows (time, version and ``ROW``), and for each the versions that scored the same (JSON; NULL: one alone) and its part."""
    placed = rows.withColumn(_AT, timestamp_micros(rows, TIME, zone)).withColumn(_SEGMENT, segment_of(_AT, shared.edges))
    # Rows without an id are shared with nobody; by a hash of their own they do not all meet in one task.
    same = f"coalesce({ROW}, xxhash64({_AT}, {VERSION})), {_SEGMENT}"
    versions = placed.withColumn("versions", F.expr(f"array_sort(collect_set({VERSION}) OVER (PARTITION BY {same}))"))
    # A piece in which the sample found nothing is left out here as it is by a run over this piece alone.
    condition = f"{_SEGMENT} IN ({', '.join(map(str, shared.pieces))})"
    named = F.expr(f"CASE WHEN {ROW} IS NOT NULL AND size(versions) > 1 AND {condition} THEN to_json(versions) END")
    return versions.withColumn("versions", named).withColumn("part", F.expr(f"pmod({ROW}, {PARTS})"))
