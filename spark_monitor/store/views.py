"""Views made and named: lasting ones beside the tables of a schema, and names that live as long as a session."""

from __future__ import annotations

import hashlib
from typing import Final

from pyspark.sql import SparkSession

from spark_monitor.store.committed import committed_sql
from spark_monitor.store.described import column_sql
from spark_monitor.store.place import Place
from spark_monitor.store.schemas import TABLES
from spark_monitor.store.view_sql import VIEWS, View
from spark_monitor.text.quoting import literal, quote

DEFINITION: Final = "spark_monitor.definition"
"""The property that tells whether a view is the one that this version of the program makes."""


def create(spark: SparkSession, place: Place) -> None:
    """Create the views in the schema, and replace those that another version of the program made."""
    for view in VIEWS:
        if _definition(spark, place, view) == definition(place, view):
            continue
        try:
            spark.sql(create_sql(place, view))
        except Exception:
            # Where another run was quicker the catalog refuses a second view, and the first one will do.
            if _definition(spark, place, view) != definition(place, view):
                raise


def register(spark: SparkSession, place: Place) -> None:
    """Name every table, as committed rows, and every view in this session."""
    for table in TABLES.values():
        spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {quote(table.name)} AS {committed_sql(place, table)}")
    for view in VIEWS:
        spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {quote(view.name)} AS {select_sql(place, view)}")


def select_sql(place: Place, view: View) -> str:
    """A view's SELECT over the tables at a place."""
    return view.select(lambda table: f"({committed_sql(place, TABLES[table])})")


def definition(place: Place, view: View) -> str:
    """A hash that differs where the view's text or columns differ."""
    text = "\n".join((*(column_sql(field) for field in view.columns), select_sql(place, view)))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def create_sql(place: Place, view: View) -> str:
    """The statement that creates a lasting view."""
    columns = ", ".join(f"{quote(field.name)} COMMENT {literal(field.metadata['comment'])}" for field in view.columns)
    properties = f"{literal(DEFINITION)} = {literal(definition(place, view))}"
    return (
        f"CREATE OR REPLACE VIEW {place.relation(view.name)} ({columns}) COMMENT {literal('one row per ' + view.one_row_per)} "
        f"TBLPROPERTIES ({properties}) AS {select_sql(place, view)}"
    )


def _definition(spark: SparkSession, place: Place, view: View) -> str | None:
    """The hash that an existing view carries; None where there is no view, or none that this program made."""
    if not spark.catalog.tableExists(place.relation(view.name)):
        return None
    rows = spark.sql(f"SHOW TBLPROPERTIES {place.relation(view.name)}").collect()
    return {row["key"]: row["value"] for row in rows}.get(DEFINITION)
