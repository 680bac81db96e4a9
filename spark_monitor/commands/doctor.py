"""`spark-monitor doctor`: what works on this machine or cluster, and what to do about the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from spark_monitor.commands import examinations
from spark_monitor.commands.command import RUN_FAILED, sentence_of, terminal_of
from spark_monitor.commands.options import AsJson, Conf, Master, Remote, SessionOptions, given_path
from spark_monitor.commands.spark import open_spark
from spark_monitor.commands.terminal import DONE, FAILED, Terminal
from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import MonitorError
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import mask_secrets

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = log_of(__name__)

NAME_WIDTH = 16


@dataclass(frozen=True)
class Result:
    """What was looked at, whether it works, and a sentence about it."""

    name: str
    works: bool
    message: str


@dataclass
class Patient:
    """What the examinations find out for one another."""

    options: SessionOptions
    terminal: Terminal
    config: MonitorConfig | None
    spark: SparkSession | None = None

    def start(self) -> str:
        """Start, or find, the Spark session."""
        self.spark = open_spark(self.options, self.terminal)
        return examinations.session(self.spark)

    def session(self) -> SparkSession:
        """The session; a MonitorError where there is none."""
        if self.spark is None:
            raise MonitorError("skipped, because there is no Spark session.")
        return self.spark


def doctor(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]", help="A monitor's file, whose outputs are checked too.", show_default=False, parser=given_path
        ),
    ] = None,
    master: Master = None,
    remote: Remote = None,
    conf: Conf = None,
    as_json: AsJson = False,
) -> None:
    """Check Java, packages, Spark, Delta, storage and MLflow, and say how to fix what is missing."""
    terminal = terminal_of(context)
    options = SessionOptions.read(master, remote, conf)
    config = load_config(file) if file is not None else None
    results = []
    for name, look in looks(Patient(options, terminal, config)):
        with terminal.progress(leave=False):
            log.info(name)
            result = examined(name, look)
        terminal.tell(line(result))
        results.append(result)
    ill = [result.name for result in results if not result.works]
    terminal.document({"works": not ill, "results": results})
    if ill:
        terminal.remark(f"To fix: {', '.join(ill)}.")
        raise typer.Exit(RUN_FAILED)
    terminal.tell("Everything needed works.")


def looks(patient: Patient) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is looked at, in the order in which one thing needs another."""
    config, options = patient.config, patient.options
    yield "Python", examinations.python
    if examinations.starts_java(options):
        yield "Java", examinations.java
    yield "Packages", examinations.packages
    yield "Kernel", examinations.kernel
    yield "Spark session", patient.start
    yield "Delta tables", lambda: examinations.tables(patient.session(), options)
    if config is not None:
        yield "Outputs", lambda: examinations.outputs(patient.session(), config)
    if config is None or config.outputs.mlflow is not None:
        address = config.outputs.mlflow.tracking_uri if config is not None and config.outputs.mlflow is not None else None
        yield "MLflow", lambda: examinations.mlflow(address)


def examined(name: str, look: Callable[[], str]) -> Result:
    """The result of one look; whatever goes wrong is a result too."""
    try:
        return Result(name, True, mask_secrets(look()))
    except Exception as error:  # whatever it is, it is what this look found
        return Result(name, False, sentence_of(error))


def line(result: Result) -> Text:
    """A result as a line, with a tick or a cross."""
    mark = Text(f"{DONE} ", "green") if result.works else Text(f"{FAILED} ", "bold red")
    sentence = result.message.replace("\n", "\n" + " " * (NAME_WIDTH + len(DONE) + 1))
    return mark + Text(f"{result.name:<{NAME_WIDTH}}", "default") + Text(sentence, "default")
