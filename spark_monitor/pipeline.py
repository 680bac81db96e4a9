"""The story of a run, from a monitor's file to committed tables, and then to what is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.outputs.alerts.channels import kind_findings
from spark_monitor.outputs.mlflow.publish import PublishResult
from spark_monitor.outputs.mlflow.registered import registry_of
from spark_monitor.outputs.publish import NO_FILE, publish_pending, tell_people
from spark_monitor.outputs.result import RunResult
from spark_monitor.session import interpreted
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.predictions import Predictions
from spark_monitor.stages.begin import begun
from spark_monitor.stages.context import BACKFILL, COMMITTED, DUE, Run, never
from spark_monitor.stages.datasets import Before, configured
from spark_monitor.stages.diagnose import diagnose_step
from spark_monitor.stages.frames import profile_hash
from spark_monitor.stages.freeze import baseline_step
from spark_monitor.stages.handle import handle
from spark_monitor.stages.idle import is_idle
from spark_monitor.stages.judge import judge_step
from spark_monitor.stages.occupancy import before_all_rows
from spark_monitor.stages.operate import operate_step
from spark_monitor.stages.outcome import NOTHING_OPERATED, described, verdict_counts
from spark_monitor.stages.past_runs import Ledger, read_ledger
from spark_monitor.stages.plan import Plan, plan_step
from spark_monitor.stages.run_row import ended_row
from spark_monitor.stages.silence import silence_step
from spark_monitor.store import Store
from spark_monitor.store.ledger import NOTHING_NEW
from spark_monitor.text.logs import about, log_of
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

log = log_of(__name__)


def run(
    config: MonitorConfig,
    spark: SparkSession,
    *,
    as_of: datetime,
    asked: tuple[datetime, datetime] | None,
    reader: str,
    dry: bool = False,
    command: Sequence[str] = (),
    file: str = NO_FILE,
    stop: Callable[[], bool] = never,
) -> RunResult:
    """One run: find what is due, handle it, commit; then show what is committed."""
    if asked is None:
        store = Store(spark, config.outputs)
        noted = is_idle(store, config, as_of)
        if noted is not None:
            return nothing_new(config, store, noted, as_of=as_of, dry=dry, command=command, file=file)
    with begun(config, spark, as_of, kind=DUE if asked is None else BACKFILL) as (current, predictions):
        for finding in kind_findings(config.people):
            log.warning(str(finding))
        current.wanted_reader, current.stop = reader, stop
        ledger, versions = read_ledger(current), current.source_versions
        plan, baseline = planned(current, predictions, ledger, asked)
        silent: tuple[DueWindow, ...] = ()
        if plan.windows and baseline is not None:
            handle(current, predictions, baseline, plan)
        elif asked is None and baseline is not None:
            silent = current.timed("silence", silence_step, predictions, plan.handled)
        before = Before(ledger.source_versions, ledger.config_hash)
        operated = NOTHING_OPERATED
        if configured(current):
            about = {"predictions": plan.windows, "asked": asked, "registry": registry_of(config)}
            operated = current.timed("operate", operate_step, before, **about)
        written = tuple(sorted({*plan.windows, *operated.every, *silent}))
        if written and baseline is not None:
            conclude(current, predictions, baseline, written)
        frozen = None if baseline is None else baseline.version
        status = COMMITTED if written or ledger.baseline_version != frozen else NOTHING_NEW
        verdicts = verdict_counts(current) if written else {}
        current.store.finish_run(current.run_id, **ended_row(current, predictions, plan, versions, frozen, status))
    published = publish_pending(current.store, config)
    tell_people(current.store, config, as_of=as_of, run_id=current.run_id, dry=dry, command=command, file=file)
    return RunResult(
        run_id=current.run_id,
        status=status,
        as_of=as_of,
        windows=plan.windows,
        verdicts=verdicts,
        message=described(plan, status, as_of, operated, silent, zone=config.windows.zone),
        published=published,
        step_seconds=current.step_seconds,
        store=current.store,
        monitor_id=current.monitor_id,
    )


def nothing_new(
    config: MonitorConfig,
    store: Store,
    run_id: str,
    *,
    as_of: datetime,
    dry: bool,
    command: Sequence[str] = (),
    file: str = NO_FILE,
) -> RunResult:
    """What is left of a run that was found to have nothing to do without one: digests and actions that time makes due."""
    with about(config.monitor):
        tell_people(store, config, as_of=as_of, run_id=run_id, dry=dry, command=command, file=file)
    shown = PublishResult("OFF" if config.outputs.mlflow is None else "PUBLISHED", "There is nothing new to publish.")
    message = described(Plan((), (), {}), NOTHING_NEW, as_of, zone=config.windows.zone)
    return RunResult(run_id, NOTHING_NEW, as_of, (), {}, message, shown, {}, store, config.monitor)


def planned(
    current: Run, predictions: Predictions, ledger: Ledger, asked: tuple[datetime, datetime] | None
) -> tuple[Plan, Baseline | None]:
    """What a run has to do, and the baseline it is compared with; of a timestamp before all rows nothing, and none is frozen."""
    current.handled, current.pruned_until, current.run_before = ledger.handled, ledger.pruned_until, ledger.run_before
    first = ledger.baseline_version is None and not ledger.handled and not configured(current)
    early = before_all_rows(current, predictions) if first and asked is None else None
    if early is not None:
        log.warning(early)
        current.notes.append(early)
        return Plan((), (), {}, note=early), None
    baseline = current.timed("freeze", baseline_step, predictions)
    current.profile_hash = profile_hash(current.config, predictions, baseline)
    versions = current.source_versions
    plan = current.timed("plan", plan_step, predictions, ledger, versions, baseline_version=baseline.version, asked=asked)
    if plan.note:
        current.notes.append(plan.note)
        log.warning(plan.note)
    return plan, baseline


def conclude(current: Run, predictions: Predictions, baseline: Baseline, windows: Sequence[DueWindow]) -> None:
    """Judge what was measured of predictions, operations, pipelines and costs, and say which problems there are."""
    current.timed("judge", judge_step, windows)
    with interpreted(current.spark):
        current.timed("diagnose", diagnose_step, predictions, baseline, windows)
