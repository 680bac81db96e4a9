"""A look at whether a run would find anything to do; it takes no turn and writes nothing, however often it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.sources.baseline import latest_version, load_baseline
from spark_monitor.sources.predictions import open_predictions
from spark_monitor.stages.context import Run, schedule_of
from spark_monitor.stages.datasets import Before
from spark_monitor.stages.frames import profile_hash
from spark_monitor.stages.occupancy import PREDICTIONS
from spark_monitor.stages.operate import has_due_datasets
from spark_monitor.stages.past_runs import Ledger, read_ledger
from spark_monitor.stages.plan import has_news, source_versions
from spark_monitor.store import Store

if TYPE_CHECKING:
    from spark_monitor.config.monitor import MonitorConfig


@dataclass
class Look:
    """What asks between the runs of one process, and remembers what it saw: the ledger does so of runs that wrote alone.

    ``publish`` offers MLflow what it lacks and says whether that went well.
    """

    config: MonitorConfig
    store: Store
    clock: Callable[[], datetime]
    publish: Callable[[], bool]
    unpublished: bool = False
    versions: Mapping[str, str] | None = None
    as_of: datetime | None = None

    def __call__(self) -> bool:
        """Whether a run would write a window. What MLflow refused is offered again where none would."""
        run = Run(self.store.spark, self.config, self.store, "", self.clock(), schedule_of(self.config))
        is_new = self._finds(run)
        if self.unpublished and not is_new:
            self.unpublished = not self.publish()
        return is_new

    def _finds(self, run: Run) -> bool:
        versions, ledger = source_versions(run), read_ledger(run)
        stored = self.store.committed("baselines").where(F.col("monitor_id") == self.config.monitor)
        baseline = latest_version(stored)
        if baseline is None or baseline.version != ledger.baseline_version:
            return True
        ledger = self._added_to(ledger, versions)
        self.versions, self.as_of = versions, run.as_of
        predictions = open_predictions(run.spark, self.config)
        if versions.get(PREDICTIONS) != ledger.source_versions.get(PREDICTIONS):
            run.profile_hash = profile_hash(self.config, predictions, load_baseline(stored, baseline.version))
        if has_news(run, predictions, ledger, versions, baseline_version=baseline.version):
            return True
        run.source_versions = dict(versions)
        return has_due_datasets(run, Before(ledger.source_versions, ledger.config_hash))

    def _added_to(self, ledger: Ledger, versions: Mapping[str, str]) -> Ledger:
        """The ledger as it would be, were looks and runs that found nothing written in it too.

        This process begins with a run by its own file, so that the file is no news, whatever others were run with.
        """
        ledger = replace(ledger, config_hash=self.config.config_hash())
        if self.versions is None or self.as_of is None:
            return ledger
        same = {name: version for name, version in versions.items() if self.versions.get(name) == version}
        as_of = self.as_of if ledger.as_of is None else max(self.as_of, ledger.as_of)
        last = as_of if ledger.last_as_of == ledger.as_of else ledger.last_as_of
        return replace(ledger, source_versions={**ledger.source_versions, **same}, as_of=as_of, last_as_of=last)
