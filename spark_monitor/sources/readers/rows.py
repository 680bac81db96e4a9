"""From a source in the configuration to a frame of exactly what a profile needs, under names of our own.

Columns become ``c0, c1, ...`` so that no name, however odd, meets SQL twice; a column's type decides what is read of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.errors import ConfigError
from spark_monitor.kernel.times import first_readings
from spark_monitor.sources.readers.partitions import read_parquet
from spark_monitor.text.quoting import crossed, literal, quote, quote_table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

TEXT_TYPES = (T.StringType, T.CharType, T.VarcharType)
CODES = (T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.DecimalType, T.BooleanType, T.FloatType, T.DoubleType, T.DateType)
"""Types whose values can be compared as categories by their strings."""

TIME, NULL_ID, VERSION = "time", "null_id", "version"
_DAY_MICROS = 86_400_000_000
_FIRST_LOCAL, _LAST_LOCAL = ((end - datetime(1970, 1, 1)) // timedelta(microseconds=1) for end in (datetime.min, datetime.max))


class OnlySpark(ValueError):
    """Why only Spark can read or evaluate something."""


class Source(Protocol):
    """A table by name, or files by path and format."""

    @property
    def table(self) -> str | None: ...
    @property
    def path(self) -> str | None: ...
    @property
    def format(self) -> str | None: ...


class Kind(StrEnum):
    """What kind of state a column gets."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    SIZE = "size"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class ReadColumn:
    """A column to profile: its name, Spark's simple type, the kind of its state and the SQL that reads it."""

    name: str
    data_type: str
    kind: Kind
    sql: str


@dataclass(frozen=True)
class ReadSlice:
    """A slice key as written and the SQL of its value as text."""

    key: str
    sql: str


def read_source(spark: SparkSession, source: Source) -> DataFrame:
    """The source as a frame; nothing is read yet."""
    if source.table is not None:
        return spark.read.table(quote_table(source.table))
    if source.format == "parquet":
        return read_parquet(spark, str(source.path))
    return spark.read.format(str(source.format)).load(str(source.path))


def read_column(field: T.StructField, declared: str | None = None) -> ReadColumn:
    """How a column of this type is read; ``declared`` says how it is compared where its type does not (`columns`).

    Numbers that are codes are compared as the strings they are written as; strings that are numbers as numbers, others as NULL.
    """
    name, kind = quote(field.name), field.dataType
    simple = kind.simpleString()
    if declared == "categorical" and isinstance(kind, CODES):
        return ReadColumn(field.name, simple, Kind.CATEGORICAL, f"CAST({name} AS STRING)")
    if declared == "numeric" and isinstance(kind, TEXT_TYPES):
        return ReadColumn(field.name, simple, Kind.NUMERIC, f"try_cast({name} AS DOUBLE)")
    if isinstance(kind, T.DecimalType):
        return ReadColumn(field.name, simple, Kind.NUMERIC, f"CAST({name} AS DOUBLE)")
    if isinstance(kind, (T.NumericType, T.BooleanType, T.DateType, T.TimestampType, T.TimestampNTZType)):
        return ReadColumn(field.name, simple, Kind.NUMERIC, name)
    if isinstance(kind, TEXT_TYPES):
        return ReadColumn(field.name, simple, Kind.CATEGORICAL, f"CAST({name} AS STRING)")
    if isinstance(kind, T.BinaryType):
        return ReadColumn(field.name, simple, Kind.CATEGORICAL, name)
    if isinstance(kind, (T.ArrayType, T.MapType)):
        return ReadColumn(field.name, simple, Kind.SIZE, f"CASE WHEN {name} IS NOT NULL THEN size({name}) END")
    if isinstance(kind, T.StructType):
        return ReadColumn(field.name, simple, Kind.SIZE, f"CASE WHEN {name} IS NOT NULL THEN {len(kind.fields)} END")
    return ReadColumn(field.name, simple, Kind.UNSUPPORTED, f"CASE WHEN {name} IS NOT NULL THEN true END")


def read_slice(frame: DataFrame, slice_: str | Sequence[str]) -> ReadSlice:
    """How a slice's value is read: a column's text, ``x, y`` of a crossing, or true, false or NULL of an expression."""
    names = set(frame.columns)
    if not isinstance(slice_, str):
        return crossed_slices([ReadSlice(name, f"CAST({quote(name)} AS STRING)") for name in slice_])
    if slice_ in names:
        return ReadSlice(slice_, f"CAST({quote(slice_)} AS STRING)")
    return ReadSlice(slice_, f"CAST(CAST(({column_or_sql(slice_, ())}) AS BOOLEAN) AS STRING)")


def crossed_slices(slices: Sequence[ReadSlice]) -> ReadSlice:
    """The slices side by side as one.

    >>> crossed_slices([ReadSlice("a", "`a`"), ReadSlice("b > 1", "s")]).key
    'a, b > 1'
    """
    parts = ", ', ', ".join(_crossed_sql(one.sql) for one in slices)
    return ReadSlice(crossed(one.key for one in slices), f"concat({parts})")


def _crossed_sql(text: str) -> str:
    """One part of a crossing's value, as ``text.quoting.crossed`` writes it."""
    quoted = f"""concat('"', replace({text}, '"', '""'), '"')"""
    needed = f"""{text} = 'NULL' OR instr({text}, ',') > 0 OR instr({text}, '"') > 0"""
    return f"CASE WHEN {text} IS NULL THEN 'NULL' WHEN {needed} THEN {quoted} ELSE {text} END"


def rows_for_profile(
    frame: DataFrame,
    columns: Iterable[ReadColumn],
    slices: Iterable[ReadSlice],
    *,
    time: str | None,
    version_sql: str,
    ids: Sequence[str],
    extras: Sequence[str] = (),
) -> DataFrame:
    """The frame that a kernel task expects: time, whether the id is null, version, slice values, then the columns, then the
    ``extras``, which are only hashed.

    Without ``time`` (a baseline) every row stands at the epoch.
    """
    null_id = " OR ".join(f"{quote(name)} IS NULL" for name in ids) or "false"
    selected = [
        f"{quote(time)} AS {TIME}" if time else f"timestamp_micros(0) AS {TIME}",
        f"({null_id}) AS {NULL_ID}",
        f"CAST({version_sql} AS STRING) AS {VERSION}",
        *(f"{slice_.sql} AS s{position}" for position, slice_ in enumerate(slices)),
        *(f"{column.sql} AS c{position}" for position, column in enumerate(columns)),
        *(f"{quote(name)} AS x{position}" for position, name in enumerate(extras)),
    ]
    return frame.selectExpr(*selected)


def with_roles(frame: DataFrame, expressions: Iterable[str]) -> DataFrame:
    """The frame with a column for each text that is no column but an expression: ``probs[1]``, ``payload.amount``.

    The new column has the text as its name, so that it is named everywhere as it is written; a text that is no expression of
    this table stays a missing column.
    """
    from pyspark.errors import AnalysisException, ParseException

    from spark_monitor.config.expressions import unknown_names

    for text in dict.fromkeys(expressions):
        columns = frame.columns
        if text in columns or unknown_names(text, columns):
            continue
        try:
            made = frame.withColumn(text, F.expr(column_or_sql(text, ())))
            _ = made.columns
        except (AnalysisException, ParseException, ConfigError):
            continue
        frame = made
    return frame


def column_or_sql(text: str, columns: Collection[str]) -> str:
    """The SQL of a role: the column of that name where there is one, else the text itself, an expression or a struct's field.

    >>> column_or_sql("score", {"score"}), column_or_sql("probs[1]", {"probs"}), column_or_sql("a.b", {"a.b", "a"})
    ('`score`', 'probs[1]', '`a.b`')
    """
    if text in columns:
        return quote(text)
    from spark_monitor.config.expressions import require_condition  # reads SQL: workers that read rows need it not

    return require_condition(text)


def version_sql(model_version: object, columns: Sequence[str]) -> str:
    """The SQL of the model version: a column, a literal, or NULL where none is declared or the column is missing."""
    text = getattr(model_version, "literal", None)
    if text is not None:
        return literal(str(text))
    if isinstance(model_version, str) and model_version in columns:
        return quote(model_version)
    return "NULL"


def within(frame: DataFrame, time: str, start_micros: int, end_micros: int, *, zone: str, with_null: bool = True) -> Column:
    """The condition that a row's time lies in [start, end), or is unknown; local times and dates are those of ``zone``."""
    return within_any(frame, time, [(start_micros, end_micros)], zone=zone, with_null=with_null)


def within_any(frame: DataFrame, time: str, spans: Iterable[tuple[int, int]], *, zone: str, with_null: bool = True) -> Column:
    """The condition that a row's time lies in any of these spans of microseconds, or is unknown; as ``within`` otherwise."""
    text = inside_sql(frame, time, spans, zone=zone)
    return F.expr(f"{text} OR {quote(time)} IS NULL" if with_null else text)


def inside_sql(frame: DataFrame, time: str, spans: Iterable[tuple[int, int]], *, zone: str) -> str:
    """The same as SQL, without rows whose time is unknown."""
    kind = frame.schema[time].dataType
    return " OR ".join(f"({_inside(kind, quote(time), low, high)})" for low, high in raw_ranges(kind, spans, zone)) or "false"


def before(frame: DataFrame, time: str, timestamp_micros: int, *, zone: str) -> Column:
    """The condition that a row's time lies before a timestamp; local times and dates are those of ``zone``."""
    kind = frame.schema[time].dataType
    return F.expr(f"{quote(time)} < {_literal(kind, _stored(kind, [timestamp_micros], zone)[0])}")


def _inside(kind: T.DataType, name: str, low: int, high: int) -> str:
    return f"{name} >= {_literal(kind, low)} AND {name} < {_literal(kind, high)}"


def _literal(kind: T.DataType, stored: int) -> str:
    """A time as SQL, of the number that a column of this type stores for it."""
    if isinstance(kind, T.DateType):
        return f"date_from_unix_date({stored})"
    if isinstance(kind, T.TimestampType):
        return f"timestamp_micros({stored})"
    # The last timestamps of year 9999 have no local time east of Greenwich that Spark could hold.
    local = datetime(1970, 1, 1) + timedelta(microseconds=min(max(stored, _FIRST_LOCAL), _LAST_LOCAL))
    return f"TIMESTAMP_NTZ '{local.isoformat(sep=' ')}'"


def _stored(kind: T.DataType, moments: Sequence[int], zone: str) -> list[int]:
    """The least number that a time column stores for any time at or after each timestamp: microseconds, or days of a date."""
    if isinstance(kind, T.TimestampType):
        return list(moments)
    readings = first_readings(moments, zone)
    return [-(-reading // _DAY_MICROS) for reading in readings] if isinstance(kind, T.DateType) else readings


def raw_ranges(kind: T.DataType, spans: Iterable[tuple[int, int]], zone: str) -> tuple[tuple[int, int], ...]:
    """The ranges that ``within_any`` means, as a time column stores them: microseconds (of the local clock, where the column
    holds local times), days where it holds dates. Adjacent ones are joined, empty ones left out.

    >>> raw_ranges(T.DateType(), [(0, 86_400_000_001)], "UTC"), raw_ranges(T.TimestampType(), [(0, 1), (5, 6)], "UTC")
    (((0, 2),), ((0, 1), (5, 6)))
    >>> raw_ranges(T.TimestampNTZType(), [(0, 1)], "Asia/Tokyo")
    ((32400000000, 32400000001),)
    """
    ends = _stored(kind, [end for span in sorted(spans) for end in span], zone)
    ranges: list[tuple[int, int]] = []
    for low, high in zip(ends[::2], ends[1::2], strict=True):
        if ranges and low <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], max(high, ranges[-1][1]))
        elif low < high:
            ranges.append((low, high))
    return tuple(ranges)
