"""The result of a query as people see it: a table where it fits, else a block a row, and cells in a few words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spark_monitor.commands.terminal import PlainConsole
from spark_monitor.text.formatting import harmless

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{6})?(?:Z|(?=$))")
LONGEST_CELL = 200
WIDEST = 10_000
READABLE, BETWEEN_COLUMNS = 18, 2
"""A cell of this width is read; a table that has no room for it is shown a record a block."""

NUMBERS = ("tinyint", "smallint", "int", "integer", "bigint", "hugeint", "float", "double", "decimal")


@dataclass(frozen=True)
class QueryResult:
    """The rows of a query, each as the JSON that Spark made of it."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[str, ...]
    more: bool


def show_rows(result: QueryResult, console: Console, *, terminal: bool) -> None:
    """The rows as a table; on a terminal that is too narrow for it, a record a block."""
    if terminal and least_width(result) > console.width:
        for place, row in enumerate(result.rows):
            if place:
                console.print("")
            for line in block_of(row, result.columns):
                console.print(line)
        return
    if not terminal:  # who reads a pipe has no width: rich would take 80 characters for one
        console = PlainConsole(file=console.file, markup=False, highlight=False, emoji=False, width=WIDEST)
    console.print(table_of(result), soft_wrap=False)


def least_width(result: QueryResult) -> int:
    """How many columns of a terminal a table needs before its cells become letters one below the other."""
    widths = [min(len(name), READABLE) for name in result.columns]
    for row in result.rows:
        for place, cell in enumerate(_cells(row, result.columns)):
            widths[place] = max(widths[place], min(cell.cell_len, READABLE))
    return sum(widths) + BETWEEN_COLUMNS * max(len(widths) - 1, 0)


def block_of(row: str, columns: Sequence[str]) -> Iterator[Text]:
    """One record, a line a column."""
    widest = max(len(harmless(name)) for name in columns)
    for name, cell in zip(columns, _cells(row, columns), strict=True):
        yield Text(f"{harmless(name):<{widest}}  ", "bold") + cell


def table_of(result: QueryResult) -> Table:
    """The result as a table; numbers stand to the right, NULL differs from the string NULL by its style."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, kind in zip(result.columns, result.types, strict=True):
        right = kind.partition("(")[0] in NUMBERS
        table.add_column(Text(harmless(name)), justify="right" if right else "left", overflow="fold")
    for row in result.rows:
        table.add_row(*_cells(row, result.columns))
    return table


def _cells(row: str, columns: Sequence[str]) -> Iterator[Text]:
    values = json.loads(row, parse_float=Number, parse_int=Number)
    for name in columns:
        value = values[name]
        yield Text("NULL", "dim") if value is None else Text(cell_text(value))


class Number(str):
    """A number as it is written: no digit is lost, and within a list or struct it has no quotes."""


def document(value: Any) -> str:
    """A list or struct as JSON, numbers as they are written.

    >>> document({"item": "1", "counts": [Number("12"), Number("1e+200"), None]})
    '{"item": "1", "counts": [12, 1e+200, null]}'
    """
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {document(one)}" for key, one in value.items()) + "}"
    return "[" + ", ".join(map(document, value)) + "]" if isinstance(value, list) else json.dumps(value, ensure_ascii=False)


def cell_text(value: Any) -> str:
    """A value as a table's cell shows it: short, without characters that act on a terminal; a window as its start and end.

    >>> cell_text("2013-09-02T00:00:00.000000Z"), cell_text({"a": [1]}), cell_text("\\x1b[2J")
    ('2013-09-02', '{"a": [1]}', '\N{REPLACEMENT CHARACTER}[2J')
    >>> cell_text({"start": "2013-09-02T06:00:00.000000Z", "end": "2013-09-03T00:00:00.000000Z"})
    '2013-09-02 06:00 to 2013-09-03'
    """
    if isinstance(value, dict) and list(value) == ["start", "end"] and all(isinstance(edge, str) for edge in value.values()):
        return f"{cell_text(value['start'])} to {cell_text(value['end'])}"
    text = value if isinstance(value, str) else document(value)
    return harmless(_TIMESTAMP.sub(_short_time, text), LONGEST_CELL)


def _short_time(match: re.Match[str]) -> str:
    """A timestamp in UTC as short as it can be: the day alone at midnight, no seconds where they are nought."""
    day, time, fraction = match[1], match[2], (match[3] or "").rstrip("0").rstrip(".")
    if fraction or not time.endswith(":00"):
        return f"{day} {time}{fraction}"
    return day if time == "00:00:00" else f"{day} {time[:5]}"
