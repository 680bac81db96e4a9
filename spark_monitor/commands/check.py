"""`spark-monitor check FILE`: the file against the real tables, before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from spark_monitor.commands.command import WRONG_USE, terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, MonitorFile, Remote, SessionOptions
from spark_monitor.commands.spark import open_spark
from spark_monitor.text.formatting import UTC_NAME, counted, harmless, to_minute
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from spark_monitor.stages.overview import Overview

log = log_of(__name__)

COLUMNS_SHOWN = 6


def check(
    context: typer.Context,
    file: MonitorFile,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Compare the file with the real tables without running anything."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    with terminal.progress():
        from spark_monitor.api.monitor import Monitor

        monitor = Monitor.load(file)
        spark = open_spark(session, terminal)
        log.info("Tables")
        findings = monitor.check(spark)
        errors = sum(finding.level == "error" for finding in findings)
        seen = None
        if not errors:
            log.info("Rows and windows")
            seen = monitor.overview(spark)
    terminal.document({"file": file, "monitor": monitor.config.monitor, "errors": errors, "findings": findings, "overview": seen})
    for finding in sorted(findings, key=lambda finding: finding.level):
        terminal.tell(f"{finding.level}: {file.name}: {finding}")
    if errors:
        terminal.remark(f"{file.name}: {counted(errors, 'error')}. A run would stop here.")
        raise typer.Exit(WRONG_USE)
    warnings = f", with {counted(len(findings), 'warning')}" if findings else ""
    terminal.tell(f"{file.name}: can be run{warnings}.")
    if seen is not None:
        terminal.tell(overview_line(seen, monitor.config.windows.zone))
        if seen.note:
            terminal.tell(f"warning: {file.name}: {seen.note}")


def overview_line(seen: Overview, zone: str = UTC_NAME) -> str:
    """What a run would look at, in a sentence or two, by the clock of the monitor's zone."""
    if seen.first is None or seen.last is None:
        return f"{counted(seen.rows, 'row')}, none with a time before now: no window is due."
    times = f"from {to_minute(seen.first, zone)} to {to_minute(seen.last, zone)}"
    shown = ", ".join(harmless(name, 40) for name in seen.columns[:COLUMNS_SHOWN])
    more = len(seen.columns) - COLUMNS_SHOWN
    columns = f"{counted(len(seen.columns), 'column')} watched ({shown}{f' and {more} more' if more > 0 else ''})"
    if seen.codes:
        columns += f"; integers compared as categories too: {', '.join(harmless(name, 40) for name in seen.codes)}"
    windows = f"{counted(seen.windows, 'window')} of {seen.every} over, {seen.due:,} of them due"
    return f"{counted(seen.rows, 'row')} {times}; {columns}; {windows}."
