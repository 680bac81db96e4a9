"""A run's turn: taken before anything is written, verified before every write, ended by the last one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from spark_monitor.errors import RunError
from spark_monitor.store.lease import WAIT_SECONDS, this_process, wait_until_free
from spark_monitor.store.ledger import RUNNING, Ledger
from spark_monitor.text.masking import first_line

BEAT: Final = timedelta(seconds=30)
"""A heartbeat is written at most this often: a fourth of the time after which silence counts as death."""


@dataclass
class Turn:
    """The run that holds a monitor."""

    ledger: Ledger
    monitor_id: str
    run_id: str
    clock: Callable[[], datetime]
    last_beat: datetime
    trouble: str | None = None
    generations: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    _ended: threading.Event = field(default_factory=threading.Event)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def take(
        cls,
        ledger: Ledger,
        row: Mapping[str, Any],
        *,
        clock: Callable[[], datetime],
        patience: float = WAIT_SECONDS,
    ) -> Turn:
        """Write the RUNNING row; where the monitor is taken, wait until it is free and try again."""
        monitor_id, run_id, here = str(row["monitor_id"]), str(row["run_id"]), this_process()
        lease = {"lease_host": here.host, "lease_pid": here.pid, "lease_process": here.started}
        while True:
            now = clock()
            if ledger.insert_if_free(monitor_id, {**row, **lease, "status": RUNNING, "started": now, "heartbeat": now}):
                return cls(ledger, monitor_id, run_id, clock, now)
            wait_until_free(ledger, monitor_id, here=here, clock=clock, patience=patience)

    def verify(self) -> None:
        """RunError where the run does not hold the monitor any more."""
        status = self.ledger.status(self.monitor_id, self.run_id)
        if status != RUNNING:
            raise self._lost(status)

    def beat(self) -> None:
        """Write a heartbeat if the last one is old enough, and no other thread is writing one."""
        if not self._writing.acquire(blocking=False):
            return
        try:
            now = self.clock()
            if now - self.last_beat < BEAT:
                return
            if not self.ledger.beat(self.monitor_id, self.run_id, now):
                raise self._lost(self.ledger.status(self.monitor_id, self.run_id))
            self.last_beat = now
        finally:
            self._writing.release()

    def note(self, values: Mapping[str, Any]) -> None:
        """Write columns of the run's row."""
        if not self.ledger.change(self.monitor_id, self.run_id, values):
            raise self._lost(self.ledger.status(self.monitor_id, self.run_id))

    def end(self, values: Mapping[str, Any]) -> None:
        """Write the run's end."""
        self._ended.set()
        if self.ledger.change(self.monitor_id, self.run_id, values):
            return
        status = self.ledger.status(self.monitor_id, self.run_id)
        if status != values["status"]:  # equal: the commit had been made although its first answer was an error
            raise self._lost(status)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Heartbeats in the background until the turn has ended, or the block."""
        left = threading.Event()
        thread = threading.Thread(target=self._beat_until, args=(left,), name=f"heartbeat {self.run_id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            left.set()
            thread.join()

    def _beat_until(self, left: threading.Event) -> None:
        pause = BEAT.total_seconds() / 10
        while not left.wait(pause) and not self._ended.is_set():
            try:
                self.beat()
            except Exception as error:  # reported by the next verify, which asks the ledger itself
                self.trouble = first_line(error)

    def _lost(self, status: str | None) -> RunError:
        state = "has no row of it" if status is None else f"says {status}"
        trouble = f" Its last heartbeat failed: {self.trouble}" if self.trouble else ""
        return RunError(
            f"monitor {self.monitor_id}: run {self.run_id} has lost its turn: the ledger {state}. Another run took it "
            f"for dead, or somebody ended it. Nothing more is written; run again.{trouble}"
        )
