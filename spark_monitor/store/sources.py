"""The versions of the tables that a monitor reads, where a table has versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_monitor.config.sources import SourceConfig
from spark_monitor.store.place import FORMAT
from spark_monitor.text.quoting import quote, quote_table
from spark_monitor.windowing.instants import instant_of


def commit_version(spark: SparkSession, source: SourceConfig) -> int | None:
    """The number of the source's last commit; None where it is a view, or of a format without commits."""
    commit = _last_commit(spark, source)
    return None if commit is None else int(commit["version"])


def source_version(spark: SparkSession, source: SourceConfig) -> str | None:
    """What changes when the source does; None where nothing tells.

    Of a table with commits the last one with its timestamp, so that a table dropped and made again is not taken for the old one.
    Of files by path a hash of their names, sizes and times; none of them is opened.
    """
    if source.path is not None and source.format != FORMAT:
        return _listing(spark, source.path)
    commit = _last_commit(spark, source)
    return None if commit is None else version_text(int(commit["version"]), instant_of(commit["at"]))


def version_text(version: int, at: datetime) -> str:
    """A version as the ledger writes it.

    >>> version_text(7, instant_of(0))
    '7 of 1970-01-01T00:00:00.000000+00:00'
    """
    return f"{version} of {at.isoformat(timespec='microseconds')}"


def _listing(spark: SparkSession, path: str) -> str:
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path)
    named = files.selectExpr("CAST(xxhash64(path, length, unix_micros(modificationTime)) AS DECIMAL(38, 0)) AS hash")
    found = named.selectExpr("count(*) AS files", "sum(hash) AS total").collect()[0]
    return f"{found['files']} files, {found['total']}"


def relation_of(source: SourceConfig) -> str | None:
    """What SQL calls the source; None where it has no versions for certain."""
    if source.table is None and source.format != FORMAT:
        return None
    return quote_table(source.table) if source.table is not None else f"{FORMAT}.{quote(source.path or '')}"


def _last_commit(spark: SparkSession, source: SourceConfig) -> Any:
    relation = relation_of(source)
    if relation is None:
        return None
    try:
        history = spark.sql(f"DESCRIBE HISTORY {relation} LIMIT 1")
        rows = history.selectExpr("version", "unix_micros(timestamp) AS at").collect()
    except AnalysisException:
        return None  # a view, or a table of another format: it is read again in every run
    return rows[0] if rows else None
