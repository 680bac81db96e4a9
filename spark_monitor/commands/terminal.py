"""What a command shows: its answer on standard output, everything on the way there on standard error.

On a terminal the steps of a run are a moving line that leaves a tick behind; elsewhere they are plain lines with the seconds.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import asdict, is_dataclass
from datetime import UTC, date, datetime
from io import TextIOWrapper, UnsupportedOperation
from pathlib import Path
from typing import IO, Any, TextIO

from rich.console import Console
from rich.status import Status
from rich.text import Text

from spark_monitor.text.logs import heard_by
from spark_monitor.text.masking import mask_secrets, without_secrets

DONE, FAILED = "✓", "✗"


class Terminal:
    """The two streams of one command; ``as_json`` says that standard output belongs to one JSON document."""

    def __init__(self, *, debug: bool = False, as_json: bool = False) -> None:
        self.debug = debug
        self.as_json = as_json
        self.spark_log: Path | None = None
        self.out = plain_console(sys.stdout)
        self.err = plain_console(sys.stderr)

    def tell(self, text: str | Text) -> None:
        """Part of the answer, secrets in it masked; beside a JSON document it goes to standard error."""
        show(self.err if self.as_json else self.out, _masked(text))

    def remark(self, text: str | Text) -> None:
        """Something worth knowing that is no part of the answer; secrets in it are masked."""
        show(self.err, _masked(text))

    def document(self, content: Any) -> None:
        """The JSON document of a command that was asked for one, on one line."""
        if self.as_json:
            show(self.out, json_text(without_secrets(plain(content))))

    @contextmanager
    def progress(self, *, leave: bool = True, several: bool = False, at_once: bool = False) -> Iterator[None]:
        """Show steps as they are logged, of ``several`` monitors by name. What libraries print goes to standard error.

        Of steps ``at_once`` none ends with the next: each is a line as it begins, on a terminal too.
        """
        with duplicate(sys.stderr) as stream, redirect_stdout(sys.stderr):
            steps = Steps(plain_console(stream), leave=leave, moving=not at_once)
            try:
                with heard_by(Progress(steps, several=several)):
                    yield
            except BaseException:
                steps.end(done=False)
                raise
            steps.end(done=True)


def _masked(text: str | Text) -> str | Text:
    """The text; the lines of a styled one that hold a secret lose their style with it."""
    if isinstance(text, str):
        return mask_secrets(text)
    if mask_secrets(text.plain) == text.plain:
        return text
    lines = [Text(masked) if (masked := mask_secrets(line.plain)) != line.plain else line for line in text.split("\n")]
    return Text("\n").join(lines)


class Steps:
    """Steps that follow one another, each with the time it took; without ``leave`` nothing of them stays to be read."""

    def __init__(self, console: Console, *, leave: bool = True, moving: bool = True) -> None:
        self.console, self.leave = console, leave
        self.moving = moving and console.is_terminal
        self.began = self.step_began = time.monotonic()
        self.current: str | None = None
        self.status: Status | None = None

    def begin(self, text: str) -> None:
        """End the step before and begin this one."""
        self.end(done=True)
        self.current, self.step_began = text, time.monotonic()
        if self.moving:
            self.status = self.console.status(Text(f"{text} ..."))
            self.status.start()
        elif self.leave:
            show(self.console, f"{self.step_began - self.began:6.1f} s  {text}")

    def warn(self, text: str) -> None:
        """Show a warning while the step goes on."""
        show(self.console, Text(f"warning: {text}", "yellow"))

    def end(self, *, done: bool) -> None:
        """End the step; on a terminal its line stays, with a tick or a cross."""
        if self.current is not None and self.status is not None:
            self.status.stop()
            mark = Text(f"{DONE} ", "green") if done else Text(f"{FAILED} ", "red")
            took = Text(f"  {time.monotonic() - self.step_began:.1f} s", "dim")
            if self.leave:
                show(self.console, mark + Text(self.current, "default") + took)
        self.current = self.status = None


class Progress(logging.Handler):
    """What the package logs, as steps and warnings; of ``several`` monitors each line begins with its monitor's name."""

    def __init__(self, steps: Steps, *, several: bool = False) -> None:
        super().__init__()
        self.steps, self.several = steps, several

    def emit(self, record: logging.LogRecord) -> None:
        """Begin a step, or show a warning beside it."""
        monitor = getattr(record, "monitor", None)
        text = f"{monitor}: {record.getMessage()}" if self.several and monitor is not None else record.getMessage()
        if record.levelno >= logging.WARNING:
            self.steps.warn(text)
        else:
            self.steps.begin(text)


class Remarks(logging.Handler):
    """What the package logs while no step is under way, as remarks."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self.terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Show the record's text."""
        mark = "warning: " if record.levelno >= logging.WARNING else ""
        self.terminal.remark(f"{mark}{record.getMessage()}")


class PlainConsole(Console):
    """A console whose reader may go away, as `head` does: rich would end the process with 1, which means a failing check here."""

    def on_broken_pipe(self) -> None:
        """Leave the exit code to the command."""
        raise BrokenPipeError


def plain_console(stream: IO[str]) -> Console:
    """A console that shows strings as they are: no markup in values, no colours where there is no terminal."""
    return PlainConsole(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True)


def show(console: Console, text: str | Text) -> None:
    """One text and a line's end, never wrapped or cut."""
    console.print(text, soft_wrap=True)


@contextmanager
def duplicate(stream: TextIO) -> Iterator[IO[str]]:
    """The stream under a file number of its own, so that it still reaches the terminal while the number 2 leads elsewhere."""
    try:
        copy = os.dup(stream.fileno())
    except (UnsupportedOperation, OSError, AttributeError):
        yield stream
        return
    with os.fdopen(copy, "w", encoding=stream.encoding, errors="replace", buffering=1) as copied:
        yield copied


def json_text(content: Any) -> str:
    """JSON that every parser reads: timestamps in ISO 8601 and UTC, and null for a number that is none.

    >>> json_text({"value": float("nan"), "at": datetime(2013, 9, 2, tzinfo=UTC)})
    '{"value": null, "at": "2013-09-02T00:00:00Z"}'
    """
    return json.dumps(plain(content), ensure_ascii=False, allow_nan=False)


def plain(content: Any) -> Any:
    """Dataclasses, timestamps, paths and odd numbers as what JSON has."""
    if is_dataclass(content) and not isinstance(content, type):
        return plain(asdict(content))
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple | set | frozenset):
        return [plain(value) for value in content]
    if isinstance(content, datetime):
        return timestamp_text(content)
    if isinstance(content, date | Path):
        return str(content)
    return None if isinstance(content, float) and not math.isfinite(content) else content


def timestamp_text(timestamp: datetime) -> str:
    """A timestamp in ISO 8601 and UTC.

    >>> timestamp_text(datetime(2013, 9, 2, 6, tzinfo=UTC))
    '2013-09-02T06:00:00Z'
    """
    return timestamp.astimezone(UTC).isoformat().replace("+00:00", "Z")


def printable(stream: IO[str]) -> None:
    """A tick that the terminal's encoding lacks becomes a question mark, not an error."""
    if isinstance(stream, TextIOWrapper):
        with suppress(ValueError):
            stream.reconfigure(errors="replace")
