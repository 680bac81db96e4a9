"""The ledger of messages and actions: one row per key, replaced when it is tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from spark_monitor.store.access import Access
from spark_monitor.store.creation import ensure_table
from spark_monitor.store.described import PARTITION
from spark_monitor.store.schemas import TABLES

DELIVERIES: Final = "deliveries"
KEY: Final = "delivery_id"


def record(access: Access, monitor_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of a monitor in one commit; those that are there under the same key are replaced."""
    if not rows:
        return
    # A monitor without news writes here without having looked after its tables, which an older release may have made.
    if not access.ensure():
        ensure_table(access.spark, access.place, TABLES[DELIVERIES])
    access.put(TABLES[DELIVERIES], [{**row, PARTITION: monitor_id} for row in rows], key=KEY)
