"""The quality of rows: what whole windows hold against what earlier ones held, and the table's columns against the baseline's.

What comes to the driver is a few numbers for each window and version, of due windows and of those that tell what is usual.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.errors import StateError
from spark_monitor.kernel.quality_rows import CONTENTS_ROW, COUNTERS_ROW, HOURS_ROW, REPEATS_ROW
from spark_monitor.quality.arrivals import ArrivalBlock
from spark_monitor.quality.history import Expected, expected_rows, largest_gap
from spark_monitor.quality.history import missing_hours as hours_missing
from spark_monitor.quality.repeated import KeyBlock
from spark_monitor.stages.window_rows import Place, WindowRows
from spark_monitor.states.counters import CounterState
from spark_monitor.states.hours import HOUR_MICROS, HourState
from spark_monitor.states.repeats import RepeatState
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import EPOCH, micros, timestamp_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_DDL = (
    "granularity string, start long, end long, model_version string, column_name string, count long, checksum string, "
    "hours array<long>, first array<long>, last array<long>, sample array<long>, exact boolean"
)
_LONGS = pa.list_(pa.int64())
_SCHEMA = pa.schema(
    [
        ("granularity", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("model_version", pa.string()),
        ("column_name", pa.string()),
        ("count", pa.int64()),
        ("checksum", pa.string()),
        ("hours", _LONGS),
        ("first", _LONGS),
        ("last", _LONGS),
        ("sample", _LONGS),
        ("exact", pa.bool_()),
    ]
)
WEEK_HOURS = 168.0
NO_HOURS = "No earlier window shows in which hours rows arrive."
NO_ROWS = "There are no rows."


def summaries(states: DataFrame) -> DataFrame:
    """The numbers of the rows' states of whole windows, a row each."""

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [{**row, **_summary(row["column_name"], row["sketch"] or b"")} for row in batch.to_pylist()]
            yield pa.RecordBatch.from_pylist([{name: row.get(name) for name in _SCHEMA.names} for row in rows], _SCHEMA)

    whole = states.where("slice_key IS NULL AND granularity IS NOT NULL")
    return whole.select("granularity", "start", "end", "model_version", "column_name", "count", "sketch").mapInArrow(run, _DDL)


def _summary(name: str, data: bytes) -> dict[str, Any]:
    try:
        if name == TABLE_ROW:
            return {}  # its count stands in a column of its own
        if name == COUNTERS_ROW:
            counted = CounterState.from_bytes(data)
            return {"count": counted.count, "checksum": str(counted.checksum)}
        if name == HOURS_ROW:
            hours = HourState.from_bytes(data)
            parts = {"hours": hours.hours, "first": hours.first, "last": hours.last}
            return {"count": hours.count, **{part: values.tolist() for part, values in parts.items()}}
        repeats = RepeatState.from_bytes(data)
        sample = [repeats.sampled_rows, repeats.sampled_keys, repeats.sampled_squares]
        return {"count": repeats.count, "sample": sample, "exact": repeats.is_exact}
    except StateError:
        return {}


def key_block(rows: Sequence[Mapping[str, Any]]) -> KeyBlock:
    """Summaries of repeated keys as a block."""
    sample = np.array([row["sample"] or [0, 0, 0] for row in rows], dtype=np.float64).reshape(-1, 3)
    return KeyBlock(
        count=np.array([row["count"] or 0 for row in rows], dtype=np.int64),
        sampled_rows=sample[:, 0],
        sampled_keys=sample[:, 1],
        sampled_squares=sample[:, 2],
        is_exact=np.array([bool(row["exact"]) for row in rows], dtype=np.bool_),
    )


def key_of(name: str) -> int | None:
    """Which key a summary is about; None for whole rows and for contents."""
    return None if name in (REPEATS_ROW, CONTENTS_ROW) else int(name.removeprefix(REPEATS_ROW))


@dataclass(frozen=True)
class ArrivalHistory:
    """What the arrivals of due windows are compared with.

    ``windows`` tell of due and earlier windows, ``handled`` which earlier windows were looked at, ``manifest`` how many rows
    some should have, or why it cannot be read, ``first_counts`` how many rows some had when they were first profiled.
    """

    windows: Mapping[Place, WindowRows]
    handled: frozenset[DueWindow]
    zone: str
    manifest: Mapping[Place, float] | str | None = None
    first_counts: Mapping[Place, int] = field(default_factory=dict)
    newest_micros: int | None = None
    as_of_micros: int = 0
    newest: DueWindow | None = None

    def of(self, one: DueWindow) -> WindowRows:
        """What is known of a window."""
        return self.windows.get(place_of(one), WindowRows())


def place_of(one: DueWindow) -> Place:
    """A window's place."""
    return one.granularity, micros(one.window.start)


def arrival_block(due: Sequence[DueWindow], arrived: ArrivalHistory) -> ArrivalBlock:
    """The arrivals of due windows as a block."""
    history = _History(arrived)
    arrivals = [history.arrival(one) for one in due]
    names = sorted({name for one in arrivals for name in one.numbers})
    numbers = {name: np.array([one.numbers.get(name, np.nan) for one in arrivals]) for name in names}
    metrics = sorted({name for one in arrivals for name in (*one.why, *one.details)})
    return ArrivalBlock(
        count=np.array([arrived.of(one).count for one in due], dtype=np.int64),
        numbers=numbers,
        why={name: [one.why.get(name) for one in arrivals] for name in metrics},
        details={name: [one.details.get(name) for one in arrivals] for name in metrics},
        broken=frozenset(name for one in arrivals for name in one.broken),
    )


@dataclass
class Arrival:
    """What is known of the rows that came in one window, by number or metric."""

    numbers: dict[str, float] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    details: dict[str, dict[str, str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Metrics whose number is not known because something could not be read."""


class _History:
    """Earlier windows looked at from each due one."""

    def __init__(self, arrived: ArrivalHistory) -> None:
        self._arrived, self._zone = arrived, ZoneInfo(arrived.zone)
        self._offsets: dict[int, int] = {}
        self._by_granularity: dict[str, list[DueWindow]] = {}
        for one in sorted(arrived.handled):
            self._by_granularity.setdefault(one.granularity, []).append(one)
        self._occupied = {granularity: self._hours_of(ones) for granularity, ones in self._by_granularity.items()}
        self._contents = {granularity: self._first_contents(ones) for granularity, ones in self._by_granularity.items()}

    def _hours_of(self, windows: Sequence[DueWindow]) -> dict[int, bool]:
        """Of every hour of the windows of which states tell it, whether it has rows."""
        occupied: dict[int, bool] = {}
        for one in windows:
            window_rows = self._arrived.of(one)
            if window_rows.count and window_rows.hours is None:
                continue
            occupied |= dict.fromkeys(_hours(one), False)
            occupied |= dict.fromkeys(window_rows.hours.hours.tolist() if window_rows.hours is not None else (), True)
        return occupied

    def _first_contents(self, windows: Sequence[DueWindow]) -> dict[tuple[int, int], DueWindow]:
        first: dict[tuple[int, int], DueWindow] = {}
        for one in windows:
            content = self._arrived.of(one).content
            if content is not None:
                first.setdefault(content, one)
        return first

    def arrival(self, one: DueWindow) -> Arrival:
        """Everything that is known of a window."""
        arrival, window_rows = Arrival(), self._arrived.of(one)
        self._add_rows(one, arrival)
        self._add_hours(one, window_rows, arrival)
        self._add_content(one, window_rows, arrival)
        first = self._arrived.first_counts.get(place_of(one), window_rows.count)
        arrival.details["late_rows_percent"] = {"first": str(first)}
        arrival.numbers["late"] = float(max(window_rows.count - first, 0)) if window_rows.count else np.nan
        arrival.why["late_rows_percent"] = NO_ROWS
        if one == self._arrived.newest:
            self._add_freshness(arrival)
        return arrival

    def _add_freshness(self, arrival: Arrival) -> None:
        newest = self._arrived.newest_micros
        arrival.why["freshness_hours"] = "The table has no row before the as-of timestamp."
        if newest is not None:
            arrival.numbers["freshness_hours"] = (self._arrived.as_of_micros - newest) / HOUR_MICROS
            arrival.details["freshness_hours"] = {"newest": timestamp_of(newest).isoformat()}

    def _add_rows(self, one: DueWindow, arrival: Arrival) -> None:
        expected = self._expected(one)
        arrival.numbers |= {"expected": expected.rows, "expected_low": expected.low, "expected_high": expected.high}
        arrival.why["row_count_ratio"] = expected.why
        if isinstance(self._arrived.manifest, str):
            arrival.broken.add("row_count_ratio")
        if np.isfinite(expected.rows):
            arrival.details["row_count_ratio"] = {"expected": f"{expected.rows:.12g}", "basis": expected.why}
            if expected.rows <= 0:
                arrival.why["row_count_ratio"] = "No rows are expected, so there is no ratio to them."

    def _expected(self, one: DueWindow) -> Expected:
        manifest = self._arrived.manifest
        if isinstance(manifest, str):
            return Expected(np.nan, np.nan, np.nan, manifest)
        if manifest is not None:
            rows = manifest.get(place_of(one), float("nan"))
            return Expected(rows, rows, rows, "manifest" if np.isfinite(rows) else "The manifest has no entry for this window.")
        earlier = [other for other in self._by_granularity.get(one.granularity, ()) if other.window.end <= one.window.start]
        before = [(self._phase(other), _length(other), self._arrived.of(other).count) for other in earlier]
        return expected_rows(before, self._phase(one), _length(one))

    def _phase(self, one: DueWindow) -> tuple[int, ...]:
        """The weekday and hour at which a window begins, by the local clock; nothing for windows of a week and more."""
        if _length(one) > WEEK_HOURS / 2:
            return ()
        local = one.window.start.astimezone(self._zone)
        return local.weekday(), local.hour

    def _add_hours(self, one: DueWindow, window_rows: WindowRows, arrival: Arrival) -> None:
        if window_rows.count and window_rows.hours is None:
            arrival.why |= dict.fromkeys(("largest_gap_hours", "missing_hours"), "The hours of this window were not counted.")
            return
        first, last = (
            (window_rows.hours.first, window_rows.hours.last) if window_rows.hours is not None else (np.zeros(0), np.zeros(0))
        )
        arrival.numbers["largest_gap_hours"] = largest_gap(micros(one.window.start), micros(one.window.end), first, last)
        occupied = self._occupied.get(one.granularity, {})
        missing = hours_missing(_hours(one), occupied, self._offset)
        arrival.why["missing_hours"] = NO_HOURS
        if missing.judged:
            arrival.numbers["missing_hours"] = float(len(missing.hours))
            arrival.details["missing_hours"] = {"hours_judged": str(missing.judged)}
        if missing.hours:
            shown = [(EPOCH + timedelta(hours=hour)).strftime("%Y-%m-%d %H:00") for hour in missing.hours[:24]]
            arrival.details["missing_hours"]["hours"] = ", ".join(shown)

    def _offset(self, hour: int) -> int:
        if hour not in self._offsets:
            shift = (EPOCH + timedelta(hours=hour)).astimezone(self._zone).utcoffset() or timedelta(0)
            self._offsets[hour] = round(shift / timedelta(hours=1))
        return self._offsets[hour]

    def _add_content(self, one: DueWindow, window_rows: WindowRows, arrival: Arrival) -> None:
        content = window_rows.content
        if content is None:
            arrival.why["duplicated_window"] = NO_ROWS if not window_rows.count else "The sum of this window's rows is not known."
            return
        first = self._contents.get(one.granularity, {}).get(content)
        is_copy = first is not None and first.window.start < one.window.start
        arrival.numbers["duplicated_window"] = float(is_copy)
        if is_copy and first is not None:
            arrival.details["duplicated_window"] = {"first": first.window.start.isoformat()}


def _length(one: DueWindow) -> float:
    return (one.window.end - one.window.start) / timedelta(hours=1)


def _hours(one: DueWindow) -> range:
    """The hours since 1970 that a window holds."""
    return range(micros(one.window.start) // HOUR_MICROS, -(-micros(one.window.end) // HOUR_MICROS))
