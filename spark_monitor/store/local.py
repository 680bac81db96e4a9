"""The tables of a directory read without Spark: delta-rs finds the files of each table's last commit, DuckDB asks them.

It answers in a second where a Spark session takes twenty. Rows count as they do for Spark: once their run is committed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spark_monitor.errors import RunError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

LEDGER, WRITTEN_AS_A_WHOLE, WITHOUT_RUNS = "runs", frozenset({"incidents"}), frozenset({"runs", "deliveries"})
NAMES = (
    *("profile_metrics", "profile_states", "model_states", "drift_metrics", "model_metrics", "metrics"),
    *("checks", "incidents", "deliveries", "baselines", "runs"),
)
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
        root = _local_directory(directory)
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect()
        self.names: dict[str, tuple[str, ...]] = {}
        schemas: dict[str, pa.Schema] = {}
        for name in NAMES:
            if not (root / name / "_delta_log").is_dir():
                continue
            table = deltalake.DeltaTable(str(root / name))
            dataset = table.to_pyarrow_dataset()
            self.connection.register(f"stored_{name}", dataset)
            schemas[name] = dataset.schema
        if LEDGER not in schemas:
            raise NotHere(f"there are no tables at {directory} yet")
        for name, schema in schemas.items():
            self._name(name, schema, monitor_id)

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether a table is there, and has a column."""
        return table in self.names and (column is None or column in self.names[table])

    def relation(self, table: str) -> str:
        """What a query calls a table's committed rows, flat: instants in microseconds, fields of structs as columns."""
        return f"flat_{table}"

    def literal(self, text: str) -> str:
        """A text as this engine's SQL writes it."""
        escaped = text.replace("'", "''")
        return f"'{escaped}'"

    def first(self, array: str, field: str) -> str:
        """A field of the first member of an array of structs; NULL of an empty one."""
        return f"{array}[1].{field}"

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        found = self.connection.execute(sql)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def _name(self, name: str, schema: pa.Schema, monitor_id: str | None) -> None:
        own = f" WHERE t.monitor_id = {self.literal(monitor_id)}" if monitor_id is not None else ""
        selected = f"SELECT {', '.join(_in_utc(field) for field in schema)} FROM stored_{name} t"
        if name not in WITHOUT_RUNS:
            selected += f" SEMI JOIN ({_runs_of(name)}) r ON t.monitor_id = r.monitor_id AND t.run_id = r.run_id"
        self.connection.execute(f"CREATE VIEW {name} AS {selected}{own}")
        flat = [part for field in schema for part in _flat(field)]
        self.names[name] = tuple(part.rsplit(" AS ", 1)[1].strip('"') for part in flat)
        self.connection.execute(f"CREATE VIEW flat_{name} AS SELECT {', '.join(flat)} FROM {name}")


def _local_directory(directory: str) -> Path:
    path = directory.removeprefix("file://").removeprefix("file:")
    if _SCHEME.match(path):
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


def _in_utc(field: pa.Field) -> str:
    """A column whose instants are timestamps of UTC: without a zone, as DuckDB reads zones only with an extension."""
    import pyarrow as pa

    own = f't."{field.name}"'
    if pa.types.is_timestamp(field.type):
        return f'make_timestamp(epoch_us({own})) AS "{field.name}"'
    if not (pa.types.is_struct(field.type) and any(pa.types.is_timestamp(one.type) for one in field.type)):
        return own
    packed = ", ".join(
        f'"{one.name}" := '
        + (f'make_timestamp(epoch_us({own}."{one.name}"))' if pa.types.is_timestamp(one.type) else f'{own}."{one.name}"')
        for one in field.type
    )
    return f'CASE WHEN {own} IS NULL THEN NULL ELSE struct_pack({packed}) END AS "{field.name}"'


def _flat(field: pa.Field) -> Sequence[str]:
    """The flat columns of a column: its fields where it is a struct, microseconds where it is an instant."""
    import pyarrow as pa

    quoted = f'"{field.name}"'
    if pa.types.is_struct(field.type):
        inner = [(f'{quoted}."{one.name}"', f'"{field.name}_{one.name}"', one.type) for one in field.type]
    else:
        inner = [(quoted, quoted, field.type)]
    return [f"{f'epoch_us({sql})' if pa.types.is_timestamp(kind) else sql} AS {name}" for sql, name, kind in inner]
