"""One run of a monitor at a time: who holds it, whether that process lives, and how long the next one waits.

The RUNNING row of the table ``runs`` is the lease. It is taken in one commit that fails when another RUNNING row appears, given
back when the row gets its end, and taken from a run whose process is gone: at once where that process was on this machine,
otherwise when its heartbeat is older than ``LEASE_SECONDS``.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Protocol

from spark_monitor.errors import RunError
from spark_monitor.text.logs import log_of

log = log_of(__name__)

LEASE_SECONDS: Final = 120.0
POLL_SECONDS: Final = 2.0
WAIT_SECONDS: Final = 1800.0
WORD_EVERY_SECONDS: Final = 60.0
"""A run that waits says so this often."""

GONE: Final = ("Z", "X")
"""States of a process that has ended and whose parent has not asked how."""

DIED: Final = "The process ended without reporting."
State = Literal["LIVE", "DEAD"]


@dataclass(frozen=True)
class Process:
    """A process that a later one with the same number cannot be mistaken for: where it runs, its number, when it started."""

    host: str
    pid: int
    started: str


@dataclass(frozen=True)
class Holder:
    """A run that says it is under way."""

    run_id: str
    process: Process
    heartbeat: datetime | None
    started: datetime | None


class Turns(Protocol):
    """What taking turns needs of the ledger."""

    def holders(self, monitor_id: str) -> list[Holder]:
        """The runs that say they are under way."""

    def expire(self, monitor_id: str, holder: Holder, *, error: str, ended: datetime) -> bool:
        """Mark a dead one FAILED."""


def this_process() -> Process:
    """This process. The host holds the boot and the namespace of process numbers, so containers are machines of their own."""
    boot = _read("/proc/sys/kernel/random/boot_id")
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return Process("/".join(part for part in (socket.gethostname(), boot, namespace) if part), os.getpid(), _start(os.getpid()))


def lives(process: Process) -> bool:
    """Whether a process of this machine is still there, and is the one that it was.

    >>> lives(this_process()), lives(Process(this_process().host, os.getpid(), "another start"))
    (True, False)
    """
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists and belongs to somebody else
    return _start(process.pid) == process.started


def state(holder: Holder, *, here: Process, now: datetime, lease: timedelta, lives: Callable[[Process], bool] = lives) -> State:
    """Whether a holder lives: asked of the machine where it is this one, otherwise by the age of its heartbeat.

    A run of this very process is judged by its heartbeat: the process lives, the run may have been abandoned.
    """
    if holder.process.host == here.host and holder.process != here:
        return "LIVE" if lives(holder.process) else "DEAD"
    return "LIVE" if holder.heartbeat is not None and now - holder.heartbeat <= lease else "DEAD"


def wait_until_free(
    turns: Turns,
    monitor_id: str,
    *,
    here: Process,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
    patience: float = WAIT_SECONDS,
    lease: float = LEASE_SECONDS,
) -> None:
    """Return when no live run holds the monitor; dead holders are marked FAILED. After ``patience`` seconds it is an error."""
    waited, logged_at = 0.0, -WORD_EVERY_SECONDS
    while living := _living(turns, monitor_id, here, clock, timedelta(seconds=lease)):
        first = living[0]
        if waited >= patience:
            raise RunError(
                f"monitor {monitor_id}: run {first.run_id} still holds it after {waited / 60:.0f} minutes. {place(first)} "
                "Wait until it has ended, or end that process; then run again."
            )
        if waited - logged_at >= WORD_EVERY_SECONDS:
            log.info(f"monitor {monitor_id}: waiting for run {first.run_id} to end. {place(first)}")
            logged_at = waited
        sleep(POLL_SECONDS)
        waited += POLL_SECONDS


def place(holder: Holder) -> str:
    """Where a holder runs, in a sentence."""
    since = f" since {holder.started:%Y-%m-%d %H:%M:%S} UTC" if holder.started is not None else ""
    return f"It runs on {holder.process.host.split('/')[0]} as process {holder.process.pid}{since}."


def _living(
    turns: Turns,
    monitor_id: str,
    here: Process,
    clock: Callable[[], datetime],
    lease: timedelta,
) -> Sequence[Holder]:
    """The holders that live; those that do not are marked, unless they showed in the meantime that they do."""
    living = []
    for holder in turns.holders(monitor_id):
        if state(holder, here=here, now=clock(), lease=lease) == "LIVE":
            living.append(holder)
        elif turns.expire(monitor_id, holder, error=DIED, ended=clock()):
            log.info(
                f"monitor {monitor_id}: run {holder.run_id} ended without reporting; its rows stay hidden, its work is repeated."
            )
        else:
            living.append(holder)
    return living


def _start(pid: int) -> str:
    """When a process started, in whatever unit the machine reports it; empty where there is none, or only one that was killed."""
    stat_line = _read(f"/proc/{pid}/stat")
    if stat_line:
        fields = stat_line.rpartition(")")[2].split()  # from the third on, counted behind the name, which may hold spaces
        return "" if fields[0] in GONE else fields[19]
    if Path("/proc/self/stat").exists():
        return ""
    command = ["ps", "-o", "state=", "-o", "lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return "" if answer[:1] in GONE else answer.partition(" ")[2].strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
