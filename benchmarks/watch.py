"""How much memory the Python workers of this process's Spark take, read from /proc by a thread while they work."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType

PROC = Path("/proc")
WORKERS = {b"pyspark.daemon", b"pyspark.worker"}
EVERY = 0.05
"""Seconds between two looks. A worker stays for a while after its task, so its peak is seen even if it came between two looks."""


def can_watch() -> bool:
    """Whether this system tells the peak of a process."""
    return peak(os.getpid()) is not None


def peak(process: int) -> int | None:
    """The most bytes that a process has held in memory so far; None where it has gone or the system does not tell."""
    try:
        lines = (PROC / str(process) / "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), None)


def descendants(process: int) -> set[int]:
    """Every process that this one has started, or that those have."""
    parents: dict[int, int] = {}
    for status in PROC.glob("[0-9]*/stat"):
        try:
            # The name stands in brackets and may hold anything; the parent is the second field after it.
            parents[int(status.parent.name)] = int(
                status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            )
        except OSError:
            continue  # it has gone
    started: set[int] = set()
    more = {process}
    while more:
        more = {child for child, parent in parents.items() if parent in more} - started
        started |= more
    return started


def is_worker(process: int) -> bool:
    """Whether a process is a Python that Spark has started: the daemon, or a worker that it forked."""
    try:
        return not WORKERS.isdisjoint((PROC / str(process) / "cmdline").read_bytes().split(b"\0"))
    except OSError:
        return False


class Watch:
    """Looks at the workers until it is left; ``peaks`` then holds the most bytes of each."""

    def __init__(self) -> None:
        self.peaks: dict[int, int] = {}
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._look_again, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._left.set()
        self._thread.join()
        self._look()

    @property
    def largest(self) -> int:
        """The most bytes that any worker held; 0 where none was seen."""
        return max(self.peaks.values(), default=0)

    def _look_again(self) -> None:
        while not self._left.wait(EVERY):
            self._look()

    def _look(self) -> None:
        for process in descendants(os.getpid()):
            size = peak(process) if is_worker(process) else None
            if size is not None:
                self.peaks[process] = max(size, self.peaks.get(process, 0))
