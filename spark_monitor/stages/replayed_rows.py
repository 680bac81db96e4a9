"""The baseline's rows laid into windows, in their order or shuffled, with shifts planted in copies of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.errors import ConfigError, unknown
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.replayed import SHIFTED
from spark_monitor.sources.baseline import FrozenColumn
from spark_monitor.sources.predictions import time_range
from spark_monitor.sources.readers.rows import Kind, ReadColumn
from spark_monitor.stages.context import Run
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.timestamps import micros
from spark_monitor.windowing.windows import Window, closed_windows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FEWEST: Final = 4
MOST: Final = 400
"""Fewer windows say nothing of how often a rule is wrong; of more the first are taken."""

PARTS: Final = 1_000_000
TIME, _FAR = ":replayed at", ":far end of "


def laid_windows(run: Run, frame: DataFrame, *, shuffled: bool) -> list[WindowKey]:
    """The windows that the baseline's rows are laid into: those of their times."""
    time, zone, every = run.config.predictions.time, run.schedule.zone, run.schedule.granularities[0]
    if time not in frame.columns:
        raise ConfigError(
            f'baseline: has no column "{time}", so its rows are in no window. Replay needs the time of predictions.'
        )
    span = time_range(frame, time, zone, run.as_of)
    if span is None:
        raise ConfigError(f"baseline: has no rows with a time before {run.as_of.isoformat()}, so there is nothing to replay.")
    end = span[1] + timedelta(microseconds=1)
    closed: list[Window] = list(closed_windows(span[0], end, every, zone))[:MOST]
    if len(closed) < FEWEST and not shuffled:
        lasts = f"its rows are from {span[0].isoformat()} to {span[1].isoformat()}"
        raise ConfigError(
            f"baseline: has {len(closed)} whole windows of {every.label}, {lasts}; {FEWEST} are needed. Replay with --shuffle, "
            "or name a longer baseline."
        )
    keys = [WindowKey(every.label, micros(one.start), micros(one.end)) for one in closed]
    while len(keys) < FEWEST:  # shuffled rows can be laid into windows that the baseline's time has not
        first = keys[0].start if keys else micros(span[0])
        length = round(every.nominal_hours * 3_600_000_000)
        keys.append(WindowKey(every.label, first + len(keys) * length, first + (len(keys) + 1) * length))
    return keys


def placed(run: Run, frame: DataFrame, windows: Sequence[WindowKey], *, shuffled: bool, seed: int) -> DataFrame:
    """The rows with the time at which they are replayed: their own, or the start of a window that a hash chooses."""
    if not shuffled:
        return frame.withColumn(TIME, F.col(quote(run.config.predictions.time)))
    starts = F.array(*(F.lit(window.start) for window in windows))
    chosen = F.pmod(_row_hash(run, frame, seed), F.lit(len(windows)))
    return frame.withColumn(TIME, F.timestamp_micros(F.element_at(starts, (chosen + 1).cast("int"))))


def _row_hash(run: Run, frame: DataFrame, seed: int) -> Any:
    """A number that follows from the row and the seed: of its id and time, or of all columns where it has no id."""
    names = [name for name in (*run.config.predictions.id, run.config.predictions.time) if name in frame.columns]
    if not set(run.config.predictions.id) <= set(names):
        plain = [field.name for field in frame.schema.fields if not isinstance(field.dataType, T.MapType | T.StructType)]
        names = [name for name in plain if not name.startswith(":")]
    return F.xxhash64(*(F.col(quote(name)) for name in names), F.lit(seed))


def with_shifts(
    run: Run, frame: DataFrame, columns: Sequence[ReadColumn], shifts: Mapping[str, float], seed: int
) -> tuple[DataFrame, list[ReadColumn]]:
    """Copies of columns in which a part of the rows has the greatest value: their distance from the column is the one asked for.

    A fraction s of the rows moved to the greatest value, which a fraction p has already, is a KS distance (of strings a total
    variation) of s (1 - p). NaN and the infinities, which no distance of numbers is about, stay as they are.
    """
    by_name = {column.name: column for column in columns}
    copies = []
    for place, (name, distance) in enumerate(shifts.items()):
        column = by_name.get(name)
        if column is None or column.kind not in (Kind.NUMERIC, Kind.CATEGORICAL):
            watched = [one.name for one in columns if one.kind in (Kind.NUMERIC, Kind.CATEGORICAL)]
            raise ConfigError(unknown("--shift", "column", name, watched))
        value = column.sql
        if column.data_type in ("float", "double"):  # of Spark NaN is the greatest number
            value = f"CASE WHEN abs({value}) < CAST('Infinity' AS DOUBLE) THEN {value} END"
        greatest = frame.selectExpr(f"max({value}) AS far").collect()[0]["far"]
        far = f"{_FAR}{place}"
        frame = frame.withColumn(far, F.lit(greatest))
        at_end = frame.selectExpr(f"avg(CAST({value} = {quote(far)} AS DOUBLE)) AS fraction").collect()[0]["fraction"]
        if greatest is None or not distance <= 1 - at_end:
            most = 0.0 if greatest is None else 1 - at_end
            raise ConfigError(f"--shift {name}={distance:g}: {name} can be moved by {most:.3g} at most. Give a smaller distance.")
        moved = F.pmod(_row_hash(run, frame, seed + place + 1), F.lit(PARTS)) < F.lit(round(PARTS * distance / (1 - at_end)))
        frame = frame.withColumn(f"{far} is", moved)
        sql = f"CASE WHEN ({value}) IS NOT NULL AND {quote(f'{far} is')} THEN {quote(far)} ELSE {column.sql} END"
        copies.append(replace(column, name=f"{SHIFTED}{name}", sql=sql))
    return frame, copies


def copied(frames: Sequence[FrozenColumn], copies: Sequence[ReadColumn]) -> list[FrozenColumn]:
    by_name = {one.name: one for one in frames}
    return [replace(by_name[copy.name.removeprefix(SHIFTED)], name=copy.name) for copy in copies]
