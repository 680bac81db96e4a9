"""Every table of the store by name: ``TABLES["runs"].schema`` is its Spark type, ``.key`` what makes a row unique."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from spark_monitor.errors import RunError, unknown
from spark_monitor.store.described import PARTITION, Table
from spark_monitor.store.ledger_tables import LEDGER_TABLES
from spark_monitor.store.metric_tables import METRIC_TABLES

__all__ = ["PARTITION", "TABLES", "Table", "table_named"]

TABLES: Final[Mapping[str, Table]] = {table.name: table for table in (*METRIC_TABLES, *LEDGER_TABLES)}


def table_named(name: str) -> Table:
    """The description of a table.

    >>> table_named("baselines").key
    ('monitor_id', 'baseline_version', 'name', 'column_name', 'slice_key', 'slice_value')
    """
    if name not in TABLES:
        raise RunError(unknown("store", "table", name, TABLES))
    return TABLES[name]
