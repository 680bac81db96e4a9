"""The ledger of runs, read and changed one row at a time; every change is one commit that also says what it expects to find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pyspark.sql import SparkSession

from spark_monitor.errors import RunError, unknown
from spark_monitor.store.commits import commit
from spark_monitor.store.lease import Holder, Process
from spark_monitor.store.literals import timestamp_sql, value_sql
from spark_monitor.store.place import Place
from spark_monitor.store.rows import of_monitor
from spark_monitor.store.schemas import TABLES
from spark_monitor.text.masking import mask_secrets
from spark_monitor.text.quoting import literal, quote
from spark_monitor.windowing.timestamps import timestamp_of

RUNS: Final = "runs"
RUNNING, COMMITTED, FAILED, NOTHING_NEW, SUPERSEDED = "RUNNING", "COMMITTED", "FAILED", "NOTHING_NEW", "SUPERSEDED"
ENDINGS: Final = (COMMITTED, FAILED, NOTHING_NEW, SUPERSEDED)
ERROR_COLUMNS: Final = frozenset({"error", "reader_reason", "publish_message"})
"""Columns whose strings others wrote: no secret in them is stored."""

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Ledger:
    """The table of runs."""

    spark: SparkSession
    place: Place

    def holders(self, monitor_id: str) -> list[Holder]:
        """The runs of a monitor that say they are under way: one, or none."""
        rows = self.spark.sql(
            f"SELECT run_id, lease_host, lease_pid, lease_process, unix_micros(heartbeat) AS heartbeat, "
            f"unix_micros(started) AS started FROM {self._relation} "
            f"WHERE {of_monitor(monitor_id)} AND status = {literal(RUNNING)} ORDER BY run_id"
        ).collect()
        return [
            Holder(
                run_id=row["run_id"],
                process=Process(row["lease_host"] or "", row["lease_pid"] or 0, row["lease_process"] or ""),
                heartbeat=_timestamp(row["heartbeat"]),
                started=_timestamp(row["started"]),
            )
            for row in rows
        ]

    def insert_if_free(self, monitor_id: str, values: Values) -> bool:
        """Write a RUNNING row unless the monitor has one; of two writers at once Delta lets one through and the other try again.

        The MERGE inserts only where no row matches, and what it looked for is part of its commit: a RUNNING row that another
        writer commits meanwhile is a conflict, and the second attempt sees that row.
        """
        given = assignments(values)
        taken = f"{of_monitor(monitor_id, 't.')} AND t.status = {literal(RUNNING)}"
        statement = (
            f"MERGE INTO {self._relation} t USING (SELECT 1 AS one) s ON {taken} "
            f"WHEN NOT MATCHED THEN INSERT ({', '.join(given)}) VALUES ({', '.join(given.values())})"
        )
        if self._affected(statement, what=f"monitor {monitor_id}: taking its turn") > 0:
            return True
        # Nothing was inserted: the monitor is taken, by this run itself where a commit was made and its answer was lost.
        return [holder.run_id for holder in self.holders(monitor_id)] == [values["run_id"]]

    def append(self, rows: Sequence[Values]) -> None:
        """Write whole rows, which are nobody's turn, in one commit."""
        table = TABLES[RUNS]
        values = [tuple(_masked(row.get(name), name) for name in table.names) for row in rows]
        frame = self.spark.createDataFrame(values, table.schema)
        commit(lambda: self.place.append(frame, RUNS), what=f"{self._relation}: noting runs that had nothing to do")

    def change(self, monitor_id: str, run_id: str, values: Values, *, expected: str | None = RUNNING) -> bool:
        """Change a run's row if it exists with the expected status (None: with any); whether it did."""
        given = ", ".join(f"{name} = {value}" for name, value in assignments(values).items())
        statement = f"UPDATE {self._relation} SET {given} WHERE {_row(monitor_id, run_id, expected)}"
        return self._affected(statement, what=f"monitor {monitor_id}: writing the ledger's row of run {run_id}") > 0

    def expire(self, monitor_id: str, holder: Holder, *, error: str, ended: datetime) -> bool:
        """Mark a run FAILED whose process is gone; False where it has shown since that it lives."""
        seen = "heartbeat IS NULL" if holder.heartbeat is None else f"heartbeat = {timestamp_sql(holder.heartbeat)}"
        statement = (
            f"UPDATE {self._relation} SET status = {literal(FAILED)}, error = {literal(error)}, ended = {timestamp_sql(ended)} "
            f"WHERE {_row(monitor_id, holder.run_id, RUNNING)} AND {seen}"
        )
        return self._affected(statement, what=f"monitor {monitor_id}: closing run {holder.run_id}") > 0

    def beat(self, monitor_id: str, run_id: str, now: datetime) -> bool:
        """Note that a run lives; False where it does not hold the monitor any more."""
        statement = f"UPDATE {self._relation} SET heartbeat = {timestamp_sql(now)} WHERE {_row(monitor_id, run_id, RUNNING)}"
        return self._affected(statement, what=f"monitor {monitor_id}: heartbeat of run {run_id}") > 0

    def status(self, monitor_id: str, run_id: str) -> str | None:
        """A run's status; None where the ledger does not know it."""
        rows = self.spark.sql(f"SELECT status FROM {self._relation} WHERE {_row(monitor_id, run_id, None)}").collect()
        return rows[0]["status"] if rows else None

    def unfinished(self, monitor_id: str) -> list[str]:
        """The runs whose rows, where they wrote any, nobody sees."""
        hidden = ", ".join(literal(status) for status in (FAILED, SUPERSEDED, RUNNING))
        rows = self.spark.sql(
            f"SELECT run_id FROM {self._relation} WHERE {of_monitor(monitor_id)} AND status IN ({hidden}) ORDER BY run_id"
        ).collect()
        return [row["run_id"] for row in rows]

    @property
    def _relation(self) -> str:
        return self.place.relation(RUNS)

    def _affected(self, statement: str, *, what: str) -> int:
        return commit(lambda: int(self.spark.sql(statement).collect()[0][0]), what=what)


def assignments(values: Values) -> dict[str, str]:
    """Columns of the ledger, quoted, and what they are set to, as SQL.

    >>> assignments({"status": "FAILED", "baseline_version": 2})
    {'`status`': "'FAILED'", '`baseline_version`': 'CAST(2 AS int)'}
    """
    types = {field.name: field.dataType for field in TABLES[RUNS].columns}
    values = {name: _masked(value, name) for name, value in values.items()}
    for name in values:
        if name not in types:
            raise RunError(unknown("table runs", "column", name, types))
    return {quote(name): value_sql(value, types[name]) for name, value in values.items()}


def _masked(value: Any, name: str) -> Any:
    return mask_secrets(str(value)) if name in ERROR_COLUMNS and value is not None else value


def _row(monitor_id: str, run_id: str, status: str | None) -> str:
    condition = f"{of_monitor(monitor_id)} AND run_id = {literal(run_id)}"
    return condition if status is None else f"{condition} AND status = {literal(status)}"


def _timestamp(micros: int | None) -> datetime | None:
    return None if micros is None else timestamp_of(micros)
