"""A command's Spark session. What a local Spark has to say of itself goes to a file, which is named when something fails."""

from __future__ import annotations

import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from spark_monitor.commands.command import sentence_of
from spark_monitor.commands.options import SessionOptions
from spark_monitor.commands.terminal import Terminal
from spark_monitor.errors import MonitorError, RunError
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import mask_secrets

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = log_of(__name__)

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2
LOG_LEVEL_SETTING = "spark.log.level"
CONNECT_PORT, CONNECT_SECONDS = 15002, 15.0
PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY")
"""Where one is set, the way to the server is not a direct one, and only Spark can try it."""

LOG_LINES_SHOWN = 6
LONGEST_LOG_LINE = 250
SIGNS_OF_FAILURE = ("Server access error", "Exception in thread", "ERROR", "Error:", "UnknownHostException", "Could not")
CHATTY_LOGGERS = ("SQLQueryContextLogger", "DataFrameQueryContextLogger", "pyspark.sql.connect.logging", "py4j")
"""Each writes the error it is about to raise to standard error, as JSON with the JVM's whole stack."""


def open_spark(options: SessionOptions, terminal: Terminal) -> SparkSession:
    """The session that the options name. Whoever asks for ``--debug`` or sets Spark's log level sees its log."""
    from spark_monitor import session

    log.info("Spark session")
    if options.remote is not None:
        require_reachable(options.remote)
    if terminal.debug or LOG_LEVEL_SETTING in options.conf:
        with output_to_error():
            return session.open_session(master=options.master, remote=options.remote, conf=options.conf)
    _hush()
    with standard_error_to_file() as file, output_to_error():
        terminal.spark_log = file
        try:
            return session.open_session(master=options.master, remote=options.remote, conf=options.conf)
        except MonitorError:
            raise
        except (
            Exception
        ) as error:  # py4j, Spark and Java end a start in many ways; each becomes one sentence with the log's lines
            lines = telling_lines(file.read_text(encoding="utf-8", errors="replace")) if file is not None else []
            excerpt = "".join(f"\n  {mask_secrets(line)}" for line in lines)
            raise RunError(
                f"Spark session: it did not start ({sentence_of(error)}).{excerpt}\n`spark-monitor doctor` says what works."
            ) from error


def require_reachable(remote: str) -> None:
    """RunError where nobody listens at a Spark Connect address: Spark itself would try again for ten minutes."""
    address = urlsplit(remote)
    if address.hostname is None or any(os.environ.get(name) for name in PROXY_VARIABLES):
        return
    try:
        socket.create_connection((address.hostname, address.port or CONNECT_PORT), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        shown = f"{address.hostname}:{address.port or CONNECT_PORT}"
        raise RunError(f"--remote: no server answers at {shown} ({error.strerror or error}). Is the address right?") from None


@contextmanager
def output_to_error() -> Iterator[None]:
    """Whatever a program that is started meanwhile prints goes where its errors go: standard output is the command's answer.

    A JVM keeps what it inherits, and removing files that are no longer needed prints how many they were.
    """
    try:
        kept = os.dup(STANDARD_OUTPUT)
    except OSError:
        yield
        return
    sys.stdout.flush()
    os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, STANDARD_OUTPUT)
        os.close(kept)


@contextmanager
def standard_error_to_file() -> Iterator[Path | None]:
    """The file that the process's standard error, and that of programs it starts, goes to; None where it has none."""
    try:
        kept = os.dup(STANDARD_ERROR)
    except OSError:
        yield None
        return
    sys.stderr.flush()
    handle, name = tempfile.mkstemp(prefix="spark-monitor-", suffix=".log")
    os.dup2(handle, STANDARD_ERROR)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        sys.stderr.flush()
        os.dup2(kept, STANDARD_ERROR)
        os.close(kept)


def telling_lines(log: str) -> list[str]:
    """The lines of Spark's log that say what went wrong, shortened; its last ones where none stands out.

    >>> telling_lines("a\\nException in thread main: no\\nb")
    ['Exception in thread main: no']
    """
    lines = [line.strip()[:LONGEST_LOG_LINE] for line in log.splitlines() if line.strip()]
    telling = [line for line in lines if any(sign in line for sign in SIGNS_OF_FAILURE)]
    return list(dict.fromkeys(telling))[:LOG_LINES_SHOWN] or lines[-LOG_LINES_SHOWN:]


def _hush() -> None:
    for name in CHATTY_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
