"""What a run did: its status and sentence, and the committed rows of its monitor as DataFrames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from spark_monitor.outputs.mlflow.publish import PublishResult
from spark_monitor.store import Store
from spark_monitor.windowing.due import DueWindow

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


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
