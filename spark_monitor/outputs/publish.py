"""What is shown of committed tables after a run: everything that MLflow does not have yet, this run's and that of runs before."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyspark.sql import functions as F

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.headline import headline
from spark_monitor.insight.judgement_queries import all_incidents
from spark_monitor.insight.read_results import facts as facts_of
from spark_monitor.insight.read_results import read_results
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.insight.tables import tables_of
from spark_monitor.outputs.alerts.actions import act
from spark_monitor.outputs.alerts.deliver import deliver
from spark_monitor.outputs.digest.due import send_digest
from spark_monitor.outputs.mlflow.publish import PublishResult, publish
from spark_monitor.outputs.report.page import report_html
from spark_monitor.text.logs import log_of
from spark_monitor.text.masking import mask_secrets
from spark_monitor.windowing.timestamps import timestamp_of
from spark_monitor.windowing.windows import Window

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.store import Store

log = log_of(__name__)

PENDING, PUBLISHED, COMMITTED = "PENDING", "PUBLISHED", "COMMITTED"
REPORT = "report.html"
NO_FILE: Final = "MONITOR.yaml"
"""What commands in messages name where it is not given which file describes the monitor."""

LONGEST_REASON = 300


def publish_pending(store: Store, config: MonitorConfig) -> PublishResult:
    """Publish the windows of every committed run that has not been; a failure is noted in the ledger, and tried again."""
    if config.outputs.mlflow is None:
        return PublishResult("OFF", "The monitor has no outputs.mlflow.")
    runs = store.frame("runs").where(
        (F.col("monitor_id") == config.monitor) & (F.col("status") == COMMITTED) & (F.col("published") == PENDING)
    )
    waiting = [row["run_id"] for row in runs.select("run_id").orderBy("ended").collect()]
    if not waiting:
        return PublishResult("PUBLISHED", "MLflow shows everything already.")
    log.info("publish")
    results = read_results(tables_of(config, store), config, _windows(runs, config), pictures=True)
    shown = assembled(results, config)
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / REPORT
        report.write_text(report_html(shown, config), encoding="utf-8")
        result = publish(headline(results, config), shown, config, run_id=waiting[-1], report=report)
    published = PUBLISHED if result.status == "PUBLISHED" else PENDING
    store.mark_published(config.monitor, waiting, published=published, message=result.message)
    if published == PENDING:
        log.warning(f"the run is committed, but MLflow does not show it yet: {result.message}")
    return result


def tell_people(
    store: Store,
    config: MonitorConfig,
    *,
    as_of: datetime,
    run_id: str,
    file: str = NO_FILE,
    dry: bool = False,
    command: Sequence[str] = (),
) -> int:
    """Messages, the digest and actions that are due after a run; how many were taken. Nothing here fails a run.

    A look at what is due comes first and costs no commit. Only where something is, the monitor is held, so that another run does
    not tell the same, and it is looked up again.
    """
    people = config.people
    if not (people.channels or people.owners or people.actions or command):
        return 0
    about: dict[str, Any] = {"as_of": as_of, "run_id": run_id, "file": file, "command": command}
    due = list[str]()
    try:
        _tell(store, config, preview=due, **about)
        if dry:
            for line in due:
                log.info(line)
        if dry or not due:
            return 0
        log.info("messages")
        with store.telling(config.monitor):
            return _tell(store, config, preview=None, **about)
    except Exception as error:  # the run is committed: whatever goes wrong here is logged, and the next run tries again
        why = mask_secrets(f"{type(error).__name__}: {error}")[:LONGEST_REASON]
        log.warning(f"the run is committed, but not everybody was notified: {why}")
        return 0


def _tell(
    store: Store,
    config: MonitorConfig,
    *,
    as_of: datetime,
    run_id: str,
    file: str,
    command: Sequence[str],
    preview: list[str] | None,
) -> int:
    tables = tables_of(config, store)
    about: dict[str, Any] = {"as_of": as_of, "run_id": run_id, "preview": preview}

    def opened() -> Iterator[IncidentRow]:
        return (row for page in all_incidents(tables, config.monitor) for row in page if row.is_open)

    taken = deliver(all_incidents(tables, config.monitor), config, tables, store, file=file, **about)
    taken += send_digest(lambda: facts_of(tables, config, at=as_of), config, tables, store, file=file, **about)
    return taken + act(opened, config, tables, store, command=command, **about)


def _windows(runs: DataFrame, config: MonitorConfig) -> list[Window]:
    """The windows of the monitor's own granularity that these runs wrote."""
    base = config.windows.granularity.label
    exploded = runs.selectExpr("explode(windows) AS one").where(F.col("one.granularity") == base)
    rows = exploded.selectExpr("unix_micros(one.start) AS start", "unix_micros(one.end) AS end").distinct().collect()
    return sorted(Window(timestamp_of(row["start"]), timestamp_of(row["end"])) for row in rows)
