"""`spark-monitor sql FILE QUERY`: the tables and views by name, also where they are only paths.

Spark itself writes each row as JSON, in UTC: values that Python collects are in the driver's zone in one mode of Spark and in the
session's in the other.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spark_monitor.commands.command import sentence_of, terminal_of
from spark_monitor.commands.options import Conf, Master, MonitorFile, Remote, SessionOptions
from spark_monitor.commands.query_result import QueryResult, show_rows
from spark_monitor.commands.several import sessions
from spark_monitor.commands.terminal import plain_console
from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import counted, harmless
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.config.monitor import MonitorConfig
    from spark_monitor.store import Store

log = log_of(__name__)

DEFAULT_LIMIT = 100

EXAMPLE = "a query, such as SELECT * FROM latest_status"
WRITING = {("INSERT", "INTO"), ("INSERT", "OVERWRITE"), ("DELETE", "FROM"), ("MERGE", "INTO")}
READING = ("select", "with", "from", "values", "table", "describe", "desc", "show", "explain")
JSON_FORMAT = {
    "timeZone": "UTC",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    "ignoreNullFields": "false",
}
_SKIPPED = re.compile(r"\s+|--[^\n]*|/\*.*?\*/|\(", re.DOTALL)


def sql(
    context: typer.Context,
    file: MonitorFile,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="A query in SQL, in quotes.", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, help="Print at most this many rows.")] = DEFAULT_LIMIT,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per row and line.")] = False,
) -> None:
    """Query the monitor's tables and views by name."""
    terminal = terminal_of(context)
    options = SessionOptions.read(master, remote, conf)
    require_reading(query)
    with terminal.progress(leave=False):
        from spark_monitor.commands.results import require_tables, store_of
        from spark_monitor.config.monitor import load_config

        config = load_config(file)
        session = sessions(options, terminal)
        log.info("Query")
        result = None if session.wanted else ask_without_spark(config, query, limit)
        if result is None:
            require_tables(config, session, file)
            result = ask(store_of(config, session), query, limit)
    if as_json:
        for row in result.rows:
            terminal.out.out(row, highlight=False)
    else:
        show_rows(result, plain_console(terminal.out.file), terminal=terminal.out.is_terminal)
    more = f" shown; there are more, as --limit is {limit}" if result.more else ""
    terminal.remark(f"{counted(len(result.rows), 'row')}{more}.")


def ask_without_spark(config: MonitorConfig, query: str, limit: int) -> QueryResult | None:
    """The first rows by delta-rs and DuckDB; None where the tables are a catalog's, or only Spark understands the query."""
    from spark_monitor.store.local import LocalTables, NotHere

    if config.outputs.path is None:
        return None
    try:
        tables = LocalTables(config.outputs.path)
    except NotHere:
        return None
    import duckdb

    from spark_monitor.store import local_views

    local_views.register(tables)
    try:
        cursor = tables.connection.execute(local_views.asked(query))
    except (duckdb.Error, ConfigError):
        return None
    described = cursor.description or []
    names = distinct(column[0] for column in described)
    rows = cursor.fetchmany(limit + 1)
    types = tuple(str(column[1]).lower() for column in described)
    documents = tuple(json.dumps(dict(zip(names, map(_plain, row), strict=True)), ensure_ascii=False) for row in rows[:limit])
    return QueryResult(names, types, documents, more=len(rows) > limit)


def _plain(value: Any) -> Any:
    """A value as Spark's own JSON has it: timestamps in UTC with microseconds, bytes in Base64, NaN as a string."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%f}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode("ascii")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def require_reading(query: str) -> None:
    """ConfigError where a statement is none that reads: results are written by runs alone."""
    first = _first_word(query)
    if first.lower() not in READING:
        beginning = f'found "{harmless(first)}" at its beginning' if first else "found nothing"
        raise ConfigError(f"QUERY: {beginning}. Allowed: {EXAMPLE}.")
    # WITH and FROM may begin a statement that writes: its two words follow one another outside of quotes and comments.
    words = words_of(query)
    written = next((" ".join(pair) for pair in pairwise(words) if pair in WRITING), None)
    if written is not None or ("UPDATE" in words and "SET" in words):
        raise ConfigError(f'QUERY: found "{written or "UPDATE"}", which writes. Allowed: {EXAMPLE}.')


def words_of(query: str) -> list[str]:
    """The words and signs of a query in capitals, quoted ones as nothing; none of one that cannot be read: Spark will refuse it.

    >>> words_of("select 'insert into x' -- delete from x")
    ['SELECT', '']
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    quoted = (sqlglot.TokenType.STRING, sqlglot.TokenType.IDENTIFIER)
    try:
        return ["" if token.token_type in quoted else token.text.upper() for token in sqlglot.tokenize(query, read="spark")]
    except SqlglotError:
        return []


def _first_word(query: str) -> str:
    position = 0
    while skipped := _SKIPPED.match(query, position):
        position = skipped.end()
    word = re.match(r"\w+|\S", query[position:])
    return word[0] if word else ""


def ask(store: Store, query: str, limit: int) -> QueryResult:
    """The first rows of a query's result; a query that Spark does not understand, or that divides by zero, is wrong usage."""
    from pyspark.errors import (
        AnalysisException,
        ArithmeticException,
        ArrayIndexOutOfBoundsException,
        DateTimeException,
        NumberFormatException,
        ParseException,
    )

    store.register()
    try:
        frame = store.spark.sql(query)
        types = tuple(field.dataType.simpleString() for field in frame.schema.fields)
    except (AnalysisException, ParseException) as error:
        raise ConfigError(_wrong_query(error, store.spark)) from None
    names = distinct(frame.columns)
    try:
        rows = _as_json(frame.toDF(*names).limit(limit + 1)).collect()
    except (ArithmeticException, ArrayIndexOutOfBoundsException, DateTimeException, NumberFormatException) as error:
        raise ConfigError(_wrong_query(error, store.spark)) from None
    return QueryResult(names, types, tuple(row["row"] for row in rows[:limit]), more=len(rows) > limit)


def _as_json(frame: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    return frame.select(F.to_json(F.struct(*map(_column(F.col), frame.columns)), JSON_FORMAT).alias("row"))


def _column(col: Callable[[str], Any]) -> Callable[[str], Any]:
    from spark_monitor.text.quoting import quote

    return lambda name: col(quote(name))


def _wrong_query(error: Any, spark: SparkSession) -> str:
    """What is wrong with a query; where it names a table that is not there, the names that are."""
    sentence = sentence_of(error).partition(": ")[2].partition(" SQLSTATE:")[0]
    from spark_monitor.commands.results import condition_of

    if condition_of(error) != "TABLE_OR_VIEW_NOT_FOUND":
        return f"QUERY: {sentence}"
    return f"QUERY: {sentence} Known: {', '.join(table_names())}."


def table_names() -> list[str]:
    """The names of the tables and the views."""
    from spark_monitor.store.schemas import TABLES
    from spark_monitor.store.view_sql import VIEWS

    return sorted([*TABLES, *(view.name for view in VIEWS)])


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Column names with those that come again numbered; names are distinguished as Spark does, whatever their case.

    >>> distinct(["a", "A", "b", "a"])
    ('a', 'A_2', 'b', 'a_3')
    """
    taken: set[str] = set()
    numbered = []
    for name in names:
        number, free = 1, name
        while free.lower() in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free.lower())
        numbered.append(free)
    return tuple(numbered)
