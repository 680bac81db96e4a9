"""The Spark reader: rows in Arrow batches to partial states, in every task. Works on any table, view, format and catalog."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from spark_monitor.kernel.batches import with_column
from spark_monitor.kernel.partials import Task
from spark_monitor.kernel.plan import PARTIAL_DDL, ProfilePlan
from spark_monitor.kernel.spans import CHUNK_BYTES
from spark_monitor.kernel.times import timestamps

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


BATCH_SETTING = "spark.sql.execution.arrow.maxRecordsPerBatch"


_LEAST_BATCH, _MOST_BATCH, _VALUE_BYTES = 256, 4096, 9


FREEZE_BATCH = 256
"""Rows per batch while a baseline's sharp sketches travel, of which each takes a quarter of a megabyte."""


def partial_states(rows: DataFrame, plan: ProfilePlan) -> DataFrame:
    """Partial states, many per key."""
    kernel, zone = plan.kernel, plan.zone

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from Task(kernel, partition_number()).run(timed(batch, zone) for batch in batches)

    return rows.mapInArrow(run, PARTIAL_DDL)


def partition_number() -> int:
    """The number of the partition that the calling task works on."""
    from pyspark import TaskContext

    context = TaskContext.get()
    return int(context.partitionId()) if context else 0


def timed(batch: pa.RecordBatch, zone: str) -> pa.RecordBatch:
    """The batch with its first column as microseconds since 1970."""
    values = timestamps(batch.column(0), zone)
    return with_column(batch, 0, pa.field("time", values.type), values)


def bounded_batches(width: int) -> int:
    """Rows per Arrow batch that keep a batch of ``width`` columns, and one of as many partial states, near ``CHUNK_BYTES``."""
    return max(_LEAST_BATCH, min(_MOST_BATCH, CHUNK_BYTES // (_VALUE_BYTES * max(width, 1))))
