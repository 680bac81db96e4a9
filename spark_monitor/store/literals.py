"""Python values as SQL: what the ledger writes, without a frame and so without a job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pyspark.sql.types import ArrayType, DataType, DoubleType, IntegerType, LongType, MapType, StructType, TimestampType

from spark_monitor.store.described import type_sql
from spark_monitor.text.quoting import literal


def value_sql(value: Any, kind: DataType) -> str:
    """A value as a SQL expression of a type. Maps and arrays go as JSON, so thousands of windows are one text.

    >>> from spark_monitor.store.described import COUNT, TEXT, WHOLE, map_of
    >>> value_sql("it's", TEXT), value_sql(7, COUNT), value_sql(None, WHOLE)
    ("'it\\\\'s'", 'CAST(7 AS bigint)', 'CAST(NULL AS int)')
    >>> value_sql({"rows": 3}, map_of(COUNT))
    'from_json(\\'{"rows": 3}\\', \\'map<string, bigint>\\')'
    """
    if value is None:
        return f"CAST(NULL AS {type_sql(kind)})"
    if isinstance(kind, TimestampType):
        return timestamp_sql(value)
    if isinstance(kind, LongType | IntegerType):
        return f"CAST({int(value)} AS {type_sql(kind)})"
    if isinstance(kind, DoubleType):
        return f"CAST({literal(repr(float(value)))} AS double)"
    if isinstance(kind, ArrayType | MapType | StructType):
        document = json.dumps(plain(value, kind, mapped=dict), ensure_ascii=False, default=_in_json)
        return f"from_json({literal(document)}, {literal(type_sql(kind, comments=False))})"
    return literal(str(value))


def timestamp_sql(timestamp: datetime) -> str:
    """A timestamp as a SQL literal that no session's time zone can move.

    >>> timestamp_sql(datetime(2013, 9, 2, tzinfo=UTC))
    "TIMESTAMP '2013-09-02 00:00:00.000000+00:00'"
    """
    return f"TIMESTAMP '{_text(timestamp, ' ')}'"


def plain(value: Any, kind: DataType, *, mapped: Callable[[Iterable[tuple[str, Any]]], Any]) -> Any:
    """A value without Spark: a struct, given as a mapping or in the order of its fields, by their names; ``mapped`` makes a map.

    >>> from spark_monitor.store.described import COUNT, list_of, map_of
    >>> plain({"rows": [3, None]}, map_of(list_of(COUNT)), mapped=list)
    [('rows', [3, None])]
    """
    if value is None:
        return None
    if isinstance(kind, StructType):
        given = value if isinstance(value, Mapping) else dict(zip(kind.names, value, strict=True))
        return {field.name: plain(given.get(field.name), field.dataType, mapped=mapped) for field in kind.fields}
    if isinstance(kind, ArrayType):
        return [plain(member, kind.elementType, mapped=mapped) for member in value]
    if isinstance(kind, MapType):
        return mapped((str(key), plain(member, kind.valueType, mapped=mapped)) for key, member in value.items())
    return value


def _in_json(value: Any) -> str:
    """What JSON has no form for: a timestamp as text."""
    if not isinstance(value, datetime):
        raise TypeError(f"found a {type(value).__name__}, expected a number, string or timestamp")
    return _text(value, "T")


def _text(timestamp: datetime, separator: str) -> str:
    if timestamp.tzinfo is None:
        raise ValueError(f"found {timestamp.isoformat()} without a time zone: pass timezone-aware timestamps")
    return timestamp.astimezone(UTC).isoformat(sep=separator, timespec="microseconds")
