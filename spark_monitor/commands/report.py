"""`spark-monitor report FILE`: the monitor's state as a page to read and pass on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, MonitorFile, Remote, SessionOptions
from spark_monitor.commands.spark import open_spark
from spark_monitor.errors import ConfigError


def report(
    context: typer.Context,
    file: MonitorFile,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="F", help="Where the page is written. Default: named after the monitor, here.")
    ] = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Write the monitor's state as one HTML page without outside parts."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    with terminal.progress() as say:
        from spark_monitor.commands.known import known_facts
        from spark_monitor.outputs.report.html import report_html
        from spark_monitor.pipeline import Monitor

        monitor = Monitor.load(file)
        page = out or Path(f"{monitor.config.monitor}.html")
        if not page.parent.is_dir() or page.is_dir():
            raise ConfigError(f"--out {page}: found no directory to write a file into. Give a file in a directory that exists.")
        store = monitor.store(open_spark(session, terminal, say))
        say("Tables")
        text = report_html(known_facts(store, monitor.config), monitor.config, file=str(file))
        page.write_text(text, encoding="utf-8")
    terminal.document({"monitor": monitor.config.monitor, "report": page.resolve()})
    terminal.tell(f"Written: {page}")
