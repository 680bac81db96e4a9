"""The versions of the tables that a monitor reads, where a table has versions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from spark_monitor.store.place import FORMAT, delta_at
from spark_monitor.text.quoting import quote_table
from spark_monitor.windowing.timestamps import timestamp_of

if TYPE_CHECKING:
    from spark_monitor.config.sources import SourceConfig

_LISTED = re.compile(r"(\d+) files, (-?\d+)")


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
    return None if commit is None else version_text(int(commit["version"]), timestamp_of(commit["at"]))


def version_text(version: int, at: datetime) -> str:
    """A version as the ledger writes it.

    >>> version_text(7, timestamp_of(0))
    '7 of 1970-01-01T00:00:00.000000+00:00'
    """
    return f"{version} of {at.isoformat(timespec='microseconds')}"


FILE_HASH: Final = "CAST(xxhash64(path, length, unix_micros(modificationTime)) AS DECIMAL(38, 0))"
"""A number of each file's name, size and time; the sum of several does not depend on their order."""


def files_of(spark: SparkSession, path: str) -> DataFrame:
    """The files below a path: names, sizes and times; none of them is opened."""
    return spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(path)


def _listing(spark: SparkSession, path: str) -> str | None:
    """None where nothing lies there any more: whoever reads the table says so."""
    try:
        listing = files_of(spark, path).selectExpr("count(*) AS files", f"sum({FILE_HASH}) AS total").collect()[0]
    except AnalysisException:
        return None
    return f"{listing['files']} files, {listing['total']}"


def listing_parts(version: str) -> tuple[int, str] | None:
    """How many files a version of files by path has, and the sum of their hashes; None where it is no such version.

    >>> listing_parts("3 files, -1172"), listing_parts("7 of 1970-01-01T00:00:00.000000+00:00")
    ((3, '-1172'), None)
    """
    match = _LISTED.fullmatch(version)
    return (int(match[1]), match[2]) if match else None


def relation_of(source: SourceConfig) -> str | None:
    """What SQL calls the source; None where it has no versions for certain."""
    if source.table is None and source.format != FORMAT:
        return None
    return quote_table(source.table) if source.table is not None else delta_at(source.path or "")


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
