"""The tables of a directory of this machine: delta-rs finds their files and makes the commits, Spark's tasks write the rows.

It is the same Delta protocol, so Spark, Databricks or any other reader sees the same tables. Every change is one commit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import TableNotFoundError
from deltalake.transaction import AddAction
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from spark_monitor.errors import RunError, unknown
from spark_monitor.store import direct_upkeep
from spark_monitor.store.commits import commit
from spark_monitor.store.committed import GENERATIONS, SEEN_AT_ONCE
from spark_monitor.store.described import PARTITION, Table
from spark_monitor.store.direct_creation import ensure
from spark_monitor.store.direct_predicates import in_datafusion
from spark_monitor.store.literals import plain
from spark_monitor.store.place import Place
from spark_monitor.store.rows import of_monitor
from spark_monitor.store.spark_tables import MISMATCH, NamedCheck, SparkTables, Values, Written
from spark_monitor.store.task_files import FITS, MADE, TaskFiles, in_utc
from spark_monitor.text.quoting import literal, quote

IDS_IN_A_FILTER: Final = 1_000
"""Up to so many committed runs are named in a filter; beyond, the ledger is joined."""

MEASURED: Final = (("granularity",), ("run_id",), ("window", "start"), ("window", "end"))
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_COMMITTED: Final = f"status = {literal('COMMITTED')}"


class DirectTables:
    """The tables of a directory, by their files."""

    def __init__(self, spark: SparkSession, place: Place, root: str) -> None:
        self.spark, self.place, self.root = spark, place, root

    def ensure(self) -> bool:
        """Create the tables that are missing; False where one is not as this release makes it, or cannot be made like this."""
        return ensure(self.root)

    def frame(self, table: str) -> DataFrame:
        """All rows of a table, as they are now: its files of this version, with the columns that it has."""
        try:
            delta = self._opened(table)
        except TableNotFoundError:
            return self.place.frame(self.spark, table)  # which says so in the words that every place has
        stored = StructType.fromJson(json.loads(delta.schema().to_json()))
        location = self._location(table)
        files = [f"{location}/{unquote(path)}" for path in pa.table(delta.get_add_actions()).column("path").to_pylist()]
        if not files:
            return self.spark.range(0).select().to(stored)
        rows = self.spark.read.schema(stored).option("basePath", location).parquet(*files)
        # The columns' order and comments are the table's: of the partition's column Spark knows neither from the paths. Not by
        # ``to``, which would go through each item of an array.
        partition = F.col(PARTITION).alias(PARTITION, metadata=stored[PARTITION].metadata)
        return rows.select([partition if name == PARTITION else quote(name) for name in stored.names])

    def committed(self, table: Table) -> DataFrame:
        """The rows of committed runs; of ledgers all rows."""
        rows = self.frame(table.name)
        if table.name in SEEN_AT_ONCE:
            return rows
        rows = rows.select([quote(name) for name in table.names])
        if table.name in GENERATIONS:  # one for each monitor
            return rows.where(F.col("run_id").isin(sorted(self._latest_generations(table.name).values())))
        ids = {row["run_id"] for row in self._committed()}
        if len(ids) <= IDS_IN_A_FILTER:
            return rows.where(F.col("run_id").isin(sorted(ids)))
        runs = self.frame("runs").where(_COMMITTED).select(PARTITION, "run_id")
        return rows.join(runs, [PARTITION, "run_id"], "left_semi").select(rows.columns)

    def rows(self, table: str, columns: Sequence[str], *, where: str) -> list[dict[str, Any]]:
        """Some columns of a few rows."""
        return self._ask(table, f"SELECT {', '.join(map(_name, columns))} FROM t WHERE {in_datafusion(where)}")

    def replace(self, table: Table, rows: DataFrame, *, where: str, monitor_id: str, run_id: str) -> None:
        """Replace rows in one commit. Files are written by the tasks; where nothing is replaced the commit is all that is left.

        Where there is something, delta-rs streams the new rows once more beside those that stay. A name that would have to be
        escaped in a path, which no monitor's file can give, is left to Spark.
        """
        if not _PLAIN_NAME.fullmatch(monitor_id):
            SparkTables(self.spark, self.place).replace(table, rows, where=where, monitor_id=monitor_id, run_id=run_id)
            return
        fitting = F.coalesce(F.expr(where), F.lit(False)).alias(FITS)
        files = TaskFiles(self._location(table.name), f"{PARTITION}={monitor_id}", PARTITION, _measured(table))
        made = rows.hint("rebalance").select("*", fitting).mapInArrow(files, MADE).collect()
        if any(one["misfits"] for one in made):
            raise RunError(f"{MISMATCH}: {sum(one['misfits'] for one in made)} rows do not satisfy {where}")
        what = f"{self._location(table.name)}: writing rows of monitor {monitor_id}"
        if not made:
            commit(lambda: self._delete(table.name, where), what=what)
        elif self._count(table.name, where) == 0:
            commit(lambda: self.name_files(table.name, made, monitor_id), what=what)
        else:
            commit(lambda: self.overwrite(table.name, made, monitor_id, where), what=what)

    def append(self, table: Table, rows: Sequence[Values]) -> None:
        """Add a few rows."""
        where, given = self._location(table.name), self._arrow(table, rows, table.names)
        commit(lambda: write_deltalake(where, given, mode="append"), what=f"{where}: adding rows")

    def change(self, table: Table, values: Values, *, where: str) -> int:
        """Set columns of some rows."""
        given = self._arrow(table, [values], tuple(values)).rename_columns([_given(name) for name in values])
        updates = {_name(name): _name(_given(name)) for name in values}

        def changed() -> int:
            merge = self._opened(table.name).merge(given, in_datafusion(where), source_alias="s", target_alias="t")
            return int(merge.when_matched_update(updates).execute()["num_target_rows_updated"])

        return commit(changed, what=f"{self._location(table.name)}: changing rows")

    def insert_unless(self, table: Table, values: Values, *, taken: str) -> int:
        """Add a row unless one satisfies a predicate. What was looked for is part of the commit: of two only one adds a row."""
        given = self._arrow(table, [values], table.names).rename_columns([_given(name) for name in table.names])
        inserted = {_name(name): _name(_given(name)) for name in table.names}

        def added() -> int:
            merge = self._opened(table.name).merge(given, in_datafusion(taken), source_alias="s", target_alias="t")
            return int(merge.when_not_matched_insert(inserted).execute()["num_target_rows_inserted"])

        return commit(added, what=f"{self._location(table.name)}: adding a row")

    def put(self, table: Table, rows: Sequence[Values], *, key: str) -> None:
        """Add or replace a few rows of one monitor."""
        given = self._arrow(table, rows, table.names)
        same = f"t.{PARTITION} = s.{PARTITION} AND t.{key} = s.{key}"

        def written() -> None:
            merge = self._opened(table.name).merge(given, same, source_alias="s", target_alias="t")
            merge.when_matched_update_all().when_not_matched_insert_all().execute()

        commit(written, what=f"{self._location(table.name)}: writing rows")

    def name_incidents(self, monitor_id: str, checks: Sequence[NamedCheck]) -> None:
        """Set ``incident_id`` of checks in one commit."""
        ids, starts, incidents = zip(*checks, strict=True)
        columns = {
            "check_id": pa.array(ids, pa.string()),
            "start": pa.array(starts, pa.timestamp("us", "UTC")),
            "incident_id": pa.array(incidents, pa.string()),
        }
        given = pa.table({_given(name): column for name, column in columns.items()})
        same = f"check_id = {_given('check_id')} AND `window`.`start` = {_given('start')}"
        where = in_datafusion(f"{of_monitor(monitor_id)} AND {same}")

        def named() -> None:
            merge = self._opened("checks").merge(given, where, source_alias="s", target_alias="t")
            merge.when_matched_update({_name("incident_id"): _name(_given("incident_id"))}).execute()

        commit(named, what=f"{self._location('checks')}: naming incidents")

    def delete(self, table: str, *, where: str) -> None:
        """Delete rows in one commit."""
        commit(lambda: self._delete(table, where), what=f"{self._location(table)}: deleting rows")

    def run_ids(self, table: str, monitor_id: str) -> frozenset[str]:
        """The runs that wrote the rows of a monitor that are there."""
        return self._run_ids(table, of_monitor(monitor_id))

    def latest_generation(self, table: str, monitor_id: str) -> str | None:
        """The last committed run that wrote a table's rows of a monitor; None where none did."""
        return self._latest_generations(table, of_monitor(monitor_id)).get(monitor_id)

    def written(self, tables: Sequence[str], *, monitor_id: str, run_id: str) -> dict[str, Written]:
        """How many rows a run wrote to each table, and the bytes of the files that hold them."""
        of_run = f"{of_monitor(monitor_id)} AND run_id = {literal(run_id)}"
        rows = {name: self._count(name, of_run) for name in tables}
        return {name: (many, self._bytes_of(name, monitor_id, run_id)) for name, many in rows.items() if many}

    def counts(self, wheres: Mapping[str, str]) -> dict[str, int]:
        """How many rows of each table satisfy its predicate."""
        return {name: self._count(name, where) for name, where in wheres.items()}

    def tidy(self, monitor_ids: Sequence[str]) -> None:
        """Rewrite monitors' small files as few; what another writer is at is left for the next time."""
        direct_upkeep.compact(self.root, monitor_ids)

    def vacuum(self) -> None:
        """Remove the files that no version of the last seven days needs."""
        direct_upkeep.vacuum(self.root)

    def name_files(self, table: str, made: Sequence[Any], monitor_id: str) -> None:
        """Make files of a partition part of the table, in one commit."""
        delta = self._opened(table)
        of = {PARTITION: monitor_id}
        added = [AddAction(one["path"], one["size"], of, one["written_at"], True, one["statistics"]) for one in made]
        delta.create_write_transaction(added, mode="append", schema=delta.schema(), partition_by=[PARTITION])

    def overwrite(self, table: str, made: Sequence[Any], monitor_id: str, where: str) -> None:
        """Put the rows of files in the place of those that satisfy a predicate, in one commit; the files are gone then."""
        root, delta = Path(self._location(table)), self._opened(table)
        schema = pa.schema(delta.schema().to_arrow())
        paths = [root / one["path"] for one in made]

        def batches() -> Iterator[pa.RecordBatch]:
            for path in paths:
                for batch in pq.ParquetFile(path).iter_batches():
                    whose = pa.array([monitor_id] * batch.num_rows, pa.string())
                    rows = pa.Table.from_batches([batch]).append_column(PARTITION, whose)
                    yield from rows.select(schema.names).cast(schema).to_batches()

        given = pa.RecordBatchReader.from_batches(schema, batches())
        write_deltalake(delta, given, mode="overwrite", predicate=in_datafusion(where))
        for path in paths:
            path.unlink()

    def _count(self, table: str, where: str) -> int:
        return int(self._ask(table, f"SELECT count(*) AS many FROM t WHERE {in_datafusion(where)}")[0]["many"])

    def _bytes_of(self, table: str, monitor_id: str, run_id: str) -> int:
        """The bytes of the files of a monitor that hold rows of a run; statistics tell of most that they hold none."""
        names = ("path", "size_bytes", f"partition.{PARTITION}", "min.run_id", "max.run_id")
        actions = pa.table(self._opened(table).get_add_actions(flatten=True))
        files = actions.select([name for name in names if name in actions.schema.names]).to_pylist()
        root, total = Path(self._location(table)), 0
        for one in files:
            low, high = one.get("min.run_id"), one.get("max.run_id")
            is_possible = low is None or high is None or low <= run_id <= high
            if one[f"partition.{PARTITION}"] == monitor_id and is_possible:
                run_ids = pq.read_table(root / unquote(one["path"]), columns=["run_id"], partitioning=None).column(0)
                total += one["size_bytes"] if run_id in run_ids.unique().to_pylist() else 0
        return total

    def _opened(self, table: str) -> DeltaTable:
        return DeltaTable(self._location(table))

    def _location(self, table: str) -> str:
        return f"{self.root}/{table}"

    def _committed(self, where: str = "true") -> list[dict[str, Any]]:
        return self.rows("runs", [PARTITION, "run_id", "ended"], where=f"{_COMMITTED} AND {where}")

    def _latest_generations(self, table: str, where: str = "true") -> dict[str, str]:
        """The last committed run of each monitor that wrote a table."""
        wrote = self._run_ids(table, where)
        ended = sorted((row["ended"], row["run_id"], row[PARTITION]) for row in self._committed(where) if row["run_id"] in wrote)
        return {monitor_id: run_id for _, run_id, monitor_id in ended}

    def _run_ids(self, table: str, where: str) -> frozenset[str]:
        query = f"SELECT DISTINCT run_id FROM t WHERE {in_datafusion(where)}"
        return frozenset(row["run_id"] for row in self._ask(table, query))

    def _ask(self, table: str, sql: str) -> list[dict[str, Any]]:
        read = pa.table(QueryBuilder().register("t", self._opened(table)).execute(sql))
        rows: list[dict[str, Any]] = in_utc(read).to_pylist()
        return rows

    def _delete(self, table: str, where: str) -> None:
        self._opened(table).delete(in_datafusion(where))

    def _arrow(self, table: Table, rows: Sequence[Values], names: Sequence[str]) -> pa.Table:
        """Rows as the table's own types."""
        types = {field.name: field.dataType for field in table.columns}
        for name in names:
            if name not in types:
                raise RunError(unknown(f"table {table.name}", "column", name, types))
        stored = pa.schema(self._opened(table.name).schema().to_arrow())
        columns = [
            pa.array([plain(row.get(name), types[name], mapped=list) for row in rows], stored.field(name).type) for name in names
        ]
        return pa.table(columns, schema=pa.schema([stored.field(name) for name in names]))


def _measured(table: Table) -> tuple[tuple[str, ...], ...]:
    return tuple(path for path in MEASURED if path[0] in table.names)


def _given(name: str) -> str:
    """What a column of given values is called, so that a predicate's columns are the table's."""
    return f"given_{name}"


def _name(name: str) -> str:
    return in_datafusion(quote(name))
