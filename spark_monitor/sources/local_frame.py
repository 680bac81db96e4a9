"""A few rows of the driver as a frame.

Of tuples Spark makes a frame by Python workers of another kind than those that profile, two processes more, and a job that hands
every row to the JVM; an Arrow table becomes part of the plan, whose size is known and which no job has to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from pyspark.sql import types as T

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_ARROW: Mapping[type[T.DataType], pa.DataType] = {
    T.StringType: pa.string(),
    T.BinaryType: pa.binary(),
    T.BooleanType: pa.bool_(),
    T.IntegerType: pa.int32(),
    T.LongType: pa.int64(),
    T.DoubleType: pa.float64(),
    T.DateType: pa.date32(),
    T.TimestampType: pa.timestamp("us", tz="UTC"),
}


def local_frame(spark: SparkSession, rows: Sequence[Sequence[Any]], schema: str | T.StructType) -> DataFrame:
    """Rows, each with a value for every column, as a frame with these columns.

    Spark Connect sends tuples as an Arrow table of its own accord, and Spark before 4.0 takes none.
    """
    if not _takes_arrow(spark):
        return spark.createDataFrame(list(rows), schema)
    kinds = cast("T.StructType", T.StructType.fromDDL(schema)) if isinstance(schema, str) else schema
    fields = kinds.fields
    arrays = [
        pa.array([_plain(row[place], field.dataType) for row in rows], arrow_type(field.dataType))
        for place, field in enumerate(fields)
    ]
    table: Any = pa.Table.from_arrays(arrays, names=[field.name for field in fields])
    frame: DataFrame = spark.createDataFrame(table, kinds)
    return frame


def _takes_arrow(spark: SparkSession) -> bool:
    """Whether Spark itself makes frames of Arrow tables: from the release on in which frames become such tables."""
    from pyspark.sql import DataFrame

    return hasattr(DataFrame, "toArrow") and not type(spark).__module__.startswith("pyspark.sql.connect")


def arrow_type(kind: T.DataType) -> pa.DataType:
    """The Arrow type of a Spark type; a ``KeyError`` of types that no table of the monitor has.

    >>> arrow_type(T.ArrayType(T.StructType().add("kind", "string").add("share", "double")))
    ListType(list<item: struct<kind: string, share: double>>)
    """
    if isinstance(kind, T.ArrayType):
        return pa.list_(arrow_type(kind.elementType))
    if isinstance(kind, T.MapType):
        return pa.map_(arrow_type(kind.keyType), arrow_type(kind.valueType))
    if isinstance(kind, T.StructType):
        return pa.struct([(field.name, arrow_type(field.dataType)) for field in kind.fields])
    return _ARROW[type(kind)]


def _plain(value: Any, kind: T.DataType) -> Any:
    """A value as Arrow takes it: structs and maps by name and as pairs, timestamps in UTC (naive ones are in the local zone)."""
    if value is None:
        return None
    if isinstance(kind, T.ArrayType):
        return [_plain(one, kind.elementType) for one in value]
    if isinstance(kind, T.MapType):
        return [(_plain(key, kind.keyType), _plain(one, kind.valueType)) for key, one in value.items()]
    if isinstance(kind, T.StructType):
        values = [value[name] for name in kind.names] if isinstance(value, Mapping) else value
        return {field.name: _plain(one, field.dataType) for field, one in zip(kind.fields, values, strict=True)}
    return value.astimezone(UTC) if isinstance(value, datetime) else value
