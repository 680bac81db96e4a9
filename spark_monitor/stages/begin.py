"""The beginning of a run: its monitor's turn, its row in the ledger, and what every step of it shares."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from spark_monitor.preflight.check import require_outputs, require_valid, why_no_labels
from spark_monitor.session import as_written, setting, whole_partitions
from spark_monitor.sources.predictions import Predictions, open_predictions
from spark_monitor.sources.readers.spark import BATCH_SETTING, bounded_batches
from spark_monitor.sources.tables import SESSION_ZONE
from spark_monitor.stages.changed_tables import changed_tables_are_sentences
from spark_monitor.stages.context import FREEZE, Run, schedule_of
from spark_monitor.stages.plan import source_versions
from spark_monitor.stages.run_row import running_row
from spark_monitor.store import Store
from spark_monitor.text.logs import about, log_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.config.monitor import MonitorConfig

log = log_of(__name__)


@contextmanager
def looking(config: MonitorConfig, spark: SparkSession, as_of: datetime) -> Iterator[tuple[Run, Predictions]]:
    """What a run shares, without its turn: nothing may be written with it."""
    with as_written(spark):
        require_valid(config, spark, baseline_is_frozen=True, rows=False)
        current = Run(spark, config, Store(spark, config.outputs), "", as_of, schedule_of(config), FREEZE)
        predictions = open_predictions(spark, config)
        batches = setting(spark, BATCH_SETTING, str(bounded_batches(len(predictions.columns))))
        with about(config.monitor), whole_partitions(spark), batches, setting(spark, SESSION_ZONE, current.schedule.zone):
            yield current, predictions


@contextmanager
def begun(config: MonitorConfig, spark: SparkSession, as_of: datetime, *, kind: str) -> Iterator[tuple[Run, Predictions]]:
    """A run that holds its monitor: nobody else writes its rows meanwhile, and an error ends it as FAILED."""
    with as_written(spark), _begun(config, spark, as_of, kind=kind) as started:
        yield started


@contextmanager
def _begun(config: MonitorConfig, spark: SparkSession, as_of: datetime, *, kind: str) -> Iterator[tuple[Run, Predictions]]:
    store = Store(spark, config.outputs)
    require_outputs(config, spark)
    store.ensure()
    committed = store.committed_runs(config.monitor)
    frozen = not store.runs_that_wrote("baselines", config.monitor).isdisjoint(committed)
    was_run = config.config_hash() in committed.values()
    findings = require_valid(config, spark, baseline_is_frozen=frozen, rows=not was_run, was_run=was_run)
    for finding in findings:
        log.warning(str(finding))
    current = Run(spark, config, store, uuid.uuid4().hex, as_of, schedule_of(config), kind)
    current.no_labels = why_no_labels(findings)
    if current.no_labels:
        current.notes.append(current.no_labels)
    # SQL of the monitor's file that reads a clock, such as hour(at), is about the monitor's zone, whatever the session's is.
    in_zone = setting(spark, SESSION_ZONE, current.schedule.zone)
    with about(config.monitor), store.run(running_row(current)), changed_tables_are_sentences(), in_zone:
        # Before a row is read: what changes meanwhile is then looked at again by the next run.
        current.source_versions = source_versions(current)
        predictions = open_predictions(spark, config)
        with whole_partitions(spark), setting(spark, BATCH_SETTING, str(bounded_batches(len(predictions.columns)))):
            yield current, predictions
