"""Parquet directories whose paths hold values (``store=007``): values keep their text where a number would not give it back.

Spark takes 007 and 7 for one number, and 1.10 and 1.1. Where all values of a column of the path are written as their number
writes itself, the column stays a number; otherwise it is a text, and both readers take it from the path as it stands there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from pyspark.sql import types as T

from spark_monitor.errors import RunError
from spark_monitor.text.quoting import quote

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
LOG = "_delta_log"
DELTA_TABLE = "a Delta table, not Parquet files alone"
_PROBE = "spark_monitor_probe"


def read_parquet(spark: SparkSession, path: str) -> DataFrame:
    """The Parquet files of a directory as a frame; no file is opened for the columns that stand in the paths."""
    if _has_commits(spark, path):
        raise RunError(f"{DELTA_TABLE}: write format: delta, else deleted and replaced rows would count as well ({path}).")
    probe = spark.read.schema(f"{_PROBE} INT").parquet(path)
    numbers = [field.name for field in probe.schema.fields if field.name != _PROBE and isinstance(field.dataType, T.NumericType)]
    frame = spark.read.parquet(path)
    string_columns = ambiguous(spark, path, frame.select(*map(quote, numbers)).schema) if numbers else set()
    if not string_columns:
        return frame
    fields = [
        T.StructField(field.name, T.StringType(), field.nullable) if field.name in string_columns else field
        for field in frame.schema.fields
    ]
    return spark.read.schema(T.StructType(fields)).parquet(path)


def _has_commits(spark: SparkSession, path: str) -> bool:
    """Whether Delta's log lies beside the files; a storage that cannot be listed says so when its files are read."""
    if "://" not in path:
        return Path(path.removeprefix("file:"), LOG).is_dir()
    try:
        _ = spark.read.text(f"{path.rstrip('/')}/{LOG}/*.json").schema
    except Exception:
        return False
    return True


def ambiguous(spark: SparkSession, path: str, columns: T.StructType) -> set[str]:
    """The columns of which some value in a path is not what the number that Spark makes of it is written as.

    One job over the files' names; as many rows as columns come to the driver.
    """
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path)
    segment = F.explode(F.split(F.col("path"), "/")).alias("segment")
    values = files.select(segment).where("instr(segment, '=') > 0").distinct()
    named = values.selectExpr("substring_index(segment, '=', 1) AS name", "substring(segment, instr(segment, '=') + 1) AS value")
    lost = [F.lower("name").eqNullSafe(field.name.lower()) & ~_gives_back(field.dataType) for field in columns.fields]
    row = named.where(F.col("value") != NO_VALUE).agg(*(F.max(one.cast("int")) for one in lost)).collect()[0]
    return {field.name for field, any_lost in zip(columns.fields, row, strict=True) if any_lost}


def _gives_back(kind: T.DataType) -> Column:
    """Whether a value's number is written as the value is."""
    return F.coalesce(F.expr(f"CAST(try_cast(value AS {kind.simpleString()}) AS STRING) = value"), F.lit(False))
