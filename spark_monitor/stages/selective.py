"""Whether the labels of windows in which fewer came are selective: two queries, none where coverage does not fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from spark_monitor.diagnosis.falls import Cause
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.selective import Labelled, is_of_coverage, selective_causes
from spark_monitor.stages.context import Run
from spark_monitor.stages.falls import BASE_RATE, MOST_WINDOWS, Moment, spread
from spark_monitor.stages.scored_rows import ESTIMATED, REALISED

if TYPE_CHECKING:
    from pyspark.sql import Row

SELECTIVITY: Final = "label_selectivity"
SENTENCES: Final = 2
OFTEN: Final = 0.5
"""A range of scores or a slice is told of where it differs in so many of the windows."""


def causes_of_selection(run: Run, problems: Sequence[Problem]) -> dict[int, list[Cause]]:
    """Of each problem of missing labels which rows have them, by the problem's ``id``; nothing where chance decides."""
    asked = {id(one): _moments(one) for one in problems if is_of_coverage(one)}
    starts = sorted({start for moments in asked.values() for _, start in moments})
    if not starts:
        return {}
    edges = [F.timestamp_micros(F.lit(start)) for start in starts]
    mine = (F.col("monitor_id") == run.monitor_id) & F.col("window.start").isin(edges) & F.col("value").isNotNull()
    start = F.unix_micros("window.start").alias("start")
    rates = run.store.frame("model_metrics").where(mine & (F.col("metric") == BASE_RATE) & F.col("slice_key").isNull())
    basis = F.coalesce("basis", F.lit(REALISED)).alias("basis")
    of_rates = rates.select("granularity", start, "model_version", basis, "value", "count")
    surely = (F.col("lower") > 0) | (F.col("upper") < 0)
    told = run.store.frame("metrics").where(mine & (F.col("metric") == SELECTIVITY) & surely)
    of_parts = told.select("granularity", start, "model_version", "slice_key", "slice_value", "value", "message")
    rate_rows, part_rows = of_rates.collect(), of_parts.collect()
    positive = str(run.config.predictions.positive)
    causes = {}
    for one in problems:
        if id(one) in asked:
            moments = asked[id(one)]
            mine_only = [row for row in rate_rows if _is_of(row, one, moments)]
            shares = _shares([row for row in part_rows if _is_of(row, one, moments)], len(moments))
            causes[id(one)] = selective_causes(_labelled(mine_only), positive, shares)
    return {about: several for about, several in causes.items() if several}


def _moments(problem: Problem) -> tuple[Moment, ...]:
    groups = [group for group in problem.groups if group.granularity == problem.granularity and group.whole]
    moments = {(version, group.start) for group in groups for version in group.versions_failing}
    return spread(sorted(moments, key=lambda one: (one[1], one[0] or "")), MOST_WINDOWS)


def _is_of(row: Row, problem: Problem, moments: Sequence[Moment]) -> bool:
    return row["granularity"] == problem.granularity and (row["model_version"], row["start"]) in moments


def _labelled(rows: Sequence[Row]) -> Labelled:
    """Labels and expectations of the windows that have both."""
    by_moment: dict[Moment, Mapping[str, Row]] = {}
    for row in rows:
        about = (row["model_version"], row["start"])
        by_moment[about] = {**by_moment.get(about, {}), row["basis"]: row}
    both = [(one[REALISED], one[ESTIMATED]) for one in by_moment.values() if REALISED in one and ESTIMATED in one]
    return Labelled(
        labels=sum(float(realised["count"]) for realised, _ in both),
        positives=sum(realised["count"] * realised["value"] for realised, _ in both),
        rows=sum(float(estimated["count"]) for _, estimated in both),
        expected=sum(estimated["count"] * estimated["value"] for _, estimated in both),
    )


def _shares(rows: Sequence[Row], moments: int) -> list[str]:
    """What tells most: of all rows their scores, of slices those that differ in most windows."""
    scores = [row for row in rows if row["slice_key"] is None]
    often = Counter((row["slice_key"], row["slice_value"]) for row in rows if row["slice_key"] is not None)
    places = [place for place, many in often.most_common() if many >= OFTEN * moments]
    told = [max(scores, key=lambda row: abs(row["value"]))] if len(scores) >= OFTEN * moments else []
    for place in places:
        of_place = [row for row in rows if (row["slice_key"], row["slice_value"]) == place]
        told.append(max(of_place, key=lambda row: abs(row["value"])))
    return [str(row["message"]) for row in told[:SENTENCES]]
