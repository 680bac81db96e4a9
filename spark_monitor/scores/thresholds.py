"""What a binary model's decisions would be at other thresholds, from the cells of the score: no row is read again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from spark_monitor.catalogue.metric import DECORATED, model_metric
from spark_monitor.scores.classification import f1_score, precision, recall
from spark_monitor.scores.decisions import cost_loss, fbeta_0_5, fbeta_2, specificity
from spark_monitor.scores.metric import Settings
from spark_monitor.scores.metric_value import in_rows
from spark_monitor.states.binary import ScoreState
from spark_monitor.states.confusion import ConfusionState
from spark_monitor.states.score_grids import SWEPT

SUFFIX = "_at_threshold"
METRICS = {
    "precision": precision,
    "recall": recall,
    "f1_score": f1_score,
    "specificity": specificity,
    "fbeta_0_5": fbeta_0_5,
    "fbeta_2": fbeta_2,
}


def _define(name: str) -> None:
    """``<name>_at_threshold``: a name of its own, so that no rule about the metric means every threshold."""
    metric = DECORATED[name]

    def compute(state: ScoreState, settings: Settings) -> list[dict[str, Any]]:
        return [row for row in threshold_rows(state, settings) if row["metric"] == f"{name}{SUFFIX}"]

    compute.__doc__ = f"{name} if scores at or above a threshold, its class, counted as positive."
    compute.__module__, compute.__qualname__ = __name__, f"{name}{SUFFIX}"
    about: dict[str, Any] = {"range": metric.range, "worse": metric.worse, "needs": ("score", "label", "threshold")}
    model_metric(f"{name}{SUFFIX}", tasks=("binary",), by_stage=True, **about)(compute)


for _name in (*METRICS, "cost_loss"):
    _define(_name)


def at_threshold(state: ScoreState, threshold: float) -> ConfusionState:
    """Labels against scores at or above an edge of the grid.

    >>> state = ScoreState.empty().update([True, False, True], [0.9, 0.4, 0.3])
    >>> at_threshold(state, 1.0).cell("1", "0")
    2
    """
    edge = int(np.searchsorted(state.grid.edges, threshold))
    first = 2 * edge + 1  # the cell of the edge itself: scores that equal it count as positive
    sides = (state.negatives, state.positives)
    rows = np.array([part.sum() for side in sides for part in (side[:first], side[first:])])
    kept = np.flatnonzero(rows)
    labels, guesses, counted = np.array([0, 0, 1, 1])[kept], np.array([0, 1, 0, 1])[kept], rows[kept]
    matches = rows[0].item() + rows[3].item()
    return ConfusionState(("0", "1"), labels, guesses, counted, matches, 0, False)


def threshold_rows(state: ScoreState, settings: Settings) -> Iterator[dict[str, Any]]:
    """Precision, recall, F and costs at thresholds from 0.05 to 0.95, each a class, where the grid has them as edges."""
    effective = state.effective()
    if not state.scored:
        return
    for threshold in SWEPT:
        edge = int(np.searchsorted(state.grid.edges, threshold))
        if edge >= state.grid.edges.size or state.grid.edges[edge] != threshold:
            continue
        confusion = at_threshold(effective, threshold)
        intervals = {name: function(confusion) for name, function in METRICS.items()}
        cost = cost_loss(confusion, settings)
        for name, one in {**intervals, **({} if cost is None else {"cost_loss": cost})}.items():
            numbers = {key: getattr(one, key) for key in ("value", "value_error", "lower", "upper", "status")}
            message = one.message if effective is state else in_rows(one.message, confusion.count, state.scored)
            about = {"metric": f"{name}{SUFFIX}", "class": f"{threshold:g}", "count": state.scored, "message": message}
            yield {**about, **numbers}
