"""The ledger of runs, read and changed one row at a time; every change is one commit that also says what it expects to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from spark_monitor.store.access import Access
from spark_monitor.store.lease import Holder, Process
from spark_monitor.store.literals import timestamp_sql
from spark_monitor.store.rows import of_monitor
from spark_monitor.store.schemas import TABLES
from spark_monitor.text.masking import mask_secrets
from spark_monitor.text.quoting import literal

RUNS: Final = "runs"
RUNNING, COMMITTED, FAILED, NOTHING_NEW, SUPERSEDED = "RUNNING", "COMMITTED", "FAILED", "NOTHING_NEW", "SUPERSEDED"
ENDINGS: Final = (COMMITTED, FAILED, NOTHING_NEW, SUPERSEDED)
ERROR_COLUMNS: Final = frozenset({"error", "reader_reason", "publish_message"})
"""Columns whose strings others wrote: no secret in them is stored."""

_TABLE: Final = TABLES[RUNS]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Ledger:
    """The table of runs."""

    access: Access

    def holders(self, monitor_id: str) -> list[Holder]:
        """The runs of a monitor that say they are under way: one, or none."""
        columns = ("run_id", "lease_host", "lease_pid", "lease_process", "heartbeat", "started")
        rows = self.access.rows(RUNS, columns, where=f"{of_monitor(monitor_id)} AND status = {literal(RUNNING)}")
        return [
            Holder(
                run_id=row["run_id"],
                process=Process(row["lease_host"] or "", row["lease_pid"] or 0, row["lease_process"] or ""),
                heartbeat=row["heartbeat"],
                started=row["started"],
            )
            for row in sorted(rows, key=lambda row: str(row["run_id"]))
        ]

    def insert_if_free(self, monitor_id: str, values: Values) -> bool:
        """Write a RUNNING row unless the monitor has one; of two writers at once one is let through and the other tries again."""
        taken = f"{of_monitor(monitor_id)} AND status = {literal(RUNNING)}"
        if self.access.insert_unless(_TABLE, masked(values), taken=taken) > 0:
            return True
        # Nothing was inserted: the monitor is taken, by this run itself where a commit was made and its answer was lost.
        return [holder.run_id for holder in self.holders(monitor_id)] == [values["run_id"]]

    def append(self, rows: Sequence[Values]) -> None:
        """Write whole rows, which are nobody's turn, in one commit."""
        self.access.append(_TABLE, [masked(row) for row in rows])

    def change(self, monitor_id: str, run_id: str, values: Values, *, expected: str | None = RUNNING) -> bool:
        """Change a run's row if it exists with the expected status (None: with any); whether it did."""
        return self.access.change(_TABLE, masked(values), where=_row(monitor_id, run_id, expected)) > 0

    def expire(self, monitor_id: str, holder: Holder, *, error: str, ended: datetime) -> bool:
        """Mark a run FAILED whose process is gone; False where it has shown since that it lives."""
        seen = "heartbeat IS NULL" if holder.heartbeat is None else f"heartbeat = {timestamp_sql(holder.heartbeat)}"
        failed = masked({"status": FAILED, "error": error, "ended": ended})
        return self.access.change(_TABLE, failed, where=f"{_row(monitor_id, holder.run_id, RUNNING)} AND {seen}") > 0

    def beat(self, monitor_id: str, run_id: str, now: datetime) -> bool:
        """Note that a run lives; False where it does not hold the monitor any more."""
        return self.change(monitor_id, run_id, {"heartbeat": now})

    def status(self, monitor_id: str, run_id: str) -> str | None:
        """A run's status; None where the ledger does not know it."""
        rows = self.access.rows(RUNS, ("status",), where=_row(monitor_id, run_id, None))
        return rows[0]["status"] if rows else None

    def unfinished(self, monitor_id: str) -> list[str]:
        """The runs whose rows, where they wrote any, nobody sees."""
        hidden = ", ".join(literal(status) for status in (FAILED, SUPERSEDED, RUNNING))
        rows = self.access.rows(RUNS, ("run_id",), where=f"{of_monitor(monitor_id)} AND status IN ({hidden})")
        return sorted(row["run_id"] for row in rows)


def masked(values: Values) -> dict[str, Any]:
    """Values of the ledger, without a secret in the strings that others wrote.

    >>> masked({"status": "FAILED", "error": None})
    {'status': 'FAILED', 'error': None}
    """
    return {name: _masked(value, name) for name, value in values.items()}


def _masked(value: Any, name: str) -> Any:
    return mask_secrets(str(value)) if name in ERROR_COLUMNS and value is not None else value


def _row(monitor_id: str, run_id: str, status: str | None) -> str:
    condition = f"{of_monitor(monitor_id)} AND run_id = {literal(run_id)}"
    return condition if status is None else f"{condition} AND status = {literal(status)}"
