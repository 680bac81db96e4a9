"""What a Delta table tells of itself without being read: its commits, what each wrote, and the schema that each left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from spark_monitor.store.iceberg import iceberg_commits, iceberg_path, iceberg_schemas
from spark_monitor.store.sources import relation_of
from spark_monitor.text.quoting import literal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.config.sources import SourceConfig

_ROWS = ("numOutputRows", "num_added_rows", "num_output_rows", "numUpdatedRows", "num_updated_rows")
_MERGED = (
    ("numTargetRowsInserted", "num_target_rows_inserted"),
    ("numTargetRowsUpdated", "num_target_rows_updated"),
)
"""What a merge wrote: its output rows count those as well that stood beside them in the files, and were copied."""

_BYTES = ("numOutputBytes", "numAddedBytes", "num_added_bytes")
_FILES = ("numFiles", "numAddedFiles", "numTargetFilesAdded", "num_added_files", "num_target_files_added")
_WRITES = (
    "WRITE",
    "STREAMING UPDATE",
    "MERGE",
    "UPDATE",
    "DELETE",
    "COPY INTO",
    "CREATE TABLE AS SELECT",
    "CREATE OR REPLACE TABLE AS SELECT",
    "REPLACE TABLE AS SELECT",
)
"""Operations that change data; names of Spark and of delta-rs, in capitals."""


def commits(spark: SparkSession, source: SourceConfig, name: str) -> DataFrame | None:
    """A row for each commit: when, what, by whom, and how many rows, bytes and files it wrote; None where there is no history.

    What a writer's metrics do not say (delta-rs reports no bytes) is summed up from the files that the commit's log adds.
    """
    iceberg = iceberg_path(spark, source)
    if iceberg is not None:
        return iceberg_commits(spark, iceberg, name)
    relation = relation_of(source)
    if relation is None:
        return None
    try:
        history = spark.sql(f"DESCRIBE HISTORY {relation}")
        _ = history.columns
    except AnalysisException:
        return None
    writes = " OR ".join(f"upper(operation) LIKE {literal(one + '%')}" for one in _WRITES)
    rows = history.selectExpr(
        "version",
        "unix_micros(timestamp) AS at",
        "operation",
        # Only some platforms know their users; the program that wrote is always there.
        "coalesce(userName, engineInfo) AS author",
        f"coalesce({' + '.join(map(_number, _MERGED))}, {_number(_ROWS)}) AS rows",
        *(f"{_number(keys)} AS {column}" for column, keys in (("bytes", _BYTES), ("files", _FILES))),
        f"coalesce({writes}, false) AS writes",
    )
    log = _log(spark, relation, "add struct<size: bigint, dataChange: boolean, stats: string>")
    if log is not None:
        added = (
            log.where("add.dataChange")
            .groupBy("version")
            .agg(
                F.sum("add.size").alias("added_bytes"),
                F.count(F.lit(1)).alias("added_files"),
                F.expr("sum(try_cast(get_json_object(add.stats, '$.numRecords') AS BIGINT))").alias("added_rows"),
            )
        )
        rows = rows.join(added, on="version", how="left")
    else:
        rows = rows.selectExpr("*", *(f"CAST(NULL AS BIGINT) AS added_{one}" for one in ("rows", "bytes", "files")))
    # What a deletion writes anew was there before.
    kept = [
        f"CAST(CASE WHEN operation = 'DELETE' THEN 0 ELSE coalesce({one}, added_{one}) END AS DOUBLE) AS {one}"
        for one in ("rows", "bytes", "files")
    ]
    return rows.selectExpr(f"{literal(name)} AS name", "version", "at", "operation", "author", *kept, "writes")


def _number(keys: tuple[str, ...]) -> str:
    read = ", ".join(f"try_cast(try_element_at(operationMetrics, {literal(key)}) AS BIGINT)" for key in keys)
    return f"coalesce({read})"


def _log(spark: SparkSession, relation: str, columns: str) -> DataFrame | None:
    """The table's log as far as its files are there, with the version of each action; None where they cannot be read."""
    try:
        location = spark.sql(f"DESCRIBE DETAIL {relation}").select("location").collect()[0]["location"]
        log = spark.read.schema(columns).json(f"{str(location).rstrip('/')}/_delta_log/*.json")
        numbered = "try_cast(regexp_extract(_metadata.file_name, '^([0-9]+)', 1) AS BIGINT) AS version"
        return log.selectExpr("*", numbered)
    except Exception:  # a catalog that hands out no files, or rights that do not reach them
        return None


def schemas(spark: SparkSession, source: SourceConfig, name: str) -> DataFrame | None:
    """The schema that a commit left, for each commit that says one; None where the log cannot be read."""
    iceberg = iceberg_path(spark, source)
    if iceberg is not None:
        return iceberg_schemas(spark, iceberg, name)
    relation = relation_of(source)
    if relation is None:
        return None
    log = _log(spark, relation, "metaData struct<schemaString: string>")
    if log is None:
        return None
    schema_changes = log.where("metaData.schemaString IS NOT NULL")
    return schema_changes.selectExpr(f"{literal(name)} AS name", "version", "metaData.schemaString AS fields")
