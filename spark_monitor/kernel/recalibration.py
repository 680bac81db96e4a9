"""Labels of later windows than the baseline's, by which scores are calibrated anew: gathered per window and version, on arrays.

A window's estimates may rest on windows whose label horizon was over when it ended. What these are follows from the window
alone, so that a backfill finds the calibrations that the runs of those days found.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.estimation.estimator import FEWEST_RECALIBRATED, Estimator, estimator
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.scored_states import ScoredState, scored_state
from spark_monitor.states.grid import Grid
from spark_monitor.states.named_arrays import stored_bytes
from spark_monitor.windowing.timestamps import timestamp_of

REACH_WINDOWS = 12
"""Labels older than so many of the finest windows before the newest final one do not calibrate."""

ENOUGH_ROWS = 20_000
"""Older windows are left out once the newer ones have so many labelled rows."""

BUCKETS = 8
"""The slices of a window are presented in so many groups, each of which is handed its own copy of the calibrations."""

KIND, CALIBRATION, NUMBER = "calibration", "calibration", -1
SOURCE_DDL = "granularity string, start long, end long, model_version string, since long, until long, labelled long, state binary"
MADE_DDL = (
    "granularity string, start long, end long, slice_key string, slice_value string, model_version string, kind string, "
    "calibration binary, bucket int"
)
_AT_ONCE = 64
_PLACE = ("granularity", "start", "end", "model_version")
_SPAN = struct.Struct("<qq")


@dataclass(frozen=True)
class Recalibration:
    """The labelled rows of final windows together, between two timestamps in microseconds."""

    state: ScoredState
    start: int
    end: int

    def to_bytes(self) -> bytes:
        """The span, then the state's bytes."""
        return _SPAN.pack(self.start, self.end) + self.state.to_bytes()

    @classmethod
    def from_bytes(cls, kind: int, data: bytes, grid: Grid) -> Recalibration:
        """What ``to_bytes`` wrote."""
        if len(data) < _SPAN.size:
            raise StateError(f"calibration: {len(data)} bytes are too few.")
        return cls(scored_state(kind, data[_SPAN.size :], grid), *_SPAN.unpack(data[: _SPAN.size]))

    def estimator(self, baseline: Estimator) -> Estimator:
        """What these rows say of later ones; what the baseline says where they are too few or of one kind."""
        recalibrated = estimator(baseline.version, self.state, baseline.features)
        if recalibrated is None or recalibrated.rows < FEWEST_RECALIBRATED:
            return baseline
        span = (timestamp_of(self.start), timestamp_of(self.end))
        return replace(recalibrated, dispersion=baseline.dispersion, span=span)


@dataclass(frozen=True)
class Recalibrating:
    """Which windows are estimated, how long labels take and how far back they count, in microseconds, and how states are read."""

    windows: tuple[WindowKey, ...]
    horizon: int
    reach: int
    kind: int
    grid: Grid

    def spread(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of stored windows (model_version, start, end, labelled, state), once for each window that they may calibrate."""
        ordered = sorted(self.windows, key=lambda one: one.end)
        ends = [one.end for one in ordered]
        for batch in (part for whole in batches for part in _parts(whole)):
            rows: list[dict[str, Any]] = []
            states = stored_bytes(batch.column("state"))
            known = batch.select([name for name in batch.schema.names if name != "state"])
            for row, state in zip(known.to_pylist(), states, strict=True):
                first = bisect_left(ends, row["end"] + self.horizon)
                last = bisect_left(ends, row["start"] + self.horizon + self.reach + 1)
                period = {"model_version": row["model_version"], "since": row["start"], "until": row["end"]}
                kept = {**period, "labelled": row["labelled"], "state": state}
                rows += [
                    {"granularity": one.granularity, "start": one.start, "end": one.end, **kept} for one in ordered[first:last]
                ]
            yield pa.RecordBatch.from_pylist(rows, schema=_SOURCE)

    def merge(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One calibration a window and version, a copy for each bucket, from spread rows sorted by these, the newest first."""
        rows = (row for batch in batches for row in batch.to_pylist())
        for place, several in groupby(rows, key=lambda row: tuple(row[name] for name in _PLACE)):
            made = self.merged(several)
            if made is not None:
                key = {**dict(zip(_PLACE, place, strict=True)), "kind": KIND, CALIBRATION: made.to_bytes()}
                yield pa.RecordBatch.from_pylist([{**key, "bucket": bucket} for bucket in range(BUCKETS)], schema=_MADE)

    def merged(self, newest_first: Iterable[dict[str, Any]]) -> Recalibration | None:
        """The newest windows that have rows enough together; None where all of them have too few."""
        rows, merged = 0, None
        for row in newest_first:
            # The last windows of the group are read, but not merged any more.
            if rows >= ENOUGH_ROWS:
                continue
            state = scored_state(self.kind, row["state"], self.grid)
            if merged is not None:
                state = merged.state.merge(state)  # type: ignore[arg-type]
            rows += row["labelled"]
            merged = Recalibration(state, row["since"], row["until"] if merged is None else merged.end)
        return merged if rows >= FEWEST_RECALIBRATED else None


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in parts whose states, once for each window, are held at once."""
    yield from (batch.slice(start, _AT_ONCE) for start in range(0, batch.num_rows, _AT_ONCE))


def _schema(ddl: str) -> pa.Schema:
    kinds = {"string": pa.string(), "long": pa.int64(), "binary": pa.binary(), "int": pa.int32()}
    return pa.schema([(name, kinds[kind]) for name, kind in (field.split() for field in ddl.split(", "))])


_SOURCE, _MADE = _schema(SOURCE_DDL), _schema(MADE_DDL)
