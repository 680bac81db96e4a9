"""Labels of later windows than the baseline's, by which scores are calibrated anew: gathered per window and version, on arrays.

A window's estimates may rest on windows whose label horizon was over when it ended: on those that look like it and agree with the
newest. What these are follows from the window and the states before it alone, so that a backfill finds the calibrations that the
runs of those days found.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pyarrow as pa

from spark_monitor.errors import StateError
from spark_monitor.estimation.agreement import FEWEST_RECALIBRATED, Final, calibrating, dispersion_among
from spark_monitor.estimation.dispersion import Dispersion
from spark_monitor.estimation.estimator import Estimator, estimator
from spark_monitor.estimation.likeness import Profile, profile_of
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.scored_states import ANSWERS, KIND_NAMES, ScoredState, scored_state
from spark_monitor.states.grid import Grid
from spark_monitor.states.named_arrays import stored_bytes
from spark_monitor.windowing.timestamps import timestamp_of

REACH_WINDOWS = 12
"""Labels older than so many of the finest windows before the newest final one do not calibrate."""

BUCKETS = 8
"""The slices of a window are presented in so many groups, each of which is handed its own copy of the calibrations."""

KIND, CALIBRATION, NUMBER = "calibration", "calibration", -1
SOURCE_DDL = (
    "granularity string, start long, end long, model_version string, since long, until long, source string, answers string, "
    "labelled long, state binary"
)
MADE_DDL = (
    "granularity string, start long, end long, slice_key string, slice_value string, model_version string, kind string, "
    "calibration binary, bucket int"
)
_AT_ONCE = 64
_PLACE = ("granularity", "start", "end", "model_version")
_SPAN = struct.Struct("<qqi")


@dataclass(frozen=True)
class Recalibration:
    """The labelled rows of final windows together, between two timestamps in microseconds, and how windows differ."""

    state: ScoredState
    start: int
    end: int
    dispersion: Dispersion | None = None

    def to_bytes(self) -> bytes:
        """The span and the deviations between windows, then the state's bytes."""
        numbers = () if self.dispersion is None else _numbers(self.dispersion)
        return _SPAN.pack(self.start, self.end, len(numbers)) + struct.pack(f"<{len(numbers)}d", *numbers) + self.state.to_bytes()

    @classmethod
    def from_bytes(cls, kind: int, data: bytes, grid: Grid) -> Recalibration:
        """What ``to_bytes`` wrote."""
        if len(data) < _SPAN.size:
            raise StateError(f"calibration: {len(data)} bytes are too few.")
        start, end, count = _SPAN.unpack(data[: _SPAN.size])
        place = _SPAN.size + 8 * count
        if count < 0 or len(data) < place:
            raise StateError(f"calibration: {len(data)} bytes are too few for {count} numbers.")
        numbers = struct.unpack(f"<{count}d", data[_SPAN.size : place])
        return cls(scored_state(kind, data[place:], grid), start, end, _dispersion(numbers) if count else None)

    def estimator(self, baseline: Estimator) -> Estimator:
        """What these rows say of later ones; what the baseline says where they are too few or of one kind."""
        recalibrated = estimator(baseline.version, self.state, baseline.features)
        if recalibrated is None or recalibrated.rows < FEWEST_RECALIBRATED:
            return baseline
        span = (timestamp_of(self.start), timestamp_of(self.end))
        return replace(recalibrated, dispersion=self.dispersion or baseline.dispersion, span=span)


def _numbers(dispersion: Dispersion) -> tuple[float, ...]:
    return (*dispersion.errors, *dispersion.log_odds, *dispersion.slopes)


def _dispersion(numbers: Sequence[float]) -> Dispersion:
    errors, of_scores = numbers[:3], numbers[3:]
    half = len(of_scores) // 2
    return Dispersion(tuple(of_scores[:half]), (errors[0], errors[1], errors[2]), tuple(of_scores[half:]))


@dataclass(frozen=True)
class Recalibrating:
    """Which windows are estimated, how long labels take and how far back they count, in microseconds, and how states are read.

    ``baseline`` is the labelled baseline's estimator: what it says of windows tells which of them calibrate.
    """

    windows: tuple[WindowKey, ...]
    horizon: int
    reach: int
    kind: int
    grid: Grid
    baseline: Estimator | None = None
    finest: str = "1 day"

    def spread(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Rows of stored windows (granularity, model_version, start, end, kind, labelled, state), once for each window that they
        may calibrate, and the answers of these windows themselves."""
        ordered = sorted(self.windows, key=lambda one: one.end)
        ends = [one.end for one in ordered]
        by_window = {(one.granularity, one.start, one.end): one for one in ordered}
        for batch in (part for whole in batches for part in _parts(whole)):
            rows: list[dict[str, Any]] = []
            states = stored_bytes(batch.column("state"))
            labels = batch.select([name for name in batch.schema.names if name != "state"])
            for row, state in zip(labels.to_pylist(), states, strict=True):
                first = bisect_left(ends, row["end"] + self.horizon)
                last = bisect_left(ends, row["start"] + self.horizon + self.reach + 1)
                period = {"model_version": row["model_version"], "since": row["start"], "until": row["end"]}
                named = {"source": row["granularity"], "answers": row["kind"]}
                fields = {**period, **named, "labelled": row["labelled"], "state": state}
                calibrated = ordered[first:last] if row["granularity"] == self.finest else []
                itself = by_window.get((row["granularity"], row["start"], row["end"]))
                if itself is not None and row["kind"] == KIND_NAMES[ANSWERS]:
                    calibrated = [*calibrated, itself]
                rows += [{"granularity": one.granularity, "start": one.start, "end": one.end, **fields} for one in calibrated]
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
        """The final windows that calibrate one; None where they have too few rows. Its own answers come first."""
        profile_of_window: Profile | None = None
        spans, finals = [], []
        for (since, until, source), several in groupby(newest_first, key=lambda row: (row["since"], row["until"], row["source"])):
            rows = {row["answers"]: row for row in several}
            first = next(iter(rows.values()))
            answers = rows.get(KIND_NAMES[ANSWERS])
            profile = None if answers is None else profile_of(scored_state(ANSWERS, answers["state"], self.grid))
            if (since, until, source) == (first["start"], first["end"], first["granularity"]):
                profile_of_window = profile
                continue
            labelled = rows.get(KIND_NAMES[self.kind])
            if labelled is not None and labelled["labelled"]:
                finals.append(Final(scored_state(self.kind, labelled["state"], self.grid), labelled["labelled"], profile))
                spans.append((since, until))
        places = {id(one): place for place, one in enumerate(finals)}
        kept = calibrating(finals, self.baseline, profile_of_window)
        if not kept:
            return None
        state = kept[0].state
        for one in kept[1:]:
            state = state.merge(one.state)
        dispersion = None if self.baseline is None else dispersion_among(kept, self.baseline)
        return Recalibration(state, spans[places[id(kept[-1])]][0], spans[places[id(kept[0])]][1], dispersion)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in parts whose states, once for each window, are held at once."""
    yield from (batch.slice(start, _AT_ONCE) for start in range(0, batch.num_rows, _AT_ONCE))


def _schema(ddl: str) -> pa.Schema:
    kinds = {"string": pa.string(), "long": pa.int64(), "binary": pa.binary(), "int": pa.int32()}
    return pa.schema([(name, kinds[kind]) for name, kind in (field.split() for field in ddl.split(", "))])


_SOURCE, _MADE = _schema(SOURCE_DDL), _schema(MADE_DDL)
