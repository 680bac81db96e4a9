"""What is shown of committed tables after a run: everything that MLflow does not have yet, this run's and that of runs before."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.gather import gather
from spark_monitor.insight.headline import headline
from spark_monitor.outputs.mlflow.publish import PublishResult, publish
from spark_monitor.outputs.report.html import report_html
from spark_monitor.windowing.windows import EPOCH, ONE_MICROSECOND, Window

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.store import Store

PENDING, PUBLISHED, COMMITTED = "PENDING", "PUBLISHED", "COMMITTED"
REPORT = "report.html"


def publish_pending(store: Store, config: MonitorConfig, *, say: Callable[[str], None]) -> PublishResult:
    """Publish the windows of every committed run that has not been; a failure is noted in the ledger, and tried again."""
    if config.outputs.mlflow is None:
        return PublishResult("OFF", "The monitor has no outputs.mlflow.")
    runs = store.frame("runs").where(
        (F.col("monitor_id") == config.monitor) & (F.col("status") == COMMITTED) & (F.col("published") == PENDING)
    )
    waiting = [row["run_id"] for row in runs.select("run_id").orderBy("ended").collect()]
    if not waiting:
        return PublishResult("PUBLISHED", "MLflow shows everything already.")
    say("publish")
    answers = gather(store, config, _windows(runs, config))
    gathered = assembled(answers, config)
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / REPORT
        report.write_text(report_html(gathered, config), encoding="utf-8")
        result = publish(headline(answers, config), gathered, config, run_id=waiting[-1], say=say, report=report)
    published = PUBLISHED if result.status == "PUBLISHED" else PENDING
    store.mark_published(config.monitor, waiting, published=published, message=result.message)
    if published == PENDING:
        say(f"warning: the run is committed, but MLflow does not show it yet: {result.message}")
    return result


def _windows(runs: DataFrame, config: MonitorConfig) -> list[Window]:
    """The windows of the monitor's own granularity that these runs wrote."""
    base = config.windows.granularity.label
    exploded = runs.selectExpr("explode(windows) AS one").where(F.col("one.granularity") == base)
    rows = exploded.selectExpr("unix_micros(one.start) AS start", "unix_micros(one.end) AS end").distinct().collect()
    return sorted(Window(EPOCH + row["start"] * ONE_MICROSECOND, EPOCH + row["end"] * ONE_MICROSECOND) for row in rows)
