"""Rows written as the store's Delta tables, by delta-rs and without Spark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from spark_monitor.store.schemas import TABLES


def write_tables(directory: Path, rows: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Every table of the store, with these rows."""
    for name, table in TABLES.items():
        schema = pa.schema([pa.field(field.name, arrow_type(field.dataType)) for field in table.columns])
        found = [
            {field.name: _value(row.get(field.name), field.dataType) for field in table.columns} for row in rows.get(name, ())
        ]
        written = pa.Table.from_pylist(found, schema=schema)
        write_deltalake(str(directory / name), written, partition_by=["monitor_id"], mode="overwrite")


def arrow_type(kind: Any) -> pa.DataType:
    """A column type of the store as Arrow has it."""
    from pyspark.sql import types as T

    if isinstance(kind, T.StructType):
        return pa.struct([pa.field(field.name, arrow_type(field.dataType)) for field in kind.fields])
    if isinstance(kind, T.ArrayType):
        return pa.list_(arrow_type(kind.elementType))
    if isinstance(kind, T.MapType):
        return pa.map_(pa.string(), arrow_type(kind.valueType))
    simple = {
        "string": pa.string(),
        "bigint": pa.int64(),
        "int": pa.int32(),
        "double": pa.float64(),
        "float": pa.float32(),
        "boolean": pa.bool_(),
        "binary": pa.binary(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    return simple[kind.simpleString()]


def _value(value: Any, kind: Any) -> Any:
    """A value as Arrow takes it: a struct may be given as a tuple in the order of its fields."""
    from pyspark.sql import types as T

    if value is None or isinstance(value, datetime):
        return value
    if isinstance(kind, T.StructType):
        given = value if isinstance(value, Mapping) else dict(zip(kind.names, value, strict=True))
        return {field.name: _value(given.get(field.name), field.dataType) for field in kind.fields}
    if isinstance(kind, T.ArrayType):
        return [_value(one, kind.elementType) for one in value]
    return list(value.items()) if isinstance(kind, T.MapType) else value
