"""The rows of one window, version and slice for the table model_metrics: every metric of a task, plug-ins' among them.

To add a metric: a decorated function in a file of this folder, its expected value in tests/laws, a line in CHANGELOG.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.metric import Metric
from spark_monitor.scores import (  # noqa: F401  (the first of a name counts: scores before classes)
    class_scores,
    classification,
    constants,
    curves,
    decisions,
    differences,
    errors_of_numbers,
    grouped,
    labels,
    multiclass,
    probability,
    ranking,
    regression,
    thresholds,
    worst,
)
from spark_monitor.scores.metric import ENTRIES, MetricValues, Scores, Settings, TaskMetric
from spark_monitor.scores.metric_value import OK, MetricValue, in_rows, undefined
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.class_scores import ClassScoresState
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.coverage import CoverageState
from spark_monitor.states.grouped import GroupedState
from spark_monitor.states.regression import RegressionState

ScoredState = ScoreState | ConfusionState | RegressionState | ClassScoresState | GroupedState | CoverageState

METRICS: tuple[TaskMetric, ...] = tuple(ENTRIES)
ERROR = "ERROR"


def metrics_of(task: str, states: Iterable[ScoredState]) -> dict[str, tuple[TaskMetric, ScoredState]]:
    """The metrics of a task that these states give, by name; where two entries give the same, the first of the catalogue.

    >>> sorted(metrics_of("regression", [RegressionState.empty()]))[:2]
    ['interval_coverage', 'mean_absolute_error']
    """
    by_name: dict[str, tuple[TaskMetric, ScoredState]] = {}
    by_kind = {type(state): state for state in states}
    for metric in METRICS:
        if metric.task == task and metric.state in by_kind:
            by_name.setdefault(metric.name, (metric, by_kind[metric.state]))
    return by_name


def present(task: str, *states: ScoredState, settings: Settings | None = None, only: str | None = None) -> list[dict[str, Any]]:
    """The rows of model_metrics that the states of one window, version and slice give; those of one metric where one is asked.

    Binary models have a ScoreState where there is a score and a ConfusionState; multiclass models a ConfusionState, regressions
    a RegressionState. Every metric is a row, with a status and a message where it has no value.

    >>> rows = present("regression", RegressionState.empty().update([1.0, 2.0], [1.0, 3.0]))
    >>> [row["value"] for row in rows if row["metric"] == "mean_error"]
    [0.5]
    """
    rows: list[dict[str, Any]] = []
    effective, notes = {id(state): _effective(state) for state in states}, {id(state): _note(state) for state in states}
    for name, (metric, state) in metrics_of(task, states).items():
        if only in (None, name):
            used = effective[id(state)]
            rows += _rows(name, state, used, metric.of(used, settings), notes[id(state)])
    scores = Scores(task, tuple(effective.values()), settings or Settings())
    for plugin in plugins(task) if only is None else ():
        rows += [_row(plugin.name, key, interval) for key, interval in _of_plugin(plugin, scores)]
    return rows


def plugins(task: str) -> list[Metric]:
    """The model metrics of this task that are not the product's own."""
    from spark_monitor.catalogue.registry import catalogue

    return [metric for metric in catalogue().of("model", task=task) if not metric.by_stage]


def _effective(state: Any) -> Any:
    return state.effective() if hasattr(state, "effective") else state


def _rows(
    name: str, state: ScoredState, effective: ScoredState, intervals: MetricValues, note: str | None
) -> Iterator[dict[str, Any]]:
    for key, interval in intervals.items():
        yield _row(name, key, _noted(interval if effective is state else _counted(interval, state, effective), note))


def _counted(interval: MetricValue, state: ScoredState, effective: ScoredState) -> MetricValue:
    """Weighted rows are presented as fewer equal ones; what is counted, and named in messages, are rows all the same."""
    count, message = interval.count, interval.message
    for name in ("usable", "used", "scored", "count"):
        worth = getattr(effective, name, None)
        if not isinstance(worth, float):
            continue
        count = getattr(state, name) if interval.count == worth else count
        message = in_rows(message, worth, getattr(state, name))
    return replace(interval, count=count, message=message)


def _of_plugin(metric: Metric, scores: Scores) -> Iterator[tuple[str | None, MetricValue]]:
    """What somebody else's function gives; whatever it raises is a row with status ERROR."""
    try:
        result = metric.compute(scores)
        by_class = result if isinstance(result, Mapping) else {None: result}
        blocks = {
            key: value if isinstance(value, MetricValue) else _single(Interval.of(value)) for key, value in by_class.items()
        }
    except Exception as error:
        yield None, undefined(scores.count, f"{metric.name}: {type(error).__name__}: {error}.", status=ERROR)
        return
    for key, value in blocks.items():
        yield key, replace(value, count=value.count or scores.count)


def _single(block: Interval) -> MetricValue:
    """The first place of an interval of arrays, or of a plain number."""
    lower, upper = (None if end is None else end.reshape(-1) for end in (block.lower, block.upper))
    place = Interval(block.value.reshape(-1), lower, upper).at(0)
    status, message = place["status"], place["message"]
    if block.message is not None:
        message = block.message[0]
    return MetricValue(place["value"], place["value_error"], place["lower"], place["upper"], 0, status, message)


def _row(name: str, key: str | None, interval: MetricValue) -> dict[str, Any]:
    return {
        "metric": name,
        "class": key,
        "value": interval.value,
        "value_error": interval.value_error,
        "lower": interval.lower,
        "upper": interval.upper,
        "count": None if interval.count is None else round(interval.count),
        "status": interval.status,
        "message": interval.message,
    }


def _noted(interval: MetricValue, note: str | None) -> MetricValue:
    """Rows that were left out are reported in a message that stands beside a value."""
    if note is None or interval.status != OK:
        return interval
    return replace(interval, message=note if interval.message is None else f"{interval.message} {note}")


def _note(state: ScoredState) -> str | None:
    if isinstance(state, ScoreState):
        left = [(int(state.unscored.sum()), "no score")]
    elif isinstance(state, ConfusionState):
        left = [(state.unpredicted, "no prediction")]
    elif isinstance(state, RegressionState):
        left = [(state.unpredicted, "no prediction"), (state.infinite, "an infinite label or prediction")]
    elif isinstance(state, ClassScoresState):
        left = [(state.unscored, "a class without a score")]
    elif isinstance(state, GroupedState):
        left = [(state.unranked, "no score, no group or no finite label")]
    else:
        return None
    total = state.count + (state.unpredicted if isinstance(state, ConfusionState) else 0)
    sentences = [f"{rows:,} of {total:,} labelled rows have {what}." for rows, what in left if rows]
    return " ".join(sentences) or None


__all__ = ["METRICS", "ScoredState", "metrics_of", "present"]
