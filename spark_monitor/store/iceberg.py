"""What an Iceberg table at a path tells of itself by its metadata files: snapshots, what they wrote, schemas. No jar is needed.

Format: Apache Iceberg's table specification, versions 1 and 2, ``metadata/*.metadata.json``. The newest file lists the snapshots
that have not expired; each file is a change of the table, whose ``last-updated-ms`` numbers commits and schemas here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from spark_monitor.text.quoting import literal, quote_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.config.sources import SourceConfig

ICEBERG = "iceberg"
_METADATA = (
    "`last-updated-ms` BIGINT, `current-schema-id` INT, `schema` STRUCT<fields: STRING>, "
    "schemas ARRAY<STRUCT<`schema-id`: INT, fields: STRING>>, "
    "snapshots ARRAY<STRUCT<`timestamp-ms`: BIGINT, summary: MAP<STRING, STRING>>>"
)
_REWRITES = "replace"
"""The operation of compactions, which write files and change no data."""


def iceberg_path(spark: SparkSession, source: SourceConfig) -> str | None:
    """Where an Iceberg table lies, by path or as a catalog tells of a name; None of other tables."""
    if str(source.format) == ICEBERG:
        return str(source.path)
    if source.table is None:
        return None
    try:
        described = spark.sql(f"DESCRIBE TABLE EXTENDED {quote_table(source.table)}")
        rows = described.where("lower(col_name) IN ('provider', 'location')").collect()
    except AnalysisException:
        return None  # no such table, which those that read it say
    types = {row["col_name"].lower(): row["data_type"] for row in rows}
    return types.get("location") if str(types.get("provider")).lower() == ICEBERG else None


def iceberg_commits(spark: SparkSession, path: str, name: str) -> DataFrame:
    """A row for each snapshot, and one that wrote nothing for each metadata file: ``store.history.commits`` of a Delta table."""
    files = _files(spark, path)
    newest = files.agg(F.expr("max_by(m.snapshots, struct(at, file))").alias("snapshots"))
    summaries = newest.selectExpr("explode(snapshots) AS s").selectExpr("s.`timestamp-ms` AS at", "s.summary AS summary")
    operation = "try_element_at(summary, 'operation')"
    counted = (("rows", "added-records"), ("bytes", "added-files-size"), ("files", "added-data-files"))
    written = [
        f"CASE WHEN {operation} IN ('delete', '{_REWRITES}') THEN 0D "
        f"ELSE coalesce(try_cast(try_element_at(summary, '{key}') AS DOUBLE), 0D) END AS {column}"
        for column, key in counted
    ]
    snapshots = summaries.selectExpr(
        "at", f"upper({operation}) AS operation", *written, f"coalesce({operation} <> '{_REWRITES}', true) AS writes"
    )
    changes = files.selectExpr("at", "'METADATA' AS operation", "0D AS rows", "0D AS bytes", "0D AS files", "false AS writes")
    return snapshots.unionByName(changes).selectExpr(
        f"{literal(name)} AS name",
        "at AS version",
        "1000L * at AS at",
        "operation",
        "CAST(NULL AS STRING) AS author",
        *("rows", "bytes", "files", "writes"),
    )


def iceberg_schemas(spark: SparkSession, path: str, name: str) -> DataFrame:
    """The schema that each metadata file left, in the shape that Delta writes it."""
    of_id = "filter(m.schemas, one -> one.`schema-id` = m.`current-schema-id`)"
    current = f"coalesce(try_element_at({of_id}, 1).fields, m.schema.fields)"
    schema_versions = _files(spark, path).selectExpr("at AS version", f"""concat('{{"fields": ', {current}, '}}') AS fields""")
    return schema_versions.where("fields IS NOT NULL").selectExpr(f"{literal(name)} AS name", "version", "fields")


def _files(spark: SparkSession, path: str) -> DataFrame:
    """Each metadata file, read; they are small."""
    documents = spark.read.option("wholetext", "true").text(f"{path.rstrip('/')}/metadata/*.metadata.json")
    read = documents.select(F.from_json("value", _METADATA).alias("m"), F.expr("_metadata.file_name AS file"))
    return read.where("m.`last-updated-ms` IS NOT NULL").selectExpr("m", "file", "m.`last-updated-ms` AS at")
