"""What becomes of errors: a sentence on standard error and the exit code that the design promises; tracebacks for ``--debug``.

0 ran, 1 ran and a check reached ``--fail-on``, 2 wrong usage or configuration, 3 the run failed.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from spark_monitor.commands.terminal import Terminal
from spark_monitor.errors import ConfigError, MonitorError
from spark_monitor.text.formatting import harmless
from spark_monitor.text.masking import first_line, mask_secrets

DEBUG_VARIABLE = "SPARK_MONITOR_DEBUG"
REACHED, WRONG_USE, RUN_FAILED = 1, ConfigError.exit_code, MonitorError.exit_code
INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143
"""What shells show for a program that Ctrl+C, a reader that went away, or SIGTERM has ended."""

USAGE_ERROR = typer.BadParameter.__mro__[1]
"""What typer raises for wrong usage of any kind; it has no public name."""

LIBRARYS_WORDS = {
    r"^Value error, ": "",
    r"^Input should be a valid integer.*": "it is no integer. Give one, such as 100.",
    r"^Input should be greater than or equal to (\S+?)\.?$": r"it is below \1. Give \1 or more.",
}
LONGEST_LINE = 500
REFUSED_BY_STORAGE = ("Status Code: 503", "SlowDown", "SLOW_DOWN", "ThrottledException", "ServiceUnavailable", "ServerBusy")
"""Signs, in the words of S3's, Azure's and Hadoop's clients, that an object store answers 503 after all that they try."""

AFTER_REFUSAL = "No partial write is visible. Run again when it responds; its client's settings bound the retries."


class Terminated(KeyboardInterrupt):
    """SIGTERM: whoever runs the job wants it to end, as Ctrl+C does."""


class MonitorGroup(TyperGroup):
    """The commands together: what wrong usage quotes of the line that was typed is without secrets."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the options before the command."""
        with quoted_without_secrets():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Find the command, read its options and do it."""
        with quoted_without_secrets():
            return super().invoke(ctx)


@contextmanager
def quoted_without_secrets() -> Iterator[None]:
    """Secrets masked in the message of wrong usage, whose text is typer's own."""
    try:
        yield
    except Exception as error:
        message = getattr(error, "message", None)
        if isinstance(error, USAGE_ERROR) and isinstance(message, str):
            error.__dict__["message"] = mask_secrets(in_our_words(message))
        raise


def in_our_words(message: str) -> str:
    """What is wrong with an option's value, without the words of the library that found it.

    >>> in_our_words("Input should be greater than or equal to 1"), in_our_words("Value error, 'x' is not one of 'a', 'b'.")
    ('it is below 1. Give 1 or more.', "'x' is not one of 'a', 'b'.")
    """
    for pattern, words in LIBRARYS_WORDS.items():
        message = re.sub(pattern, words, message)
    return message


class MonitorCommand(TyperCommand):
    """A command whose errors are sentences and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Do the command."""
        code: int | None = None
        swallowed = Swallowed()
        try:
            with terminated_by_signal(), swallowed:
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = report(swallowed.interruption or error, terminal_of(ctx), command=ctx.info_name)
        finally:
            _drop_log(terminal_of(ctx), keep=code == RUN_FAILED)
        raise typer.Exit(code)


class Swallowed(logging.Filter):
    """The interruption that py4j logs, with its traceback, and then turns into an error of the network: kept, and not shown."""

    def __init__(self) -> None:
        super().__init__()
        self.interruption: KeyboardInterrupt | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, KeyboardInterrupt):
            self.interruption = error
            return False
        return not _in_another_call(error)

    def __enter__(self) -> None:
        logging.getLogger().addFilter(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeFilter(self)


def _in_another_call(error: BaseException | None) -> bool:
    """Whether pyspark's handler of Ctrl+C asked for all jobs to be cancelled on the connection that waits for one of them."""
    while error is not None and not (isinstance(error, RuntimeError) and str(error).startswith("reentrant call")):
        error = error.__context__
    return error is not None


@contextmanager
def terminated_by_signal() -> Iterator[None]:
    """SIGTERM as an exception, so that a run under way is written to the ledger as one that failed.

    Python hands signals to its main thread alone. A second SIGTERM ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(_: int, __: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated("ended by SIGTERM")


def terminal_of(context: Any) -> Terminal:
    """The terminal of this command line, made once."""
    root = context.find_root()
    if not isinstance(root.obj, Terminal):
        debug = bool(root.params.get("debug")) or bool(os.environ.get(DEBUG_VARIABLE))
        root.obj = Terminal(debug=debug, as_json=bool(context.params.get("as_json")))
    return root.obj


def report(error: BaseException, terminal: Terminal, *, command: str) -> int:
    """Say what went wrong; the exit code."""
    if isinstance(error, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more when it ends
        return BROKEN_PIPE
    if terminal.debug:
        terminal.remark(mask_secrets("".join(traceback.format_exception(error)).rstrip()))
    if isinstance(error, Terminated):
        terminal.remark("Ended by SIGTERM.")
        return TERMINATED
    if isinstance(error, KeyboardInterrupt):
        terminal.remark("Interrupted.")
        return INTERRUPTED
    code = error.exit_code if isinstance(error, MonitorError) else RUN_FAILED
    text = sentence_of(error)
    terminal.remark(text)
    if not isinstance(error, MonitorError | PermissionError) and not terminal.debug:
        terminal.remark(f"For the whole traceback: spark-monitor --debug {command} ...")
    if code == RUN_FAILED and has_text(terminal.spark_log):
        terminal.remark(f"Spark's own log: {terminal.spark_log}")
    terminal.document({"error": text, "exit_code": code})
    return code


def sentence_of(error: BaseException) -> str:
    """A MonitorError's text as it is; of any other error its kind, its first line and its root cause, secrets masked.

    >>> sentence_of(ConfigError("flights.yaml: no such file.")), sentence_of(ValueError("no\\nmore"))
    ('flights.yaml: no such file.', 'ValueError: no')
    >>> sentence_of(OSError("When reading: AWS Error SLOW_DOWN: Please reduce your request rate.")).startswith("Storage refuses")
    True
    """
    if isinstance(error, MonitorError):
        return mask_secrets(str(error))
    if isinstance(error, PermissionError) and error.filename is not None:
        place = mask_secrets(harmless(str(error.filename), LONGEST_LINE))
        return f"{place}: this user has no right to it ({error.strerror}). Change its rights, or name another place."
    kind, first = type(error).__name__, first_line(error)
    if any(sign in str(error) for sign in REFUSED_BY_STORAGE):
        return f"Storage refuses requests: {first[:LONGEST_LINE]} {AFTER_REFUSAL}"
    return (kind if first == kind else f"{kind}: {first}")[:LONGEST_LINE]


def has_text(log: Path | None) -> bool:
    """Whether Spark's log is worth naming."""
    return log is not None and log.exists() and log.stat().st_size > 0


def _drop_log(terminal: Terminal, *, keep: bool) -> None:
    """Remove Spark's log, unless something failed and it may say why."""
    if terminal.spark_log is not None and not (keep and has_text(terminal.spark_log)):
        terminal.spark_log.unlink(missing_ok=True)
