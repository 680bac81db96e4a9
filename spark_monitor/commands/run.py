"""`spark-monitor run FILE...`: what a schedule calls. Several monitors share one session; one that fails stops no other."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spark_monitor.commands.at_once import MOST_AT_ONCE, usual
from spark_monitor.commands.command import REACHED, terminal_of
from spark_monitor.commands.continuous import Checkpoints, Continuous, Trigger, followed, read_trigger
from spark_monitor.commands.fleet import Fleet, idle_results
from spark_monitor.commands.options import (
    AsOf,
    Conf,
    Master,
    Remote,
    SessionOptions,
    period,
    timestamp,
    timestamp_or_now,
)
from spark_monitor.commands.several import Files, monitor_files, namesakes
from spark_monitor.commands.spark import open_spark
from spark_monitor.commands.terminal import Terminal
from spark_monitor.errors import ConfigError
from spark_monitor.text.formatting import harmless, in_shell

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.api.monitor import Monitor
    from spark_monitor.outputs.result import RunResult


class Reader(StrEnum):
    """How rows are read."""

    auto = "auto"
    spark = "spark"
    files = "files"


class FailOn(StrEnum):
    """Which verdict makes the exit code 1."""

    warn = "warn"
    fail = "fail"
    never = "never"


REACHING: Mapping[FailOn, frozenset[str]] = {
    FailOn.warn: frozenset({"WARN", "FAIL", "ERROR"}),
    FailOn.fail: frozenset({"FAIL", "ERROR"}),
    FailOn.never: frozenset(),
}
"""A check that broke counts as failed: silence is never success."""

Parallel = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        show_default=False,
        help="How many of several monitors run at once, each in a session of its own. "
        f"Default: half of the cores, at most {MOST_AT_ONCE}.",
    ),
]
AS_JSON = "Print one JSON document a run, on one line of standard output, everything else on standard error."
VERDICTS_SHOWN = ("FAIL", "ERROR", "WARN", "UNDECIDED", "NO_DATA", "PASS")


def run(
    context: typer.Context,
    files: Files,
    as_of: AsOf = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="T", help="Reprocess the windows from this timestamp on, with --to.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="T", help="Reprocess windows that begin before this timestamp.")
    ] = None,
    reader: Annotated[Reader, typer.Option(help="How rows are read; auto chooses and records why.")] = Reader.auto,
    fail_on: Annotated[
        FailOn,
        typer.Option(help="The mildest verdict that sets exit code 1. With --continuous it ends the job."),
    ] = FailOn.never,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the messages and actions that the run would send, and send none.")
    ] = False,
    on_incident: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Run this program once for each open incident, with its facts as JSON on standard input.",
        ),
    ] = None,
    parallel: Parallel = None,
    continuous: Continuous = False,
    trigger: Trigger = None,
    checkpoints: Checkpoints = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: Annotated[bool, typer.Option("--json", help=AS_JSON)] = False,
) -> None:
    """Run monitors: profile, compare, measure and judge the windows that are due, then publish."""
    terminal = terminal_of(context)
    session = SessionOptions.read(master, remote, conf)
    first, last = period(start, end)
    timestamp("--as-of", as_of)
    when = read_trigger(continuous=continuous, trigger=trigger, checkpoints=checkpoints, backfill=first is not None)
    command = command_of(on_incident)
    _require_single_job(when, command, parallel)
    _require_program(command)

    named = monitor_files(files)
    asked = Asked(as_of, first, last, reader, fail_on, dry_run, command)
    opened = partial(open_spark, session, terminal)
    if when is not None:
        _follow(terminal, named, opened, asked, trigger=when, checkpoints=checkpoints)
    elif len(named) == 1:
        with terminal.progress():
            result = asked.run(named[0], opened)
        show(terminal, result, named[0], fail_on)
    else:
        _run_several(terminal, named, opened, asked, parallel or usual())


@dataclass(frozen=True)
class Asked:
    """What every monitor of one command is asked to do; ``as_of`` as it was typed, since without one each run has its own."""

    as_of: str | None
    start: datetime | None
    end: datetime | None
    reader: Reader
    fail_on: FailOn
    dry: bool
    command: tuple[str, ...]

    def run(self, file: Path, opened: Callable[[], SparkSession], stop: Callable[[], bool] = lambda: False) -> RunResult:
        """One run of one monitor."""
        from spark_monitor.api.monitor import Monitor

        as_of, monitor = timestamp_or_now("--as-of", self.as_of), Monitor.load(file)
        return monitor.run(
            opened(),
            as_of=as_of,
            start=self.start,
            end=self.end,
            reader=self.reader.value,
            dry=self.dry,
            command=self.command,
            stop=stop,
        )


def _require_single_job(trigger: str | None, command: tuple[str, ...], parallel: int | None) -> None:
    if trigger is not None and command:
        raise ConfigError("--on-incident: found beside --continuous, which runs no programs. Leave one of them out.")
    if trigger is not None and parallel:
        raise ConfigError("--parallel: found beside --continuous, which is a job for one monitor. Leave one of them out.")


def _require_program(command: tuple[str, ...]) -> None:
    if command and shutil.which(command[0]) is None:
        step = "Give one that this user may run: by its path, or on PATH"
        raise ConfigError(f'--on-incident: found no program "{harmless(command[0])}". {step}.')


def _follow(
    terminal: Terminal,
    named: Sequence[Path],
    opened: Callable[[], SparkSession],
    asked: Asked,
    *,
    trigger: str,
    checkpoints: str | None,
) -> None:
    """Run one monitor until somebody or something ends it; each run is shown as it ends."""
    if len(named) > 1:
        raise ConfigError(f"--continuous: found {len(named)} monitors. Name one file; start a job for each monitor.")

    def ready() -> tuple[Monitor, SparkSession]:
        from spark_monitor.api.monitor import Monitor

        monitor = Monitor.load(named[0])
        return monitor, opened()

    as_of = timestamp("--as-of", asked.as_of)
    options = {"trigger": trigger, "as_of": as_of, "reader": asked.reader.value, "checkpoints": checkpoints}
    with followed(terminal, ready, **options) as results:
        for result in results:
            show(terminal, result, named[0], asked.fail_on)


def _run_several(
    terminal: Terminal, named: Sequence[Path], opened: Callable[[], SparkSession], asked: Asked, at_once: int
) -> None:
    """Run many monitors: those with nothing to do are found together, and one that fails stops no other."""
    refused = namesakes(named)

    def handled(file: Path, opened: Callable[[], SparkSession], stop: Callable[[], bool] = lambda: False) -> RunResult:
        if file in refused:
            raise refused[file]
        return asked.run(file, opened, stop)

    def alone(file: Path) -> RunResult:
        with terminal.progress():
            return handled(file, opened)

    fleet = Fleet(terminal, lambda result, file: show(terminal, result, file, asked.fail_on), refused)
    if asked.start is None:
        with terminal.progress(several=True):
            as_of = timestamp_or_now("--as-of", asked.as_of)
            idle = dict(idle_results(named, opened, as_of, dry=asked.dry, command=asked.command))
        for file, result in idle.items():
            fleet.one(file, partial(itself, result))
    fleet.rest(named, alone, lambda file, spark, stop: handled(file, lambda: spark, stop), opened, at_once)
    terminal.tell(fleet.summary())
    if fleet.code:
        raise typer.Exit(fleet.code)


def command_of(text: str | None) -> tuple[str, ...]:
    """A program and its arguments, as a shell reads them; no shell runs it.

    >>> command_of("notify --to 'the team'"), command_of(None)
    (('notify', '--to', 'the team'), ())
    """
    try:
        words = tuple(shlex.split(text or ""))
    except ValueError as error:
        raise ConfigError(f"--on-incident: {error}. Give a program and its arguments, quoted as in a shell.") from None
    if text is not None and not words:
        raise ConfigError("--on-incident: found nothing. Give a program and its arguments.")
    return words


def itself(result: RunResult) -> RunResult:
    """A result that is there already."""
    return result


def show(terminal: Terminal, result: RunResult, file: Path, fail_on: FailOn) -> None:
    """Tell what a run did; the command ends with exit code 1 where a check reached ``fail_on``."""
    reached = reaches(result.verdicts, fail_on)
    terminal.document(document(result, reached=reached))
    for line in summary_lines(result, str(file)):
        terminal.tell(line)
    if reached:
        terminal.remark(f"Exit code {REACHED}: a check reached --fail-on {fail_on.value}.")
        raise typer.Exit(REACHED)


def reaches(verdicts: Mapping[str, int], fail_on: FailOn) -> bool:
    """Whether a check of the run is as bad as ``fail_on`` says.

    >>> reaches({"PASS": 3, "WARN": 1}, FailOn.fail), reaches({"PASS": 3, "WARN": 1}, FailOn.warn)
    (False, True)
    """
    return any(verdicts.get(verdict) for verdict in REACHING[fail_on])


def summary_lines(result: RunResult, file: str) -> Iterator[str]:
    """What a run did, in lines."""
    yield result.message
    numbers = [f"{result.verdicts[verdict]:,} {verdict}" for verdict in VERDICTS_SHOWN if result.verdicts.get(verdict)]
    if numbers:
        yield f"Checks: {', '.join(numbers)}."
    if result.published.status == "FAILED":
        yield f"MLflow does not show this yet; the next run tries again: {result.published.message}"
    yield f"Status: spark-monitor status {in_shell(file)}"


def document(result: RunResult, *, reached: bool) -> dict[str, Any]:
    """What a run did, for machines."""
    return {
        "monitor": result.monitor_id,
        "run_id": result.run_id,
        "status": result.status,
        "as_of": result.as_of,
        "windows": [{"granularity": due.granularity, "start": due.window.start, "end": due.window.end} for due in result.windows],
        "verdicts": dict(result.verdicts),
        "reached_fail_on": reached,
        "message": result.message,
        "published": result.published.status,
        "publish_message": result.published.message,
        "step_seconds": dict(result.step_seconds),
    }
