"""Runs that go on: a stream wakes them, the ledger says whether there is anything to do, and one follows the other.

The stream tells of rows that came. Time alone closes windows and lets labels become final, and labels come into a table of their
own, so that an interval without a word from the stream ends with a look as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from spark_monitor.errors import ConfigError, MonitorError
from spark_monitor.text.logs import about, log_of
from spark_monitor.text.masking import first_line

log = log_of(__name__)

MOST_FAILURES = 3
"""Failures in a row that end the job: one may be a storage's bad minute, and the ledger holds each."""

RETRY_SECONDS = 60.0
"""A run that failed is tried again after the interval, but not before this."""

POLL_SECONDS = 1
Result = TypeVar("Result")


class Stream(Protocol):
    """What waking needs of a stream."""

    @property
    def is_active(self) -> bool: ...
    def batches(self) -> int | None:
        """How many batches it has ended."""

    def has_ended(self, seconds: int) -> bool:
        """Wait so long for its end."""

    def broken(self) -> MonitorError:
        """Why it ended."""

    def stop(self) -> None:
        """End it."""


def one_run(
    opened: Callable[[], Stream], run: Callable[[], Result], *, stop: Callable[[], bool]
) -> Generator[Result, None, None]:
    """The run that follows when the stream has come to the end of what there is."""
    stream = opened()
    try:
        while not (stop() or stream.has_ended(POLL_SECONDS)):
            pass
    finally:
        stream.stop()
    if not stop():
        yield run()


@dataclass
class Watch(Generic[Result]):
    """Runs one after the other until ``stop`` says so: the first at once, the others where ``look`` finds something new."""

    opened: Callable[[], Stream]
    run: Callable[[], Result]
    look: Callable[[], bool]
    interval: timedelta
    stop: Callable[[], bool]
    monitor: str
    sleep: Callable[[float], None] = time.sleep
    stream: Stream | None = None
    batches: int | None = None
    due: bool = True
    succeeded: bool = False
    failures: int = 0
    breaks: int = 0

    def results(self) -> Generator[Result, None, None]:
        """What the runs give. The stream is stopped when the iteration ends, however it does."""
        self._open()
        try:
            while not self.stop():
                with about(self.monitor):
                    result = self._attempt()
                if result is not None:
                    yield result
                with about(self.monitor):
                    self._wait()
        finally:
            if self.stream is not None:
                with suppress(Exception):  # where Spark itself has gone, that is what there is to tell
                    self.stream.stop()

    def _open(self) -> None:
        self.stream, self.batches = self.opened(), None

    def _attempt(self) -> Result | None:
        """A run, if one is due; an error is raised where it is one too many, or where the first run finds the file wrong."""
        try:
            if self.stream is None:
                self._open()
            result = self.run() if self.due or self.look() else None
        except Exception as error:
            self.failures += 1
            if self.failures >= MOST_FAILURES or self.stop() or (isinstance(error, ConfigError) and not self.succeeded):
                raise
            log.warning(f"failure {self.failures} of {MOST_FAILURES} in a row, tried again: {first_line(error)}")
            self.due = True
            return None
        self.failures, self.due, self.succeeded = 0, False, True
        return result

    def _wait(self) -> None:
        """Until the stream has ended a batch, or an interval has passed; a failure is given time."""
        waited, long = 0.0, self.interval.total_seconds()
        if self.failures:
            long = max(long, RETRY_SECONDS)
        while waited < long and not self.stop():
            if not self.failures and self._woken():
                return
            pause = min(POLL_SECONDS, long - waited)
            self.sleep(pause)
            waited += pause
        self.breaks = 0

    def _woken(self) -> bool:
        """Whether the stream has ended a batch, or itself: then it is opened again before the next look."""
        if self.stream is None or not self.stream.is_active:
            self._note_break()
            return True
        before, self.batches = self.batches, self.stream.batches()
        if before is not None and self.batches != before:
            self.breaks = 0
        return self.batches != before

    def _note_break(self) -> None:
        if self.stream is None:
            return
        self.breaks += 1
        error, self.stream = self.stream.broken(), None
        if self.breaks >= MOST_FAILURES:
            raise error
        log.warning(f"{error} It is opened again.")
