"""The files of a directory's tables put in order by delta-rs: small ones made few, and those that no version needs removed.

delta-rs keeps Delta's own rules of both, and is done in milliseconds where a statement of Spark's takes seconds a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from spark_monitor.store.commits import is_conflict
from spark_monitor.store.described import PARTITION
from spark_monitor.store.schemas import TABLES

AT_ONCE: Final = 2
"""So many tables are put in order at once; each compaction has threads of its own."""


def compact(root: str, monitor_ids: Sequence[str]) -> None:
    """Rewrite the small files of monitors as few, in one commit a table.

    Where another writer changed one of the monitors meanwhile each is tried by itself; what is refused is left for the next time.
    """

    def of_table(name: str) -> None:
        if not _compacted(f"{root}/{name}", monitor_ids) and len(monitor_ids) > 1:
            for monitor_id in monitor_ids:
                _compacted(f"{root}/{name}", [monitor_id])

    if monitor_ids:
        _each_table(of_table)


def vacuum(root: str) -> None:
    """Remove files that no version of the table's own time of retention needs, and those that were never part of any."""

    def of_table(name: str) -> None:
        DeltaTable(f"{root}/{name}").vacuum(dry_run=False, full=True)

    _each_table(of_table)


def _compacted(location: str, monitor_ids: Sequence[str]) -> bool:
    """False where another writer's commit stands in the way."""
    try:
        DeltaTable(location).optimize.compact(partition_filters=[(PARTITION, "in", list(monitor_ids))])
    except DeltaError as error:
        if not is_conflict(error):
            raise
        return False
    return True


def _each_table(action: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="spark_monitor") as pool:
        for done in [pool.submit(action, name) for name in TABLES]:
            done.result()
