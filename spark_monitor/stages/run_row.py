"""The rows that a run writes to the ledger: at its beginning what it is, at its end what it did."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pyspark.sql import functions as F

from spark_monitor.kernel.native.library import in_use
from spark_monitor.sources.predictions import Predictions
from spark_monitor.sources.readers.rows import within_any
from spark_monitor.stages.context import COMMITTED, Run
from spark_monitor.stages.plan import Plan
from spark_monitor.text.formatting import counted
from spark_monitor.text.quoting import quote

PACKAGES = ("spark-monitor", "pyspark", "delta-spark", "numpy", "scipy", "pyarrow", "datasketches", "mlflow")
JOB_VARIABLES = ("DATABRICKS_JOB_ID", "EMR_STEP_ID")
RUN_VARIABLES = ("DATABRICKS_RUN_ID", "EMR_CLUSTER_ID")


def running_row(run: Run) -> dict[str, Any]:
    """What is known when a run begins."""
    return {
        "run_id": run.run_id,
        "monitor_id": run.monitor_id,
        "as_of": run.as_of,
        "kind": run.kind,
        "config_hash": run.config.config_hash(),
        "config": json.dumps(run.config.public_dict(), ensure_ascii=False, sort_keys=True),
        "package_versions": package_versions(),
        "platform_job_id": _first(JOB_VARIABLES),
        "platform_run_id": _first(RUN_VARIABLES),
    }


def ended_row(
    run: Run, predictions: Predictions, plan: Plan, versions: Mapping[str, str], baseline_version: int | None, status: str
) -> dict[str, Any]:
    """What a run did; a run that had nothing to do says so and no more."""
    row: dict[str, Any] = {
        "status": status,
        "baseline_version": baseline_version,
        "profile_hash": run.profile_hash or None,
        "source_versions": dict(versions),
        "step_seconds": {name: round(seconds, 3) for name, seconds in run.step_seconds.items()},
    }
    if status != COMMITTED:
        return {**row, "published": "OFF", "reader_reason": " ".join(run.notes) or None}
    written = run.store.written(run.run_id)
    row |= {"rows_out": {name: rows for name, (rows, _) in written.items()}}
    row |= {"bytes_out": {name: size for name, (_, size) in written.items()}}
    windows = [
        {
            "granularity": one.granularity,
            "start": one.window.start,
            "end": one.window.end,
            "label_fingerprint": plan.fingerprints.get(one),
        }
        for one in plan.windows
    ]
    return {
        **row,
        **rows_read(run, predictions, plan),
        "windows": windows,
        "bytes_in": run.bytes_in,
        "reader": run.reader if plan.due else None,
        "reader_reason": reasons(run) if plan.due else " ".join(["No window of predictions was read.", *run.notes]),
        "published": "PENDING" if run.config.outputs.mlflow is not None else "OFF",
    }


def reasons(run: Run) -> str:
    """Why the rows were read as they were, what showed which windows were affected, and of how many windows no rows were read."""
    merged = f"Stored states of {counted(run.merged_windows, 'finer window')} were merged; their rows were not read."
    return " ".join([run.reader_reason, *run.notes, *([merged] if run.merged_windows else [])])


def rows_read(run: Run, predictions: Predictions, plan: Plan) -> dict[str, int]:
    """Rows of the spans that were read, and how many have no id, no version or no time; one aggregate over these columns."""
    if not plan.due:
        return {"rows_in": 0, "null_id_rows": 0, "null_version_rows": 0, "null_time_rows": 0}
    source = run.config.predictions
    conditions = {
        "rows_in": f"{quote(source.time)} IS NOT NULL",
        "null_id_rows": " OR ".join(f"{quote(name)} IS NULL" for name in source.id),
        "null_version_rows": f"{predictions.version_sql} IS NULL",
        "null_time_rows": f"{quote(source.time)} IS NULL",
    }
    rows = predictions.frame.where(within_any(predictions.frame, source.time, run.spans, zone=run.schedule.zone))
    counts = rows.agg(*(F.expr(f"count_if({sql})").alias(name) for name, sql in conditions.items()))
    return dict(counts.collect()[0].asDict())


def package_versions() -> dict[str, str]:
    """The versions of Python and of the packages that matter, and which kernel counts rows where the run was started."""
    versions = {"python": platform.python_version(), "kernel": in_use()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _first(names: tuple[str, ...]) -> str | None:
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
