"""The tables of a directory read without Spark: delta-rs finds the files of each table's last commit, DuckDB asks them.

It answers in a second where a Spark session takes twenty. Rows count as they do for Spark: once their run is committed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_monitor.errors import RunError
from spark_monitor.store.delta_rs import has_delta_rs
from spark_monitor.store.schema_number import PROPERTY, refuse_newer, schema_number
from spark_monitor.store.under_way import begun_since, files_before

if TYPE_CHECKING:
    import duckdb

LEDGER, WRITTEN_AS_A_WHOLE, WITHOUT_RUNS = "runs", frozenset({"incidents"}), frozenset({"runs", "deliveries"})
NAMES = (
    *("profile_metrics", "profile_states", "model_states", "drift_metrics", "model_metrics", "metrics"),
    *("checks", "incidents", "deliveries", "baselines", "runs"),
)
NOT_SIMPLY_FILES = frozenset({"deletionVectors", "columnMapping"})
TIMESTAMP = "timestamp"
SIMPLE = {
    "string": "VARCHAR",
    "long": "BIGINT",
    "integer": "INTEGER",
    "short": "SMALLINT",
    "byte": "TINYINT",
    "double": "DOUBLE",
    "float": "FLOAT",
    "boolean": "BOOLEAN",
    "binary": "BLOB",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
}
Field = dict[str, Any]
"""A column as Delta's log describes it: name and type."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class NotHere(RunError):
    """The tables cannot be read without Spark: not a directory, not there yet, or a package is missing."""


class LocalTables:
    """The committed tables of a directory, as relations of a DuckDB connection."""

    dialect = "duckdb"

    def __init__(self, directory: str, monitor_id: str | None = None) -> None:
        try:
            import deltalake
            import duckdb
        except ImportError as error:
            raise NotHere(f'{error.name} is not installed. Install it: pip install "spark-monitor[local]".') from None
        if not has_delta_rs():
            raise NotHere(
                "pyarrow or delta-rs is too old for the other. Install newer ones: pip install 'pyarrow>=16' 'deltalake>=1'."
            )
        root = _local_directory(directory)
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect()
        self.connection.execute("SET ieee_floating_point_ops = false")  # a division by zero is an error, as in Spark
        self.connection.execute("SET TimeZone = 'UTC'")  # else timestamps of a query are compared in the machine's zone
        self.names: dict[str, tuple[str, ...]] = {}
        delta_tables = {name: deltalake.DeltaTable(str(root / name)) for name in NAMES if (root / name / "_delta_log").is_dir()}
        if LEDGER not in delta_tables:
            raise NotHere(f"there are no tables at {directory} yet")
        noted = delta_tables[LEDGER].metadata().configuration.get(PROPERTY)
        refuse_newer(schema_number(noted, directory), directory)
        fields = {LEDGER: self._stored(LEDGER, delta_tables.pop(LEDGER), monitor_id)}
        since = begun_since(self.connection)
        for name, table in delta_tables.items():
            fields[name] = self._stored(name, table, monitor_id)
            if name not in WITHOUT_RUNS | WRITTEN_AS_A_WHOLE and since:
                self._as_committed(name, table, fields[name], monitor_id, since)
        for name, columns in fields.items():
            self._name(name, columns, monitor_id)

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether a table is there, and has a column."""
        return table in self.names and (column is None or column in self.names[table])

    def relation(self, table: str) -> str:
        """What a query calls a table's committed rows, flat: timestamps in microseconds, fields of structs as columns."""
        return f"flat_{table}"

    def literal(self, text: str) -> str:
        """A string as this engine's SQL writes it."""
        escaped = text.replace("'", "''")
        return f"'{escaped}'"

    def first(self, array: str, field: str) -> str:
        """A field of the first member of an array of structs; NULL of an empty one."""
        return f"{array}[1].{field}"

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        cursor = self.connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _stored(self, name: str, table: Any, monitor_id: str | None) -> list[Field]:
        """Name a table's rows as they lie in its files; its columns, those that no file has yet being NULL."""
        protocol = table.protocol()
        if set(protocol.reader_features or ()) & NOT_SIMPLY_FILES:
            raise NotHere(f"table {name} is not simply its files: {', '.join(protocol.reader_features)}")
        fields: list[Field] = json.loads(table.schema().to_json())["fields"]
        files = [file for file in table.file_uris() if _part(monitor_id) in file]
        self._view(name, fields, files)
        return fields

    def _as_committed(
        self, name: str, table: Any, fields: Sequence[Field], monitor_id: str | None, since: Mapping[str, datetime]
    ) -> None:
        """Name rows as they were before a run that has not committed replaced some, of each monitor that has such a run."""
        foreign = f"SELECT DISTINCT monitor_id FROM stored_{name} t ANTI JOIN ({_runs_of(name)}) r"
        wrote = self.connection.execute(f"{foreign} ON t.monitor_id = r.monitor_id AND t.run_id = r.run_id").fetchall()
        touched = sorted({monitor for (monitor,) in wrote} & since.keys())
        if not touched:
            return
        files = [file for file in table.file_uris() if _part(monitor_id) in file]
        for monitor in touched:
            before = [file for file in files_before(table, since[monitor]) if _part(monitor) in file]
            if before:
                files = [*(file for file in files if _part(monitor) not in file), *before]
        self._view(name, fields, files)

    def _view(self, name: str, fields: Sequence[Field], files: Sequence[str]) -> None:
        """Name the rows of some files, with every column of the table."""
        self.connection.execute(f"DROP VIEW IF EXISTS files_{name}")
        there: set[str] = set()
        if files:
            listed = ", ".join(self.literal(file) for file in files)
            options = "hive_partitioning = true, hive_types = {'monitor_id': VARCHAR}, union_by_name = true"
            self.connection.execute(f"CREATE VIEW files_{name} AS SELECT * FROM read_parquet([{listed}], {options})")
            there = {row[0] for row in self.connection.execute(f"DESCRIBE files_{name}").fetchall()}
        columns = [_quoted(field["name"]) if field["name"] in there else _absent(field) for field in fields]
        source = f"FROM files_{name}" if files else "WHERE false"
        self.connection.execute(f"CREATE OR REPLACE VIEW stored_{name} AS SELECT {', '.join(columns)} {source}")

    def _name(self, name: str, fields: Sequence[Field], monitor_id: str | None) -> None:
        where = f" WHERE t.monitor_id = {self.literal(monitor_id)}" if monitor_id is not None else ""
        selected = f"SELECT {', '.join(_in_utc(field) for field in fields)} FROM stored_{name} t"
        if name not in WITHOUT_RUNS:
            selected += f" SEMI JOIN ({_runs_of(name)}) r ON t.monitor_id = r.monitor_id AND t.run_id = r.run_id"
        self.connection.execute(f"CREATE VIEW {name} AS {selected}{where}")
        flat = [part for field in fields for part in _flat(field)]
        self.names[name] = tuple(part.rsplit(" AS ", 1)[1].strip('"') for part in flat)
        self.connection.execute(f"CREATE VIEW flat_{name} AS SELECT {', '.join(flat)} FROM {name}")


def _part(monitor_id: str | None) -> str:
    """What the paths of a monitor's files hold; its name needs no escaping there: a-z, 0-9 and _."""
    return "" if monitor_id is None else f"/monitor_id={monitor_id}/"


def type_of(kind: Any) -> str:
    """A type of Delta's log as DuckDB writes it.

    >>> type_of("long"), type_of({"type": "array", "elementType": "string", "containsNull": True})
    ('BIGINT', 'VARCHAR[]')
    """
    if isinstance(kind, str):
        return SIMPLE.get(kind, kind.upper())
    if kind["type"] == "struct":
        members = ", ".join(f"{_quoted(one['name'])} {type_of(one['type'])}" for one in kind["fields"])
        return f"STRUCT({members})"
    if kind["type"] == "array":
        return f"{type_of(kind['elementType'])}[]"
    return f"MAP({type_of(kind['keyType'])}, {type_of(kind['valueType'])})"


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def has_scheme(path: str) -> bool:
    """Whether a path begins with the name of a file system.

    >>> has_scheme("dbfs:/mnt/monitoring"), has_scheme("s3://bucket/x"), has_scheme("/data/10:30")
    (True, True, False)
    """
    return _SCHEME.match(path) is not None


def _local_directory(directory: str) -> Path:
    path = directory.removeprefix("file://").removeprefix("file:")
    if has_scheme(path):
        raise NotHere(f"{directory} is no directory of this machine")
    return Path(path)


def _runs_of(table: str) -> str:
    committed = f"SELECT monitor_id, run_id, ended FROM stored_{LEDGER} WHERE status = 'COMMITTED'"
    if table not in WRITTEN_AS_A_WHOLE:
        return committed
    wrote = f"SELECT DISTINCT monitor_id, run_id FROM stored_{table}"
    latest = "row_number() OVER (PARTITION BY monitor_id ORDER BY ended DESC, run_id DESC)"
    return (
        f"SELECT monitor_id, run_id FROM (SELECT c.*, {latest} AS age FROM ({committed}) c "
        f"SEMI JOIN ({wrote}) w ON c.monitor_id = w.monitor_id AND c.run_id = w.run_id) WHERE age = 1"
    )


def _in_utc(field: Field) -> str:
    """A column whose timestamps are timestamps of UTC: without a zone, as DuckDB reads zones only with an extension."""
    name = _quoted(field["name"])
    reference, inner = f"t.{name}", _members(field)
    if field["type"] == TIMESTAMP:
        return f"make_timestamp(epoch_us({reference})) AS {name}"
    if not any(one["type"] == TIMESTAMP for one in inner):
        return reference
    packed = ", ".join(f"{_quoted(one['name'])} := {_member_in_utc(reference, one)}" for one in inner)
    return f"CASE WHEN {reference} IS NULL THEN NULL ELSE struct_pack({packed}) END AS {name}"


def _member_in_utc(reference: str, member: Field) -> str:
    sql = f"{reference}.{_quoted(member['name'])}"
    return f"make_timestamp(epoch_us({sql}))" if member["type"] == TIMESTAMP else sql


def _absent(field: Field) -> str:
    """A column that no file has yet."""
    return f"CAST(NULL AS {type_of(field['type'])}) AS {_quoted(field['name'])}"


def _flat(field: Field) -> Sequence[str]:
    """The flat columns of a column: its fields where it is a struct, microseconds where it is a timestamp."""
    name, inner = field["name"], _members(field)
    if inner:
        parts = [(f"{_quoted(name)}.{_quoted(one['name'])}", f"{name}_{one['name']}", one["type"]) for one in inner]
    else:
        parts = [(_quoted(name), name, field["type"])]
    return [f"{f'epoch_us({sql})' if kind == TIMESTAMP else sql} AS {_quoted(flat)}" for sql, flat, kind in parts]


def _members(field: Field) -> list[Field]:
    """The fields of a column that is a struct."""
    kind = field["type"]
    return kind["fields"] if isinstance(kind, dict) and kind["type"] == "struct" else []
