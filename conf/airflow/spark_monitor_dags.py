"""One Airflow DAG per monitor of a directory: check, then run as of the end of the data interval, then the report.

Put this file into Airflow's dags folder and set ``SPARK_MONITOR_DIR`` to the directory of the monitors' YAML files. Optional:
``SPARK_MONITOR_COMMAND`` (default ``spark-monitor``), ``SPARK_MONITOR_SCHEDULE`` (default ``0 6 * * *``) and
``SPARK_MONITOR_REPORTS``, the directory of the reports (default: no report). Runs on Airflow 2.9 or newer, and 3.
"""

from __future__ import annotations

import os
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:  # Airflow 2 has it in its core
    from airflow.operators.bash import BashOperator
from airflow import DAG

RETRIES, RETRY_DELAY = 2, timedelta(minutes=5)
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def monitor_dag(file: Path, *, command: str, schedule: str, reports: str | None) -> Any:
    """The DAG of one monitor's file; a run that is tried again gives the same tables."""
    quoted = shlex.quote(str(file))
    dag = DAG(
        dag_id="spark_monitor_" + re.sub(r"[^A-Za-z0-9_.-]", "_", file.stem),
        schedule=schedule,
        start_date=FIRST,
        catchup=False,
        max_active_runs=1,
        default_args={"retries": RETRIES, "retry_delay": RETRY_DELAY},
        tags=["spark_monitor"],
    )
    with dag:
        check = BashOperator(task_id="check", bash_command=f"{command} check {quoted}")
        run = BashOperator(task_id="run", bash_command=f"{command} run {quoted} --as-of {{{{ data_interval_end | ts }}}}")
        check >> run
        if reports is not None:
            out = shlex.quote(str(Path(reports) / f"{file.stem}.html"))
            run >> BashOperator(task_id="report", bash_command=f"{command} report {quoted} --out {out}")
    return dag


def dags_of(directory: Path) -> dict[str, Any]:
    """The DAGs of every monitor's file in a directory."""
    options = {
        "command": os.environ.get("SPARK_MONITOR_COMMAND", "spark-monitor"),
        "schedule": os.environ.get("SPARK_MONITOR_SCHEDULE", "0 6 * * *"),
        "reports": os.environ.get("SPARK_MONITOR_REPORTS"),
    }
    files = sorted([*directory.glob("*.yaml"), *directory.glob("*.yml")])
    return {dag.dag_id: dag for dag in (monitor_dag(file, **options) for file in files)}


globals().update(dags_of(Path(os.environ.get("SPARK_MONITOR_DIR", "."))))
