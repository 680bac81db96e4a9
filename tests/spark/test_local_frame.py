"""Rows of the driver become the frame that Spark makes of the same tuples, as a part of the plan and without a job."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from spark_monitor.sources.local_frame import local_frame

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DDL = (
    "name string, many long, few int, part double, sure boolean, bytes binary, at timestamp, day date, names array<string>, "
    "facts map<string, string>, members array<struct<metric: string, share: double>>, `odd ``name` struct<a: long, b: string>"
)
AT = datetime(2024, 3, 31, 1, 30, 0, 123456, tzinfo=UTC)
FULL = ("é\0'`", 2**63 - 1, -(2**31), 0.1, True, b"\x00\xff", AT, date(1969, 12, 31), ["a", None], {"k": "v", "l": None})
NESTED = ([("ks", 0.5), None, ("psi", None)], (1, None))
ROWS: list[tuple[Any, ...]] = [
    (*FULL, *NESTED),
    (None,) * 12,
    ("", 0, 0, float("-inf"), False, b"", AT.replace(tzinfo=None), date(2024, 2, 29), [], {}, [], {"a": 2, "b": "x"}),
]


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], []], ids=["three", "one", "none"])
def test_rows_are_those_that_spark_makes_of_tuples(spark: SparkSession, rows: list[tuple[Any, ...]]) -> None:
    frame, expected = local_frame(spark, rows, DDL), spark.createDataFrame(rows, DDL)
    assert frame.schema == expected.schema
    assert frame.collect() == expected.collect()
    joined = frame.alias("a").join(expected.alias("b"), on=["name", "many"], how="inner")
    assert joined.count() == sum(row[0] is not None for row in rows)


def test_a_type_that_no_table_has_is_an_error(spark: SparkSession) -> None:
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        pytest.skip("Spark Connect converts tuples itself")
    with pytest.raises(KeyError, match="ByteType"):
        local_frame(spark, [(1,)], "small byte")
