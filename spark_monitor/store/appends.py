"""Whether a source only grew between two of its versions, so that a window that holds as many rows as before holds the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from spark_monitor.store.place import FORMAT
from spark_monitor.store.sources import FILE_HASH, files_of, listing_parts, relation_of, version_text
from spark_monitor.windowing.timestamps import timestamp_of

if TYPE_CHECKING:
    from spark_monitor.config.sources import SourceConfig

_MODE: Final = "upper(coalesce(operationParameters['mode'], operationParameters['outputMode'], ''))"
_UNCHANGED: Final = (
    "coalesce(operationMetrics['numTargetRowsUpdated'], '') = '0' AND operationMetrics['numTargetRowsDeleted'] = '0'"
)
APPENDS: Final = (
    f"(upper(operation) IN ('WRITE', 'STREAMING UPDATE') AND {_MODE} = 'APPEND') "
    "OR upper(operation) IN ('OPTIMIZE', 'VACUUM START', 'VACUUM END') "
    f"OR (upper(operation) = 'MERGE' AND {_UNCHANGED})"
)
"""Commits after which every row that was there still is: appended ones, merges that only inserted, and such without data."""


def only_appended(spark: SparkSession, source: SourceConfig, *, before: str, after: str) -> bool:
    """Whether all that happened to a source after a version, up to another, is that rows came; False where that is not known.

    Versions are as `sources.source_version` writes them. Of a Delta table its history tells, which has to reach back to the
    version; of files by path their listing: the files of before are the oldest ones there are now, each with its size and time.
    """
    if source.path is not None and source.format != FORMAT:
        return _only_more_files(spark, source.path, before)
    relation = relation_of(source)
    if relation is None:
        return False
    first, last = (int(text.split(" ", 1)[0]) for text in (before, after))
    if first >= last:
        return False
    try:
        history = spark.sql(f"DESCRIBE HISTORY {relation} LIMIT {last - first + 1}")
        rows = history.selectExpr(
            f"min(CASE WHEN version = {first} THEN unix_micros(timestamp) END) AS at",
            f"count_if(version > {first} AND version <= {last} AND coalesce({APPENDS}, false)) AS appends",
        ).collect()
    except AnalysisException:
        return False
    at = rows[0]["at"]
    is_same_table = at is not None and version_text(first, timestamp_of(at)) == before
    return bool(is_same_table and rows[0]["appends"] == last - first)


def _only_more_files(spark: SparkSession, path: str, before: str) -> bool:
    parts = listing_parts(before)
    if parts is None:
        return False
    number, total = parts
    ordered = files_of(spark, path).selectExpr(
        f"{FILE_HASH} AS hash", "row_number() OVER (ORDER BY modificationTime, path) AS place"
    )
    rows = ordered.selectExpr("count(*) AS files", f"sum(CASE WHEN place <= {number} THEN hash END) AS total").collect()
    return bool(rows[0]["files"] >= number > 0 and str(rows[0]["total"]) == total)
