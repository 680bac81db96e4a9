"""How the tables at a place are read and changed: what the store asks for, and which of its two ways serves a place.

Everywhere Spark's own Delta does it, in SQL. Where the place is a directory of this machine and Spark runs on it, delta-rs finds
the files and makes the commits, while Spark's tasks write the rows: what a commit costs is then milliseconds instead of seconds.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from spark_monitor.store.delta_rs import has_delta_rs
from spark_monitor.store.described import Table
from spark_monitor.store.place import Place
from spark_monitor.store.spark_tables import NamedCheck, SparkTables, Written

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

VARIABLE: Final = "SPARK_MONITOR_STORE"
"""Set to ``spark``, every place is served by Spark's own Delta."""

OTHER_FILE_SYSTEMS: Final = ("DATABRICKS_RUNTIME_VERSION", "HADOOP_CONF_DIR", "YARN_CONF_DIR")
"""Where one of these is set, a path without a scheme may be no path of this machine."""

_GLOB: Final = re.compile(r"[\[\]{}*?\\]")
Values = Mapping[str, Any]


class Access(Protocol):
    """The tables at a place. A predicate is SQL over the columns; every change is safe to repeat where its commit was refused."""

    spark: SparkSession
    place: Place

    def ensure(self) -> bool:
        """Create the tables that are missing; False where something else has to be done first, by whoever creates them in SQL."""

    def frame(self, table: str) -> DataFrame:
        """All rows of a table, of committed runs or not, as they are now."""

    def committed(self, table: Table) -> DataFrame:
        """The rows of committed runs; of ledgers all rows."""

    def rows(self, table: str, columns: Sequence[str], *, where: str) -> list[dict[str, Any]]:
        """Some columns of a few rows."""

    def replace(self, table: Table, rows: DataFrame, *, where: str, monitor_id: str, run_id: str) -> None:
        """Replace a monitor's rows that satisfy a predicate by those of a run, all of which have to satisfy it."""

    def append(self, table: Table, rows: Sequence[Values]) -> None:
        """Add a few rows."""

    def change(self, table: Table, values: Values, *, where: str) -> int:
        """Set columns of the rows that satisfy a predicate; how many rows that were."""

    def insert_unless(self, table: Table, values: Values, *, taken: str) -> int:
        """Add a row unless one satisfies a predicate, also one that another writer commits meanwhile; how many were added."""

    def put(self, table: Table, rows: Sequence[Values], *, key: str) -> None:
        """Add a few rows of one monitor; those that are there under the same key are replaced."""

    def name_incidents(self, monitor_id: str, checks: Sequence[NamedCheck]) -> None:
        """Set ``incident_id`` of checks, each by its id and its window's start, in one commit."""

    def delete(self, table: str, *, where: str) -> None:
        """Delete the rows that satisfy a predicate."""

    def run_ids(self, table: str, monitor_id: str) -> frozenset[str]:
        """The runs that wrote the rows of a monitor that are there."""

    def latest_generation(self, table: str, monitor_id: str) -> str | None:
        """The last committed run that wrote a table's rows of a monitor; None where none did."""

    def written(self, tables: Sequence[str], *, monitor_id: str, run_id: str) -> dict[str, Written]:
        """How many rows a run wrote to each table, and the bytes of the files that hold them; those without may be left out."""

    def counts(self, wheres: Mapping[str, str]) -> dict[str, int]:
        """How many rows of each table satisfy its predicate."""

    def tidy(self, monitor_ids: Sequence[str]) -> None:
        """Rewrite monitors' small files as few; what another writer is at is left for the next time."""

    def vacuum(self) -> None:
        """Remove the files that no version of the last seven days needs."""


def access_to(spark: SparkSession, place: Place) -> Access:
    """The way that serves a place."""
    directory = directory_of(place)
    if directory is not None and runs_here(spark):
        from spark_monitor.store.direct_creation import all_simple
        from spark_monitor.store.direct_tables import DirectTables

        if all_simple(directory):
            return DirectTables(spark, place, directory)
    return SparkTables(spark, place)


def directory_of(place: Place) -> str | None:
    """A place's directory, where it is one of this machine and its name is no pattern for Spark.

    >>> directory_of(Place(path="/data/results")), directory_of(Place(path="s3://bucket/results"))
    ('/data/results', None)
    """
    path = (place.path or "").removeprefix("file://").removeprefix("file:")
    return path if path.startswith("/") and not _GLOB.search(path) else None


def runs_here(spark: SparkSession) -> bool:
    """Whether Spark runs on this machine and nowhere else, paths are this machine's, and delta-rs is here to read them."""
    if os.environ.get(VARIABLE) == "spark" or any(map(os.environ.get, OTHER_FILE_SYSTEMS)):
        return False
    if type(spark).__module__.startswith("pyspark.sql.connect"):
        return False
    master, storage = spark.conf.get("spark.master", ""), spark.conf.get("spark.hadoop.fs.defaultFS", "file:///")
    return str(master).startswith("local") and str(storage).startswith("file:") and has_delta_rs()
