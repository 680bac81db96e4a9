"""The tables' descriptions are complete, and the page that is written from them is current."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql.types import ArrayType, DataType, MapType, StructField, StructType

from spark_monitor.errors import RunError
from spark_monitor.store.creation import PLAIN, create_sql, missing_fields
from spark_monitor.store.described import COUNT, NUMBER, TEXT, TIMESTAMP, Table, column, list_of, struct
from spark_monitor.store.document import page
from spark_monitor.store.place import Place
from spark_monitor.store.schemas import TABLES, table_named
from spark_monitor.store.view_sql import VIEWS

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def fields_below(field: StructField, path: str) -> Iterator[tuple[str, StructField]]:
    """A field and every field inside it."""
    yield path, field
    inner: DataType = field.dataType
    while isinstance(inner, ArrayType | MapType):
        inner = inner.elementType if isinstance(inner, ArrayType) else inner.valueType
    for member in inner.fields if isinstance(inner, StructType) else []:
        yield from fields_below(member, f"{path}.{member.name}")


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_column_and_nested_field_says_what_it_holds(table: Table) -> None:
    described = [entry for field in table.columns for entry in fields_below(field, field.name)]
    assert [path for path, field in described if not field.metadata.get("comment", "").strip()] == []


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_a_table_has_one_column_of_a_name_and_a_key_of_its_columns_with_the_monitor(table: Table) -> None:
    lowered = [name.lower() for name in table.names]
    assert len(set(lowered)) == len(lowered)
    assert set(table.key) <= set(table.names)
    assert "monitor_id" in table.key
    assert "run_id" in table.names


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_column_of_a_view_says_what_it_holds(view: object) -> None:
    assert all(field.metadata["comment"] for field in view.columns)  # type: ignore[attr-defined]


def test_the_page_about_the_tables_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m spark_monitor.store.document > docs/tables.md"


def test_the_page_names_every_column_of_every_table_and_view() -> None:
    text = page()
    columns = [field.name for table in TABLES.values() for field in table.columns]
    columns += [field.name for view in VIEWS for field in view.columns]
    assert [name for name in columns if f"| `{name}` |" not in text] == []


def test_an_unknown_table_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(RunError, match=r'unknown table "check".*Did you mean "checks"'):
        table_named("check")


def test_no_reader_feature_is_asked_for() -> None:
    statement = create_sql(Place(path="/data"), TABLES["runs"])
    assert "'delta.minReaderVersion' = '1'" in statement
    assert PLAIN["delta.enableDeletionVectors"] == "false"
    assert "PARTITIONED BY (`monitor_id`)" in statement


def test_columns_that_a_table_lacks_are_found_with_nested_ones() -> None:
    edges = struct(column("start", TIMESTAMP, "a"), column("end", TIMESTAMP, "b"))
    expected = struct(column("name", TEXT, "n"), column("windows", list_of(edges), "w"), column("value", NUMBER, "v"))
    found = struct(column("NAME", TEXT, ""), column("windows", list_of(struct(column("start", TIMESTAMP, ""))), ""))
    missing = [(path, field.name) for path, field in missing_fields(expected, found)]
    assert missing == [("`windows`.element.`end`", "end"), ("`value`", "value")]


def test_a_column_of_another_type_is_refused_and_named() -> None:
    expected, found = struct(column("rows", COUNT, "r")), struct(column("rows", TEXT, "r"))
    with pytest.raises(RunError, match="`rows`: found type string, expected bigint"):
        list(missing_fields(expected, found))
