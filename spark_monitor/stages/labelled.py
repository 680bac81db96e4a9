"""Labels joined to the predictions of some windows, and the fingerprint by which a window's labels are seen to change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from spark_monitor.kernel.partials import segment_of
from spark_monitor.kernel.plan import plan_segments, wanted_spans
from spark_monitor.kernel.spans import one_array
from spark_monitor.kernel.times import timestamps
from spark_monitor.sources.labels import (
    LABEL,
    LABEL_CONFLICTS,
    LABEL_FINGERPRINT,
    LABEL_ROWS,
    LABEL_TIME,
    join_labels,
    latest_labels,
    plain_ids,
)
from spark_monitor.sources.predictions import Predictions, slice_applies, time_range
from spark_monitor.sources.readers.rows import ReadSlice, read_source, within_any
from spark_monitor.stages.baseline_rows import known_rows
from spark_monitor.stages.context import Run, window_keys
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PREFIX = "spark_monitor_"
Spans = Sequence[tuple[int, int]]
"""Spans of time in microseconds, half-open."""

_SUMS_DDL = "segment int, labelled long, total long"
_SUMS = pa.schema([("segment", pa.int32()), ("labelled", pa.int64()), ("total", pa.int64())])
_TWO_TO_64 = "18446744073709551616BD"


def spans_of(windows: Sequence[DueWindow]) -> Spans:
    """The spans of time that hold every row of some windows, and few others."""
    return wanted_spans(*plan_segments(window_keys(windows)))


def rows_in(run: Run, predictions: Predictions, spans: Spans) -> DataFrame:
    """The prediction rows of some spans of time."""
    time, zone = run.config.predictions.time, run.schedule.zone
    return predictions.frame.where(within_any(predictions.frame, time, spans, zone=zone, with_null=False))


def labelled_rows(run: Run, predictions: Predictions, spans: Spans) -> DataFrame:
    """The prediction rows of some spans of time, each once, with the label known at the run's as-of."""
    labels = run.config.labels
    if labels is None:
        raise ValueError("labelled_rows: the monitor has no labels")
    all_labels, prediction_id = read_source(run.spark, labels), run.config.predictions.id
    plain = plain_ids(predictions.frame, prediction_id, all_labels, labels.id)
    latest = latest_labels(all_labels, labels, as_of=run.as_of, zone=run.schedule.zone, plain=plain)
    rows = rows_in(run, predictions, spans)
    return join_labels(rows, latest, prediction_id=prediction_id, label_id=labels.id, prefix=PREFIX, plain=plain)


def answered_rows(run: Run, predictions: Predictions, spans: Spans) -> DataFrame:
    """The prediction rows of some spans of time, each once, with its label; where no label table can be read no row has one."""
    if run.config.labels is not None and not run.no_labels:
        return labelled_rows(run, predictions, spans)
    absent = {LABEL: "STRING", LABEL_TIME: "TIMESTAMP", LABEL_ROWS: "BIGINT", LABEL_CONFLICTS: "BOOLEAN"}
    nothing = (f"CAST(NULL AS {kind}) AS {quote(PREFIX + name)}" for name, kind in absent.items())
    return rows_in(run, predictions, spans).selectExpr("*", *nothing)


def baseline_rows(run: Run, predictions: Predictions) -> tuple[DataFrame, list[ReadSlice], tuple[int, int]] | None:
    """The baseline's rows before the as-of with their labels, its slices, and the span of its times; None without its id."""
    baseline, section = run.baseline, run.config.predictions
    if baseline is None:
        return None
    frame = known_rows(run, baseline, baseline.where)
    joined = _with_own_labels(frame, baseline.label) if baseline.label is not None else _with_labels(run, frame)
    if joined is None:
        run.notes.append("The baseline has no ids by which labels could be found: nothing is estimated.")
        return None
    span = time_range(frame, section.time, run.schedule.zone, run.as_of) if section.time in frame.columns else None
    edges = (micros(span[0]), micros(span[1]) + 1) if span is not None else (0, 1)
    return joined, [slice_ for slice_ in predictions.slices if slice_applies(frame, slice_)], edges


def _with_labels(run: Run, frame: DataFrame) -> DataFrame | None:
    """The baseline's rows with their labels from the label table; None without ids."""
    labels, section = run.config.labels, run.config.predictions
    if labels is None or run.no_labels or set(section.id) - set(frame.columns):
        return None
    all_labels = read_source(run.spark, labels)
    plain = plain_ids(frame, section.id, all_labels, labels.id)
    latest = latest_labels(all_labels, labels, as_of=run.as_of, zone=run.schedule.zone, plain=plain)
    return join_labels(frame, latest, prediction_id=section.id, label_id=labels.id, prefix=PREFIX, plain=plain)


def with_label(joined: DataFrame) -> DataFrame:
    """The rows that have a label, which SQL of the monitor's file calls ``label``."""
    label = F.col(quote(PREFIX + LABEL))
    return joined.where(label.isNotNull()).withColumn("label", label)


def _with_own_labels(frame: DataFrame, label: str) -> DataFrame:
    """The baseline's rows with the label that each has in a column of its own; when it came is not known."""
    present = f"CASE WHEN {quote(label)} IS NOT NULL THEN 1L ELSE 0L END"
    label_columns = {LABEL: quote(label), LABEL_TIME: "CAST(NULL AS TIMESTAMP)", LABEL_ROWS: present, LABEL_CONFLICTS: "false"}
    return frame.selectExpr("*", *(f"{sql} AS {quote(PREFIX + name)}" for name, sql in label_columns.items()))


def label_fingerprints(run: Run, predictions: Predictions, windows: Sequence[DueWindow]) -> dict[DueWindow, int]:
    """A number per window that changes with any label, label time or id among its rows; 0 where nothing is labelled.

    One job over ids, times and labels; as many rows as there are segments come to the driver.
    """
    if run.config.labels is None or not windows:
        return {}
    keys = window_keys(windows)
    edges, members = plan_segments(keys)
    zone = run.schedule.zone

    def sums(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield segment_sums(batch, edges, members, zone)

    joined = labelled_rows(run, predictions, wanted_spans(edges, members))
    hashed = joined.selectExpr(f"{quote(run.config.predictions.time)} AS time", f"{quote(PREFIX + LABEL_FINGERPRINT)} AS hash")
    # The sums of a batch have wrapped around at 2^64; so does their sum, and then no batching can be seen in it.
    total = F.expr(f"pmod(sum(CAST(total AS DECIMAL(38, 0))), {_TWO_TO_64})").alias("total")
    grouped = hashed.where("hash IS NOT NULL").mapInArrow(sums, _SUMS_DDL).groupBy("segment")
    rows = grouped.agg(F.sum("labelled").alias("labelled"), total).collect()
    return combined({row["segment"]: (row["labelled"], int(row["total"])) for row in rows}, members, windows)


def segment_sums(
    batch: pa.RecordBatch, edges: tuple[int, ...], members: tuple[tuple[int, ...], ...], zone: str
) -> pa.RecordBatch:
    """Labelled rows and the sum of their hashes, modulo 2^64, per segment."""
    time = pa.chunked_array([timestamps(batch.column(0), zone)])
    wanted = np.array([bool(numbers) for numbers in members])
    segment = segment_of(time, np.array(edges, dtype=np.int64), wanted)
    hashes = np.asarray(one_array(pa.chunked_array([batch.column(1)])).to_numpy(zero_copy_only=False), dtype=np.int64)
    segments, position = np.unique(segment, return_inverse=True)
    totals = np.zeros(segments.size, dtype=np.int64)
    np.add.at(totals, position, hashes)
    counts = np.bincount(position, minlength=segments.size)
    inside = segments >= 0
    columns = [segments[inside].astype(np.int32), counts[inside].astype(np.int64), totals[inside]]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=_SUMS)


def combined(
    sums: Mapping[int, tuple[int, int]], members: tuple[tuple[int, ...], ...], windows: Sequence[DueWindow]
) -> dict[DueWindow, int]:
    """The fingerprint of each window, a signed 64-bit number; windows without a label have none.

    Sums of segments add up to the window's, so the number does not depend on which other windows were asked for.
    """
    labelled, totals = [0] * len(windows), [0] * len(windows)
    for segment, (rows, total) in sums.items():
        for number in members[segment]:
            labelled[number] += rows
            totals[number] += total
    numbered = enumerate(windows)
    return {window: _hashed(labelled[number], totals[number] % (1 << 64)) for number, window in numbered if labelled[number]}


def _hashed(rows: int, total: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{rows}:{total}".encode()).digest()[:8], "big", signed=True)
