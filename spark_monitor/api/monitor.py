"""A monitor: its configuration, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from spark_monitor.config.monitor import MonitorConfig, load_config
from spark_monitor.errors import ConfigError
from spark_monitor.outputs.alerts.channels import kind_findings
from spark_monitor.outputs.publish import NO_FILE, publish_pending
from spark_monitor.outputs.result import RunResult
from spark_monitor.pipeline import run
from spark_monitor.preflight.check import Finding, check, require_valid
from spark_monitor.sources.predictions import open_predictions
from spark_monitor.stages.baseline_diff import BaselineDiff, baseline_diff
from spark_monitor.stages.begin import begun, looking
from spark_monitor.stages.context import AUTO, COMMITTED, FREEZE, READERS, Run, never, schedule_of
from spark_monitor.stages.continuous import Watch, one_run
from spark_monitor.stages.freeze import baseline_step
from spark_monitor.stages.news import Look
from spark_monitor.stages.overview import Overview, overview
from spark_monitor.stages.past_runs import read_ledger
from spark_monitor.stages.plan import Plan
from spark_monitor.stages.replay import REPLAY_SEED, Replayed, replay
from spark_monitor.stages.run_row import ended_row
from spark_monitor.store import Store
from spark_monitor.store.streams import Stream, open_stream, require_streamed
from spark_monitor.text.logs import about
from spark_monitor.windowing.periods import EVERY_MINUTE, parse_trigger

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Monitor:
    """One monitor: its configuration, and what can be done with it.

    ``Monitor.load("flights.yaml").run(spark, as_of=...)`` is the whole of a scheduled job.
    """

    config: MonitorConfig
    file: str = NO_FILE
    """The file that describes it: what commands in messages name."""

    @classmethod
    def load(cls, path: str | Path) -> Monitor:
        """The monitor that a YAML file describes."""
        return cls(load_config(path), str(path))

    def store(self, spark: SparkSession) -> Store:
        """Its tables."""
        return Store(spark, self.config.outputs)

    def check(self, spark: SparkSession) -> list[Finding]:
        """What is wrong, or worth knowing, about its file and the tables it names."""
        return [*check(self.config, spark), *kind_findings(self.config.people)]

    def overview(self, spark: SparkSession, *, as_of: datetime | None = None) -> Overview:
        """What it would look at: rows, their times, columns and windows."""
        current = Run(spark, self.config, self.store(spark), "", as_of or datetime.now(UTC), schedule_of(self.config))
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
        command: Sequence[str] = (),
        stop: Callable[[], bool] = never,
    ) -> RunResult:
        """Handle what is due at ``as_of`` (now, where none is given), or the windows between ``start`` and ``end``.

        ``dry`` logs what messages and actions would be sent, and sends none. ``command`` is run once for each open incident, with
        what is known of it as JSON on its standard input; it is given by whoever starts the run, never by a file or a table.
        ``stop`` is asked between steps: where it says so the run ends as FAILED with a RunError.
        """
        if (start is None) != (end is None):
            raise ConfigError("--from and --to: only one was given. Give both: the first timestamp, and the first one after.")
        if reader not in READERS:
            raise ConfigError(f'--reader: found "{reader}". Allowed: {", ".join(READERS)}.')
        asked = (start, end) if start is not None and end is not None else None
        with about(self.config.monitor):
            at = as_of or datetime.now(UTC)
            return run(
                self.config, spark, as_of=at, asked=asked, reader=reader, dry=dry, command=command, file=self.file, stop=stop
            )

    def watch(
        self,
        spark: SparkSession,
        *,
        trigger: str = EVERY_MINUTE,
        as_of: datetime | None = None,
        reader: str = AUTO,
        checkpoints: str | None = None,
        stop: Callable[[], bool] = lambda: False,
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
            return publish_pending(store, self.config).status != "FAILED"

        look = Look(self.config, store, lambda: as_of or datetime.now(UTC), publish)

        def opened() -> Stream:
            source = self.config.predictions
            return open_stream(
                spark, store.place, source, monitor_id=self.config.monitor, interval=interval, directory=checkpoints
            )

        def once() -> RunResult:
            result = self.run(spark, as_of=as_of, reader=reader)
            look.unpublished = result.published.status == "FAILED"
            return result

        if interval is None:
            return one_run(opened, once, stop=stop)
        return Watch(opened, once, look, interval, stop, self.config.monitor).results()

    def freeze(
        self,
        spark: SparkSession,
        *,
        as_of: datetime | None = None,
        period: tuple[datetime, datetime] | None = None,
    ) -> int:
        """Freeze a new version of the baseline; windows that are handled from now on are compared with it.

        ``period``: the predictions of that time become it, in place of the baseline of the monitor's file.
        """
        with begun(self.config, spark, as_of or datetime.now(UTC), kind=FREEZE) as (current, predictions):
            versions = read_ledger(current).source_versions
            baseline = baseline_step(current, predictions, new=True, period=period)
            row = ended_row(current, predictions, Plan((), (), {}), versions, baseline.version, COMMITTED)
            current.store.finish_run(current.run_id, **row)
        return baseline.version

    def freeze_diff(
        self, spark: SparkSession, *, as_of: datetime | None = None, period: tuple[datetime, datetime] | None = None
    ) -> BaselineDiff:
        """What a new version of the baseline would change of the current one; nothing is written."""
        with looking(self.config, spark, as_of or datetime.now(UTC)) as (current, predictions):
            return baseline_diff(current, predictions, period=period)

    def replay(
        self,
        spark: SparkSession,
        *,
        as_of: datetime | None = None,
        shuffled: bool = False,
        shifts: Mapping[str, float] | None = None,
        seed: int = REPLAY_SEED,
    ) -> Replayed:
        """What the rules say of the baseline's own rows as if they were windows; nothing is written.

        ``shifts`` plants a KS distance (of strings a total variation) in a copy of a column; the same ``seed`` gives the same
        rows.
        """
        with looking(self.config, spark, as_of or datetime.now(UTC)) as (current, predictions):
            return replay(current, predictions, shuffled=shuffled, shifts=shifts or {}, seed=seed)
