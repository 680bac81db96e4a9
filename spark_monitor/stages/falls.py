"""What model_metrics say of a fall: the worst failing window beside the windows before, in all rows, slices and estimates."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyspark.sql import functions as F

from spark_monitor.diagnosis.causes import worst_group
from spark_monitor.diagnosis.episodes import Windows
from spark_monitor.diagnosis.falls import Fall, Score
from spark_monitor.diagnosis.groups import WHOLE, Group, Slice
from spark_monitor.diagnosis.problems import Problem
from spark_monitor.diagnosis.subjects import MODEL
from spark_monitor.sources.readers.rows import read_source
from spark_monitor.stages.context import Run

BEFORE_WINDOWS: Final = 4
"""A fall is held against the mean of so many windows before its incident opened, weighted by their rows."""

MOST_ROWS: Final = 50_000
MOST_FEATURES: Final = 10_000
BASE_RATE: Final = "base_rate"
REALISED, ESTIMATED = "REALISED", "ESTIMATED"


@dataclass(frozen=True)
class Asked:
    """Which rows a problem's causes need."""

    metric: str
    version: str | None
    lower_is_worse: bool
    now: int
    before: tuple[int, ...]
    estimated_at: int
    """Of which window the estimate counts: the last one that is calibrated by no window of the problem itself."""


Values = Mapping[tuple[str, str | None, int, str, Slice], Score]
"""By metric, version, start of the window, basis and slice."""


def needs_causes(problem: Problem) -> bool:
    """Whether a problem is one of a model's metrics."""
    return problem.main.first.track == MODEL


def falls_of(run: Run, found: Sequence[Problem], windows: Windows) -> dict[int, Fall]:
    """The fall of each problem of a model metric, by the problem's ``id``: one query, none where no model metric fails."""
    asked = {id(one): wanted for one in found if needs_causes(one) and (wanted := _asked(one, windows, run)) is not None}
    if not asked:
        return {}
    values = _values(run, asked.values())
    falls = {about: fall(wanted, values) for about, wanted in asked.items()}
    return {about: one for about, one in falls.items() if one is not None}


def _asked(problem: Problem, windows: Windows, run: Run) -> Asked | None:
    group = worst_group(problem)
    if group is None:
        return None
    starts = [start for start, _ in windows.get(group.granularity, ())]
    place = bisect_left(starts, problem.opened)
    before = tuple(starts[max(0, place - BEFORE_WINDOWS) : place])
    first = group.failing[0]
    horizon = run.schedule.horizon
    calibrated = horizon is not None and group.start - int(horizon.total_seconds() * 1_000_000) >= problem.opened
    estimated_at = problem.opened if calibrated else group.start
    return Asked(first.metric, first.version, _lower_is_worse(group), group.start, before, estimated_at)


def _lower_is_worse(group: Group) -> bool:
    return (group.failing[0].expected or "").startswith(">")


def _values(run: Run, asked: Iterable[Asked]) -> Values:
    listed = list(asked)
    metrics = sorted({one.metric for one in listed} | {BASE_RATE})
    starts = sorted({start for one in listed for start in (one.now, one.estimated_at, *one.before)})
    own = run.store.frame("model_metrics").where(F.col("monitor_id") == run.monitor_id)
    edges = [F.timestamp_micros(F.lit(start)) for start in starts]
    rows = own.where(F.col("metric").isin(metrics) & F.col("window.start").isin(edges) & F.col("class").isNull())
    known = rows.where("value IS NOT NULL").select(
        *("metric", "model_version", "basis", "slice_key", "slice_value", "value"),
        (F.col("count") * F.coalesce("label_coverage", F.lit(1.0))).alias("rows"),
        F.unix_micros("window.start").alias("start"),
    )
    found: dict[tuple[str, str | None, int, str, Slice], Score] = {}
    for row in known.orderBy(F.col("slice_key").isNotNull(), "start", "slice_key", "slice_value").limit(MOST_ROWS).collect():
        key = (
            row["metric"],
            row["model_version"],
            row["start"],
            row["basis"] or REALISED,
            (row["slice_key"], row["slice_value"]),
        )
        found[key] = Score(row["value"], row["rows"] or 0.0)
    return found


def fall(asked: Asked, values: Values) -> Fall | None:
    """A fall from the values; None where there is no value before it or none now."""
    slices = sorted({key[4] for key in values if key[0] == asked.metric}, key=repr)
    now = {one: values.get((asked.metric, asked.version, asked.now, REALISED, one)) for one in slices}
    before = {one: _mean(asked, asked.metric, REALISED, one, values) for one in slices}
    whole_now, whole_before = now.get(WHOLE), before.get(WHOLE)
    if whole_now is None or whole_before is None:
        return None
    estimated = values.get((asked.metric, asked.version, asked.estimated_at, ESTIMATED, WHOLE))
    estimated_before = _mean(asked, asked.metric, ESTIMATED, WHOLE, values)
    return Fall(
        asked.metric,
        asked.lower_is_worse,
        whole_now,
        whole_before,
        {one: score for one, score in now.items() if score is not None and one != WHOLE},
        {one: score for one, score in before.items() if score is not None and one != WHOLE},
        None if estimated is None else estimated.value,
        None if estimated_before is None else estimated_before.value,
        values.get((BASE_RATE, asked.version, asked.now, REALISED, WHOLE)),
        _mean(asked, BASE_RATE, REALISED, WHOLE, values),
    )


def _mean(asked: Asked, metric: str, basis: str, slice_: Slice, values: Values) -> Score | None:
    """The mean of the windows before, of the version itself; of a version that was not there then, of all others."""
    own = [values.get((metric, asked.version, start, basis, slice_)) for start in asked.before]
    known = [score for score in own if score is not None and score.count > 0]
    if not known:
        known = [
            score
            for (name, _, start, of, one), score in values.items()
            if (name, of, one) == (metric, basis, slice_) and start in asked.before and score.count > 0
        ]
    rows = sum(score.count for score in known)
    return Score(sum(score.value * score.count for score in known) / rows, rows) if rows else None


def importances(run: Run) -> dict[str, float]:
    """The features' importances from the table that the monitor names; none where it names none."""
    source = run.config.importances
    if source is None:
        return {}
    named = (F.col("feature"), F.col("importance").cast("double").alias("importance"))
    rows = read_source(run.spark, source).select(*named).limit(MOST_FEATURES).collect()
    return {str(row["feature"]): abs(row["importance"]) for row in rows if row["importance"] is not None}
