"""Which windows hold other rows than when they were handled: those that the change feed tells of, else those of the lookback."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from spark_monitor.kernel.partials import segment_of
from spark_monitor.kernel.plan import plan_segments
from spark_monitor.kernel.times import instants
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.store.feed import BrokenFeed, NoFeed
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import first_line
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow, recent_windows

log = log_of(__name__)

_SEGMENT = pa.schema([("segment", pa.int32())])


@dataclass(frozen=True)
class Affected:
    """Windows to profile again; ``exact`` where no other window has changed."""

    windows: frozenset[DueWindow]
    exact: bool


def affected_windows(run: Run, closed: Sequence[DueWindow], *, before: str | None, after: str | None) -> Affected:
    """Those of the closed windows that hold a row which changed between two versions of the prediction table.

    Without versions, or where the change feed is off or cannot be read, those within the lookback; a feed that is on and cannot
    be read is said.
    """
    recent = Affected(frozenset(recent_windows(closed, as_of=run.as_of, lookback=run.schedule.lookback)), exact=False)
    if before is None or after is None or not closed:
        return recent
    try:
        found = _fed(run, closed, before, after)
    except NoFeed:
        return recent
    except BrokenFeed as refusal:
        why = str(refusal)
    except Exception as error:  # whatever a feed that was turned on later, or whose files are gone, is refused with
        why = first_line(error).rstrip(".")
    else:
        run.notes.append(f"The change feed tells of changed rows in {len(found)} windows that are over.")
        return Affected(found, exact=True)
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
    found = rows.selectExpr(f"{quote(name)} AS time").mapInArrow(segments, "segment int").distinct().collect()
    return frozenset(closed[number] for row in found for number in members[row["segment"]])


def segments_of(batch: pa.RecordBatch, edges: tuple[int, ...], members: tuple[tuple[int, ...], ...], zone: str) -> pa.RecordBatch:
    """The segments that a batch of times lies in, each once.

    >>> times = pa.record_batch([pa.array([1, None, 9, 25], pa.timestamp("us", tz="UTC"))], names=["time"])
    >>> segments_of(times, (0, 10, 20), ((0,), (1,)), "UTC").column(0).to_pylist()
    [0]
    """
    time = pa.chunked_array([instants(batch.column(0), zone)])
    wanted = np.array([bool(numbers) for numbers in members])
    found = np.unique(segment_of(time, np.array(edges, dtype=np.int64), wanted))
    return pa.RecordBatch.from_arrays([pa.array(found[found >= 0].astype(np.int32))], schema=_SEGMENT)
