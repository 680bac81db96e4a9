"""What the package logs, as lines that a test looks at."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from spark_monitor.text.logs import heard_by


class Lines(logging.Handler):
    """Gives each record to a function, warnings marked as on a terminal."""

    def __init__(self, take: Callable[[str], object]) -> None:
        super().__init__()
        self.take = take

    def emit(self, record: logging.LogRecord) -> None:
        mark = "warning: " if record.levelno >= logging.WARNING else ""
        self.take(f"{mark}{record.getMessage()}")


@contextmanager
def logged() -> Iterator[list[str]]:
    """The lines that are logged in the block."""
    lines: list[str] = []
    with heard_by(Lines(lines.append)):
        yield lines
