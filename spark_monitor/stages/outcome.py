"""What a run did, in a sentence and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import functions as F

from spark_monitor.stages.context import Run
from spark_monitor.stages.operate import Operated
from spark_monitor.stages.plan import Plan
from spark_monitor.store.ledger import NOTHING_NEW
from spark_monitor.text.formatting import UTC_NAME, counted, to_minute
from spark_monitor.windowing.due import DueWindow

NOTHING_OPERATED = Operated()


def described(
    plan: Plan,
    status: str,
    as_of: datetime,
    operated: Operated = NOTHING_OPERATED,
    silent: Sequence[DueWindow] = (),
    *,
    zone: str = UTC_NAME,
) -> str:
    """What a run did, in a sentence."""
    at = f"as of {to_minute(as_of, zone)}"
    if status == NOTHING_NEW:
        nothing = f"Nothing new {at}: no window is due, no label has changed; nothing was written."
        return f"{nothing} {plan.note}".rstrip()
    parts = [f"{counted(len(plan.due), 'window')} profiled"] if plan.due or not operated.windows else []
    if silent:
        parts.append("the age of the newest row judged")
    if plan.relabelled:
        parts.append(f"{len(plan.relabelled)} measured again because labels came")
    parts += [f"{len(windows)} of {dataset} measured" for dataset, windows in operated.windows.items()]
    return f"{', '.join(parts)} {at}. {plan.note}".rstrip()


def verdict_counts(current: Run) -> dict[str, int]:
    """How many checks of this run have which verdict."""
    of_run = (F.col("monitor_id") == current.monitor_id) & (F.col("run_id") == current.run_id)
    rows = current.store.frame("checks").where(of_run).groupBy("verdict").count().collect()
    return {row["verdict"]: row["count"] for row in rows}
