"""The tables at a place, read and changed by Spark's own Delta in SQL: every catalog, every storage, classic and Connect."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import ArrayType, TimestampType

from spark_monitor.errors import RunError, unknown
from spark_monitor.session import side_by_side
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.store.commits import commit, is_conflict
from spark_monitor.store.committed import committed_sql, latest_generation_sql
from spark_monitor.store.described import PARTITION, Table
from spark_monitor.store.literals import value_sql
from spark_monitor.store.place import Place
from spark_monitor.store.rows import of_monitor
from spark_monitor.store.schemas import TABLES
from spark_monitor.text.quoting import literal, quote
from spark_monitor.windowing.timestamps import timestamp_of

MISMATCH: Final = "DELTA_REPLACE_WHERE_MISMATCH"
"""What an error says of rows that do not satisfy the predicate whose rows they replace."""

Values = Mapping[str, Any]
Written = tuple[int, int]
"""Rows, and the bytes of the files that hold them."""

NamedCheck = tuple[str, int, str | None]
"""A check's id, the start of its window in microseconds, and its incident."""


class SparkTables:
    """The tables at a place, by SQL."""

    def __init__(self, spark: SparkSession, place: Place) -> None:
        self.spark, self.place = spark, place

    def ensure(self) -> bool:
        """False: whoever creates tables in SQL looks after them."""
        return False

    def frame(self, table: str) -> DataFrame:
        """All rows of a table."""
        return self.place.frame(self.spark, table)

    def committed(self, table: Table) -> DataFrame:
        """The rows of committed runs; of ledgers all rows."""
        return self.spark.sql(committed_sql(self.place, table))

    def rows(self, table: str, columns: Sequence[str], *, where: str) -> list[dict[str, Any]]:
        """Some columns of a few rows; timestamps go as microseconds, which no session's zone moves."""
        times = {field.name for field in TABLES[table].columns if isinstance(field.dataType, TimestampType)}
        shown = [f"unix_micros({quote(one)}) AS {quote(one)}" if one in times else quote(one) for one in columns]
        read = self.spark.sql(f"SELECT {', '.join(shown)} FROM {self.place.relation(table)} WHERE {where}").collect()
        return [{name: _value(row[name], is_time=name in times) for name in columns} for row in read]

    def replace(self, table: Table, rows: DataFrame, *, where: str, monitor_id: str, run_id: str) -> None:
        """Replace rows in one commit. ``rebalance`` makes few files of many partitions, and several only of much data."""
        rebalanced = rows.hint("rebalance")
        commit(
            lambda: self.place.overwrite(rebalanced, table.name, where=where),
            what=self._what(table, f"writing rows of monitor {monitor_id}"),
        )

    def append(self, table: Table, rows: Sequence[Values]) -> None:
        """Add a few rows."""
        values = [tuple(row.get(name) for name in table.names) for row in rows]
        frame = local_frame(self.spark, values, table.schema)
        commit(lambda: self.place.append(frame, table.name), what=self._what(table, "adding rows"))

    def change(self, table: Table, values: Values, *, where: str) -> int:
        """Set columns of some rows."""
        pairs = ", ".join(f"{name} = {value}" for name, value in assignments(table, values).items())
        return self._affected(table, f"UPDATE {self.place.relation(table.name)} SET {pairs} WHERE {where}")

    def insert_unless(self, table: Table, values: Values, *, taken: str) -> int:
        """Add a row unless one satisfies a predicate.

        The MERGE inserts only where no row matches, and what it looked for is part of its commit: a row that another writer
        commits meanwhile is a conflict, and the second attempt sees that row.
        """
        given = assignments(table, values)
        statement = (
            f"MERGE INTO {self.place.relation(table.name)} t USING (SELECT 1 AS one) s ON {taken} "
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(given)}) VALUES ({', '.join(given.values())})"
        )
        return self._affected(table, statement)

    def put(self, table: Table, rows: Sequence[Values], *, key: str) -> None:
        """Add or replace a few rows, thousands of them as one text."""
        statement = merge_sql(self.place.relation(table.name), table, rows, key=key)
        commit(lambda: self.spark.sql(statement).collect(), what=self._what(table, "writing rows"))

    def name_incidents(self, monitor_id: str, checks: Sequence[NamedCheck]) -> None:
        """Set ``incident_id`` of checks in one commit; they are handed over as a view, since there may be thousands."""
        table, view = TABLES["checks"], f"named_checks_{uuid.uuid4().hex}"
        frame = local_frame(self.spark, checks, "check_id string, start long, incident_id string")
        frame.createOrReplaceTempView(view)
        statement = (
            f"MERGE INTO {self.place.relation(table.name)} t USING {view} s ON {of_monitor(monitor_id, 't.')} "
            "AND t.check_id = s.check_id AND t.`window`.`start` = timestamp_micros(s.start) "
            "WHEN MATCHED THEN UPDATE SET incident_id = s.incident_id"
        )
        try:
            commit(lambda: self.spark.sql(statement).collect(), what=self._what(table, "naming incidents"))
        finally:
            self.spark.catalog.dropTempView(view)

    def delete(self, table: str, *, where: str) -> None:
        """Delete rows in one commit."""
        statement = f"DELETE FROM {self.place.relation(table)} WHERE {where}"
        commit(lambda: self.spark.sql(statement).collect(), what=self._what(TABLES[table], "deleting rows"))

    def run_ids(self, table: str, monitor_id: str) -> frozenset[str]:
        """The runs that wrote the rows of a monitor that are there."""
        query = f"SELECT DISTINCT run_id FROM {self.place.relation(table)} WHERE {of_monitor(monitor_id)}"
        return frozenset(row["run_id"] for row in self.spark.sql(query).collect())

    def latest_generation(self, table: str, monitor_id: str) -> str | None:
        """The last committed run that wrote a table's rows of a monitor; None where none did."""
        latest = latest_generation_sql(self.place, TABLES[table])
        rows = self.spark.sql(f"SELECT run_id FROM ({latest}) WHERE {of_monitor(monitor_id)}").collect()
        return rows[0]["run_id"] if rows else None

    def written(self, tables: Sequence[str], *, monitor_id: str, run_id: str) -> dict[str, Written]:
        """How many rows a run wrote to each table, and the bytes of the files that hold them, in one query."""
        of_run = f"{of_monitor(monitor_id)} AND run_id = {literal(run_id)}"
        files = [
            f"SELECT {literal(name)} AS name, count(*) AS many, max(_metadata.file_size) AS size "
            f"FROM {self.place.relation(name)} WHERE {of_run} GROUP BY _metadata.file_path"
            for name in tables
        ]
        if not files:
            return {}
        query = f"SELECT name, sum(many) AS many, sum(size) AS size FROM ({' UNION ALL '.join(files)}) GROUP BY name"
        return {row["name"]: (row["many"], row["size"]) for row in self.spark.sql(query).collect()}

    def counts(self, wheres: Mapping[str, str]) -> dict[str, int]:
        """How many rows of each table satisfy its predicate, in one query."""
        each = [
            f"SELECT {literal(name)} AS name, count(*) AS many FROM {self.place.relation(name)} WHERE {where}"
            for name, where in wheres.items()
        ]
        return {row["name"]: row["many"] for row in self.spark.sql(" UNION ALL ".join(each)).collect()} if each else {}

    def tidy(self, monitor_ids: Sequence[str]) -> None:
        """Rewrite monitors' small files as few; a table that another writer is at is left for the next time."""
        listed = ", ".join(map(literal, monitor_ids))

        def optimized(name: str) -> None:
            try:
                self.spark.sql(f"OPTIMIZE {self.place.relation(name)} WHERE {quote(PARTITION)} IN ({listed})").collect()
            except Exception as error:
                if not is_conflict(error):
                    raise

        if monitor_ids:
            side_by_side(self.spark, [partial(optimized, name) for name in TABLES])

    def vacuum(self) -> None:
        """Remove the files that no version of the last seven days needs: Delta's own time, for whoever reads an older one now."""

        def vacuumed(name: str) -> None:
            self.spark.sql(f"VACUUM {self.place.relation(name)}").collect()

        side_by_side(self.spark, [partial(vacuumed, name) for name in TABLES])

    def _affected(self, table: Table, statement: str) -> int:
        return commit(lambda: int(self.spark.sql(statement).collect()[0][0]), what=self._what(table, "changing rows"))

    def _what(self, table: Table, doing: str) -> str:
        return f"{self.place.relation(table.name)}: {doing}"


def assignments(table: Table, values: Values) -> dict[str, str]:
    """Columns of a table, quoted, and what they are set to, as SQL.

    >>> assignments(TABLES["runs"], {"status": "FAILED", "baseline_version": 2})
    {'`status`': "'FAILED'", '`baseline_version`': 'CAST(2 AS int)'}
    """
    types = {field.name: field.dataType for field in table.columns}
    for name in values:
        if name not in types:
            raise RunError(unknown(f"table {table.name}", "column", name, types))
    return {quote(name): value_sql(value, types[name]) for name, value in values.items()}


def merge_sql(relation: str, table: Table, rows: Sequence[Values], *, key: str) -> str:
    """The statement that writes rows of one monitor; the same rows written twice are there once."""
    names = [quote(field.name) for field in table.columns]
    changed = ", ".join(f"{name} = s.{name}" for name in names)
    same = f"{of_monitor(str(rows[0][PARTITION]), 't.')} AND t.{quote(key)} = s.{quote(key)}"
    given = value_sql(rows, ArrayType(table.schema))
    return (
        f"MERGE INTO {relation} t USING (SELECT inline({given})) s ON {same} "
        f"WHEN MATCHED THEN UPDATE SET {changed} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(names)}) VALUES ({', '.join(f's.{name}' for name in names)})"
    )


def _value(value: Any, *, is_time: bool) -> Any:
    return timestamp_of(value) if is_time and value is not None else value
