"""Whether a source is simply its Parquet files, as they lie there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_monitor.sources.readers.rows import OnlySpark, Source, read_source
from spark_monitor.store.place import delta_at
from spark_monitor.text.quoting import quote_table, split_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DELETION_VECTORS, COLUMN_MAPPING = "deletionVectors", "delta.columnMapping.mode"
OWN_CATALOGS = ("spark_catalog", "hive_metastore")
"""Catalogs whose tables are files that whoever may read the table may read."""


def columns_in_paths(spark: SparkSession, source: Source) -> tuple[str, ...]:
    """The columns that stand in the files' paths; ``OnlySpark`` where the table is not simply its files."""
    frame = read_source(spark, source)
    if source.table is not None:
        return _of_catalog(spark, source.table, frame)
    if source.format == "delta":
        return _of_delta(spark, delta_at(str(source.path)))
    if source.format == "parquet":
        return _named_in_paths(frame)
    raise OnlySpark(f"the format is {source.format}")


def _of_catalog(spark: SparkSession, name: str, frame: DataFrame) -> tuple[str, ...]:
    parts = split_table(name)
    catalog = parts[0] if len(parts) > 2 else spark.catalog.currentCatalog()
    if catalog not in OWN_CATALOGS:
        raise OnlySpark(f"catalog {catalog} hands out its tables itself")
    quoted = quote_table(name)
    table = spark.catalog.getTable(quoted)
    if table.isTemporary or table.tableType not in ("MANAGED", "EXTERNAL"):
        raise OnlySpark(f"{name} is a view")
    described = {row["col_name"]: row["data_type"] for row in spark.sql(f"DESCRIBE TABLE EXTENDED {quoted}").collect()}
    provider = str(described.get("Provider", "")).lower()
    if provider == "delta":
        return _of_delta(spark, quoted)
    if provider == "parquet":
        return _named_in_paths(frame)
    raise OnlySpark(f"{name} is stored as {provider or 'something else than files'}")


def _of_delta(spark: SparkSession, quoted: str) -> tuple[str, ...]:
    detail = spark.sql(f"DESCRIBE DETAIL {quoted}").collect()[0].asDict()
    if DELETION_VECTORS in (detail.get("tableFeatures") or []):
        raise OnlySpark("the table has deletion vectors")
    if (detail.get("properties") or {}).get(COLUMN_MAPPING, "none") != "none":
        raise OnlySpark("the table maps its columns to other names in the files")
    return tuple(detail.get("partitionColumns") or ())


def _named_in_paths(frame: DataFrame) -> tuple[str, ...]:
    """The columns of a Parquet directory that its files' paths give as ``name=value``."""
    paths = frame.select("_metadata.file_path").limit(1).collect()
    segments = str(paths[0][0]).split("/")[:-1] if paths else []
    keys = {segment.split("=", 1)[0].lower() for segment in segments if "=" in segment}
    return tuple(name for name in frame.columns if name.lower() in keys)
