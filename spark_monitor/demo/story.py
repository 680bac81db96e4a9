"""The demo as a person sees it: the year's flights are monitored Monday by Monday, and reported with what was found.

Three Mondays are shown, each as if it were today: a run sees only what was known then, and handles every week that has ended
since the run before. A second demo in the same directory finds nothing new and says so.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from spark_monitor.demo.findings import faults_found, opened_incidents
from spark_monitor.demo.prepare import Prepared, prepare
from spark_monitor.text.formatting import counted
from spark_monitor.text.logs import log_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from spark_monitor.api.monitor import Monitor
    from spark_monitor.config.monitor import MonitorConfig
    from spark_monitor.insight.facts import Facts
    from spark_monitor.outputs.result import RunResult

log = log_of(__name__)

Tell = Callable[[str], None]
Progress = Callable[[], AbstractContextManager[None]]
DIGEST_EVERY = "1 week"
BEFORE_THE_FIRST = datetime(2013, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Act:
    """One morning's run."""

    as_of: datetime
    title: str


@dataclass(frozen=True)
class Story:
    """What was reported: the last run, what the monitor says of each injected fault, and the files to open."""

    result: RunResult
    findings: tuple[str, ...]
    file: Path
    report: Path
    digest: Path


ACTS = (
    Act(datetime(2013, 3, 4, 6, tzinfo=UTC), "version 1 goes live; the baseline is frozen from January and February"),
    Act(
        datetime(2013, 9, 23, 6, tzinfo=UTC),
        "version 2 came in June; for a week the wind speed has been arriving in another unit",
    ),
    Act(datetime(2013, 12, 30, 6, tzinfo=UTC), "the year's last full week has ended"),
)


def run_demo(directory: Path, spark: SparkSession, *, tell: Tell, progress: Progress) -> Story:
    """Prepare, monitor, and tell. ``tell`` prints the story; ``progress`` shows the steps in between as they begin."""
    from spark_monitor.api.monitor import Monitor
    from spark_monitor.demo.service import service_faults_found
    from spark_monitor.insight.read_results import facts
    from spark_monitor.insight.tables import tables_of
    from spark_monitor.outputs.terminal.summary import summary

    began = time.monotonic()
    with progress():
        prepared = prepare(directory, spark)
    for line in introduction(prepared):
        tell(line)
    monitor = Monitor.load(prepared.paths.monitor_file)
    before = None if prepared.anew else earlier(monitor, spark, progress)
    result = monitored(monitor, spark, before, tell, progress)
    with progress():
        log.info("What was found")
        findings = [*faults_found(result.checks), *service_faults_found(result.metrics)]
        monitor_facts = facts(tables_of(monitor.config, result.store), monitor.config, pictures=True)
        text = summary(monitor_facts, monitor.config, file=typed(prepared.paths.monitor_file))
        report, digest = written_pages(monitor_facts, monitor.config, prepared.paths.monitor_file)
    pages = [f"Report, to open in a browser: {typed(report)}", f"Digest of the last week, as it is mailed: {typed(digest)}"]
    injected = ("", "What was injected, and what the monitor says of it", *findings)
    for line in (*injected, "", text.rstrip(), "", *pages, *ending(began)):
        tell(line)
    return Story(result, tuple(findings), prepared.paths.monitor_file, report, digest)


def written_pages(monitor_facts: Facts, config: MonitorConfig, file: Path) -> tuple[Path, Path]:
    """The report and last week's digest, written beside the monitor's file."""
    from spark_monitor.outputs.digest.digest import digest_html, digest_of
    from spark_monitor.outputs.digest.due import last_period
    from spark_monitor.outputs.report.page import report_html

    report, digest = file.with_name("report.html"), file.with_name("digest.html")
    period = last_period(DIGEST_EVERY, ACTS[-1].as_of, config.windows.zone)
    report.write_text(report_html(monitor_facts, config, file=typed(file)), encoding="utf-8")
    digest.write_text(digest_html(digest_of([monitor_facts], period.start, period.end)), encoding="utf-8")
    return report, digest


def introduction(prepared: Prepared) -> Iterator[str]:
    """What there is, and what is wrong with it on purpose."""
    from spark_monitor.demo.data import FAULTS
    from spark_monitor.demo.service import FAULTS as SERVICE_FAULTS

    again = "" if prepared.anew else " (made by an earlier demo in this directory, used again)"
    trained = "; ".join(f"{name}: ROC AUC {score:.3f}" for name, score in prepared.training_scores.items())
    yield ""
    yield f"{prepared.flights:,} real flights from New York in 2013. Question: does it arrive 15 minutes late or more?"
    yield f"Trained on January and February, measured on the same flights: {trained}."
    yield f"{prepared.predictions:,} predictions and {prepared.labels:,} labels that came late, as Delta tables{again}."
    yield "A commit a night to the table of features, made now; the files of its log are dated to the nights of 2013."
    yield "Injected on purpose (the rest of the drift is the year's own):"
    yield from (f"  {fault}" for fault in (*FAULTS, *SERVICE_FAULTS))
    yield f"The monitor, every key explained: {typed(prepared.paths.monitor_file)}"


def monitored(monitor: Monitor, spark: SparkSession, before: datetime | None, tell: Tell, progress: Progress) -> RunResult:
    """Run the mornings after ``before``, the end of an earlier demo; the last one in any case."""
    for act in ACTS[:-1]:
        if before is None or act.as_of > before:
            told_run(monitor, spark, act, before, tell, progress)
            before = act.as_of
    return told_run(monitor, spark, ACTS[-1], before, tell, progress)


def told_run(
    monitor: Monitor, spark: SparkSession, act: Act, before: datetime | None, tell: Tell, progress: Progress
) -> RunResult:
    """One morning: its run, and the incidents that it opened."""
    tell("")
    tell(f"{act.as_of:%A}, {act.as_of.day} {act.as_of:%B %Y}: {act.title}")
    began = time.monotonic()
    with progress():
        result = monitor.run(spark, as_of=act.as_of)
        opened = opened_incidents(result, since=before or BEFORE_THE_FIRST)
    tell(f"  {result.message} ({time.monotonic() - began:.0f} s)")
    if result.verdicts:
        tell(f"  checks: {', '.join(f'{count:,} {verdict}' for verdict, count in sorted(result.verdicts.items()))}")
    for line in opened:
        tell(f"  {line}")
    return result


def earlier(monitor: Monitor, spark: SparkSession, progress: Progress) -> datetime | None:
    """The timestamp of the last committed run of an earlier demo in this directory; None where none came so far."""
    from pyspark.sql import functions as F

    with progress():
        log.info("Earlier runs")
        store = monitor.store(spark)
        store.ensure()
        runs = store.committed("runs").where(F.col("monitor_id") == monitor.config.monitor)
        micros = runs.agg(F.expr("max(unix_micros(as_of))").alias("last")).collect()[0]["last"]
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)


def ending(began: float) -> Iterator[str]:
    """How long it took, and where the programs are where PATH does not lead to them."""
    minutes, seconds = divmod(round(time.monotonic() - began), 60)
    if shutil.which("spark-monitor") is None:
        yield f"spark-monitor and mlflow are in {typed(Path(sys.executable).parent)}."
    yield f"The demo took {counted(minutes, 'minute')} and {counted(seconds, 'second')}."


def typed(path: Path) -> str:
    """A path as it is typed here: relative where it is below this directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
