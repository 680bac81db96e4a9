"""The steps that judge what was measured: checks of the run's windows, and the incidents of the whole history."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import functions as F

from spark_monitor.due import DueWindow
from spark_monitor.incidents import incidents
from spark_monitor.judge import checks
from spark_monitor.steps.context import INPUT, Run


def judge_step(run: Run, windows: Sequence[DueWindow]) -> None:
    """Write the checks of these windows, from all that is known of them."""
    own = run.store.in_windows(run.monitor_id, windows)
    judged = checks(
        run.store.frame("profile_metrics").where(own).where(F.col("log_type") == INPUT),
        run.store.frame("drift_metrics").where(own),
        run.store.frame("model_metrics").where(own),
        run.config.rules,
        monitor_id=run.monitor_id,
        as_of=run.as_of,
        run_id=run.run_id,
    )
    run.store.replace_windows("checks", judged, monitor_id=run.monitor_id, windows=windows)


def incident_step(run: Run) -> None:
    """Write the monitor's incidents, which follow from the history of its checks."""
    own = F.col("monitor_id") == run.monitor_id
    found = incidents(
        run.store.frame("checks").where(own),
        run.store.committed("incidents").where(own),
        run_id=run.run_id,
    )
    run.store.replace_monitor("incidents", found, monitor_id=run.monitor_id)
