"""`spark-monitor status FILE`: what a person wants to know, from the committed tables."""

from __future__ import annotations

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, MonitorFile, Remote, SessionOptions
from spark_monitor.commands.spark import open_spark


def status(
    context: typer.Context,
    file: MonitorFile,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Show what drifted, where, since when, how well the model does, and what to do."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    with terminal.progress() as say:
        from spark_monitor.commands.known import known_facts
        from spark_monitor.outputs.terminal.summary import styled, summary
        from spark_monitor.pipeline import Monitor

        monitor = Monitor.load(file)
        store = monitor.store(open_spark(session, terminal, say))
        say("Tables")
        known = known_facts(store, monitor.config)
    if as_json:
        terminal.document(known)
    else:
        terminal.tell(styled(summary(known, monitor.config, file=str(file)).rstrip()))
