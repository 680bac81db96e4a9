"""Which windows of operations, pipelines and costs are due: each dataset by its own time, what is stored of it and its versions.

A window that is over and that no committed row is about is due. Where the table has changed since, so are those of the lookback;
of a request log only those whose number of rows is another one. A run that was killed leaves windows without committed rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.config.monitored import MonitoredTable
from spark_monitor.config.pipelines import PipelinesConfig
from spark_monitor.kernel.plan import plan_segments, wanted_spans
from spark_monitor.kernel.times import timestamps
from spark_monitor.sources.readers.rows import within_any
from spark_monitor.sources.tables import JSON, stored_source
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.windowing.due import DueWindow, Schedule, due_windows, recent_windows
from spark_monitor.windowing.periods import parse_every
from spark_monitor.windowing.timestamps import micros, timestamp_of
from spark_monitor.windowing.windows import Window, window_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

OPERATIONS, PIPELINES, COSTS = "operations", "pipelines", "costs"
DATASETS: Final = (OPERATIONS, PIPELINES, COSTS)
MOST_WINDOWS: Final = 20_000
"""So many windows of a dataset are handled by one run, the oldest first; the next run goes on."""
ROWS: Final = "rows"
"""The detail of ``requests`` that says how many rows of the log a window had."""
NO_ROWS: Final = "no_rows"
"""The detail of the row that says that a dataset's tables are empty: its window is not handled."""
NOT_READ: Final = -1
"""Rows of a window that could not be read: whatever it has is another number."""
_COUNT_DDL = "segment int, n bigint"
_COUNT_SCHEMA = pa.schema([("segment", pa.int32()), ("n", pa.int64())])
Handled = dict[DueWindow, int | None]
First = Callable[[], datetime | None]


@dataclass(frozen=True)
class Before:
    """What the ledger says of the last run that did whatever was due."""

    versions: Mapping[str, str]
    config_hash: str | None


def configured(run: Run) -> tuple[str, ...]:
    """The datasets that the monitor's file has; without one nothing is asked."""
    return tuple(name for name in DATASETS if getattr(run.config, name) is not None)


def dataset_versions(run: Run) -> dict[str, str]:
    """The version of each dataset's tables, where every one of them has a version."""
    versions = {}
    for name in configured(run):
        each = [run.store.source_version(stored_source(run.spark, one, otherwise=kind)) for one, kind in _tables(run, name)]
        if all(version is not None for version in each):
            versions[name] = " | ".join(str(version) for version in each)
    return versions


def _tables(run: Run, name: str) -> Iterator[tuple[MonitoredTable, str]]:
    section = getattr(run.config, name)
    if not isinstance(section, PipelinesConfig):
        yield section, "parquet"
        return
    for one in section.tables:
        yield MonitoredTable.model_construct(table=one.table, path=one.path, files=one.format), "parquet"
    if section.runs is not None:
        yield section.runs, JSON if section.runs.format == "openlineage" else "parquet"


def schedule_for(run: Run, dataset: str) -> Schedule:
    """How a dataset's time is cut: as the monitor's, unless the file gives the serving log windows of its own."""
    section = run.config.operations
    if dataset == OPERATIONS and section is not None and section.every is not None:
        return replace(run.schedule, granularities=(parse_every(section.every, minutes=True),))
    return run.schedule


def handled_windows(run: Run, datasets: Sequence[str]) -> dict[str, Handled]:
    """The windows that committed rows are about, with the rows of the log then; as many as windows come to the driver."""
    measured = run.store.committed("metrics").where(F.col("monitor_id") == run.monitor_id).where(F.col("dataset").isin(*datasets))
    measured = measured.where(F.expr(f"try_element_at(details, '{NO_ROWS}') IS NULL"))
    counted = f"CASE WHEN status = 'ERROR' THEN {NOT_READ} ELSE CAST(try_element_at(details, '{ROWS}') AS BIGINT) END"
    grouped = measured.groupBy("dataset", "granularity", F.expr("unix_micros(window.start)").alias("start")).agg(
        F.expr("max(unix_micros(window.end))").alias("end"),
        F.expr(f"max({counted}) FILTER (WHERE metric = 'requests')").alias(ROWS),
    )
    handled: dict[str, Handled] = {name: {} for name in datasets}
    for row in grouped.collect():
        window = DueWindow(row["granularity"], Window(timestamp_of(row["start"]), timestamp_of(row["end"])))
        handled[row["dataset"]][window] = row[ROWS]
    return handled


def due_of(
    run: Run,
    dataset: str,
    handled: Handled,
    before: Before,
    *,
    first: First,
    log: Callable[[], DataFrame] | None,
    asked: tuple[datetime, datetime] | None,
    with_predictions: Iterable[DueWindow],
) -> tuple[DueWindow, ...]:
    """The due windows of a dataset. ``with_predictions`` are those whose predictions this run has counted again."""
    schedule = schedule_for(run, dataset)
    if asked is not None:
        return tuple(sorted(schedule.asked(*asked, run.as_of))[:MOST_WINDOWS])
    labels = {granularity.label for granularity in schedule.granularities}
    finer = [one for one in handled if one.granularity in labels]
    start = min((one.window.start for one in finer), default=None) or first()
    closed = schedule.closed(start, run.as_of) if start is not None else []
    moved = dataset not in run.source_versions or run.source_versions[dataset] != before.versions.get(dataset)
    changed = before.config_hash != run.config.config_hash()
    recent = [one for one in recent_windows(closed, as_of=run.as_of, lookback=schedule.lookback) if one in handled]
    affected = set(recent) if changed or moved else set()
    if affected and not changed and log is not None:
        affected = _recounted(log(), recent, handled, schedule.zone)
    affected |= {one for one in _containing(with_predictions, run, schedule) if one in handled}
    due = due_windows(closed, handled, affected=affected)
    if len(due) > MOST_WINDOWS:
        run.notes.append(
            f"{dataset}: {len(due):,} windows are due; the first {MOST_WINDOWS:,} are handled, the next run goes on."
        )
    return tuple(sorted(due)[:MOST_WINDOWS])


def _containing(windows: Iterable[DueWindow], run: Run, schedule: Schedule) -> Iterator[DueWindow]:
    """The windows themselves, and those of the schedule's own granularities that they are a part of."""
    monitors = {granularity.label for granularity in run.schedule.granularities}
    granularities = [granularity for granularity in schedule.granularities if granularity.label not in monitors]
    for one in windows:
        yield one
        yield from (
            DueWindow(granularity.label, window_of(one.window.start, granularity, schedule.zone)) for granularity in granularities
        )


def _recounted(frame: DataFrame, recent: Sequence[DueWindow], handled: Handled, zone: str) -> set[DueWindow]:
    """The windows that have another number of rows than when they were handled; one job over the log's time."""
    edges, members = plan_segments(window_keys(recent))
    bounds = np.array(edges, dtype=np.int64)

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            time = np.asarray(timestamps(batch.column(0), zone).drop_null())
            segment = np.searchsorted(bounds, time, side="right") - 1
            inside = segment[(segment >= 0) & (segment < len(members))]
            many = np.bincount(inside, minlength=len(members))
            kept = np.flatnonzero(many)
            yield pa.RecordBatch.from_arrays([pa.array(kept, pa.int32()), pa.array(many[kept], pa.int64())], schema=_COUNT_SCHEMA)

    rows = frame.where(within_any(frame, "time", wanted_spans(edges, members), zone=zone, with_null=False))
    summed = rows.select("time").mapInArrow(count, _COUNT_DDL).groupBy("segment").agg(F.sum("n").alias("n")).collect()
    now = dict.fromkeys(recent, 0)
    for row in summed:
        for number in members[row["segment"]]:
            now[recent[number]] += row["n"]
    return {one for one, many in now.items() if many != (handled[one] or 0)}


def first_time(frame: DataFrame, as_of: datetime, zone: str) -> datetime | None:
    """The earliest timestamp of the column ``time`` before the as-of timestamp; None where there is no row."""
    earlier = frame.where(within_any(frame, "time", [(_EARLIEST, micros(as_of))], zone=zone, with_null=False))
    rows = earlier.agg(F.min("time").alias("time")).select("time").mapInArrow(_micros_of(zone), "micros bigint").collect()
    return None if not rows or rows[0]["micros"] is None else timestamp_of(rows[0]["micros"])


_EARLIEST = (datetime(1971, 1, 1) - datetime(1970, 1, 1)) // timedelta(microseconds=1)
"""A row of 1970 has a zero where its time should be."""


def _micros_of(zone: str) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def convert(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_arrays([timestamps(batch.column(0), zone)], names=["micros"])

    return convert
