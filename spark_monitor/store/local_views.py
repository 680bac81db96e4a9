"""The views in DuckDB: the same SELECTs, translated, over the tables of a directory; and queries written for Spark."""

from __future__ import annotations

from typing import Final

import sqlglot
from sqlglot import exp

from spark_monitor.errors import ConfigError
from spark_monitor.store.image_sql import MACROS
from spark_monitor.store.local import LocalTables
from spark_monitor.store.view_sql import VIEWS

SPARK, DUCKDB = "databricks", "duckdb"
"""Databricks' dialect is Spark's under ANSI: a cast that fails is an error, and no NULL."""

ALIKE: Final = (
    *(exp.And, exp.Or, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Cast, exp.Exists, exp.Explode, exp.ArraySize),
    *(exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Min, exp.Max, exp.Abs, exp.Floor, exp.Ceil, exp.Lower, exp.Upper),
    *(exp.RowNumber, exp.Rank, exp.DenseRank, exp.Lag, exp.Lead),
)
"""Functions that mean the same to both engines; a function that is not here is left to Spark."""

CASTS_ALIKE: Final = (exp.DType.DOUBLE, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ)
"""To integers one engine truncates and the other rounds; as strings they write numbers and times differently."""


def asked(query: str) -> str:
    """A person's query as DuckDB reads it; ConfigError where DuckDB could give another answer than Spark, or it is no query."""
    for node in _parsed(query).walk():
        alike = not isinstance(node, exp.Func) or isinstance(node, ALIKE)
        if isinstance(node, exp.Cast):
            alike = node.to.this in CASTS_ALIKE
        elif isinstance(node, exp.Bracket):  # Spark counts from 0, DuckDB from 1, and a map is asked by its keys
            alike = all(isinstance(index, exp.Literal) for index in node.expressions)
        elif isinstance(node, exp.IntDiv | exp.Mod):  # of negative numbers
            alike = False
        if not alike:
            raise ConfigError(f"QUERY: {node.sql(dialect=SPARK)} is left to Spark.")
    return translated(query)


def translated(query: str) -> str:
    """A query in Spark's SQL as DuckDB reads it; ConfigError where it is no query."""
    tree = _parsed(query)
    try:
        return tree.transform(_without_stack).sql(dialect=DUCKDB)
    except Exception:
        raise ConfigError("QUERY: it cannot be written for DuckDB: it is too deep, or a call lacks arguments.") from None


def _parsed(query: str) -> exp.Expr:
    try:
        trees = [tree for tree in sqlglot.parse(query, read=SPARK) if tree is not None]
    except Exception as error:  # of a call without its arguments the parser raises IndexError, KeyError and more
        known = isinstance(error, sqlglot.errors.SqlglotError) and str(error)
        first = str(error).splitlines()[0] if known else "it cannot be read: it is too deep, or a call lacks arguments."
        raise ConfigError(f"QUERY: {first}") from None
    if len(trees) != 1:
        raise ConfigError("QUERY: found several statements. Allowed: one query.")
    return trees[0]


def register(tables: LocalTables) -> list[str]:
    """Name the views, where the tables have what they read; the names of those that could be made."""
    import duckdb

    made = []
    for name, meaning in MACROS.values():
        tables.connection.execute(f"CREATE MACRO {name} AS {meaning}")
    for view in VIEWS:
        select = view.select(lambda table: f"(SELECT * FROM {table})")
        for in_spark, (name, _) in MACROS.items():
            select = select.replace(in_spark, name)
        try:
            tables.connection.execute(f'CREATE VIEW "{view.name}" AS {translated(select)}')
        except (duckdb.Error, ConfigError):  # tables of another version of the program: Spark says what they lack
            continue
        made.append(view.name)
    return made


def _without_stack(node: exp.Expr) -> exp.Expr:
    """Spark's ``stack(n, ...) AS (a, b)`` as DuckDB's ``unnest`` of a list of structs, whose fields become columns."""
    if not (isinstance(node, exp.Aliases) and isinstance(node.this, exp.Stack)):
        return node
    names = [alias.name for alias in node.expressions]
    values = [value.sql(dialect=DUCKDB) for value in node.this.expressions]
    width = len(names)
    structs = [
        ", ".join(f'"{name}" := {value}' for name, value in zip(names, values[place : place + width], strict=True))
        for place in range(0, len(values), width)
    ]
    listed = ", ".join(f"struct_pack({fields})" for fields in structs)
    return sqlglot.parse_one(f"unnest([{listed}], recursive := true)", read=DUCKDB)
