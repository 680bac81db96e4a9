"""Which types of columns can serve as a time, a number, an id or a plain value."""

from __future__ import annotations

from pyspark.sql import types as T

from spark_monitor.sources.readers.rows import Kind, read_column

PLAIN = "a number, a string, a date, a timestamp or a boolean"
TIME = "a timestamp or a date"

_TIMES = (T.TimestampType, T.TimestampNTZType, T.DateType)
_PLAIN = (T.NumericType, T.StringType, T.CharType, T.VarcharType, T.BooleanType, *_TIMES)
WHOLE = (T.ByteType, T.ShortType, T.IntegerType, T.LongType)


def is_time(kind: T.DataType) -> bool:
    """Whether values of a type say when."""
    return isinstance(kind, _TIMES)


def is_number(kind: T.DataType) -> bool:
    """Whether values of a type can be summed."""
    return isinstance(kind, T.NumericType)


def is_plain(kind: T.DataType) -> bool:
    """Whether values of a type can be compared as strings."""
    return isinstance(kind, _PLAIN)


def is_id(kind: T.DataType) -> bool:
    """Whether values of a type can be an id: whatever can be compared as a string, bytes by their hexadecimal digits."""
    return is_plain(kind) or isinstance(kind, T.BinaryType)


def profiled_kind(data_type: T.DataType, declared: str | None = None) -> Kind:
    """What a column of this type is profiled as: two that are the same are compared, whatever their types."""
    return read_column(T.StructField("column", data_type), declared).kind
