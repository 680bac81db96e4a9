"""Which windows hold other rows than when they were handled: those that the change feed tells of, else those of the lookback.

Of a source that only grew since, those of the lookback that hold as many rows as they did are what they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.partials import segment_of
from spark_monitor.kernel.plan import WindowKey, plan_segments
from spark_monitor.kernel.times import timestamps
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import within
from spark_monitor.stages.context import INPUT, Run, window_keys
from spark_monitor.store.feed import BrokenFeed, NoFeed
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import first_line
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow, recent_windows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

log = log_of(__name__)

_SEGMENT = pa.schema([("segment", pa.int32())])
_COUNTED = pa.schema([("segment", pa.int32()), ("rows", pa.int64())])


@dataclass(frozen=True)
class Affected:
    """Windows to profile again; ``exact`` where no other window has changed."""

    windows: frozenset[DueWindow]
    exact: bool


def affected_windows(
    run: Run, predictions: Predictions, closed: Sequence[DueWindow], *, before: str | None, after: str | None
) -> Affected:
    """Those of the closed windows that hold a row which changed between two versions of the prediction table.

    Without versions, or where the change feed is off or cannot be read, those within the lookback; of these only those with more
    rows than were counted where rows were only appended. A feed that is on and cannot be read is reported.
    """
    recent = Affected(frozenset(recent_windows(closed, as_of=run.as_of, lookback=run.schedule.lookback)), exact=False)
    if before is None or after is None or not closed:
        return recent
    try:
        affected = _fed(run, closed, before, after)
    except NoFeed:
        return _grown(run, predictions, sorted(recent.windows), before, after)
    except BrokenFeed as refusal:
        why = str(refusal)
    except Exception as error:  # whatever a feed that was turned on later, or whose files are gone, is refused with
        why = first_line(error).rstrip(".")
    else:
        run.notes.append(f"The change feed tells of changed rows in {len(affected)} closed windows.")
        return Affected(affected, exact=True)
    run.notes.append(f"The lookback was reprocessed: the change feed of the prediction table cannot be read ({why}).")
    log.info(run.notes[-1])
    return recent


def _fed(run: Run, closed: Sequence[DueWindow], before: str, after: str) -> frozenset[DueWindow]:
    """One job over the times of the changed rows; as many rows as segments come to the driver."""
    edges, members = plan_segments(window_keys(closed))
    zone, name = run.schedule.zone, run.config.predictions.time

    def segments(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield segments_of(batch, edges, members, zone)

    rows = run.store.changed_rows(run.config.predictions, before=before, after=after)
    changed = rows.selectExpr(f"{quote(name)} AS time").mapInArrow(segments, "segment int").distinct().collect()
    return frozenset(closed[number] for row in changed for number in members[row["segment"]])


def _grown(run: Run, predictions: Predictions, recent: Sequence[DueWindow], before: str, after: str) -> Affected:
    """Those of the windows that hold another number of rows than was stored, if rows only came since; else all of them."""
    everything = Affected(frozenset(recent), exact=False)
    if not recent or not run.store.only_appended(run.config.predictions, before=before, after=after):
        return everything
    stored, present = _stored_rows(run, recent), _rows_now(run, predictions.frame, recent)
    grown = frozenset(one for one in recent if stored.get(one, 0) != present[one])
    run.notes.append(f"Rows were only appended: {len(grown)} of {len(recent)} windows of the lookback hold more than before.")
    return Affected(grown, exact=False)


def _stored_rows(run: Run, windows: Sequence[DueWindow]) -> dict[DueWindow, int]:
    """The rows of whole windows as they were counted, over all versions."""
    stored = run.store.frame("profile_metrics").where(run.store.in_windows(run.monitor_id, windows))
    whole = stored.where(F.col("slice_key").isNull() & (F.col("column_name") == TABLE_ROW) & (F.col("log_type") == INPUT))
    times = ("granularity", "unix_micros(window.start) AS start", "unix_micros(window.end) AS end", "count")
    rows = whole.selectExpr(*times).groupBy("granularity", "start", "end").agg(F.sum("count").alias("rows")).collect()
    counts = {WindowKey(row["granularity"], row["start"], row["end"]): row["rows"] for row in rows}
    return {one: counts[key] for one, key in zip(windows, window_keys(windows), strict=True) if counts.get(key) is not None}


def _rows_now(run: Run, frame: DataFrame, windows: Sequence[DueWindow]) -> dict[DueWindow, int]:
    """The rows of windows: one job over their times; as many rows as there are segments come to the driver."""
    edges, members = plan_segments(window_keys(windows))
    zone, name = run.schedule.zone, run.config.predictions.time

    def counts(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield counts_of(batch, edges, members, zone)

    inside = frame.where(within(frame, name, edges[0], edges[-1], zone=zone, with_null=False))
    counted = inside.selectExpr(f"{quote(name)} AS time").mapInArrow(counts, "segment int, rows long")
    rows = counted.groupBy("segment").agg(F.sum("rows").alias("rows")).collect()
    rows_of = dict.fromkeys(windows, 0)
    for row in rows:
        for number in members[row["segment"]]:
            rows_of[windows[number]] += row["rows"]
    return rows_of


def counts_of(batch: pa.RecordBatch, edges: tuple[int, ...], members: tuple[tuple[int, ...], ...], zone: str) -> pa.RecordBatch:
    """The segments that a batch of times lies in, and how many do.

    >>> times = pa.record_batch([pa.array([1, None, 9, 25], pa.timestamp("us", tz="UTC"))], names=["time"])
    >>> counts_of(times, (0, 10, 20), ((0,), (1,)), "UTC").to_pylist()
    [{'segment': 0, 'rows': 2}]
    """
    time = pa.chunked_array([timestamps(batch.column(0), zone)])
    wanted = np.array([bool(numbers) for numbers in members])
    segment = segment_of(time, np.array(edges, dtype=np.int64), wanted)
    segments, rows = np.unique(segment[segment >= 0], return_counts=True)
    return pa.RecordBatch.from_arrays([pa.array(segments.astype(np.int32)), pa.array(rows.astype(np.int64))], schema=_COUNTED)


def segments_of(batch: pa.RecordBatch, edges: tuple[int, ...], members: tuple[tuple[int, ...], ...], zone: str) -> pa.RecordBatch:
    """The segments that a batch of times lies in, each once.

    >>> times = pa.record_batch([pa.array([1, None, 9, 25], pa.timestamp("us", tz="UTC"))], names=["time"])
    >>> segments_of(times, (0, 10, 20), ((0,), (1,)), "UTC").column(0).to_pylist()
    [0]
    """
    time = pa.chunked_array([timestamps(batch.column(0), zone)])
    wanted = np.array([bool(numbers) for numbers in members])
    segments = np.unique(segment_of(time, np.array(edges, dtype=np.int64), wanted))
    return pa.RecordBatch.from_arrays([pa.array(segments[segments >= 0].astype(np.int32))], schema=_SEGMENT)
