"""`spark-monitor freeze FILE`: a new version of the baseline."""

from __future__ import annotations

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, AsOf, Conf, Master, MonitorFile, Remote, SessionOptions, instant_or_now
from spark_monitor.commands.spark import open_spark


def freeze(
    context: typer.Context,
    file: MonitorFile,
    as_of: AsOf = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Freeze a new version of the baseline; later runs compare with it."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    moment = instant_or_now("--as-of", as_of)
    with terminal.progress() as say:
        from spark_monitor.pipeline import Monitor

        monitor = Monitor.load(file)
        spark = open_spark(session, terminal, say)
        version = monitor.freeze(spark, as_of=moment, say=say)
    terminal.document({"monitor": monitor.config.monitor, "baseline_version": version, "as_of": moment})
    terminal.tell(f"Baseline version {version} is frozen. Windows that are handled from now on are compared with it.")
