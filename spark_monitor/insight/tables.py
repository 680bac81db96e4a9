"""The committed tables as one SQL asks them, whichever engine answers: DuckDB where they are files of this machine, else Spark.

Relations are flat in both: ``window_start`` and every other timestamp in microseconds since 1970, fields of structs as columns
(``ks_test_statistic``). So one text serves both, and timestamps do not depend on a session's zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from spark_monitor.text.quoting import literal, quote

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructField

    from spark_monitor.config.monitor import MonitorConfig
    from spark_monitor.store import Store


class Tables(Protocol):
    """What the read model needs: named relations, and rows of queries."""

    def has(self, table: str, column: str | None = None) -> bool: ...
    def relation(self, table: str) -> str: ...
    def literal(self, text: str) -> str: ...
    def first(self, array: str, field: str) -> str: ...
    def ask(self, sql: str) -> list[dict[str, Any]]: ...


class CommittedTables(Protocol):
    """What this folder needs of a store."""

    def committed(self, table: str) -> DataFrame:
        """The rows of a table that committed runs wrote."""
        ...


class SparkTables:
    """The tables through Spark, as temporary views with names of their own."""

    def __init__(self, spark: SparkSession, store: CommittedTables, *, prefix: str = "spark_monitor_flat") -> None:
        self._spark, self._store, self._prefix = spark, store, prefix
        self._known: dict[str, frozenset[str]] = {}

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether a table is there, with rows or not, and has a column: an earlier version of the program may have made it."""
        if table not in self._known:
            self._known[table] = self._register(table)
        return bool(self._known[table]) and (column is None or column in self._known[table])

    def relation(self, table: str) -> str:
        """The view's name; it is made when it is first asked for."""
        self.has(table)
        return f"{self._prefix}_{table}"

    def literal(self, text: str) -> str:
        """A text as Spark's SQL writes it."""
        return literal(text)

    def first(self, array: str, field: str) -> str:
        """A field of the first member of an array of structs; NULL of an empty one."""
        return f"get({array}, 0).{field}"

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query, whose number the query itself bounds."""
        return [row.asDict(recursive=True) for row in self._spark.sql(sql).collect()]

    def _register(self, table: str) -> frozenset[str]:
        from pyspark.errors import AnalysisException

        try:
            frame = self._store.committed(table)
            flat = [part for field in frame.schema.fields for part in _flat(field)]
        except (AnalysisException, KeyError):  # tables of an earlier version of the program: what they lack is not shown
            return frozenset()
        shown = frame.selectExpr(*flat)
        shown.createOrReplaceTempView(f"{self._prefix}_{table}")
        return frozenset(shown.columns)


def _flat(field: StructField) -> list[str]:
    from pyspark.sql.types import StructType, TimestampType

    quoted = quote(field.name)
    if isinstance(field.dataType, StructType):
        inner = [(f"{quoted}.{quote(one.name)}", f"{field.name}_{one.name}", one.dataType) for one in field.dataType.fields]
    else:
        inner = [(quoted, field.name, field.dataType)]
    return [f"{f'unix_micros({sql})' if isinstance(kind, TimestampType) else sql} AS {quote(name)}" for sql, name, kind in inner]


def tables_of(config: MonitorConfig, store: Store) -> Tables:
    """The quickest way to a monitor's tables: files of this machine without Spark, else the store's session."""
    return local_tables(config) or SparkTables(store.spark, store)


def local_tables(config: MonitorConfig) -> Tables | None:
    """The tables without Spark, where they are files of this machine."""
    from spark_monitor.store.local import LocalTables, NotHere

    if config.outputs.path is None:
        return None
    try:
        return LocalTables(config.outputs.path, config.monitor)
    except NotHere:
        return None
