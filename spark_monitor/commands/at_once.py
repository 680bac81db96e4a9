"""Monitors run at once, each worker with a session of its own: what a run sets for a while is then set for itself alone."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.outputs.result import RunResult

MOST_AT_ONCE = 4
"""No more monitors run at once unless more are asked for: half of the cores, since one run keeps nearly two of them busy."""

SECONDS_TO_END = 30.0
"""How long an interrupted command waits for the runs under way to say so in the ledger."""

Handled = Callable[[Path, "SparkSession", Callable[[], bool]], "RunResult"]
Outcome = Callable[[], "RunResult"]
Ended = Generator[tuple[Path, Outcome], None, None]


def usual() -> int:
    """How many monitors run at once where nobody says; one beside a session that was there before, whose views are its own."""
    if "pyspark" in sys.modules:
        from pyspark.sql import SparkSession

        if SparkSession.getActiveSession() is not None:
            return 1
    return max(1, min(MOST_AT_ONCE, (os.cpu_count() or 1) // 2))


def sessions_apart(spark: SparkSession, number: int) -> list[SparkSession]:
    """As many sessions with settings of their own; none where this Spark does not make them."""
    sessions = []
    for _ in range(number):
        session = apart(spark)
        if session is None:
            return []
        sessions.append(session)
    return sessions


def apart(spark: SparkSession) -> SparkSession | None:
    """A session with this one's settings, of which it changes its own alone; None where this Spark makes none.

    Spark Connect clones a session from 4.1 on; a classic one is new, and what the other has set is set again. Threads of Spark
    3.5 do not know their session: what is asked in one may be read with the settings of the first.
    """
    from pyspark import inheritable_thread_target

    from spark_monitor.session import takes_session

    if not takes_session(inheritable_thread_target):
        return None
    try:
        clone = getattr(spark, "cloneSession", None)
        session: SparkSession = clone() if clone is not None else spark.newSession()
        if clone is None:
            _set_alike(session, spark)
    except Exception:  # whatever keeps a platform from making sessions: monitors then run one after the other
        return None
    return session


def _set_alike(session: SparkSession, model: SparkSession) -> None:
    """Give a session the settings of another, and its catalog; what only Spark's start can set is the same already."""
    for name in (row["key"] for row in model.sql("SET").collect()):
        value = model.conf.get(name, None)  # the query shows no secrets
        if value is not None and session.conf.get(name, None) != value:
            with suppress(Exception):
                session.conf.set(name, value)
    session.catalog.setCurrentCatalog(model.catalog.currentCatalog())
    session.catalog.setCurrentDatabase(model.catalog.currentDatabase())


def outcomes(files: Sequence[Path], handled: Handled, sessions: Sequence[SparkSession]) -> Ended:
    """Each file as its monitor has ended, with what gives its result or raises its error; one worker for each session.

    Where this is left early, as by Ctrl+C, nothing more is begun, the runs under way are asked to end, and waited for a while.
    A worker that does not end is left behind: the ledger tells the next run that its process is gone.
    """
    from spark_monitor.session import inheriting

    work = Work(files, handled)
    threads = [Thread(target=inheriting(one, partial(work.through, one)), daemon=True) for one in sessions]
    for thread in threads:
        thread.start()
    try:
        for _ in files:
            yield work.ended.get()
    except BaseException:
        work.end(sessions)
        raise
    finally:
        last = time.monotonic() + SECONDS_TO_END
        for thread in threads:
            thread.join(max(0.0, last - time.monotonic()))


class Work:
    """What waits for a worker, and what has ended."""

    def __init__(self, files: Sequence[Path], handled: Handled) -> None:
        self.handled = handled
        self.waiting, self.ended = SimpleQueue[Path](), SimpleQueue[tuple[Path, Outcome]]()
        self.stop = Event()
        for file in files:
            self.waiting.put(file)

    def through(self, session: SparkSession) -> None:
        """Run one monitor after the other while any waits."""
        with suppress(Exception):  # makes it the active session of this thread, for what is asked outside a query
            session.createDataFrame([], "one int")
        while not self.stop.is_set():
            try:
                file = self.waiting.get_nowait()
            except Empty:
                return
            outcome: Future[RunResult] = Future()
            try:
                outcome.set_result(self.handled(file, session, self.stop.is_set))
            except BaseException as error:  # whatever it is, it is this monitor's alone
                outcome.set_exception(error)
            self.ended.put((file, outcome.result))

    def end(self, sessions: Sequence[SparkSession]) -> None:
        """Begin nothing more, and end the queries under way where this Spark can."""
        self.stop.set()
        for session in sessions:
            with suppress(Exception):
                session.interruptAll()
