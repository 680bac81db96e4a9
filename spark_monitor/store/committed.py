"""Which rows readers see: those that a committed run wrote."""

from __future__ import annotations

from typing import Final

from spark_monitor.store.described import Table
from spark_monitor.store.place import Place
from spark_monitor.store.schemas import TABLES
from spark_monitor.text.quoting import literal, quote

GENERATIONS: Final = frozenset({"incidents"})
"""Tables that every run writes anew as a whole. The last committed run's rows stay until the next run is committed."""


SEEN_AT_ONCE: Final = frozenset({"runs", "deliveries"})
"""Ledgers: the one says itself what is committed, the other is written after the commit."""


def committed_sql(place: Place, table: Table) -> str:
    """The SELECT of a table's committed rows; of ledgers all rows, with the columns that they have.

    An older release may have made the tables, and ledgers are read before a run has added the columns that they lack.
    """
    if table.name in SEEN_AT_ONCE:
        return f"SELECT t.* FROM {place.relation(table.name)} t"
    columns = ", ".join(f"t.{quote(name)}" for name in table.names)
    source = f"SELECT {columns} FROM {place.relation(table.name)} t"
    runs = latest_generation_sql(place, table) if table.name in GENERATIONS else _committed_runs(place)
    return f"{source} LEFT SEMI JOIN ({runs}) r ON t.monitor_id = r.monitor_id AND t.run_id = r.run_id"


def latest_generation_sql(place: Place, table: Table) -> str:
    """Of each monitor the last committed run that wrote this table."""
    return (
        f"SELECT c.monitor_id, max_by(c.run_id, struct(c.ended, c.run_id)) AS run_id FROM ({_committed_runs(place)}) c "
        f"LEFT SEMI JOIN {place.relation(table.name)} g ON g.monitor_id = c.monitor_id AND g.run_id = c.run_id "
        "GROUP BY c.monitor_id"
    )


def _committed_runs(place: Place) -> str:
    return f"SELECT monitor_id, run_id, ended FROM {place.relation(TABLES['runs'].name)} WHERE status = {literal('COMMITTED')}"
