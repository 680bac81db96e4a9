"""Housekeeping after a commit: former generations removed, many small files made few."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zlib import crc32

from spark_monitor.errors import RunError
from spark_monitor.store.access import Access
from spark_monitor.store.committed import GENERATIONS
from spark_monitor.store.rows import of_monitor
from spark_monitor.text.quoting import literal

TIDY_EVERY: Final = 25
"""One in so many committed runs tidies its monitor's files: each run adds about one file to each table."""


def prune(access: Access, monitor_id: str) -> None:
    """Delete what killed runs left: generations that were never committed, and those that a committed one has replaced."""
    for table in sorted(GENERATIONS):
        if len(access.run_ids(table, monitor_id)) > 1:
            kept = access.latest_generation(table, monitor_id)
            if kept is not None:
                keep(access, table, monitor_id, kept)


def keep(access: Access, table: str, monitor_id: str, run_id: str) -> None:
    """Delete every generation of a monitor's rows but one."""
    access.delete(table, where=f"{of_monitor(monitor_id)} AND run_id <> {literal(run_id)}")


def settle(access: Access, monitor_id: str, run_id: str, generations: Iterable[str]) -> None:
    """What follows a commit: the generations it replaced are deleted, and now and then the files are tidied."""
    for table in sorted(generations):
        try:
            keep(access, table, monitor_id, run_id)
        except RunError:
            continue  # others write to this table all the time; the run is committed, and the next one prunes
    if is_turn_to_tidy(run_id):
        access.tidy([monitor_id])


def is_turn_to_tidy(run_id: str) -> bool:
    """Whether this run is the one in ``TIDY_EVERY`` that tidies: asked of its name, which costs no query."""
    return crc32(run_id.encode("utf-8")) % TIDY_EVERY == 0
