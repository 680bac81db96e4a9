"""A table described: its columns with their types and comments, its key; and the SQL and the Spark type that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyspark.sql.types import (
    ArrayType,
    BinaryType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    MapType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from spark_monitor.text.quoting import literal, quote

PARTITION: Final = "monitor_id"
"""Every table is partitioned by the monitor, so two monitors never touch the same files."""

TEXT, COUNT, NUMBER, WHOLE, TIMESTAMP, BYTES = (
    StringType(),
    LongType(),
    DoubleType(),
    IntegerType(),
    TimestampType(),
    BinaryType(),
)


def column(name: str, kind: DataType, comment: str) -> StructField:
    """A column, or a field of a struct, with the sentence that says what it holds.

    >>> column("rows", COUNT, "rows read").metadata
    {'comment': 'rows read'}
    """
    return StructField(name, kind, nullable=True, metadata={"comment": comment})


def struct(*fields: StructField) -> StructType:
    """A struct of described fields."""
    return StructType(list(fields))


def list_of(kind: DataType) -> ArrayType:
    """An array."""
    return ArrayType(kind)


def map_of(kind: DataType) -> MapType:
    """A map from strings."""
    return MapType(TEXT, kind)


@dataclass(frozen=True)
class Table:
    """One of the store's tables: what a row is, which columns make it unique, and every column."""

    name: str
    one_row_per: str
    key: tuple[str, ...]
    columns: tuple[StructField, ...]

    @property
    def schema(self) -> StructType:
        """The columns as Spark's type, in the order in which they are stored."""
        return StructType(list(self.columns))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(field.name for field in self.columns)

    @property
    def has_windows(self) -> bool:
        """Whether rows belong to windows, and are replaced window by window."""
        return "window" in self.key

    @property
    def has_datasets(self) -> bool:
        """Whether rows of several datasets lie side by side, each with windows of its own."""
        return "dataset" in self.names

    @property
    def columns_sql(self) -> str:
        """The column list of a CREATE TABLE."""
        return ",\n  ".join(column_sql(field) for field in self.columns)


def column_sql(field: StructField) -> str:
    """A column's definition as SQL writes it, comments of nested fields included.

    >>> print(column_sql(column("ends", struct(column("start", TIMESTAMP, "first")), "two edges")))
    `ends` struct<`start`: timestamp COMMENT 'first'> COMMENT 'two edges'
    """
    return f"{quote(field.name)} {type_sql(field.dataType)}{_comment_sql(field.metadata)}"


def type_sql(kind: DataType, *, comments: bool = True) -> str:
    """A type as SQL writes it, with the comments of nested fields or without.

    >>> type_sql(map_of(list_of(COUNT)))
    'map<string, array<bigint>>'
    """
    if isinstance(kind, StructType):
        return f"struct<{', '.join(_field_sql(field, comments) for field in kind.fields)}>"
    if isinstance(kind, ArrayType):
        return f"array<{type_sql(kind.elementType, comments=comments)}>"
    if isinstance(kind, MapType):
        return f"map<{type_sql(kind.keyType)}, {type_sql(kind.valueType, comments=comments)}>"
    return kind.simpleString()


def _field_sql(field: StructField, comments: bool) -> str:
    comment = _comment_sql(field.metadata) if comments else ""
    return f"{quote(field.name)}: {type_sql(field.dataType, comments=comments)}{comment}"


def _comment_sql(metadata: Mapping[str, str] | None) -> str:
    comment = (metadata or {}).get("comment", "")
    return f" COMMENT {literal(comment)}" if comment else ""
