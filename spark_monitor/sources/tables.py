"""The tables of operations, pipelines and costs as frames: by name, or files of a detected format; and what their columns say.

A key of the configuration names a column or is a SQL expression; what cannot be read of a row is NULL, never an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import types as T

from spark_monitor.config.expressions import require_condition
from spark_monitor.config.monitored import MonitoredTable
from spark_monitor.config.sources import SourceConfig
from spark_monitor.sources.readers.partitions import read_parquet
from spark_monitor.text.quoting import quote, quote_table, split_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


DELTA, PARQUET, CSV, JSON = "delta", "parquet", "csv", "json"
ANSI = "spark.sql.ansi.enabled"
"""Off while such a table is read: a text where a number should be is then NULL, and is counted, and costs no other row."""

SESSION_ZONE = "spark.sql.session.timeZone"
"""That of the monitor while such a table is read: strings, dates and local times without a zone are in it."""

MICROS_FROM, MILLIS_FROM = 1e14, 1e11
"""Numbers of a time at or above these are microseconds, milliseconds; below, seconds since 1970."""


def stored_source(spark: SparkSession, section: MonitoredTable, *, otherwise: str = PARQUET) -> SourceConfig:
    """The table as a source that has a version; files whose kind nobody named are Delta where they can be read as such."""
    kind = None if section.table is not None else section.stored_as or _detected_format(spark, str(section.path), otherwise)
    return SourceConfig.model_construct(table=section.table, path=section.path, format=kind)


def _detected_format(spark: SparkSession, path: str, otherwise: str) -> str:
    try:
        _ = spark.read.format(DELTA).load(path).columns
        return DELTA
    except Exception:  # whatever says that these files are no Delta table
        return otherwise


def open_table(spark: SparkSession, section: MonitoredTable) -> DataFrame:
    """The table as it lies there; nothing is read yet."""
    source = stored_source(spark, section)
    if source.table is not None:
        return spark.read.table(quote_table(source.table))
    if source.format == PARQUET:
        return read_parquet(spark, str(source.path))
    reader = spark.read.format(str(source.format))
    if source.format == CSV:
        # A quote within quotes is written twice (RFC 4180), as in the tags of a bill; Spark's own default is a backslash.
        reader = reader.option("header", "true").option("inferSchema", "true").option("escape", '"')
    return reader.load(str(source.path))


def beside(section: MonitoredTable, name: str) -> MonitoredTable:
    """The table of a name in the same schema, or in the same directory.

    >>> beside(MonitoredTable(table="system.billing.usage"), "list_prices").table
    '`system`.`billing`.`list_prices`'
    >>> beside(MonitoredTable(path="/a/usage"), "list_prices").path
    '/a/list_prices'
    """
    if section.table is not None:
        return MonitoredTable(table=".".join(quote(part) for part in (*split_table(section.table)[:-1], name)))
    return MonitoredTable(path=f"{str(section.path).rstrip('/').rpartition('/')[0]}/{name}", files=section.files)


def sql_of(frame: DataFrame, text: str | None) -> str:
    """A column quoted, an expression in parentheses, NULL where the key is not there."""
    if text is None:
        return "NULL"
    return quote(text) if text in frame.columns else f"({require_condition(text)})"


def first_of(frame: DataFrame, *names: str) -> str | None:
    """The first of these columns that the frame has, whatever the case of its letters."""
    columns = {name.lower(): name for name in frame.columns}
    return next((quote(columns[name.lower()]) for name in names if name.lower() in columns), None)


def filled(frame: DataFrame, *names: str) -> str:
    """The first of these columns that has a value in a row, as a string; NULL where the frame has none of them."""
    there = [text_sql(column) for name in names if (column := first_of(frame, name)) is not None]
    return f"coalesce({', '.join(there)})" if there else text_sql("NULL")


def type_of(frame: DataFrame, sql: str) -> T.DataType:
    """The type of an expression."""
    return frame.selectExpr(f"{sql} AS value").schema["value"].dataType


def time_sql(frame: DataFrame, sql: str) -> str:
    """An expression as a time: timestamps and dates as they are, strings parsed, numbers as seconds, milli- or microseconds."""
    kind = type_of(frame, sql)
    if isinstance(kind, T.StringType | T.CharType | T.VarcharType):
        return f"try_to_timestamp({sql})"
    if isinstance(kind, T.NumericType):
        number = f"CAST({sql} AS DOUBLE)"
        micros = (
            f"CASE WHEN abs({number}) >= {MICROS_FROM!r} THEN {number} "
            f"WHEN abs({number}) >= {MILLIS_FROM!r} THEN 1e3 * {number} ELSE 1e6 * {number} END"
        )
        return f"timestamp_micros(CAST({micros} AS BIGINT))"
    return sql


def number_sql(sql: str) -> str:
    """An expression as a double; NULL where it is no number."""
    return f"try_cast({sql} AS DOUBLE)"


def text_sql(sql: str) -> str:
    """An expression as a text."""
    return f"CAST({sql} AS STRING)"
