"""Metrics of ranked groups, such as the answers to queries (`groups:`): how near the top the relevant rows stand.

Where rows have weights, a group's is the mean of its rows'.
"""

from __future__ import annotations

import math

from spark_monitor.scores.metric import Task, scored
from spark_monitor.scores.metric_value import ALL_NULL, NO_LABELS, MetricValue, metric_value, undefined
from spark_monitor.states.grouped import HIT, MAP, MRR, NDCG, GroupedState
from spark_monitor.states.proportions import student, wilson
from spark_monitor.text.formatting import counted

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
RANKED = ("groups", "label")


def _mean(state: GroupedState, metric: int) -> MetricValue:
    """The mean over groups, with Student's interval, Wilson's of a fraction at least."""
    if not state.rows:
        if not state.unranked:
            return undefined(0, "There is no labelled row.", status=NO_LABELS)
        message = f"None of the {state.unranked:,} labelled rows has a score, a group and a finite label."
        return undefined(0, message, status=ALL_NULL)
    if not state.groups:
        return undefined(state.rows, f"None of the {state.without:,} groups has a relevant row.")
    if not state.total:
        return undefined(state.rows, f"The {state.groups:,} groups with a relevant row have no weight.")
    # So many groups of equal weight know as much.
    n = state.worth
    low, high, squares = (float(total) / state.total for total in state.sums[metric])
    value, error = (low + high) / 2, (high - low) / 2
    variance = max(squares - value * value, 0.0) * n / (n - 1) if n > 1 else math.inf
    normal, fraction = student(value, variance, n), wilson(value * n, n)
    # A mean of numbers from 0 to 1 varies at most as a fraction does; where all groups agree the fraction still says how far.
    bounds = (normal if variance > 0 else (float(fraction[0]), float(fraction[1]))) if n > 1 else (0.0, 1.0)
    left = f"Left out: {counted(state.without, 'group')} without a relevant row." if state.without else None
    return metric_value(
        value, (bounds[0] - error, bounds[1] + error), state.groups, within=(0.0, 1.0), value_error=error, message=left
    )


@scored("ndcg_at_k", *TASKS, state=GroupedState, needs=RANKED)
def ndcg_at_k(state: GroupedState) -> MetricValue:
    """Mean over groups of the discounted gain of the first k rows, over that of the best order.

    Gain is the relevance itself (nothing where it is negative), the discount log2(rank + 1), equal scores count as their mean:
    scikit-learn's ``ndcg_score`` (Jarvelin and Kekalainen 2002; McSherry and Najork 2008 for ties).
    """
    return _mean(state, NDCG)


@scored("map_at_k", *TASKS, state=GroupedState, needs=RANKED)
def map_at_k(state: GroupedState) -> MetricValue:
    """Mean over groups of the average precision of the first k rows: the precisions at relevant ranks over all relevant rows."""
    return _mean(state, MAP)


@scored("mrr", *TASKS, state=GroupedState, needs=RANKED)
def mrr(state: GroupedState) -> MetricValue:
    """Mean over groups of one over the rank of the first relevant row.

    >>> import numpy as np
    >>> state = GroupedState.empty(10).update(np.array([7, 7]), np.array([0.9, 0.5]), np.array([0.0, 1.0]))
    >>> mrr(state).value
    0.5
    """
    return _mean(state, MRR)


@scored("hit_rate_at_k", *TASKS, state=GroupedState, needs=RANKED)
def hit_rate_at_k(state: GroupedState) -> MetricValue:
    """Share of groups that have a relevant row among their first k."""
    return _mean(state, HIT)
