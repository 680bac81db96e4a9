"""`spark-monitor check FILE`: the file against the real tables, before any work."""

from __future__ import annotations

import typer

from spark_monitor.commands.command import WRONG_USE, terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, MonitorFile, Remote, SessionOptions
from spark_monitor.commands.spark import open_spark
from spark_monitor.text.wording import counted


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
    with terminal.progress() as say:
        from spark_monitor.pipeline import Monitor

        monitor = Monitor.load(file)
        spark = open_spark(session, terminal, say)
        say("Tables")
        findings = monitor.check(spark)
    errors = sum(finding.level == "error" for finding in findings)
    terminal.document({"file": file, "monitor": monitor.config.monitor, "errors": errors, "findings": findings})
    for finding in sorted(findings, key=lambda finding: finding.level):
        terminal.tell(f"{finding.level}: {file.name}: {finding}")
    if errors:
        terminal.remark(f"{file.name}: {counted(errors, 'error')}. A run would stop here.")
        raise typer.Exit(WRONG_USE)
    warnings = f", with {counted(len(findings), 'warning')}" if findings else ""
    terminal.tell(f"{file.name}: can be run{warnings}.")
