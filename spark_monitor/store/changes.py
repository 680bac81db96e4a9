"""Which windows' rows are others than those that are stored: a comparison of hashes, window by window."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, DoubleType, MapType, StructType

from spark_monitor.store.described import Table
from spark_monitor.text.quoting import quote
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import EPOCH, ONE_MICROSECOND, Window

IGNORED: Final = ("run_id", "as_of")
"""Columns that say who wrote a row and when, not what was found."""

DIGITS: Final = 12
"""Numbers that agree in this many digits are the same: the last bits depend on the order in which parts were merged."""

KEY: Final = ("granularity", "start", "end")
EDGES: Final = tuple(f"unix_micros(`window`.`{edge}`) AS `{edge}`" for edge in ("start", "end"))


def changed(old: DataFrame, new: DataFrame, table: Table, *, ignore: Iterable[str] = IGNORED) -> list[DueWindow]:
    """The windows in which two frames of a table's rows differ, whatever the rows' order; one row a window is collected.

    A window's rows are summed up in their number, and in the sum and the exclusive or of their 64-bit hashes.
    """
    left, right = (_fingerprints(frame, table, frozenset(ignore)) for frame in (old, new))
    sides = left.withColumnRenamed("fingerprint", "before"), right.withColumnRenamed("fingerprint", "after")
    both = sides[0].join(sides[1], on=list(KEY), how="full")  # one row per window on either side, being grouped by it
    return _collected(both.where("NOT (before <=> after)").select(*KEY))


def windows_of(frame: DataFrame) -> list[DueWindow]:
    """The windows of which a frame has rows."""
    return _collected(frame.selectExpr("granularity", *EDGES).distinct())


def comparable(column: str, kind: DataType, depth: int = 0) -> str:
    """SQL that is equal for values that are the same: numbers to ``DIGITS`` digits, maps as sorted entries.

    >>> comparable("`value`", DoubleType())
    "format_string('%.11e', `value` + 0.0D)"
    """
    each = f"x{depth}"
    if isinstance(kind, DoubleType):
        return f"format_string('%.{DIGITS - 1}e', {column} + 0.0D)"  # + 0.0 makes one zero of two
    if isinstance(kind, StructType):
        fields = (comparable(f"{column}.{quote(field.name)}", field.dataType, depth) for field in kind.fields)
        return f"struct({column} IS NULL, {', '.join(fields)})"
    if isinstance(kind, ArrayType):
        return f"transform({column}, {each} -> {comparable(each, kind.elementType, depth + 1)})"
    if isinstance(kind, MapType):
        entries = ArrayType(StructType().add("key", kind.keyType).add("value", kind.valueType))
        return comparable(f"array_sort(map_entries({column}))", entries, depth)
    return column


def _fingerprints(frame: DataFrame, table: Table, ignore: frozenset[str]) -> DataFrame:
    told = [field for field in table.columns if field.name not in ignore]
    # xxhash64 passes over NULL, so a value that moved to a neighbouring column would not show without the flags.
    parts = [f"{quote(field.name)} IS NULL, {comparable(quote(field.name), field.dataType)}" for field in told]
    hashed = frame.selectExpr("granularity", *EDGES, f"xxhash64({', '.join(parts)}) AS hash")
    summary = "struct(count(*), bit_xor(hash), sum(CAST(hash AS decimal(20, 0))))"
    return hashed.groupBy(*KEY).agg(F.expr(summary).alias("fingerprint"))


def _collected(windows: DataFrame) -> list[DueWindow]:
    rows = windows.collect()
    return sorted(DueWindow(row["granularity"], Window(_instant(row["start"]), _instant(row["end"]))) for row in rows)


def _instant(micros: int) -> datetime:
    return EPOCH + micros * ONE_MICROSECOND
