"""`spark-monitor demo`: a real year of flights, two models, their monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spark_monitor.commands.command import terminal_of

DIRECTORY = Path("demo-output")


def demo(
    context: typer.Context,
    directory: Annotated[
        Path, typer.Option("--dir", metavar="D", help="Where the demo's tables and files go; it may be used again.")
    ] = DIRECTORY,
) -> None:
    """Train, score and monitor a real year of flights, week by week (under five minutes)."""
    from spark_monitor.demo.story import run_demo

    run_demo(directory, say=terminal_of(context).tell)
