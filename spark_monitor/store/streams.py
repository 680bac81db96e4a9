"""A source as a Structured Streaming query that tells that rows came; what they are, a run finds by the ledger.

The query selects no column and writes nowhere: of a batch Spark reads the files' footers. What its checkpoint says is never
asked when work is discovered, so that it may lag, be repeated or be deleted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from pyspark.errors import AnalysisException

from spark_monitor.errors import ConfigError, RunError
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.store.place import FORMAT, Place, delta_at
from spark_monitor.store.sources import commit_version
from spark_monitor.text.masking import first_line
from spark_monitor.text.quoting import quote_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from spark_monitor.config.sources import SourceConfig

CHECKPOINTS: Final = "_checkpoints"
"""The directory of the streams' checkpoints, beside the tables."""

INSTEAD: Final = "Schedule `spark-monitor run FILE` without --continuous instead: it reads this source too."
NAME_DIGITS: Final = 16


@dataclass(frozen=True)
class Stream:
    """A query under way, and where its checkpoint is."""

    query: StreamingQuery
    text: str
    location: str

    @property
    def is_active(self) -> bool:
        """Whether the query goes on."""
        return bool(self.query.isActive)

    def batches(self) -> int | None:
        """How many batches the query has ended since its checkpoint was made; None while it has reported nothing."""
        progress: Any = self.query.lastProgress
        if progress is None:
            return None
        # Spark also tells, under the number of the batch to come, that there was nothing to do.
        return int(progress["batchId"]) + ("addBatch" in progress["durationMs"])

    def has_ended(self, seconds: int) -> bool:
        """Wait so long for the query to end; whether it has. A RunError where it failed."""
        try:
            return bool(self.query.awaitTermination(timeout=seconds))
        except Exception as error:
            raise self.broken(error) from error

    def broken(self, error: object = None) -> RunError:
        """The error that says why the query ended; the location may be deleted, since the ledger knows what was done."""
        cause = error if isinstance(error, BaseException) else self.query.exception()
        why = first_line(cause) if isinstance(cause, BaseException) else "it was stopped from outside"
        return RunError(
            f"stream over {self.text}: it ended ({why}). No row is lost: the ledger lists what was handled. Where this comes "
            f"again, delete its checkpoint at {self.location}, or schedule `spark-monitor run FILE` without --continuous."
        )

    def stop(self) -> None:
        """End the query."""
        self.query.stop()


def require_streamed(spark: SparkSession, source: SourceConfig) -> None:
    """ConfigError where a source cannot be watched: only a version tells a run that nothing is new."""
    if _is_files(source) or commit_version(spark, source) is not None:
        return
    raise ConfigError(
        f"--continuous: {source.text} is a view, or a table without versions. Allowed: a Delta table, by name or path, or a "
        f"directory of Parquet files. {INSTEAD}"
    )


def open_stream(
    spark: SparkSession, place: Place, source: SourceConfig, *, monitor_id: str, interval: timedelta | None, directory: str | None
) -> Stream:
    """Start a query over the source that looks for rows at every interval, or without one once."""
    root = directory.rstrip("/") if directory is not None else f"{_directory(spark, place)}/{CHECKPOINTS}"
    location = f"{root}/{monitor_id}/{_name(spark, source)}"
    try:
        writer = _streamed(spark, source).select().writeStream.format("noop").option("checkpointLocation", location)
        timed = (
            writer.trigger(availableNow=True)
            if interval is None
            else writer.trigger(processingTime=f"{interval.total_seconds():.0f} seconds")
        )
        return Stream(timed.start(), source.text, location)
    except AnalysisException as error:
        raise ConfigError(f"--continuous: {source.text} cannot be read as a stream ({first_line(error)}). {INSTEAD}") from error
    except Exception as error:
        raise RunError(
            f"--continuous: the stream over {source.text} did not start ({first_line(error)}). Its checkpoint is at {location}; "
            "--checkpoints DIR names another directory."
        ) from error


def _streamed(spark: SparkSession, source: SourceConfig) -> DataFrame:
    if _is_files(source):
        schema = read_source(spark, source).schema  # file streams do not look for one themselves
        return spark.readStream.format(str(source.format)).schema(schema).load(str(source.path))
    # A new checkpoint begins at the newest commit: what stood there before is the first run's business. Rows that are changed
    # or deleted make no batch; the source's version tells of them.
    version = commit_version(spark, source)
    reader = spark.readStream.option("skipChangeCommits", "true").option("failOnDataLoss", "false")
    reader = reader.option("startingVersion", str(version))
    return reader.table(quote_table(source.table)) if source.table is not None else reader.format(FORMAT).load(str(source.path))


def _name(spark: SparkSession, source: SourceConfig) -> str:
    """A checkpoint's name, another one for another table, or other columns: a stream cannot go on from those of the former."""
    identity = None if _is_files(source) else _detail(spark, _relation(source))["id"]
    identity_parts = [source.text, identity, read_source(spark, source).schema.jsonValue()]
    return hashlib.sha256(json.dumps(identity_parts, sort_keys=True).encode()).hexdigest()[:NAME_DIGITS]


def _directory(spark: SparkSession, place: Place) -> str:
    """The directory that holds the tables; of a schema the one that holds its ledger."""
    if place.path is not None:
        return place.path
    return str(_detail(spark, place.relation("runs"))["location"]).rstrip("/").rpartition("/")[0]


def _detail(spark: SparkSession, relation: str) -> Any:
    return spark.sql(f"DESCRIBE DETAIL {relation}").select("id", "location").collect()[0]


def _relation(source: SourceConfig) -> str:
    return quote_table(source.table) if source.table is not None else delta_at(str(source.path))


def _is_files(source: SourceConfig) -> bool:
    return source.path is not None and source.format != FORMAT
