"""The loggers of areas: each record names the monitor that it is about, and holds no secret.

Whoever calls the package from Python reads its progress as any other library's: records of the logger ``spark_monitor``, steps at
INFO and what people should see at WARNING. The command line hangs its terminal there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from spark_monitor.text.masking import mask_secrets

PACKAGE: Final = "spark_monitor"
_MONITOR: ContextVar[str | None] = ContextVar("spark_monitor_monitor", default=None)


class Attributed(logging.Filter):
    """Gives each record the attribute ``monitor``: the name of the monitor that is being run in this thread, or None."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        record.monitor = _MONITOR.get()
        return True


class Masked(logging.Filter):
    """Masks secrets in the text of each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes."""
        record.msg, record.args = mask_secrets(record.getMessage()), None
        return True


ATTRIBUTED, MASKED = Attributed(), Masked()


def log_of(area: str) -> logging.Logger:
    """The logger of a module, named by its ``__name__``.

    >>> with about("flights"):
    ...     record = logging.makeLogRecord({"msg": "password=%s", "args": ("abc",)})
    ...     shown = log_of("spark_monitor.stages.plan").filter(record)
    >>> record.monitor, record.getMessage()
    ('flights', 'password=***')
    """
    log = logging.getLogger(area)
    log.addFilter(ATTRIBUTED)
    log.addFilter(MASKED)
    return log


@contextmanager
def about(monitor_id: str) -> Iterator[None]:
    """What is logged meanwhile in this context is about one monitor; threads that copy the context log about it too."""
    token = _MONITOR.set(monitor_id)
    try:
        yield
    finally:
        _MONITOR.reset(token)


@contextmanager
def heard_by(handler: logging.Handler) -> Iterator[None]:
    """The package's records of INFO and above go to this handler alone, in place of the one that heard them before."""
    package = logging.getLogger(PACKAGE)
    handlers, level, propagate = package.handlers, package.level, package.propagate
    package.handlers, package.propagate = [handler], False
    package.setLevel(logging.INFO)
    handler.addFilter(MASKED)
    try:
        yield
    finally:
        package.handlers, package.propagate = handlers, propagate
        package.setLevel(level)
