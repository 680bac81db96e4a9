"""`spark-monitor freeze FILE`: a new version of the baseline, or what one would change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import (
    AsJson,
    AsOf,
    Conf,
    Master,
    MonitorFile,
    Remote,
    SessionOptions,
    period,
    timestamp_or_now,
)
from spark_monitor.commands.spark import open_spark
from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import harmless, in_shell, to_minute
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from spark_monitor.stages.baseline_diff import BaselineDiff, ColumnChange

log = log_of(__name__)

COLUMNS_SHOWN = 20


def freeze(
    context: typer.Context,
    file: MonitorFile,
    start: Annotated[
        str | None, typer.Option("--from", metavar="T", help="Of an accepted period's predictions: its first timestamp.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="T", help="The first timestamp after that period.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show what a new version would change, without freezing it.")] = False,
    as_of: AsOf = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Freeze a new version of the baseline; later runs compare with it."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    moment = timestamp_or_now("--as-of", as_of)
    first, last = period(start, end)
    accepted = (first, last) if first is not None and last is not None else None
    with terminal.progress():
        from spark_monitor.api.monitor import Monitor
        from spark_monitor.commands.results import has_tables

        monitor = Monitor.load(file)
        spark = open_spark(session, terminal)
        if diff:
            if not has_tables(monitor.store(spark)):
                raise ConfigError(f"--diff: {file} has no baseline yet. Freeze the first: spark-monitor freeze {in_shell(file)}")
            log.info("Baselines")
            changes = monitor.freeze_diff(spark, as_of=moment, period=accepted)
        else:
            version = monitor.freeze(spark, as_of=moment, period=accepted)
    if diff:
        terminal.document({"monitor": monitor.config.monitor, "as_of": moment, "diff": changes})
        for line in change_lines(changes):
            terminal.tell(line)
        return
    terminal.document({"monitor": monitor.config.monitor, "baseline_version": version, "as_of": moment, "period": accepted})
    zone = monitor.config.windows.zone
    of = f" of the predictions from {to_minute(first, zone)} to {to_minute(last, zone)}" if first and last else ""
    terminal.tell(f"Baseline version {version} is frozen{of}. Windows that are handled from now on are compared with it.")


def change_lines(diff: BaselineDiff) -> Iterator[str]:
    """The lines that say what would change, the columns that move most first."""
    rows = "an unknown number of" if diff.rows is None else f"{diff.rows:,}"
    yield f"Baseline version {diff.version} has {rows} rows, a new one would have {diff.new_rows:,}."
    for column in diff.columns[:COLUMNS_SHOWN]:
        yield f"  {harmless(column.column, 60)}: {column_text(column)}"
    more = len(diff.columns) - COLUMNS_SHOWN
    if more > 0:
        yield f"  {more} more columns change less; --json has them all."
    yield "Nothing was written. Freeze it with the same options without --diff."


def column_text(column: ColumnChange) -> str:
    """What changes of one column."""
    if column.change != "COMPARED":
        return f"{column.change.lower()}: {column.message}"
    numbers = {
        "KS distance": column.ks,
        "total variation": column.tv_distance if column.ks is None else None,
        "PSI": column.population_stability_index,
        "mean": column.avg_delta,
        "NULL, percentage points": column.percent_null_delta,
    }
    signed = ("mean", "NULL, percentage points")
    shown = [f"{name} {value:{'+' if name in signed else ''}.4g}" for name, value in numbers.items() if value is not None]
    return ", ".join(shown) or (column.message or "nothing can be compared")
