"""`spark-monitor run FILE --continuous`: runs that go on until something ends them, each reported as it ends."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spark_monitor.commands.terminal import Remarks, Terminal
from spark_monitor.errors import ConfigError
from spark_monitor.text.logs import heard_by
from spark_monitor.windowing.periods import EVERY_MINUTE, parse_trigger

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.api.monitor import Monitor
    from spark_monitor.outputs.result import RunResult

    Ready = Callable[[], tuple[Monitor, SparkSession]]

PANEL = "Near real time"
STANDARD_ERROR = 2
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Continuous = Annotated[
    bool,
    typer.Option(
        "--continuous",
        help="Keep running: a Structured Streaming query over the prediction table starts a run when rows arrive; another "
        "follows when labels arrive or a window ends. SIGTERM and Ctrl+C end the job between two runs, with exit code 0; three "
        "failures in a row end it with the last one's.",
        rich_help_panel=PANEL,
    ),
]
Trigger = Annotated[
    str | None,
    typer.Option(
        "--trigger",
        metavar="WHEN",
        help='available-now (one run, then end), or how often to check for new rows, such as "30 seconds". Default: 1 minute.',
        rich_help_panel=PANEL,
    ),
]
Checkpoints = Annotated[
    str | None,
    typer.Option(
        "--checkpoints",
        metavar="DIR",
        help="Where the stream keeps its checkpoint. Default: _checkpoints beside the output tables.",
        rich_help_panel=PANEL,
    ),
]


@dataclass
class Stop:
    """Whether somebody has asked the job to end. A flag, since a signal may come while any lock is held."""

    asked: bool = False
    former: dict[int, Any] = field(default_factory=dict)

    def __call__(self) -> bool:
        """Whether it was asked."""
        return self.asked

    def note(self, number: int, _: object) -> None:
        """Remember a signal; the next one does what it always did."""
        self.asked = True
        self.restore()
        notice = f"{signal.Signals(number).name}: ending as soon as no run is under way. Interrupt again to end it immediately.\n"
        with suppress(OSError):
            os.write(STANDARD_ERROR, notice.encode())  # a stream of Python's may be in the middle of a write

    def restore(self) -> None:
        """Leave signals to whoever had them before."""
        for number, handler in self.former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self.former = {}


@contextmanager
def stop_asked() -> Iterator[Stop]:
    """SIGTERM and Ctrl+C as a question that is asked between runs; Python hands signals to its main thread alone."""
    stop = Stop()
    if threading.current_thread() is threading.main_thread():
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as Ctrl+C is by whoever put the job into the background
                stop.former[number] = signal.signal(number, stop.note)
    try:
        yield stop
    finally:
        stop.restore()


def read_trigger(*, continuous: bool, trigger: str | None, checkpoints: str | None, backfill: bool) -> str | None:
    """The trigger as typed, or its default; None where the run is a single one. ConfigError where options do not go together."""
    if not continuous:
        alone = [name for name, value in (("--trigger", trigger), ("--checkpoints", checkpoints)) if value is not None]
        if alone:
            raise ConfigError(f"{alone[0]}: found without --continuous. Add --continuous, or leave it out.")
        return None
    if backfill:
        raise ConfigError(
            "--continuous: found beside --from and --to. It handles what is due: leave --continuous out to reprocess a period."
        )
    try:
        parse_trigger(trigger or EVERY_MINUTE)
    except ConfigError as error:
        raise ConfigError(f"--trigger: {error}") from None
    return trigger or EVERY_MINUTE


@contextmanager
def followed(terminal: Terminal, ready: Ready, **asked: Any) -> Iterator[Iterator[RunResult]]:
    """The results as they come, each outside of the progress that leads to it; the stream behind them ends with the block."""

    def results() -> Iterator[RunResult]:
        while True:
            with terminal.progress():
                result = next(runs, None)
            if result is None:
                return
            yield result

    with terminal.progress():
        monitor, spark = ready()
    with stop_asked() as stop:  # after Spark has started, which has a way of its own with Ctrl+C
        with terminal.progress():
            runs = monitor.watch(spark, **asked, stop=stop)
        with heard_by(Remarks(terminal)), closing(runs):
            yield results()
