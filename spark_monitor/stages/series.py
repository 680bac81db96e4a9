"""The windows before those that are judged, series by series, for limits that follow history. Without such a rule: nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from spark_monitor.config.limits import History
from spark_monitor.rules.history import reach
from spark_monitor.rules.rulebook import Rulebook
from spark_monitor.rules.stream import BEFORE_DDL, HISTORY, NUMBERS_DDL, REALS, STREAM, STRINGS, WHOLES
from spark_monitor.stages.context import INPUT, Run
from spark_monitor.stages.metric_rows import metric_rows
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.timestamps import micros

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from spark_monitor.config.rules import RuleConfig

SERIES = ("granularity", "model_version", "slice_key", "slice_value", "column_name", "dataset", "baseline_name", "basis")


@dataclass(frozen=True, eq=False)
class Earlier:
    """Rows of the stream that reach back before the judged windows; by granularity, how far and from which timestamp on."""

    rows: DataFrame
    reaches: Mapping[str, int]
    dues: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, run: Run, windows: Sequence[DueWindow]) -> Earlier | None:
        """The metrics that rules compare with their own history, of the judged windows and as far back as they need."""
        rules = [rule for rule in run.config.rules if longest(rule)]
        if not rules or not windows:
            return None
        dues: dict[str, list[int]] = {}
        for due in windows:
            dues.setdefault(due.granularity, []).append(micros(due.window.start))
        reaches = {name: max(reach(name, longest(rule)) for rule in rules) for name in dues}
        spans = [
            (F.col("granularity") == name)
            & F.col("window.start").between(
                F.timestamp_micros(F.lit(min(starts) - reaches[name])), F.timestamp_micros(F.lit(max(starts)))
            )
            for name, starts in dues.items()
        ]
        condition = (F.col("monitor_id") == run.monitor_id) & reduce(lambda one, other: one | other, spans)
        tables = {name: run.store.frame(name).where(condition) for name in _TABLES}
        tables["profile_metrics"] = tables["profile_metrics"].where(F.col("log_type") == INPUT)
        wide = [tables[name] for name in ("profile_metrics", "drift_metrics", "model_metrics")]
        rows = metric_rows(wide, tables["metrics"], Rulebook.of(rules))
        return cls(rows, reaches, {name: tuple(starts) for name, starts in dues.items()})


_TABLES = ("profile_metrics", "drift_metrics", "model_metrics", "metrics")


def longest(rule: RuleConfig) -> int:
    """How many windows before one its limits look at."""
    return max((limit.windows for limit in rule.limits if isinstance(limit, History)), default=0)


def rows_before(current: DataFrame, earlier: Earlier, book: Rulebook) -> DataFrame:
    """Rows of family ``:before``: for each number of the judged windows the values of the windows before it."""
    named = [rule.metric for rule in book.rules if longest(rule)]
    exploded = earlier.rows.select(*SERIES, "start", "end", F.explode("numbers").alias("number"))
    numbers = exploded.where(F.col("number.metric").isin(*named)).select(
        *SERIES, "start", "end", F.col("number.metric").alias("metric"), F.col("number.class").alias("class"), "number.value"
    )
    parts = []
    for granularity, back in earlier.reaches.items():
        series = Window.partitionBy(*SERIES, "metric", "class").orderBy("start").rangeBetween(-back, -1)
        before = F.collect_list(F.struct("start", "value")).over(series)
        judged = F.col("start").isin(*earlier.dues[granularity])
        parts.append(numbers.where(F.col("granularity") == granularity).withColumn("before", before).where(judged))
    rows = reduce(lambda one, other: one.unionByName(other), parts).where(F.size("before") > 0)
    numbers_column = F.array(
        F.struct("metric", "class", *(F.lit(None).cast("double").alias(name) for name in ("value", "lower", "upper", "pvalue")))
    )
    expressions = {name: F.col(name) for name in (*SERIES, "start", "end")} | {"family": F.lit(HISTORY)}
    kinds = {**dict.fromkeys(STRINGS, "string"), **dict.fromkeys(WHOLES, "long"), **dict.fromkeys(REALS, "double")}
    return rows.select(
        *(expressions.get(name, F.lit(None)).cast(kind).alias(name) for name, kind in kinds.items()),
        numbers_column.cast(NUMBERS_DDL).alias("numbers"),
        F.col("before").cast(BEFORE_DDL).alias("before"),
    ).select(*STREAM.names)
