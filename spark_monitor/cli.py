"""The command line: `spark-monitor COMMAND ...`, also `python -m spark_monitor`. Each command is a file in `commands`.

Spark, MLflow and the pipeline are imported by the command that needs them, so that help and wrong usage answer at once.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated

import typer

from spark_monitor import __version__
from spark_monitor.commands import (
    check,
    dashboards,
    demo,
    digest,
    doctor,
    freeze,
    incidents,
    init,
    prune,
    replay,
    report,
    run,
    sql,
    status,
)
from spark_monitor.commands.command import MonitorCommand, MonitorGroup
from spark_monitor.commands.terminal import printable

EPILOG = "Exit codes: 0 ran; 1 ran and a check reached --fail-on; 2 wrong usage or configuration; 3 the run failed."

app = typer.Typer(
    name="spark-monitor",
    cls=MonitorGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"spark-monitor {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and Spark's log. Also: SPARK_MONITOR_DEBUG=1.")] = False,
) -> None:
    """Monitor machine-learning models on Spark: certified drift, late labels, Delta tables and MLflow."""


COMMANDS = (
    *(run.run, check.check, freeze.freeze, init.init, status.status, report.report, digest.digest, sql.sql, demo.demo),
    doctor.doctor,
    prune.prune,
    dashboards.dashboards,
    incidents.ack,
    incidents.mute,
    incidents.explain,
    replay.replay,
)

for command in COMMANDS:
    app.command(cls=MonitorCommand)(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point of the program and of scripts; it ends the process with the command's exit code."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    printable(sys.stdout)
    printable(sys.stderr)
    app(args=None if arguments is None else list(arguments), prog_name="spark-monitor")
