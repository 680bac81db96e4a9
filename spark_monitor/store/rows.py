"""Rows made ready for a table: its columns, in order, with its types; and the predicates that say which rows they replace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql.types import ArrayType, DataType, StructType

from spark_monitor.errors import RunError
from spark_monitor.store.described import PARTITION, Table
from spark_monitor.store.literals import timestamp_sql
from spark_monitor.text.quoting import literal, quote
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import Window

BASELINE_GRANULARITY = "baseline"
"""The granularity of rows that are of the labelled baseline; their window is the span of its rows' times."""


def aligned(frame: DataFrame, table: Table, *, constants: Mapping[str, str] | None = None) -> DataFrame:
    """The frame with exactly the table's columns and types: what it lacks is a constant or NULL, a column too many an error."""
    types = {field.name: field.dataType for field in frame.schema.fields}
    extra = sorted(set(types) - set(table.names))
    if extra:
        raise RunError(f"{table.name}: the rows have columns that the table does not have: {', '.join(extra)}.")
    return frame.selectExpr(*(_column(field.name, field.dataType, types, constants or {}) for field in table.columns))


def _column(name: str, kind: DataType, types: Mapping[str, DataType], constants: Mapping[str, str]) -> str:
    """The column in SQL, which costs a call to the JVM where the functions of columns cost a dozen."""
    sql_type = kind.simpleString()
    if name not in types:
        value = literal(constants[name]) if name in constants else "NULL"
        return f"CAST({value} AS {sql_type}) AS {quote(name)}"
    _same_fields(name, kind, types[name])
    return quote(name) if types[name] == kind else f"CAST({quote(name)} AS {sql_type}) AS {quote(name)}"


def _same_fields(name: str, expected: DataType, actual: DataType) -> None:
    """Refuse structs whose fields differ in name or order: a cast goes by position and would swap them silently."""
    if isinstance(expected, ArrayType) and isinstance(actual, ArrayType):
        _same_fields(name, expected.elementType, actual.elementType)
    if not (isinstance(expected, StructType) and isinstance(actual, StructType)):
        return
    if expected.names != actual.names:
        raise RunError(f"column {name}: found a struct of {actual.names}, expected one of {expected.names}, in this order.")
    for inner, other in zip(expected.fields, actual.fields, strict=True):
        _same_fields(f"{name}.{inner.name}", inner.dataType, other.dataType)


def of_monitor(monitor_id: str, alias: str = "") -> str:
    """The predicate of one monitor's rows, which is one partition of every table.

    >>> of_monitor("flights")
    "`monitor_id` = 'flights'"
    """
    return f"{alias}{quote(PARTITION)} = {literal(monitor_id)}"


def spans(windows: Iterable[Window]) -> list[tuple[datetime, datetime]]:
    """Windows joined where one ends as the next begins: a year of hours is one span.

    >>> from spark_monitor.windowing.timestamps import EPOCH
    >>> from spark_monitor.windowing.windows import parse_every, parse_timestamp, windows_between
    >>> hours = windows_between(EPOCH, parse_timestamp("1970-01-03"), parse_every("1 hour"), "UTC")
    >>> len(hours), len(spans(hours)), len(spans([*hours[:5], *hours[7:]]))
    (48, 1, 2)
    """
    joined: list[tuple[datetime, datetime]] = []
    for window in sorted(set(windows)):
        if joined and joined[-1][1] == window.start:
            joined[-1] = (joined[-1][0], window.end)
        else:
            joined.append((window.start, window.end))
    return joined


def of_windows(monitor_id: str, windows: Iterable[DueWindow]) -> str:
    """The predicate of a monitor's rows of some windows; of no row where there is no window."""
    by_granularity: dict[str, list[Window]] = {}
    for one in windows:
        by_granularity.setdefault(one.granularity, []).append(one.window)
    if not by_granularity:
        return "false"
    parts = [_of_granularity(granularity, members) for granularity, members in sorted(by_granularity.items())]
    return f"{of_monitor(monitor_id)} AND ({' OR '.join(parts)})"


@dataclass(frozen=True)
class Scope:
    """Which rows of ``metrics`` are replaced: a dataset's; of windows whose labels alone changed these families and metrics.

    >>> Scope("predictions", (), ("model",)).predicate("m", ())
    "dataset = 'predictions' AND ((false))"
    """

    dataset: str
    relabelled: tuple[DueWindow, ...] = ()
    families: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()

    def predicate(self, monitor_id: str, windows: Iterable[DueWindow]) -> str:
        """The predicate of the rows."""
        named = {"family": self.families, "metric": self.metrics}
        labelled = " OR ".join(f"{name} IN ({', '.join(map(literal, these))})" for name, these in named.items() if these)
        parts = [of_windows(monitor_id, windows)]
        if self.relabelled:
            parts.append(f"{of_windows(monitor_id, self.relabelled)} AND ({labelled or 'false'})")
        return f"dataset = {literal(self.dataset)} AND ({' OR '.join(f'({part})' for part in parts)})"


def _of_granularity(granularity: str, windows: Iterable[Window]) -> str:
    begins = f"{quote('window')}.{quote('start')}"
    ranges = [f"({begins} >= {timestamp_sql(start)} AND {begins} < {timestamp_sql(end)})" for start, end in spans(windows)]
    return f"({quote('granularity')} = {literal(granularity)} AND ({' OR '.join(ranges)}))"
