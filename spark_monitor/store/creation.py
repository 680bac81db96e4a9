"""Tables brought into being, and brought up to date when a newer version of the program has more columns."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, DataType, MapType, StructField, StructType

from spark_monitor.errors import MonitorError, RunError
from spark_monitor.session import side_by_side
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.store import schema_version, views
from spark_monitor.store.commits import commit
from spark_monitor.store.described import PARTITION, Table, column_sql, type_sql
from spark_monitor.store.place import FORMAT, Place
from spark_monitor.store.schema_number import refuse_newer
from spark_monitor.store.schemas import TABLES
from spark_monitor.text.masking import first_line, mask_secrets
from spark_monitor.text.quoting import literal, quote, quote_table

LEDGER: Final = "runs"
PLAIN: Final = {
    "delta.minReaderVersion": "1",
    "delta.minWriterVersion": "2",
    "delta.enableDeletionVectors": "false",
    "delta.columnMapping.mode": "none",
    "delta.enableTypeWidening": "false",
    "delta.enableRowTracking": "false",
}
"""Properties that keep the tables readable by every reader, also where a platform's defaults would switch features on."""


def ensure(spark: SparkSession, place: Place) -> None:
    """Create the tables and views that are missing, and bring older ones up to date."""
    try:
        ensure_schema(spark, place)
        ensure_table(spark, place, TABLES[LEDGER])
        version = schema_version.stored_version(spark, place)
        refuse_newer(version, place.text)
        others = [table for table in TABLES.values() if table.name != LEDGER]
        side_by_side(spark, [partial(ensure_table, spark, place, table) for table in others])
        schema_version.bring_up_to_date(spark, place, version)
        if place.is_schema:
            views.create(spark, place)
    except MonitorError:
        raise
    except Exception as error:
        reason = mask_secrets(f"{place.text}: the tables cannot be made there: {first_line(error)}")
        raise RunError(f"outputs: {reason} Name a place that this job may write to, or fix its rights.") from error


def ensure_table(spark: SparkSession, place: Place, table: Table) -> None:
    """Create a table where it is missing, and add the columns that it lacks; one that is as it should be is only looked at."""
    if _is_complete(spark, place, table):
        return
    what = f"{place.relation(table.name)}: creating the table"
    commit(lambda: _create(spark, place, table), what=what)
    commit(lambda: _add_missing(spark, place, table), what=f"{place.relation(table.name)}: adding columns")


def _is_complete(spark: SparkSession, place: Place, table: Table) -> bool:
    """Whether a table is there with every column: asked of its description, which costs neither a query nor a commit."""
    try:
        return not list(missing_fields(table.schema, spark.table(place.relation(table.name)).schema))
    except Exception:  # it is not there, or is another program's: whoever creates it finds the words for that
        return False


def ensure_schema(spark: SparkSession, place: Place) -> None:
    """Create the schema where there is none; nothing is asked of the catalog where it exists already."""
    if place.schema is not None and not spark.catalog.databaseExists(quote_table(place.schema)):
        spark.sql(f"CREATE SCHEMA IF NOT EXISTS {quote_table(place.schema)}")


def create_sql(place: Place, table: Table) -> str:
    """The statement that creates a table."""
    noted = {**PLAIN, **(schema_version.NOTED if table.name == LEDGER else {})}
    properties = ", ".join(f"{literal(key)} = {literal(value)}" for key, value in noted.items())
    return (
        f"CREATE TABLE IF NOT EXISTS {place.relation(table.name)} (\n  {table.columns_sql}\n) USING {FORMAT} "
        f"PARTITIONED BY ({quote(PARTITION)}) COMMENT {literal(_comment(table))} TBLPROPERTIES ({properties})"
    )


def missing_fields(expected: StructType, actual: StructType, parents: tuple[str, ...] = ()) -> Iterator[tuple[str, StructField]]:
    """The fields, nested ones included, that a table lacks: the quoted path of each one and its description.

    A field whose type differs is an error: its rows could not be read as what they are meant to be.
    """
    actual_fields = {field.name.lower(): field for field in actual.fields}
    for field in expected.fields:
        path = (*parents, quote(field.name))
        if field.name.lower() in actual_fields:
            yield from _within(field.dataType, actual_fields[field.name.lower()].dataType, path)
        else:
            yield ".".join(path), field


def _within(expected: DataType, actual: DataType, path: tuple[str, ...]) -> Iterator[tuple[str, StructField]]:
    if isinstance(expected, StructType) and isinstance(actual, StructType):
        yield from missing_fields(expected, actual, path)
    elif isinstance(expected, ArrayType) and isinstance(actual, ArrayType):
        yield from _within(expected.elementType, actual.elementType, (*path, "element"))
    elif isinstance(expected, MapType) and isinstance(actual, MapType):
        yield from _within(expected.valueType, actual.valueType, (*path, "value"))
    elif expected != actual:
        raise RunError(
            f"column {'.'.join(path)}: found type {type_sql(actual)}, expected {type_sql(expected)}. "
            "Another program made this table: name another schema or path in `outputs`, or rename the table."
        )


def _create(spark: SparkSession, place: Place, table: Table) -> None:
    try:
        spark.sql(create_sql(place, table))
    except Exception as error:
        if "DELTA_CREATE_TABLE" not in str(error):
            raise
        # The files are there and an older version of the program made them, but this catalog has forgotten the name.
        spark.sql(f"CREATE TABLE IF NOT EXISTS {place.relation(table.name)} USING {FORMAT}")


def _schema_of(spark: SparkSession, place: Place, table: Table) -> StructType:
    """The columns that a table has.

    CREATE TABLE IF NOT EXISTS takes a directory for a table whose log has no entry yet, be it that another process is about to
    write the first one, or that one was killed before it had. It is then written here, unless it has appeared meanwhile.
    """
    relation = place.relation(table.name)
    try:
        return spark.table(relation).schema
    except Exception as error:
        if place.is_schema or "DELTA_TABLE_NOT_FOUND" not in str(error):
            raise
    nothing = local_frame(spark, [], table.schema)
    writer = nothing.write.format(FORMAT).mode("ignore").partitionBy(PARTITION).options(**PLAIN)
    writer.save(place.location(table.name))
    spark.sql(f"COMMENT ON TABLE {relation} IS {literal(_comment(table))}")
    return spark.table(relation).schema


def _comment(table: Table) -> str:
    return f"one row per {table.one_row_per}"


def _add_missing(spark: SparkSession, place: Place, table: Table) -> None:
    relation = place.relation(table.name)
    try:
        missing = list(missing_fields(table.schema, _schema_of(spark, place, table)))
    except RunError as error:
        raise RunError(f"{relation}: {error}") from None
    if missing:
        definitions = ", ".join(path + column_sql(field).removeprefix(quote(field.name)) for path, field in missing)
        spark.sql(f"ALTER TABLE {relation} ADD COLUMNS ({definitions})")
