"""The page docs/tables.md from the tables' descriptions: ``python -m spark_monitor.store.document > docs/tables.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from pyspark.sql.types import ArrayType, DataType, MapType, StructField, StructType

from spark_monitor.store.described import Table, type_sql
from spark_monitor.store.schemas import TABLES
from spark_monitor.store.view_sql import VIEWS, View

HEAD: Final = """\
# Tables

<!-- Written by `python -m spark_monitor.store.document > docs/tables.md`; a test fails where the two differ. -->

All monitors with the same `outputs` write to the same Delta tables, partitioned by `monitor_id`. Names and meanings
follow Databricks' data profiling. `count` is rows, nulls included; `avg`, `stddev` (sample), `min`, `max`, quantiles and
distances are over finite values; percentages are 0 to 100; dates and timestamps are epoch seconds in numeric columns; a
number that is not defined is NULL with a `status` and a `message`, never NaN.

The tables use no Delta feature beyond the plainest protocol (reader 1, writer 2), so that every reader reads them. A row
counts once its run is COMMITTED in `runs`. The views, and the names that `spark-monitor sql` knows, hold committed rows
only; whoever reads the tables themselves joins `runs` on `monitor_id` and `run_id`. Rows are replaced window by window:
while a run is under way, views lack the windows that it has replaced so far. Files of former versions stay until
`spark-monitor prune` or `VACUUM` removes them.
"""

VIEWS_HEAD: Final = """\
# Views

Beside the tables of a schema; by bare name in `spark-monitor sql`, also where the tables are only paths.
"""


def page() -> str:
    """The page."""
    return "\n".join([HEAD, *map(_table, TABLES.values()), VIEWS_HEAD, *map(_view, VIEWS)])


def _table(table: Table) -> str:
    key = ", ".join(f"`{name}`" for name in table.key)
    return f"## {table.name}\n\nOne row per {table.one_row_per}.\n\nKey: {key}.\n\n{_columns(table.columns)}"


def _view(view: View) -> str:
    return f"## {view.name}\n\nOne row per {view.one_row_per}.\n\n{_columns(view.columns)}"


def _columns(columns: Iterable[StructField]) -> str:
    lines = ["| column | type | what it holds |", "| --- | --- | --- |"]
    for field in columns:
        lines += [f"| `{name}` | `{_shown(kind)}` | {_cell(comment)} |" for name, kind, comment in _described(field)]
    return "\n".join(lines) + "\n"


def _described(field: StructField, parent: str = "") -> Iterator[tuple[str, DataType, str]]:
    """A column, and below it the fields of its structs."""
    name = f"{parent}{field.name}"
    yield name, field.dataType, field.metadata["comment"]
    inner: DataType = field.dataType
    while isinstance(inner, ArrayType | MapType):
        name, inner = f"{name}[]", inner.elementType if isinstance(inner, ArrayType) else inner.valueType
    for member in inner.fields if isinstance(inner, StructType) else []:
        yield from _described(member, f"{name}.")


def _shown(kind: DataType) -> str:
    """A type in a table's cell; the fields of a struct have lines of their own."""
    if isinstance(kind, StructType):
        return "struct"
    return "array of struct" if isinstance(kind, ArrayType) and isinstance(kind.elementType, StructType) else type_sql(kind)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
