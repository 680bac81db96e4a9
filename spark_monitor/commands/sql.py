"""`spark-monitor sql FILE QUERY`: the tables and views by name, also where they are only paths.

Spark itself writes each row as JSON, in UTC: values that Python collects are in the driver's zone in one mode of Spark and in the
session's in the other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from spark_monitor.commands.command import sentence_of, terminal_of
from spark_monitor.commands.options import Conf, Master, MonitorFile, Remote, SessionOptions
from spark_monitor.commands.spark import open_spark
from spark_monitor.commands.terminal import plain_console
from spark_monitor.errors import ConfigError
from spark_monitor.text.wording import counted, harmless

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from spark_monitor.store import Store

DEFAULT_LIMIT = 100
LONGEST_CELL = 200
WIDEST = 10_000
READING = ("select", "with", "from", "values", "table", "describe", "desc", "show", "explain")
JSON_FORMAT = {
    "timeZone": "UTC",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    "ignoreNullFields": "false",
}
NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
_SKIPPED = re.compile(r"\s+|--[^\n]*|/\*.*?\*/|\(", re.DOTALL)
_WHOLE_SECONDS = re.compile(r"(T\d\d:\d\d:\d\d)\.000000(?=Z|$)")


@dataclass(frozen=True)
class Answer:
    """The rows of a query, each as the JSON that Spark made of it."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[str, ...]
    more: bool


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
    """Ask the monitor's tables and views, by their names."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    require_reading(query)
    with terminal.progress() as say:
        from spark_monitor.commands.known import require_tables
        from spark_monitor.pipeline import Monitor

        monitor = Monitor.load(file)
        store = monitor.store(open_spark(session, terminal, say))
        require_tables(store, str(file))
        say("Query")
        answer = ask(store, query, limit)
    if as_json:
        for row in answer.rows:
            terminal.out.out(row, highlight=False)
    else:
        width = None if terminal.out.is_terminal else WIDEST
        plain_console(terminal.out.file).print(table_of(answer), soft_wrap=False, width=width)
    more = f" shown; there are more, as --limit is {limit}" if answer.more else ""
    terminal.remark(f"{counted(len(answer.rows), 'row')}{more}.")


def require_reading(query: str) -> None:
    """ConfigError where a statement is none that reads: results are written by runs alone."""
    first = _first_word(query)
    if first.lower() not in READING:
        found = f'found "{harmless(first)}" at its beginning' if first else "found nothing"
        raise ConfigError(f"QUERY: {found}. Allowed: a query, such as SELECT * FROM latest_status.")


def _first_word(query: str) -> str:
    position = 0
    while skipped := _SKIPPED.match(query, position):
        position = skipped.end()
    word = re.match(r"\w+|\S", query[position:])
    return word[0] if word else ""


def ask(store: Store, query: str, limit: int) -> Answer:
    """The first rows of a query's answer; a query that Spark does not understand, or that divides by zero, is wrong usage."""
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
    return Answer(names, types, tuple(row["row"] for row in rows[:limit]), more=len(rows) > limit)


def _as_json(frame: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    return frame.select(F.to_json(F.struct(*map(_column(F.col), frame.columns)), JSON_FORMAT).alias("row"))


def _column(col: Callable[[str], Any]) -> Callable[[str], Any]:
    from spark_monitor.text.quoting import quote

    return lambda name: col(quote(name))


def _wrong_query(error: Any, spark: SparkSession) -> str:
    """What is wrong with a query; where it names a table that is not there, the names that are."""
    said = sentence_of(error).partition(": ")[2].partition(" SQLSTATE:")[0]
    if error.getCondition() != "TABLE_OR_VIEW_NOT_FOUND":
        return f"QUERY: {said}"
    return f"QUERY: {said} Known: {', '.join(known_names())}."


def known_names() -> list[str]:
    """The names of the tables and the views."""
    from spark_monitor.store.schemas import TABLES
    from spark_monitor.store.view_sql import VIEWS

    return sorted([*TABLES, *(view.name for view in VIEWS)])


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Column names with those that come again numbered; names are told apart as Spark does, whatever their case.

    >>> distinct(["a", "A", "b", "a"])
    ('a', 'A_2', 'b', 'a_3')
    """
    taken: set[str] = set()
    found = []
    for name in names:
        number, free = 1, name
        while free.lower() in taken:
            number += 1
            free = f"{name}_{number}"
        taken.add(free.lower())
        found.append(free)
    return tuple(found)


def table_of(answer: Answer) -> Table:
    """The answer as a table; numbers stand to the right, NULL is told from the text NULL by its style."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, kind in zip(answer.columns, answer.types, strict=True):
        right = kind.partition("(")[0] in NUMBERS
        table.add_column(Text(harmless(name)), justify="right" if right else "left", overflow="fold")
    for row in answer.rows:
        table.add_row(*_cells(row, answer.columns))
    return table


def _cells(row: str, columns: Sequence[str]) -> Iterator[Text]:
    values = json.loads(row, parse_float=str, parse_int=str)
    for name in columns:
        value = values[name]
        yield Text("NULL", "dim") if value is None else Text(cell_text(value))


def cell_text(value: Any) -> str:
    """A value as a table's cell shows it: short, without characters that act on a terminal, instants without empty fractions.

    >>> cell_text("2013-09-02T00:00:00.000000Z"), cell_text({"a": [1]}), cell_text("\\x1b[2J")
    ('2013-09-02T00:00:00Z', '{"a": [1]}', '�[2J')
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return harmless(_WHOLE_SECONDS.sub(r"\1", text), LONGEST_CELL)
