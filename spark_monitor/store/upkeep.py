"""Housekeeping after a commit: former generations removed, many small files made few."""

from __future__ import annotations

from typing import Final

from pyspark.sql import SparkSession

from spark_monitor.quoting import literal
from spark_monitor.store.commits import commit, is_conflict
from spark_monitor.store.committed import GENERATIONS, latest_generation_sql
from spark_monitor.store.place import Place
from spark_monitor.store.rows import of_monitor
from spark_monitor.store.schemas import TABLES

TIDY_EVERY: Final = 25
"""After this many committed runs of a monitor its files are tidied: each run adds about one file to each table."""


def generation(spark: SparkSession, place: Place, table: str, monitor_id: str) -> str | None:
    """The last committed run that wrote a table's rows of a monitor; None where none did."""
    latest = latest_generation_sql(place, TABLES[table])
    rows = spark.sql(f"SELECT run_id FROM ({latest}) WHERE {of_monitor(monitor_id)}").collect()
    return rows[0]["run_id"] if rows else None


def prune(spark: SparkSession, place: Place, monitor_id: str) -> None:
    """Delete the generations of a monitor that a committed one has replaced, and those that were never committed."""
    for table in sorted(GENERATIONS):
        kept = generation(spark, place, table, monitor_id)
        if kept is None:
            continue
        relation, stale = place.relation(table), f"{of_monitor(monitor_id)} AND run_id <> {literal(kept)}"
        if spark.sql(f"SELECT 1 FROM {relation} WHERE {stale} LIMIT 1").collect():
            _delete(spark, relation, stale, what=f"{relation}: deleting former rows of monitor {monitor_id}")


def tidy(spark: SparkSession, place: Place, monitor_id: str) -> None:
    """Rewrite a monitor's small files as few; a table that another writer is at is left for the next time."""
    for name in TABLES:
        try:
            spark.sql(f"OPTIMIZE {place.relation(name)} WHERE {of_monitor(monitor_id)}").collect()
        except Exception as error:
            if not is_conflict(error):
                raise


def _delete(spark: SparkSession, relation: str, where: str, *, what: str) -> None:
    commit(lambda: spark.sql(f"DELETE FROM {relation} WHERE {where}").collect(), what=what)
