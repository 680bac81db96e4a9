"""`for: m of n`: a limit that is broken once is a WARN; FAIL needs m of the last n windows. Without such a rule: nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from spark_monitor.stages.context import Run
from spark_monitor.store.literals import timestamp_sql
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.rules import RuleConfig

SERIES = ("check_id", "granularity", "model_version", "slice_key", "slice_value", "column_name", "class", "basis")
_TAKEN = (*SERIES, "verdict", "reason", "broken")


@dataclass(frozen=True, eq=False)
class Stored:
    """The checks of the windows before those that are judged."""

    checks: DataFrame

    @classmethod
    def of(cls, run: Run, windows: Sequence[DueWindow]) -> Stored | None:
        """Of the metrics whose rules ask for more than one window; None where none does."""
        lasting = {rule.metric for rule in run.config.rules if rule.for_ is not None}
        if not lasting or not windows:
            return None
        starts = sorted({window.window.start for window in windows})
        stored = run.store.frame("checks").where(F.col("monitor_id") == run.monitor_id).where(F.col("metric").isin(*lasting))
        judged = F.concat_ws(" ", "granularity", F.unix_micros("window.start").cast("string"))
        due = [f"{window.granularity} {micros(window.window.start)}" for window in windows]
        return cls(stored.where(f"window.start < {timestamp_sql(starts[-1])}").where(~judged.isin(*due)))


def persistent(judged: DataFrame, stored: Stored, rules: Sequence[RuleConfig]) -> DataFrame:
    """The checks with what `for` asks: FAIL where m of the last n windows broke the limit, this one among them, WARN before.

    ``judged`` has the columns ``needed`` and ``lasting``, m and n of the rule that judged it. Windows without a check of the
    series do not count.
    """
    before = stored.checks.select(
        *_TAKEN,
        F.unix_micros("window.start").alias("start"),
        F.lit(False).alias("is_due"),
    )
    due = judged.withColumn("is_due", F.lit(True))
    both = due.unionByName(before, allowMissingColumns=True)
    series = Window.partitionBy(*SERIES).orderBy("start")
    broken = F.coalesce(F.col("broken"), F.lit(False)).cast("int")
    counts = {n: F.sum(broken).over(series.rowsBetween(1 - n, 0)) for n in sorted({rule.times[1] for rule in rules})}
    counted = both.withColumns({f"broken_{n}": count for n, count in counts.items()}).where("is_due")
    times = F.lit(0)
    for n in counts:
        times = F.when(F.col("lasting") == n, F.col(f"broken_{n}")).otherwise(times)
    early = (F.col("verdict") == "FAIL") & (times < F.col("needed"))
    suffix = F.format_string(
        "; %d of the last %d windows broke it, the rule asks for %d.", times, F.col("lasting"), F.col("needed")
    )
    held_back = {
        "reason": F.when(early, F.concat(F.regexp_replace("reason", "[.]$", ""), suffix)).otherwise(F.col("reason")),
        "verdict": F.when(early, F.lit("WARN")).otherwise(F.col("verdict")),
    }
    return counted.withColumns(held_back).select(*judged.columns)
