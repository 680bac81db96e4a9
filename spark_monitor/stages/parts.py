"""What was remarked of the measurements behind incidents of the service, pipelines and costs: one query for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pyspark.sql import functions as F

from spark_monitor.diagnosis.parts import PartKey, Remark
from spark_monitor.sources.local_frame import local_frame
from spark_monitor.stages.context import Run

MOST_PARTS: Final = 2_000
_KEY_DDL = "dataset string, start long, metric string, column_name string, model_version string"
_KEY = ("dataset", "start", "metric", "column_name", "model_version")


def remarks_of(run: Run, keys: Iterable[PartKey]) -> dict[PartKey, Remark]:
    """The message and details of each measurement, of too many the earliest; nothing is asked where there is none."""
    asked = sorted(set(keys), key=lambda key: (key[1], repr(key)))[:MOST_PARTS]
    if not asked:
        return {}
    stored = run.store.frame("metrics").where(F.col("monitor_id") == run.monitor_id)
    first, last = (F.timestamp_micros(F.lit(edge)) for edge in (asked[0][1], asked[-1][1]))
    near = stored.where(F.col("window.start").between(first, last) & F.col("dataset").isin(sorted({key[0] for key in asked})))
    wanted = local_frame(run.spark, asked, _KEY_DDL).select(*(F.col(name).alias(f"_{name}") for name in _KEY))
    condition = F.lit(True)
    for name in _KEY:
        condition = condition & F.col(name).eqNullSafe(F.col(f"_{name}"))
    rows = near.withColumn("start", F.unix_micros("window.start")).where(F.col("class").isNull())
    remarks = rows.join(F.broadcast(wanted), on=condition, how="left_semi").select(*_KEY, "message", "details").collect()
    return {tuple(row[name] for name in _KEY): (row["message"], dict(row["details"] or {})) for row in remarks}


__all__ = ["remarks_of"]
