"""What is older than a monitor keeps is deleted: states, metrics and checks; its baselines, incidents and ledger stay.

A window whose states are gone stays handled, so it is not made again by itself. What stands in the ledger says until when states
are deleted, lest a window without any be taken for one without rows.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Final

from spark_monitor.config.limits import Learned
from spark_monitor.stages.context import Run, schedule_of
from spark_monitor.stages.limit_inputs import baseline_span
from spark_monitor.store import Store
from spark_monitor.store.ledger import NOTHING_NEW
from spark_monitor.store.literals import timestamp_sql
from spark_monitor.store.rows import BASELINE_GRANULARITY
from spark_monitor.store.schemas import TABLES
from spark_monitor.text.logs import about, log_of

if TYPE_CHECKING:
    from spark_monitor.config.monitor import MonitorConfig

log = log_of(__name__)

STATES: Final = ("profile_states", "model_states")
METRICS: Final = ("profile_metrics", "drift_metrics", "model_metrics", "metrics", "checks")
PRUNE: Final = "PRUNE"


def prune(store: Store, config: MonitorConfig, as_of: datetime, *, dry: bool = False) -> dict[str, int]:
    """Delete a monitor's rows that are older than it keeps them; how many of each table."""
    keep = config.outputs.keep
    states = as_of - keep.states_for if keep.states_for is not None else None
    metrics = as_of - keep.metrics_for if keep.metrics_for is not None else None
    limits = {name: one for names, one in ((STATES, states), (METRICS, metrics)) for name in names if one is not None}
    wheres = {name: old_rows(name, one, _kept_span(store, config, as_of)) for name, one in limits.items()}
    counts = {name: many for name, many in store.counts(config.monitor, wheres).items() if many}
    if counts and not dry:
        run_id = uuid.uuid4().hex
        row = {"monitor_id": config.monitor, "as_of": as_of, "kind": PRUNE, "pruned_until": states}
        with about(config.monitor), store.run({"run_id": run_id, **row}):
            for name in counts:
                log.info(f"deleting from {name}")
                store.delete(name, monitor_id=config.monitor, where=wheres[name])
            store.finish_run(run_id, status=NOTHING_NEW, published="OFF")
    return counts


def remove(store: Store, monitor_id: str, *, dry: bool = False) -> dict[str, int]:
    """Delete all rows of a monitor that is no more, its ledger last; how many of each table."""
    names = sorted(TABLES, key=lambda name: name == "runs")
    counts = {name: many for name, many in store.counts(monitor_id, dict.fromkeys(names, "true")).items() if many}
    if counts and not dry:
        run_id = uuid.uuid4().hex
        with about(monitor_id), store.run({"run_id": run_id, "monitor_id": monitor_id, "kind": PRUNE}):
            for name in names[:-1]:
                if name in counts:
                    log.info(f"deleting from {name}")
                    store.delete(name, monitor_id=monitor_id, where="true")
            store.finish_run(run_id, status=NOTHING_NEW, published="OFF")
        store.forget_runs(monitor_id)
    return counts


def old_rows(table: str, until: datetime, kept: tuple[datetime, datetime] | None) -> str:
    """The predicate of rows of windows that ended by a timestamp, without those of the baseline, and without ``kept``.

    It is SQL that both Spark and delta-rs read.

    Of ``metrics`` and ``checks`` only those of predictions: of other datasets the rows themselves say which windows are done.
    """
    parts = [f"window.end <= {timestamp_sql(until)}", f"granularity <> '{BASELINE_GRANULARITY}'"]
    columns = TABLES[table].names
    if "log_type" in columns:
        parts.append("log_type = 'INPUT'")
    if "dataset" in columns:
        parts.append("dataset = 'predictions'")
    if kept is not None and table not in STATES:
        inside = f"window.start >= {timestamp_sql(kept[0])} AND window.end <= {timestamp_sql(kept[1])}"
        parts.append(f"NOT ({inside})")
    return " AND ".join(parts)


def monitors_at(store: Store) -> list[str]:
    """The monitors that the tables of a place have rows of, by the ledger."""
    return sorted(row["monitor_id"] for row in store.frame("runs").select("monitor_id").distinct().collect())


def _kept_span(store: Store, config: MonitorConfig, as_of: datetime) -> tuple[datetime, datetime] | None:
    """The baseline's own windows, from which limits are learned, whatever their age."""
    if not any(isinstance(limit, Learned) for rule in config.rules for limit in rule.limits):
        return None
    return baseline_span(Run(store.spark, config, store, "", as_of, schedule_of(config)))
