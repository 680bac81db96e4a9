"""The files of a request log read by the tasks themselves, where every role is a plain column, as the readers do for predictions.

What stands in the way is a sentence (``OnlySpark``), and the log is read through Spark, with the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import types as T

from spark_monitor.kernel.conditions import Flag
from spark_monitor.kernel.layout import FileColumn, FileLayout, FileSlice, Take
from spark_monitor.kernel.log_spans import FAILED, LOG_SPAN_ROWS, LogColumns, log_batches
from spark_monitor.kernel.parquet import Block, read_blocks
from spark_monitor.kernel.requests import NUMBERS, STRING_COLUMNS, RequestPlan, RequestTask
from spark_monitor.kernel.tallies import TALLY_DDL
from spark_monitor.sources.readers.files import (
    blocks_of,
    conditional,
    field_of,
    file_table_of,
    plain_fields,
    text_of,
    value_type,
)
from spark_monitor.sources.readers.rows import OnlySpark, raw_ranges

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.config.operations import OperationsConfig

_KEYS = {
    "latency": "latency_ms",
    "cpu": "cpu_percent",
    "gpu": "gpu_percent",
    "memory": "memory_bytes",
    "version": "model_version",
}


@dataclass(frozen=True)
class LogFiles:
    """The blocks of every task, and how a request is made of a file's row."""

    layout: FileLayout
    columns: LogColumns
    tasks: Sequence[Sequence[Block]]

    def tallies(self, spark: SparkSession, plan: RequestPlan) -> DataFrame:
        """The tallies of the blocks, one Spark task for each list."""
        tasks, layout, columns = self.tasks, self.layout, self.columns

        def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for number in batch.column(0).to_pylist():
                    spans = read_blocks(tasks[number], layout, LOG_SPAN_ROWS)
                    yield from RequestTask(plan).run(log_batches(spans, columns))

        return spark.range(0, len(tasks), 1, max(len(tasks), 1)).mapInArrow(run, TALLY_DDL)


def require_rows(section: OperationsConfig) -> None:
    """``OnlySpark`` where a row of the table is not a request by itself."""
    if section.request_id is not None:
        raise OnlySpark("requests that come twice are found by Spark")
    if section.format not in (None, "delta", "parquet"):
        raise OnlySpark(f"format {section.format} is read by Spark")


def log_files(
    frame: DataFrame, section: OperationsConfig, partitions: tuple[str, ...], spans: Sequence[tuple[int, int]], zone: str
) -> LogFiles:
    """The files with rows in these spans, of a table with ``partitions`` in their paths; ``OnlySpark`` says why not."""
    fields = plain_fields(frame)
    time = field_of(fields, str(section.time))
    if not isinstance(time.dataType, T.TimestampType | T.TimestampNTZType | T.DateType):
        raise OnlySpark(f"column {time.name!r} is a {time.dataType.simpleString()}, which Spark reads as a time")
    layout, columns = _laid_out(section, fields, time, raw_ranges(time.dataType, spans, zone), zone)
    table = file_table_of(layout, fields, partitions)
    return LogFiles(layout, columns, blocks_of(frame, table, time.name, spans))


def _laid_out(
    section: OperationsConfig,
    fields: Mapping[str, T.StructField],
    time: T.StructField,
    ranges: tuple[tuple[int, int], ...],
    zone: str,
) -> tuple[FileLayout, LogColumns]:
    """Texts and the failure as slices of a span, numbers as its columns."""
    roles = {name: getattr(section, _KEYS.get(name, name)) for name in (*STRING_COLUMNS, FAILED, *NUMBERS)}
    seconds = section.latency_seconds is not None
    roles["latency"] = section.latency_seconds if seconds else roles["latency"]
    named = {name: text for name, text in roles.items() if text is not None}
    numbers = tuple(name for name in NUMBERS if name in named)
    sliced = tuple(name for name in (*STRING_COLUMNS, FAILED) if name in named and name != "version")
    layout = FileLayout(
        time=FileColumn(time.name, value_type(time)),
        ranges=ranges,
        zone=zone,
        ids=(),
        version=text_of(field_of(fields, named["version"])) if "version" in named else None,
        slices=tuple(_failure(named[name], fields) if name == FAILED else _text(named[name], fields) for name in sliced),
        columns=tuple(_number(field_of(fields, named[name])) for name in numbers),
    )
    return layout, LogColumns(sliced, numbers, seconds)


def _text(name: str, fields: Mapping[str, T.StructField]) -> FileSlice:
    return FileSlice((text_of(field_of(fields, name)),))


def _failure(text: str, fields: Mapping[str, T.StructField]) -> FileSlice:
    """Whether a request failed: a condition, or a column that says so itself."""
    if text not in fields:
        return conditional(text, fields)
    if not isinstance(fields[text].dataType, T.BooleanType):
        raise OnlySpark(f"column {text!r} is a {fields[text].dataType.simpleString()}, which Spark reads as true or false")
    return FileSlice((FileColumn(text, value_type(fields[text])),), Flag(text))


def _number(field: T.StructField) -> FileColumn:
    kind = value_type(field)
    if kind is None or not isinstance(field.dataType, T.NumericType):
        raise OnlySpark(f"column {field.name!r} is a {field.dataType.simpleString()}, which Spark reads as a number")
    return FileColumn(field.name, kind, Take.DOUBLE if pa.types.is_decimal(kind) else Take.VALUE)
