"""Rows beside the dimensions they count for: each once for every window that holds it, and for all rows and each slice key."""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.kernel.partials import OTHER
from spark_monitor.sources.labels import timestamp_micros
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import within_any
from spark_monitor.sources.slice_values import capped_slice_values
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.stages.labelled import PREFIX
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


MOST_KEYS: Final = 200_000
"""So many parts of windows are joined by equality; a window that is cut into more is joined by its bounds."""


def rows_within(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> DataFrame:
    spans = [(key.start, key.end) for key in window_keys(windows)]
    time = run.config.predictions.time
    joined = _joined_spans(spans)
    return predictions.frame.where(within_any(predictions.frame, time, joined, zone=run.schedule.zone, with_null=False))


def _joined_spans(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that touch or overlap as one."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(set(spans)):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def placed(rows: DataFrame, run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> DataFrame:
    """Every row once for each window that holds it and for all rows and each slice key, with its dimensions beside it."""
    edged = with_windows(
        rows.withColumn(own_name("time"), timestamp_micros(rows, run.config.predictions.time, run.schedule.zone)), windows
    )
    sliced = [f"{one.sql} AS {own_name(f's{place}')}" for place, one in enumerate(predictions.slices)]
    edged = edged.selectExpr("*", f"CAST({predictions.version_sql} AS STRING) AS {own_name('version')}", *sliced)
    kept = (
        capped_slice_values(
            edged.selectExpr(*(f"{own_name(f's{place}')} AS s{place}" for place in range(len(predictions.slices)))),
            len(predictions.slices),
            run.config.max_slice_values,
        )
        if predictions.slices
        else ()
    )
    pairs = [F.struct(F.lit(None).cast("string").alias("key"), F.lit(None).cast("string").alias("value"))]
    for place, (one, values) in enumerate(zip(predictions.slices, kept, strict=True)):
        value = F.col(own_name(f"s{place}"))
        if values is not None:
            value = F.when(value.isNull() | value.isin(*sorted(values)), value).otherwise(F.lit(OTHER))
        pairs.append(F.struct(F.lit(one.key).alias("key"), value.alias("value")))
    return edged.withColumn(own_name("slice"), F.explode(F.array(*pairs)))


def with_windows(rows: DataFrame, windows: Sequence[DueWindow]) -> DataFrame:
    """Rows joined with the windows that hold them, by parts of equal length where the edges allow it."""
    keys = window_keys(windows)
    step = gcd(*(edge for key in keys for edge in (key.start, key.end))) or 1
    parts = sum((key.end - key.start) // step for key in keys)
    names = [own_name(name) for name in ("granularity", "start", "end")]
    places = [(key.granularity, key.start, key.end) for key in keys]
    table = local_frame(rows.sparkSession, places, f"{names[0]} string, {names[1]} long, {names[2]} long")
    if parts > MOST_KEYS:
        inside = (F.col(own_name("time")) >= F.col(names[1])) & (F.col(own_name("time")) < F.col(names[2]))
        return rows.join(F.broadcast(table), on=inside, how="inner")
    part = F.expr(f"explode(sequence({names[1]} div {step}, {names[2]} div {step} - 1))").alias(own_name("part"))
    # A part belongs to a window once, so a row meets each of its windows once.
    table = table.select("*", part)
    numbered = rows.withColumn(own_name("row_part"), F.expr(f"CAST(floor({own_name('time')} / {step}D) AS BIGINT)"))
    return numbered.join(F.broadcast(table), on=F.col(own_name("row_part")) == F.col(own_name("part")), how="inner")


def own_name(name: str) -> str:
    """A column of ours among the table's own."""
    return f"{PREFIX}custom_{name}"
