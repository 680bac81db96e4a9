"""Whether the labels are spread as they were in the baseline: a changed prior, which is no fault of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from spark_monitor.catalogue.interval import Floats, Integers, Interval
from spark_monitor.catalogue.metric import NOT_NEGATIVE, drift_metric
from spark_monitor.distances.class_shares import shares_moved

_Z = float(ndtri(0.975))


@dataclass(frozen=True, eq=False)
class LabelBlock:
    """S sets of labels: of classes their ``counts`` int64[S, K], of numbers ``count``, ``mean`` and ``deviation`` (sample)."""

    count: Integers
    counts: Integers | None = None
    mean: Floats | None = None
    deviation: Floats | None = None


@drift_metric("label_shift", columns=(":table",), range=NOT_NEGATIVE, needs=("label",))
def label_shift(baseline: LabelBlock, current: LabelBlock) -> Interval:
    """How far the labels that have come are from the baseline's labels.

    Of classes total variation, from 0 to 1: the largest difference in probability of any set of classes (of two classes that of
    the positive one). Of numbers the difference of the means in the baseline's standard deviations, without its sign. The
    interval holds the sampling error of both sides, 95 %. Labels that are missing belong to no class: where not all have come,
    those that come late may be others. Labels of rows without a prediction are not counted.

    >>> before, now = LabelBlock(np.array([100]), np.array([[50, 50]])), LabelBlock(np.array([100]), np.array([[30, 70]]))
    >>> round(float(label_shift(before, now).value[0]), 3)
    0.2
    """
    exact = np.zeros(current.count.size)
    if baseline.counts is not None and current.counts is not None:
        return Interval(*shares_moved(baseline.counts, current.counts), exact, current.count)
    assert baseline.mean is not None
    assert baseline.deviation is not None
    assert current.mean is not None
    assert current.deviation is not None
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = (current.mean - baseline.mean) / baseline.deviation
        spread = (current.deviation / baseline.deviation) ** 2 / current.count + (1 + moved * moved / 2) / baseline.count
        reach = _Z * np.sqrt(spread)
    lower = np.maximum(np.abs(moved) - reach, 0.0)
    return Interval(np.abs(moved), lower, np.abs(moved) + reach, exact, current.count)
