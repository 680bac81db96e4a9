"""The file reader: whether a prediction table can be read without the JVM, which blocks of which files, and their states.

Spark lists the blocks and counts their rows over one column; tasks then read the files themselves. What stands in the way is a
sentence, and the run reads through Spark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.kernel.conditions import Condition
from spark_monitor.kernel.layout import MICROS, TIMESTAMPS, FileColumn, FileLayout, FileSlice, Take
from spark_monitor.kernel.parquet import MARK, Block, read_blocks
from spark_monitor.kernel.partials import Task
from spark_monitor.kernel.plan import PARTIAL_DDL, ProfilePlan
from spark_monitor.kernel.storage import SCHEMES, scheme_of
from spark_monitor.session import setting
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import Kind, OnlySpark, ReadColumn, raw_ranges, within_any
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.config.monitor import MonitorConfig

MOST_BLOCKS = 100_000
"""More blocks than this are not listed on the driver; the run then reads through Spark."""

TASK_SETTING, TASK_BYTES = "spark.sql.files.maxPartitionBytes", 512 << 20
"""Where the session leaves it to Spark (128 MiB), a task reads up to so many bytes, fewer where cores would have no work.

Every task makes, writes and hands on states of its own: of five slice keys of 50 values a third of its time at 128 MiB.
"""

DEFAULT_OF_MISSING = "EXISTS_DEFAULT"
DECLARED_TEXT = "__CHAR_VARCHAR_TYPE_STRING"
"""Where a column of a table says that its strings are CHAR(n) or VARCHAR(n)."""

PADDING_SETTING = "spark.sql.readSideCharPadding"
VALUES: Mapping[type[T.DataType], pa.DataType] = {
    T.ByteType: pa.int8(),
    T.ShortType: pa.int16(),
    T.IntegerType: pa.int32(),
    T.LongType: pa.int64(),
    T.FloatType: pa.float32(),
    T.DoubleType: pa.float64(),
    T.BooleanType: pa.bool_(),
    T.DateType: pa.date32(),
    T.TimestampType: TIMESTAMPS,
    T.TimestampNTZType: MICROS,
    T.StringType: pa.string(),
    T.CharType: pa.string(),
    T.VarcharType: pa.string(),
    T.BinaryType: pa.binary(),
}
STRING_LIKE = (pa.string(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.bool_(), pa.date32())
"""Types whose text is the same whoever writes it; that of doubles and timestamps is Spark's own."""

IN_PATHS = (pa.string(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.bool_(), pa.date32())


@dataclass(frozen=True)
class FileTable:
    """A table that can be read by its files."""

    layout: FileLayout
    partition_columns: tuple[str, ...]


def file_table(
    config: MonitorConfig,
    predictions: Predictions,
    partitions: tuple[str, ...],
    spans: Sequence[tuple[int, int]],
    extras: Sequence[str] = (),
) -> FileTable:
    """How the rows with a time in any of ``spans`` (microseconds) are read from files; ``OnlySpark`` says why they cannot be.

    ``partitions`` are the columns that stand in the files' paths, ``extras`` those that are only hashed.
    """
    if predictions.computed:
        raise OnlySpark(f"{predictions.computed[0]} is an expression, which only Spark computes")
    fields = plain_fields(predictions.frame)
    time = field_of(fields, config.predictions.time)
    layout = FileLayout(
        time=FileColumn(time.name, value_type(time)),
        ranges=raw_ranges(time.dataType, spans, config.windows.zone),
        zone=config.windows.zone,
        ids=tuple(config.predictions.id),
        version=_version(config.predictions.model_version, fields),
        slices=tuple(_slice(slice_, fields) for slice_ in config.slices),
        columns=(
            *(_taken(column, fields[column.name]) for column in predictions.columns),
            *(_hashed(field_of(fields, name)) for name in extras),
        ),
    )
    return file_table_of(layout, fields, partitions)


def plain_fields(frame: DataFrame) -> dict[str, T.StructField]:
    """The columns of a table by their names; ``OnlySpark`` where Spark alone knows what it hands over of one."""
    fields = {field.name: field for field in frame.schema.fields}
    padded = str(frame.sparkSession.conf.get(PADDING_SETTING, "true")).lower() == "true"
    if not padded and any(_width(field) for field in fields.values()):
        raise OnlySpark(f"{PADDING_SETTING} is off, so that strings of CHAR columns are whatever their files hold")
    for name, field in fields.items():
        if DEFAULT_OF_MISSING in (field.metadata or {}):
            raise OnlySpark(f"column {name!r} has a default for older files, which only Spark fills in")
    return fields


def file_table_of(layout: FileLayout, fields: Mapping[str, T.StructField], partitions: tuple[str, ...]) -> FileTable:
    """A layout and the columns in the files' paths, which must be of types that their strings determine."""
    for name in partitions:
        if value_type(fields[name]) not in IN_PATHS:
            raise OnlySpark(f"partition column {name!r} is of type {fields[name].dataType.simpleString()}")
    return FileTable(layout, partitions)


def blocks_of(frame: DataFrame, table: FileTable, time: str, spans: Sequence[tuple[int, int]]) -> list[list[Block]]:
    """The blocks that hold rows of the spans, task by task, packed by bytes as Spark's own scan packs them for
    tasks of ``TASK_BYTES``.

    One job over the time column; as many rows as blocks come to the driver, and no more than ``MOST_BLOCKS``.
    """
    placed = frame.where(within_any(frame, time, spans, zone=table.layout.zone, with_null=False)).select(
        F.expr("_metadata.file_path AS path"),
        F.expr("_metadata.file_block_start AS start"),
        F.expr("_metadata.file_block_length AS length"),
        F.expr("_metadata.file_size AS size"),
        F.spark_partition_id().alias("task"),
        *(F.expr(f"CAST({quote(name)} AS STRING) AS p{place}") for place, name in enumerate(table.partition_columns)),
    )
    # A path and a start name a block. What else is known of it is not grouped by, since every row pays for every key.
    keys = ["path", "start", *(f"p{place}" for place in range(len(table.partition_columns)))]
    numbers = [F.max(name).alias(name) for name in ("length", "size", "task")]
    counted = placed.groupBy(*keys).agg(F.count(F.lit(1)).alias("rows"), *numbers)
    with setting(frame.sparkSession, TASK_SETTING, str(TASK_BYTES), unless_set=True):
        rows = counted.limit(MOST_BLOCKS + 1).collect()
    if len(rows) > MOST_BLOCKS:
        raise OnlySpark(f"the due windows lie in more than {MOST_BLOCKS:,} blocks of files")
    unknown = {scheme_of(row["path"]) for row in rows} - SCHEMES
    if unknown:
        raise OnlySpark(f"the files lie on {', '.join(sorted(unknown))}, which only Spark reaches")
    return _by_task(rows, table.partition_columns)


def _by_task(rows: Iterable[Any], partitions: Sequence[str]) -> list[list[Block]]:
    tasks: dict[int, list[Block]] = {}
    for row in sorted(rows, key=lambda row: (row["task"], row["path"], row["start"])):
        constants = tuple((name, row[f"p{place}"]) for place, name in enumerate(partitions))
        block = Block(row["path"], row["start"], row["length"], row["size"], row["rows"], constants)
        tasks.setdefault(row["task"], []).append(block)
    return list(tasks.values())


def file_partials(spark: SparkSession, tasks: Sequence[Sequence[Block]], layout: FileLayout, plan: ProfilePlan) -> DataFrame:
    """Partial states of the blocks, one Spark task for each list."""
    kernel = plan.kernel

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from Task(kernel, number).run_spans(read_blocks(tasks[number], layout, kernel.span_rows))

    return spark.range(0, len(tasks), 1, max(len(tasks), 1)).mapInArrow(run, PARTIAL_DDL)


def why_unreadable(error: BaseException) -> str | None:
    """The sentence of a task that could not read a file; None where a failure is another one."""
    text = str(error)
    if MARK not in text:
        return None
    why = text.split(MARK, 1)[1].split("[end]", 1)[0]
    return " ".join(why.removeprefix(":").split())


def value_type(field: T.StructField) -> pa.DataType | None:
    """The Arrow type of a column's values; None of one that is not read from files."""
    kind = field.dataType
    if isinstance(kind, T.DecimalType):
        return pa.decimal128(kind.precision, kind.scale)
    return VALUES.get(type(kind))


def _taken(column: ReadColumn, field: T.StructField) -> FileColumn:
    """How a column to profile is read."""
    if column.kind is Kind.UNSUPPORTED:
        return FileColumn(field.name, None, Take.PRESENT)
    if column.kind is Kind.SIZE:
        if isinstance(field.dataType, T.StructType):
            return FileColumn(field.name, None, Take.FIELDS, len(field.dataType.fields))
        return FileColumn(field.name, None, Take.SIZE)
    kind = value_type(field)
    if kind is None:
        raise OnlySpark(f"column {field.name!r} is of type {column.data_type}")
    is_text = pa.types.is_string(kind)
    if column.kind is Kind.NUMERIC and is_text:
        raise OnlySpark(f"only Spark reads the strings of column {field.name!r} as numbers")
    if column.kind is Kind.CATEGORICAL and not is_text and not pa.types.is_binary(kind):
        return FileColumn(text_of(field).name, kind, Take.TEXT)
    return FileColumn(field.name, kind, Take.DOUBLE if pa.types.is_decimal(kind) else Take.VALUE, width=_width(field))


def _hashed(field: T.StructField) -> FileColumn:
    """How a column that is only hashed is read."""
    kind = value_type(field)
    if kind is None:
        raise OnlySpark(f"column {field.name!r} is of type {field.dataType.simpleString()}")
    return FileColumn(field.name, kind, width=_width(field))


def field_of(fields: Mapping[str, T.StructField], name: str) -> T.StructField:
    """A column by its name."""
    if name not in fields:
        raise OnlySpark(f"{name!r} is no column as the table writes it")
    return fields[name]


def text_of(field: T.StructField) -> FileColumn:
    """How a column's values are read as strings."""
    kind = value_type(field)
    if kind not in STRING_LIKE:
        raise OnlySpark(f"only Spark writes the {field.dataType.simpleString()} column {field.name!r} as a string")
    return FileColumn(field.name, kind, width=_width(field))


def _width(field: T.StructField) -> int:
    """How many characters Spark hands over of a CHAR column's strings at least; 0 of any other column."""
    declared = re.fullmatch(r"char\((\d+)\)", str((field.metadata or {}).get(DECLARED_TEXT, "")), re.IGNORECASE)
    if declared is None and isinstance(field.dataType, T.CharType):
        return int(field.dataType.length)
    return int(declared[1]) if declared else 0


def _version(declared: object, fields: Mapping[str, T.StructField]) -> FileColumn | str | None:
    literal = getattr(declared, "literal", None)
    if literal is not None:
        return str(literal)
    return text_of(fields[declared]) if isinstance(declared, str) and declared in fields else None


def _slice(slice_: str | Sequence[str], fields: Mapping[str, T.StructField]) -> FileSlice:
    if not isinstance(slice_, str):
        return FileSlice(tuple(text_of(field_of(fields, name)) for name in slice_))
    if slice_ in fields:
        return FileSlice((text_of(fields[slice_]),))
    return conditional(slice_, fields)


def conditional(text: str, fields: Mapping[str, T.StructField]) -> FileSlice:
    """Whether a condition on the table's columns holds."""
    from spark_monitor.sources.readers.expressions import condition  # reads SQL, which workers need not

    types = {name: field.dataType.simpleString() for name, field in fields.items()}
    tree = condition(text, types)
    widths = [name for name in _named(tree) if _width(fields[name])]
    if widths:
        raise OnlySpark(f"the slice {text} compares a CHAR column, whose strings Spark fills up with spaces first")
    columns = [FileColumn(name, value_type(fields[name])) for name in _named(tree)]
    return FileSlice(tuple(columns), tree)


def _named(tree: Condition) -> list[str]:
    """The columns of a condition, once each."""
    names = [tree.name] if hasattr(tree, "name") else []
    inner = [getattr(tree, part) for part in ("inner", "left", "right") if hasattr(tree, part)]
    return list(dict.fromkeys([*names, *(name for part in inner for name in _named(part))]))
