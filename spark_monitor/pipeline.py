"""The story of a run, from a monitor's file to committed tables, and then to what is shown of them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import ConfigError
from spark_monitor.outputs.mlflow.publish import PublishResult
from spark_monitor.outputs.mlflow.registered import read_registered
from spark_monitor.outputs.publish import publish_pending, tell_people
from spark_monitor.preflight.check import Finding, check, require_outputs, require_valid
from spark_monitor.session import setting, whole_partitions
from spark_monitor.sources.baseline import Baseline
from spark_monitor.sources.predictions import Predictions, open_predictions
from spark_monitor.sources.readers.spark import BATCH_SETTING, bounded_batches
from spark_monitor.stages.baseline_diff import BaselineDiff, baseline_diff
from spark_monitor.stages.context import AUTO, BACKFILL, COMMITTED, DUE, FREEZE, READERS, Run, Say, schedule_of
from spark_monitor.stages.continuous import Watch, one_run
from spark_monitor.stages.datasets import Before, configured
from spark_monitor.stages.diagnose import diagnose_step
from spark_monitor.stages.frames import profile_hash
from spark_monitor.stages.freeze import baseline_step
from spark_monitor.stages.handle import handle
from spark_monitor.stages.idle import note_idle
from spark_monitor.stages.judge import judge_step
from spark_monitor.stages.news import Look
from spark_monitor.stages.occupancy import before_all_rows
from spark_monitor.stages.operate import Operated, operate_step
from spark_monitor.stages.overview import Overview, overview
from spark_monitor.stages.past_runs import Ledger, read_ledger
from spark_monitor.stages.plan import Plan, plan_step, source_versions
from spark_monitor.stages.registered import Registry
from spark_monitor.stages.replay import REPLAY_SEED, Replayed, replay
from spark_monitor.stages.run_row import ended_row, running_row
from spark_monitor.stages.silence import silence_step
from spark_monitor.store import Store
from spark_monitor.store.streams import Stream, open_stream, require_streamed
from spark_monitor.text.masking import first_line
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.periods import EVERY_MINUTE, parse_trigger

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NOTHING_NEW = "NOTHING_NEW"
NOTHING_OPERATED = Operated()


@dataclass(frozen=True)
class RunResult:
    """What a run did. Its tables hold committed rows of this monitor."""

    run_id: str
    status: str
    as_of: datetime
    windows: tuple[DueWindow, ...]
    verdicts: Mapping[str, int]
    message: str
    published: PublishResult
    step_seconds: Mapping[str, float]
    store: Store
    monitor_id: str

    @property
    def profile_metrics(self) -> DataFrame:
        """What the columns look like."""
        return self._table("profile_metrics")

    @property
    def drift_metrics(self) -> DataFrame:
        """How far they have moved."""
        return self._table("drift_metrics")

    @property
    def model_metrics(self) -> DataFrame:
        """How well the model does."""
        return self._table("model_metrics")

    @property
    def metrics(self) -> DataFrame:
        """What has no column of its own: quality, fairness, custom metrics, system, pipelines, cost."""
        return self._table("metrics")

    @property
    def checks(self) -> DataFrame:
        """What the rules say."""
        return self._table("checks")

    @property
    def incidents(self) -> DataFrame:
        """What is wrong: one row per problem."""
        return self._table("incidents")

    def _table(self, name: str) -> DataFrame:
        return self.store.committed(name).where(F.col("monitor_id") == self.monitor_id)


@dataclass(frozen=True)
class Monitor:
    """One monitor: its configuration, and what can be done with it.

    ``Monitor.load("flights.yaml").run(spark, as_of=...)`` is the whole of a scheduled job.
    """

    config: MonitorConfig

    @classmethod
    def load(cls, path: str | Path) -> Monitor:
        """The monitor that a YAML file describes."""
        return cls(load_config(path))

    def store(self, spark: SparkSession) -> Store:
        """Its tables."""
        return Store(spark, self.config.outputs)

    def check(self, spark: SparkSession) -> list[Finding]:
        """What is wrong, or worth knowing, about its file and the tables it names."""
        return check(self.config, spark)

    def overview(self, spark: SparkSession, *, as_of: datetime | None = None) -> Overview:
        """What it would look at: rows, their times, columns and windows."""
        current = Run(
            spark, self.config, self.store(spark), "", as_of or datetime.now(UTC), schedule_of(self.config), lambda _: None
        )
        return overview(current, open_predictions(spark, self.config))

    def run(
        self,
        spark: SparkSession,
        *,
        as_of: datetime | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        reader: str = AUTO,
        dry: bool = False,
        say: Say = lambda _: None,
    ) -> RunResult:
        """Handle what is due at ``as_of`` (now, where none is given), or the windows between ``start`` and ``end``.

        ``dry`` says what messages and actions would be sent, and sends none.
        """
        if (start is None) != (end is None):
            raise ConfigError("--from and --to: only one was given. Give both: the first instant, and the first one after.")
        if reader not in READERS:
            raise ConfigError(f'--reader: found "{reader}". Allowed: {", ".join(READERS)}.')
        asked = (start, end) if start is not None and end is not None else None
        return run(self, spark, as_of=as_of or datetime.now(UTC), asked=asked, reader=reader, dry=dry, say=say)

    def watch(
        self,
        spark: SparkSession,
        *,
        trigger: str = EVERY_MINUTE,
        as_of: datetime | None = None,
        reader: str = AUTO,
        checkpoints: str | None = None,
        stop: Callable[[], bool] = lambda: False,
        say: Say = lambda _: None,
    ) -> Generator[RunResult, None, None]:
        """Runs that go on: one now, and others as rows and labels come and windows end, looked for as often as ``trigger`` says.

        ``trigger`` is an interval ("30 seconds") or "available-now", which is one run. The stream over the prediction table keeps
        its checkpoint in ``checkpoints``, by default beside the outputs. ``stop`` is asked between runs.
        """
        interval = parse_trigger(trigger)
        require_valid(self.config, spark, baseline_is_frozen=True, rows=False)
        require_streamed(spark, self.config.predictions)
        store = self.store(spark)
        store.ensure()

        def publish() -> bool:
            return publish_pending(store, self.config, say=say).status != "FAILED"

        look = Look(self.config, store, lambda: as_of or datetime.now(UTC), say, publish)

        def opened() -> Stream:
            own = self.config.predictions
            return open_stream(spark, store.place, own, monitor_id=self.config.monitor, interval=interval, directory=checkpoints)

        def once() -> RunResult:
            result = self.run(spark, as_of=as_of, reader=reader, say=say)
            look.unpublished = result.published.status == "FAILED"
            return result

        if interval is None:
            return one_run(opened, once, stop=stop)
        return Watch(opened, once, look, interval, stop, say).results()

    def freeze(
        self,
        spark: SparkSession,
        *,
        as_of: datetime | None = None,
        period: tuple[datetime, datetime] | None = None,
        say: Say = lambda _: None,
    ) -> int:
        """Freeze a new version of the baseline; windows that are handled from now on are compared with it.

        ``period``: the predictions of that time become it, in place of the baseline of the monitor's file.
        """
        with begun(self, spark, as_of or datetime.now(UTC), say, kind=FREEZE) as (current, predictions):
            versions = read_ledger(current).source_versions
            baseline = baseline_step(current, predictions, new=True, period=period)
            row = ended_row(current, predictions, Plan((), (), {}), versions, baseline.version, COMMITTED)
            current.store.finish_run(current.run_id, **row)
        return baseline.version

    def freeze_diff(
        self, spark: SparkSession, *, as_of: datetime | None = None, period: tuple[datetime, datetime] | None = None
    ) -> BaselineDiff:
        """What a new version of the baseline would change of the current one; nothing is written."""
        with looking(self, spark, as_of or datetime.now(UTC)) as (current, predictions):
            return baseline_diff(current, predictions, period=period)

    def replay(
        self,
        spark: SparkSession,
        *,
        as_of: datetime | None = None,
        shuffled: bool = False,
        shifts: Mapping[str, float] | None = None,
        seed: int = REPLAY_SEED,
        say: Say = lambda _: None,
    ) -> Replayed:
        """What the rules say of the baseline's own rows as if they were windows; nothing is written.

        ``shifts`` plants a KS distance (of texts a total variation) in a copy of a column; the same ``seed`` gives the same rows.
        """
        with looking(self, spark, as_of or datetime.now(UTC), say) as (current, predictions):
            return replay(current, predictions, shuffled=shuffled, shifts=shifts or {}, seed=seed)


@contextmanager
def looking(
    monitor: Monitor, spark: SparkSession, as_of: datetime, say: Say = lambda _: None
) -> Iterator[tuple[Run, Predictions]]:
    """What a run shares, without its turn: nothing may be written with it."""
    config = monitor.config
    require_valid(config, spark, baseline_is_frozen=True, rows=False)
    current = Run(spark, config, monitor.store(spark), "", as_of, schedule_of(config), say, FREEZE)
    predictions = open_predictions(spark, config)
    with whole_partitions(spark), setting(spark, BATCH_SETTING, str(bounded_batches(len(predictions.columns)))):
        yield current, predictions


def run(
    monitor: Monitor,
    spark: SparkSession,
    *,
    as_of: datetime,
    asked: tuple[datetime, datetime] | None,
    reader: str,
    say: Say,
    dry: bool = False,
) -> RunResult:
    """One run: find what is due, handle it, commit; then show what is committed."""
    if asked is None:
        store = monitor.store(spark)
        noted = is_idle(store, monitor.config, as_of)
        if noted is not None:
            return nothing_new(monitor, store, noted, as_of=as_of, dry=dry, say=say)
    with begun(monitor, spark, as_of, say, kind=DUE if asked is None else BACKFILL) as (current, predictions):
        current.wanted_reader = reader
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
            registry, own = registry_of(current), plan.windows
            operated = current.timed("operate", operate_step, before, predictions=own, asked=asked, registry=registry)
        written = tuple(sorted({*plan.windows, *operated.every, *silent}))
        if written and baseline is not None:
            conclude(current, predictions, baseline, written)
        frozen = None if baseline is None else baseline.version
        status = COMMITTED if written or ledger.baseline_version != frozen else NOTHING_NEW
        verdicts = verdict_counts(current) if written else {}
        current.store.finish_run(current.run_id, **ended_row(current, predictions, plan, versions, frozen, status))
    published = publish_pending(current.store, monitor.config, say=say)
    tell_people(current.store, monitor.config, as_of=as_of, run_id=current.run_id, say=say, dry=dry)
    return RunResult(
        run_id=current.run_id,
        status=status,
        as_of=as_of,
        windows=plan.windows,
        verdicts=verdicts,
        message=described(plan, status, as_of, operated, silent),
        published=published,
        step_seconds=current.step_seconds,
        store=current.store,
        monitor_id=current.monitor_id,
    )


def nothing_new(monitor: Monitor, store: Store, run_id: str, *, as_of: datetime, dry: bool, say: Say) -> RunResult:
    """What is left of a run that was found to have nothing to do without one: digests and actions that time makes due."""
    config = monitor.config
    tell_people(store, config, as_of=as_of, run_id=run_id, say=say, dry=dry)
    shown = PublishResult("OFF" if config.outputs.mlflow is None else "PUBLISHED", "There is nothing new to publish.")
    message = described(Plan((), (), {}), NOTHING_NEW, as_of)
    return RunResult(run_id, NOTHING_NEW, as_of, (), {}, message, shown, {}, store, config.monitor)


def is_idle(store: Store, config: MonitorConfig, as_of: datetime) -> str | None:
    """The id of the run that was noted where the ledger and the tables' versions show that there is nothing to do; else None."""
    try:
        idle = note_idle(store, [config], as_of)
    except Exception as error:  # no tables yet, or no right to read them: the run itself says what there is to say
        logging.getLogger(__name__).debug("Whether anything is new could not be asked: %s", first_line(error))
        return None
    return idle[0].run_id if idle else None


@contextmanager
def begun(monitor: Monitor, spark: SparkSession, as_of: datetime, say: Say, *, kind: str) -> Iterator[tuple[Run, Predictions]]:
    """A run that holds its monitor: nobody else writes its rows meanwhile, and an error ends it as FAILED."""
    config, store = monitor.config, monitor.store(spark)
    require_outputs(config, spark)
    store.ensure()
    frozen = bool(store.committed("baselines").where(F.col("monitor_id") == config.monitor).limit(1).collect())
    for finding in require_valid(config, spark, baseline_is_frozen=frozen, rows=not was_run(store, config)):
        say(f"warning: {finding}")
    current = Run(spark, config, store, uuid.uuid4().hex, as_of, schedule_of(config), say, kind)
    with store.run(running_row(current), say=say):
        # Before a row is read: what changes meanwhile is then looked at again by the next run.
        current.source_versions = source_versions(current)
        predictions = open_predictions(spark, config)
        with whole_partitions(spark), setting(spark, BATCH_SETTING, str(bounded_batches(len(predictions.columns)))):
            yield current, predictions


def was_run(store: Store, config: MonitorConfig) -> bool:
    """Whether a run with this very configuration has been committed."""
    own = (F.col("monitor_id") == config.monitor) & (F.col("status") == COMMITTED)
    found = store.frame("runs").where(own & (F.col("config_hash") == config.config_hash()))
    return bool(found.limit(1).collect())


def planned(
    current: Run, predictions: Predictions, ledger: Ledger, asked: tuple[datetime, datetime] | None
) -> tuple[Plan, Baseline | None]:
    """What a run has to do, and the baseline it is compared with; of an instant before all rows nothing, and none is frozen."""
    current.handled = ledger.handled
    first = ledger.baseline_version is None and not ledger.handled and not configured(current)
    early = before_all_rows(current, predictions) if first and asked is None else None
    if early is not None:
        current.say(f"warning: {early}")
        current.notes.append(early)
        return Plan((), (), {}, note=early), None
    baseline = current.timed("freeze", baseline_step, predictions)
    current.profile_hash = profile_hash(current.config, predictions, baseline)
    versions = current.source_versions
    plan = current.timed("plan", plan_step, predictions, ledger, versions, baseline_version=baseline.version, asked=asked)
    if plan.note:
        current.notes.append(plan.note)
        current.say(f"warning: {plan.note}")
    return plan, baseline


def registry_of(current: Run) -> Registry | None:
    """What tells about registered versions of the model; None where the monitor has no MLflow."""
    shown = current.config.outputs.mlflow
    if shown is None:
        return None
    return partial(read_registered, shown.tracking_uri, current.config.model.name)


def conclude(current: Run, predictions: Predictions, baseline: Baseline, windows: Sequence[DueWindow]) -> None:
    """Judge what was measured of predictions, operations, pipelines and costs, and say which problems there are."""
    current.timed("judge", judge_step, windows)
    current.timed("diagnose", diagnose_step, predictions, baseline, windows)


def described(
    plan: Plan, status: str, as_of: datetime, operated: Operated = NOTHING_OPERATED, silent: Sequence[DueWindow] = ()
) -> str:
    """What a run did, in a sentence."""
    at = f"as of {as_of:%Y-%m-%d %H:%M} UTC"
    if status == NOTHING_NEW:
        nothing = f"Nothing new {at}: no window is due, no label has changed; nothing was written."
        return f"{nothing} {plan.note}".rstrip()
    parts = [f"{len(plan.due)} window{'' if len(plan.due) == 1 else 's'} profiled"] if plan.due or not operated.windows else []
    if silent:
        parts.append("the age of the newest row judged")
    if plan.relabelled:
        parts.append(f"{len(plan.relabelled)} measured again because labels came")
    parts += [f"{len(windows)} of {dataset} measured" for dataset, windows in operated.windows.items()]
    return f"{', '.join(parts)} {at}. {plan.note}".rstrip()


def verdict_counts(current: Run) -> dict[str, int]:
    """How many checks of this run have which verdict."""
    own = (F.col("monitor_id") == current.monitor_id) & (F.col("run_id") == current.run_id)
    rows = current.store.frame("checks").where(own).groupBy("verdict").count().collect()
    return {row["verdict"]: row["count"] for row in rows}
