"""The change feed of a table that is read: the rows that were inserted, deleted or updated between two of its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import DataFrame, SparkSession

from spark_monitor.store.place import FORMAT
from spark_monitor.store.sources import relation_of, version_text
from spark_monitor.text.quoting import quote_table
from spark_monitor.windowing.timestamps import timestamp_of

if TYPE_CHECKING:
    from spark_monitor.config.sources import SourceConfig

SWITCH: Final = "delta.enableChangeDataFeed"
MISSING_FILES: Final = "spark.sql.files.ignoreMissingFiles"


class NoFeed(Exception):
    """A table whose change feed is not on: it tells nothing of changes, and nothing is wrong."""


class BrokenFeed(Exception):
    """Why the change feed of a table does not tell all that has changed, although it is on."""


def changed_rows(spark: SparkSession, source: SourceConfig, *, before: str, after: str) -> DataFrame:
    """The rows that were changed after a version (as ``source_version`` writes it) up to another, updated ones before and after.

    What the feed lacks (turned on later, files removed) shows as an error when the frame is computed.
    """
    relation = relation_of(source)
    if relation is None or not _is_on(spark, relation):
        raise NoFeed
    first, last = (int(text.split(" ", 1)[0]) for text in (before, after))
    if first >= last or _text_of(spark, relation, first, last) != before:
        raise BrokenFeed("the table is another one, or its history does not reach back so far")
    if str(spark.conf.get(MISSING_FILES, "false")).lower() == "true":
        raise BrokenFeed(f"{MISSING_FILES} is true, so removed files would not show")
    options = {"readChangeFeed": "true", "startingVersion": str(first + 1), "endingVersion": str(last)}
    reader = spark.read.format(FORMAT).options(**options)
    return reader.table(quote_table(source.table)) if source.table is not None else reader.load(str(source.path))


def _is_on(spark: SparkSession, relation: str) -> bool:
    """Whether the table's property says that the feed is on."""
    rows = spark.sql(f"DESCRIBE DETAIL {relation}").selectExpr(f"properties['{SWITCH}'] AS switch").collect()
    return bool(rows) and str(rows[0]["switch"]).lower() == "true"


def _text_of(spark: SparkSession, relation: str, version: int, last: int) -> str | None:
    """A version as ``source_version`` would write it; of a table dropped and made again it is another one."""
    history = spark.sql(f"DESCRIBE HISTORY {relation} LIMIT {last - version + 1}")
    rows = history.where(f"version = {version}").selectExpr("unix_micros(timestamp) AS at").collect()
    return version_text(version, timestamp_of(rows[0]["at"])) if rows else None
