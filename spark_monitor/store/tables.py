"""The store of a monitor's results: what can be read of it, and what the run that holds the monitor can write."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession

from spark_monitor.errors import RunError
from spark_monitor.store import creation, deliveries, schema_version, upkeep, views
from spark_monitor.store.changes import windows_of
from spark_monitor.store.checksums import checked
from spark_monitor.store.committed import GENERATIONS
from spark_monitor.store.lease import WAIT_SECONDS
from spark_monitor.store.ledger import COMMITTED, ENDINGS, FAILED, NOTHING_NEW, RUNS, Ledger, masked
from spark_monitor.store.place import Place
from spark_monitor.store.readable import Readable
from spark_monitor.store.rows import BASELINE_GRANULARITY, Scope, aligned, of_monitor, of_windows
from spark_monitor.store.schemas import TABLES, Table, table_named
from spark_monitor.store.spark_tables import MISMATCH, Written
from spark_monitor.store.turn import Turn
from spark_monitor.text.masking import first_line
from spark_monitor.text.quoting import literal
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import timestamp_of

if TYPE_CHECKING:
    from spark_monitor.config.outputs import OutputsConfig

INCIDENT, TELL = "INCIDENT", "TELL"
"""Kinds of turns that are no runs."""

TELL_PATIENCE_SECONDS = 30.0
"""A run that is under way tells people itself when it ends, so little is waited for it."""

OF_PREDICTIONS = " AND dataset = 'predictions'"


class Store(Readable):
    """The tables at a place. Reading needs nothing; writing needs a turn, which ``begin_run`` takes and ``finish_run`` ends."""

    def __init__(
        self, spark: SparkSession, outputs: OutputsConfig | Place, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        super().__init__(spark, outputs if isinstance(outputs, Place) else Place.of(outputs))
        self._clock = clock or (lambda: datetime.now(UTC))
        self._ledger = Ledger(self.access)
        self._turn: Turn | None = None

    def ensure(self) -> None:
        """Create the tables and views that are missing, and bring older ones up to date."""
        if not self.access.ensure():
            creation.ensure(self.spark, self.place)

    def register(self) -> None:
        """Make every table (its committed rows) and view readable by its bare name in this session."""
        views.register(self.spark, self.place)

    def interrupted_windows(self, monitor_id: str, dead: Sequence[str] | None = None) -> list[DueWindow]:
        """The windows of predictions for which runs that were not committed wrote rows: these are due again.

        What stood there is gone. Windows of other datasets, such as a bill's, may lie where there are no predictions. ``dead``
        are those runs, where the ledger was asked for them already.
        """
        dead = self._dead_runs(monitor_id) if dead is None else dead
        if not dead:
            return []
        where = f"{of_monitor(monitor_id)} AND {_written_by(dead)}"
        tables = [table for table in TABLES.values() if table.has_windows]
        rows = (self.frame(one.name).where(f"{where}{OF_PREDICTIONS if one.has_datasets else ''}") for one in tables)
        windows = windows_of(reduce(DataFrame.unionAll, (frame.select("granularity", "window") for frame in rows)))
        return sorted(due for due in windows if due.granularity != BASELINE_GRANULARITY)

    # What the run that has its turn can write

    def begin_run(self, row: Mapping[str, Any], *, patience: float = WAIT_SECONDS) -> None:
        """Take the monitor's turn and write the run's RUNNING row; a run that is under way is waited for."""
        if self._turn is not None:
            raise RunError(f"run {row.get('run_id')}: run {self._turn.run_id} of this store has not been finished.")
        self._turn = Turn.take(self._ledger, row, clock=self._clock, patience=patience)
        upkeep.prune(self.access, self._turn.monitor_id)

    def append_runs(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows of runs that took no turn, for they had nothing to do and wrote nothing else; one commit."""
        if rows:
            schema_version.require_readable(self.spark, self.place)
            self._ledger.append(rows)

    def heartbeat(self, run_id: str) -> None:
        """Write that the run lives, if it has not lately; RunError where it has lost its turn."""
        self._held(run_id).beat()

    def note(self, run_id: str, **values: Any) -> None:
        """Write columns of the run's row while it is under way."""
        self._held(run_id).note(values)

    def finish_run(self, run_id: str, *, status: str, **values: Any) -> None:
        """End the turn: the last thing a run writes. Only after COMMITTED do readers see its rows."""
        if status not in ENDINGS:
            raise RunError(f'run {run_id}: found status "{status}". Allowed: {", ".join(ENDINGS)}.')
        turn = self._held(run_id)
        self._turn = None
        turn.end({**values, "status": status, "ended": self._clock()})
        if status == COMMITTED:
            upkeep.settle(self.access, turn.monitor_id, run_id, turn.generations)

    @contextmanager
    def run(self, row: Mapping[str, Any], *, patience: float = WAIT_SECONDS) -> Iterator[str]:
        """A turn with heartbeats; a run that leaves by an exception, or without ``finish_run``, is FAILED and says why."""
        self.begin_run(row, patience=patience)
        run_id = str(row["run_id"])
        try:
            with self._held(run_id).beating():
                yield run_id
        except BaseException as error:
            self._fail(run_id, error)
            raise
        if self._turn is not None:
            self.finish_run(run_id, status=FAILED, error="The run ended without a status.")

    def replace_windows(
        self,
        table: str,
        frame: DataFrame,
        *,
        monitor_id: str,
        windows: Iterable[DueWindow],
        scope: Scope | None = None,
        baseline: bool = False,
    ) -> None:
        """Replace a monitor's rows of these windows, in one commit; ``frame`` may hold no row of another window.

        ``scope`` says which rows of ``metrics`` are meant, whose datasets have windows of their own. With ``baseline`` the rows
        of the labelled baseline are replaced as well.
        """
        due = list(windows)
        if due or (scope is not None and scope.relabelled):
            where = of_windows(monitor_id, due) if scope is None else scope.predicate(monitor_id, due)
            if baseline:
                where = f"({where}) OR ({of_monitor(monitor_id)} AND granularity = {literal(BASELINE_GRANULARITY)})"
            self._write(table_named(table), frame, monitor_id, where)

    def replace_monitor(self, table: str, frame: DataFrame, *, monitor_id: str) -> None:
        """Replace all rows of a monitor. Readers keep the former incidents until the run is committed."""
        if table not in GENERATIONS:
            self._write(table_named(table), frame, monitor_id, of_monitor(monitor_id))
            return
        kept = self.access.latest_generation(table, monitor_id)
        where = of_monitor(monitor_id) + (f" AND run_id <> {literal(kept)}" if kept is not None else "")
        self._write(table_named(table), frame, monitor_id, where).generations.add(table)

    def counts(self, monitor_id: str, wheres: Mapping[str, str]) -> dict[str, int]:
        """How many of a monitor's rows satisfy the predicate of each table, of committed runs or not."""
        return self.access.counts({name: f"{of_monitor(monitor_id)} AND ({where})" for name, where in wheres.items()})

    def delete(self, table: str, *, monitor_id: str, where: str) -> None:
        """Delete a monitor's rows that satisfy a predicate, in one commit."""
        self._turn_of(monitor_id, table).verify()
        self.access.delete(table_named(table).name, where=f"{of_monitor(monitor_id)} AND ({where})")

    def forget_runs(self, monitor_id: str) -> None:
        """Delete the ledger of a monitor that is no more, after all its other rows."""
        self.access.delete(RUNS, where=of_monitor(monitor_id))

    def tidy(self, monitor_ids: Iterable[str]) -> None:
        """Rewrite the small files of monitors as few, and remove files that no version of the last week needs."""
        self.access.tidy(tuple(monitor_ids))
        self.access.vacuum()

    def name_incidents(self, monitor_id: str, checks: Sequence[tuple[str, int, str | None]]) -> None:
        """Write to checks, each given by its id and its window's start in microseconds, the incident that it belongs to."""
        if checks:
            self._turn_of(monitor_id, "checks").verify()
            self.access.name_incidents(monitor_id, checks)

    def replace_baseline(self, frame: DataFrame, *, monitor_id: str, version: int) -> None:
        """Write a baseline's version; one that a committed run wrote never changes."""
        where = f"{of_monitor(monitor_id)} AND baseline_version = {int(version)}"
        if self.committed("baselines").where(where).limit(1).collect():
            raise RunError(f"monitor {monitor_id}: baseline {version} is committed and never changes. Freeze a new version.")
        self._write(table_named("baselines"), frame, monitor_id, where)

    def written(self, run_id: str) -> dict[str, Written]:
        """How many rows the run that has its turn wrote to each table, and the bytes of the files that hold them."""
        turn = self._held(run_id)
        return self.access.written(sorted(turn.written), monitor_id=turn.monitor_id, run_id=run_id)

    # What is noted after the commit

    def mark_published(self, monitor_id: str, run_ids: Iterable[str], *, published: str, message: str | None = None) -> None:
        """Note of committed runs whether MLflow shows them: OFF, PENDING or PUBLISHED."""
        values = masked({"published": published, "publish_message": message})
        self._change(RUNS, values, monitor_id, "run_id", run_ids)

    def mark_notified(self, monitor_id: str, incident_ids: Iterable[str], *, at: datetime) -> None:
        """Note of incidents that somebody was notified."""
        self._change("incidents", {"notified_at": at}, monitor_id, "incident_id", incident_ids)

    def record_deliveries(self, monitor_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write what became of messages, in one commit: a row that is there under the same key is replaced."""
        deliveries.record(self.access, monitor_id, rows)

    @contextmanager
    def telling(self, monitor_id: str) -> Iterator[None]:
        """Hold a monitor while people are notified, so that no other run repeats the messages; a short while is waited for it."""
        with self._holding(monitor_id, TELL, patience=TELL_PATIENCE_SECONDS):
            yield

    def change_incident(self, monitor_id: str, incident_id: str, values: Mapping[str, str | datetime]) -> bool:
        """Write columns of an open incident while the monitor is held; the ledger says when, and nothing else changes.

        False where a run that was waited for has resolved it, or given it another id: then nothing is written.
        """
        where = f"{of_monitor(monitor_id)} AND incident_id = {literal(incident_id)} AND resolved IS NULL"
        with self._holding(monitor_id, INCIDENT):
            return self.access.change(table_named("incidents"), values, where=where) > 0

    @contextmanager
    def _holding(self, monitor_id: str, kind: str, *, patience: float = WAIT_SECONDS) -> Iterator[None]:
        """A turn as of the last run, which is none itself: it writes no window."""
        where = f"{of_monitor(monitor_id)} AND status IN ('{COMMITTED}', '{NOTHING_NEW}')"
        last = (
            self.frame(RUNS)
            .where(where)
            .selectExpr("max_by(baseline_version, as_of) AS version", "unix_micros(max(as_of)) AS at")
        )
        row = last.collect()[0]
        if row["at"] is None:
            raise RunError(f"monitor {monitor_id}: no run has been committed, so there is no incident.")
        run: dict[str, Any] = {"run_id": uuid.uuid4().hex, "monitor_id": monitor_id, "as_of": timestamp_of(row["at"])}
        with self.run({**run, "kind": kind}, patience=patience):
            yield
            self.finish_run(run["run_id"], status=NOTHING_NEW, baseline_version=row["version"], published="OFF")

    def _change(self, table: str, values: Mapping[str, Any], monitor_id: str, column: str, members: Iterable[str]) -> None:
        listed = ", ".join(literal(member) for member in sorted(set(members)))
        if listed:
            self.access.change(table_named(table), values, where=f"{of_monitor(monitor_id)} AND {column} IN ({listed})")

    def _turn_of(self, monitor_id: str, table: str) -> Turn:
        if self._turn is None or self._turn.monitor_id != monitor_id:
            raise RunError(f"{table}: monitor {monitor_id} has no run under way here. Call begin_run first.")
        return self._turn

    def _write(self, table: Table, frame: DataFrame, monitor_id: str, where: str) -> Turn:
        """Verify the turn, then commit."""
        turn = self._turn_of(monitor_id, table.name)
        turn.verify()
        turn.beat()
        constants = {"monitor_id": monitor_id, "run_id": turn.run_id}
        rows = checked(aligned(frame, table, constants=constants), table)
        try:
            self.access.replace(table, rows, where=where, monitor_id=monitor_id, run_id=turn.run_id)
        except Exception as error:
            if MISMATCH not in str(error):
                raise
            what = f"{self.place.relation(table.name)}: writing rows of monitor {monitor_id}"
            raise RunError(
                f"{what}: some rows belong to other windows or another monitor. Nothing was written. {where}"
            ) from error
        turn.written.add(table.name)
        return turn

    def _held(self, run_id: str) -> Turn:
        if self._turn is None or self._turn.run_id != run_id:
            raise RunError(f"run {run_id}: it has no turn here. Call begin_run first.")
        return self._turn

    def _fail(self, run_id: str, error: BaseException) -> None:
        """Write that a run failed; where that fails too, the first error says so and stays the one that is raised."""
        if self._turn is None:
            return
        try:
            self.finish_run(run_id, status=FAILED, error=f"{type(error).__name__}: {first_line(error)}")
        except Exception as second:
            error.add_note(f"The ledger could not note that run {run_id} failed: {first_line(second)}")

    def _dead_runs(self, monitor_id: str) -> list[str]:
        run_id = self._turn.run_id if self._turn is not None else None
        return [run for run in self._ledger.unfinished(monitor_id) if run != run_id]


def _written_by(run_ids: Iterable[str]) -> str:
    return f"run_id IN ({', '.join(map(literal, run_ids))})"
