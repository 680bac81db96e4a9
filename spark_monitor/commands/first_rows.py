"""What a table's columns and first rows tell of them: kinds, roles and numbers that grow with time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from spark_monitor.commands.roles import MOST_CLASSES, Column, Kind, is_answer
from spark_monitor.quality.codes import MOST_CODES, are_codes
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame


ROWS_LOOKED_AT = 10_000

RUNNING: Final = 0.98
"""A number that goes with time so closely, over the baseline, is counted up; of so many values at least."""

LEAST_RUNNING: Final = 20
LARGEST_CODE: Final = float(1 << 53)


def running_columns(frame: DataFrame, columns: Sequence[Column], time: str) -> tuple[str, ...]:
    """Numbers that grow with time, such as ids that are counted up: no window of theirs is like another. One aggregate."""
    from pyspark.sql import functions as F

    clock = F.unix_micros(F.col(quote(time)).cast("timestamp")).cast("double")
    names = [one.name for one in columns if one.kind in ("whole", "real") and (one.count or 0) >= LEAST_RUNNING]
    if not names:
        return ()
    asked = [F.corr(F.col(quote(name)).cast("double"), clock).alias(f"c{place}") for place, name in enumerate(names)]
    correlations = frame.agg(*asked).collect()[0]
    return tuple(
        name for name, together in zip(names, correlations, strict=True) if together is not None and abs(together) >= RUNNING
    )


def look(frame: DataFrame) -> list[Column]:
    """The columns with what the first rows hold of them: one small job."""
    from pyspark.sql import functions as F

    kinds = {field.name: kind_of(field.dataType) for field in frame.schema.fields}
    asked: list[Any] = []
    for place, (name, kind) in enumerate(kinds.items()):
        column = F.col(quote(name))
        asked.append(F.avg(F.when(column.isNull(), 100.0).otherwise(0.0)).alias(f"m{place}"))
        if kind not in ("time", "other"):
            asked.append(F.approx_count_distinct(column).alias(f"n{place}"))
        if kind not in ("time", "other") and is_answer(name):
            asked.append(F.slice(F.sort_array(F.collect_set(column)), 1, MOST_CLASSES + 1).alias(f"v{place}"))
        if kind == "whole":
            asked.append(F.slice(F.sort_array(F.collect_set(column.cast("long"))), 1, MOST_CODES[1] + 1).alias(f"k{place}"))
        if kind in ("whole", "real"):
            asked.append((F.max(column < 0) & F.max(column > 0)).alias(f"s{place}"))
        if kind == "real":
            codes = F.when(_all_whole(column), F.sort_array(F.collect_set(F.expr(f"try_cast({quote(name)} AS BIGINT)"))))
            asked.append(F.slice(codes, 1, MOST_CODES[1] + 1).alias(f"k{place}"))
            asked.append(F.min((column >= 0) & (column <= 1)).alias(f"u{place}"))
    row = frame.limit(ROWS_LOOKED_AT).agg(F.count(F.lit(1)).alias("rows"), *asked).collect()[0].asDict()
    empty = not row["rows"]
    return [
        Column(
            name,
            kind,
            values=None if empty or row.get(f"v{place}") is None else tuple(row[f"v{place}"]),
            count=None if empty else row.get(f"n{place}"),
            within_unit=row.get(f"u{place}"),
            missing=row.get(f"m{place}"),
            has_both_signs=row.get(f"s{place}"),
            is_code=not empty and are_codes(name, row.get(f"k{place}") or ()),
        )
        for place, (name, kind) in enumerate(kinds.items())
    ]


def _all_whole(column: SparkColumn) -> SparkColumn:
    """Whether the values of a column of doubles are integers, as far as they are there (pandas writes NaN for missing ones)."""
    from pyspark.sql import functions as F

    number = column.cast("double")
    return F.min(F.when(~F.isnan(number), (number == F.rint(number)) & (F.abs(number) <= LARGEST_CODE)))


def kind_of(data_type: Any) -> Kind:
    """The kind of a Spark type's values, as far as guessing goes."""
    from pyspark.sql import types as T

    if isinstance(data_type, (T.TimestampType, T.TimestampNTZType, T.DateType)):
        return "time"
    if isinstance(data_type, T.IntegralType) or (isinstance(data_type, T.DecimalType) and data_type.scale == 0):
        return "whole"
    if isinstance(data_type, T.NumericType):
        return "real"
    if isinstance(data_type, (T.StringType, T.CharType, T.VarcharType)):
        return "text"
    return "boolean" if isinstance(data_type, T.BooleanType) else "other"
