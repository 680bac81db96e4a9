"""The catalogue of model metrics, and the rows of one window, version and slice for the table model_metrics.

To add a metric: a function and an entry in the file it belongs to, its expected value in tests/laws, a line in CHANGELOG.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from spark_monitor.scores import classification, multiclass, probability, ranking, regression
from spark_monitor.scores.interval import OK, Interval
from spark_monitor.scores.metric import Metric, Task
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.regression import RegressionState

ScoredState = ScoreState | ConfusionState | RegressionState

METRICS: tuple[Metric[Any], ...] = (
    *ranking.METRICS,
    *probability.METRICS,
    *classification.METRICS,
    *multiclass.METRICS,
    *regression.METRICS,
)


def metrics_of(task: str, states: Iterable[ScoredState]) -> dict[str, tuple[Metric[Any], ScoredState]]:
    """The metrics of a task that these states give, by name; where two entries give the same, the first of the catalogue.

    >>> sorted(metrics_of("regression", [RegressionState.empty()]))[:2]
    ['mean_absolute_error', 'mean_absolute_percentage_error']
    """
    found: dict[str, tuple[Metric[Any], ScoredState]] = {}
    by_kind = {type(state): state for state in states}
    for metric in METRICS:
        if metric.task == task and metric.state in by_kind:
            found.setdefault(metric.name, (metric, by_kind[metric.state]))
    return found


def present(task: Task | str, *states: ScoredState) -> list[dict[str, Any]]:
    """The rows of model_metrics that the states of one window, version and slice give.

    Binary models have a ScoreState where there is a score and a ConfusionState; multiclass models a ConfusionState, regressions
    a RegressionState. Every metric is a row, with a status and a message where it has no value.

    >>> rows = present("regression", RegressionState.empty().update([1.0, 2.0], [1.0, 3.0]))
    >>> [row["value"] for row in rows if row["metric"] == "mean_error"]
    [0.5]
    """
    rows: list[dict[str, Any]] = []
    for name, (metric, state) in metrics_of(task, states).items():
        note = _note(state)
        rows += [_row(name, key, _noted(found, note)) for key, found in metric.of(state).items()]
    return rows


def _row(name: str, key: str | None, found: Interval) -> dict[str, Any]:
    return {
        "metric": name,
        "class": key,
        "value": found.value,
        "value_error": found.value_error,
        "lower": found.lower,
        "upper": found.upper,
        "count": found.count,
        "status": found.status,
        "message": found.message,
    }


def _noted(found: Interval, note: str | None) -> Interval:
    """Rows that were left out are said in a message that stands beside a value."""
    if note is None or found.status != OK:
        return found
    return replace(found, message=note if found.message is None else f"{found.message} {note}")


def _note(state: ScoredState) -> str | None:
    if isinstance(state, ScoreState):
        left = [(int(state.unscored.sum()), "no score")]
    elif isinstance(state, ConfusionState):
        left = [(state.unpredicted, "no prediction")]
    else:
        left = [(state.unpredicted, "no prediction"), (state.infinite, "an infinite label or prediction")]
    total = state.count + (state.unpredicted if isinstance(state, ConfusionState) else 0)
    sentences = [f"{rows:,} of {total:,} labelled rows have {what}." for rows, what in left if rows]
    return " ".join(sentences) or None
