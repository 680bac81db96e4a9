"""After the commit: metrics in MLflow, a report to read, a summary for the terminal; all from the committed tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from spark_monitor.config import MonitorConfig
from spark_monitor.publish.facts import Facts
from spark_monitor.publish.gather import facts
from spark_monitor.publish.headline import Headline, headline
from spark_monitor.publish.mlflow import PublishResult, publish
from spark_monitor.publish.report import report_html
from spark_monitor.publish.scope import CommittedTables
from spark_monitor.publish.summary import styled, summary
from spark_monitor.windows import Window

__all__ = [
    "CommittedTables",
    "Facts",
    "Headline",
    "PublishResult",
    "facts",
    "headline",
    "publish",
    "publish_windows",
    "report_html",
    "styled",
    "summary",
]

REPORT_FILE = "report.html"


def publish_windows(
    store: CommittedTables, config: MonitorConfig, windows: Iterable[Window], *, run_id: str, say: Callable[[str], None]
) -> PublishResult:
    """Publish windows of the monitor's own granularity from the committed tables, the report with them."""
    if config.outputs.mlflow is None:
        return PublishResult("OFF", "The monitor has no outputs.mlflow.")
    readings, known = headline(store, config, windows), facts(store, config)
    with TemporaryDirectory(prefix="spark_monitor_") as directory:
        report = Path(directory) / REPORT_FILE
        report.write_text(report_html(known, config), encoding="utf-8")
        return publish(readings, known, config, run_id=run_id, say=say, report=report)
