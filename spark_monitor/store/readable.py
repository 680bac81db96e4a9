"""What can be read of the tables at a place, and of the sources beside them, without a turn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession

from spark_monitor.store import appends, feed, files, history, sources
from spark_monitor.store.access import access_to
from spark_monitor.store.checksums import verified
from spark_monitor.store.place import Place
from spark_monitor.store.rows import of_monitor, of_windows
from spark_monitor.store.schemas import table_named
from spark_monitor.text.quoting import literal
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from spark_monitor.config.sources import SourceConfig


class Readable:
    """The tables at a place, and what sources say of themselves."""

    def __init__(self, spark: SparkSession, place: Place) -> None:
        self.spark, self.place = spark, place
        self.access = access_to(spark, place)

    def frame(self, table: str) -> DataFrame:
        """All rows of a table, of committed runs or not; states whose row is damaged are none, and say so."""
        described = table_named(table)
        return verified(self.access.frame(described.name), described)

    def committed(self, table: str) -> DataFrame:
        """The rows that committed runs wrote; of ``runs`` all rows."""
        described = table_named(table)
        return verified(self.access.committed(described), described)

    def committed_runs(self, monitor_id: str) -> dict[str, str | None]:
        """The committed runs of a monitor, each with the hash of its configuration."""
        where = f"{of_monitor(monitor_id)} AND status = {literal('COMMITTED')}"
        return {row["run_id"]: row["config_hash"] for row in self.access.rows("runs", ["run_id", "config_hash"], where=where)}

    def runs_that_wrote(self, table: str, monitor_id: str) -> frozenset[str]:
        """The runs, committed or not, whose rows of a monitor are in a table."""
        return self.access.run_ids(table_named(table).name, monitor_id)

    def in_windows(self, monitor_id: str, windows: Iterable[DueWindow]) -> str:
        """The predicate of a monitor's rows of some windows, for ``where``."""
        return of_windows(monitor_id, windows)

    def source_version(self, source: SourceConfig) -> str | None:
        """The version of a table that is read; None where it has none."""
        return sources.source_version(self.spark, source)

    def columns_in_paths(self, source: SourceConfig) -> tuple[str, ...]:
        """The columns that a source's file paths give; ``OnlySpark`` where it is not simply its files."""
        return files.columns_in_paths(self.spark, source)

    def changed_rows(self, source: SourceConfig, *, before: str, after: str) -> DataFrame:
        """The rows of a source that changed between two of its versions; ``NoFeed`` or ``BrokenFeed`` where it does not tell."""
        return feed.changed_rows(self.spark, source, before=before, after=after)

    def only_appended(self, source: SourceConfig, *, before: str, after: str) -> bool:
        """Whether rows were only added to a source between two of its versions; False where that is not known."""
        return appends.only_appended(self.spark, source, before=before, after=after)

    def commit_version(self, source: SourceConfig) -> int | None:
        """The number of a source's last commit; None where it has none."""
        return sources.commit_version(self.spark, source)

    def source_commits(self, source: SourceConfig, name: str) -> DataFrame | None:
        """The commits of a table by its own history, without reading it; None where it has none."""
        return history.commits(self.spark, source, name)

    def source_schemas(self, source: SourceConfig, name: str) -> DataFrame | None:
        """The schemas that a table's commits left; None where its log cannot be read."""
        return history.schemas(self.spark, source, name)
