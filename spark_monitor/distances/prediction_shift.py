"""Whether a model's predictions are spread as they were in the baseline: predicted classes and scores."""

from __future__ import annotations

import numpy as np

from spark_monitor.catalogue.interval import Interval
from spark_monitor.catalogue.metric import SHARE, drift_metric
from spark_monitor.distances.bins import Block, both_counts, same_grid
from spark_monitor.distances.class_shares import shares_moved
from spark_monitor.distances.kolmogorov_smirnov import ks_of
from spark_monitor.states.numeric_block import NumericBlock

MOST_CLASSES = 50
"""Numbers are classes where the baseline has so few different ones at most, all of them edges of its grid."""


@drift_metric("prediction_shift", columns=("answer",), range=SHARE)
def prediction_shift(baseline: Block, current: Block) -> Interval:
    """How far the model's predictions have moved from the baseline's: a row for the predicted column and one for the score.

    Of classes, as strings or as numbers of up to 50 different values, total variation: the largest difference in probability of
    any set of classes. Of scores and predicted numbers the Kolmogorov-Smirnov distance. The interval is the populations', 95 %.
    """
    if not isinstance(baseline, NumericBlock) or not isinstance(current, NumericBlock):
        return Interval(*shares_moved(*both_counts(baseline, current)), np.zeros(len(baseline)), current.count)
    ks = ks_of(baseline, current)
    error = np.fmax(ks.upper - ks.statistic, ks.statistic - ks.lower)
    value, lower, upper = ks.statistic, ks.population_lower, ks.population_upper
    if same_grid(baseline, current):
        sides = [np.column_stack([side.dense, side.nan, side.nulls]) for side in (baseline, current)]
        used = baseline.dense > 0
        classes = (used.sum(axis=1) <= MOST_CLASSES) & ~used[:, ::2].any(axis=1) & (baseline.finite > 0)
        moved = shares_moved(sides[0], sides[1])
        value, lower, upper = (np.where(classes, *both) for both in zip(moved, (value, lower, upper), strict=True))
        error = np.where(classes, 0.0, error)
    return Interval(value, lower, upper, error, current.count)
