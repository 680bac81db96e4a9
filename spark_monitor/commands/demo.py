"""`spark-monitor demo`: a real year of flights, two models, their monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spark_monitor.commands.command import terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, Remote, SessionOptions
from spark_monitor.commands.run import document
from spark_monitor.commands.spark import open_spark

DIRECTORY = Path("demo-output")


def demo(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Option("--dir", metavar="D", help="Where the demo's tables and files go; it may be used again.")
    ] = DIRECTORY,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Train, score and monitor a real year of flights, week by week (some minutes)."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    with terminal.progress():
        from spark_monitor.demo.prepare import claim
        from spark_monitor.demo.story import run_demo

        claim(directory)  # a directory that cannot be used is reported before Spark starts
        spark = open_spark(session, terminal)
    story = run_demo(directory, spark, tell=terminal.tell, progress=terminal.progress)
    files = {"file": story.file, "report": story.report, "digest": story.digest}
    findings = {"findings": list(story.findings), **{name: str(path) for name, path in files.items()}}
    terminal.document({**document(story.result, reached=False), **findings})
