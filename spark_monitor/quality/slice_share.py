"""Whether a population grew or shrank: a slice's fraction of the rows against its fraction of the baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spark_monitor.catalogue.interval import Integers, Interval
from spark_monitor.catalogue.metric import quality_metric
from spark_monitor.quality.column_block import NO_BASELINE, UNDEFINED, statuses, with_status
from spark_monitor.states.proportions import wilson


@dataclass(frozen=True, eq=False)
class ShareBlock:
    """S slices: their rows, and the rows of the whole window that they are part of."""

    count: Integers
    whole: Integers


@quality_metric("slice_share_shift", family="drift", columns=(":table",), range=(-1.0, 1.0), worse="both")
def slice_share_shift(current: ShareBlock, baseline: ShareBlock) -> Interval:
    """The slice's fraction of the rows minus its fraction of the baseline's: above 0 over-, below 0 under-represented.

    The interval is Newcombe's of a difference of two proportions, from Wilson's of each: Newcombe, "Interval estimation for the
    difference between independent proportions" (1998), method 10.
    """
    status, message = statuses(current.count.size)
    status[baseline.whole == 0], message[baseline.whole == 0] = NO_BASELINE, "The baseline has no rows to compare shares with."
    status[current.whole == 0], message[current.whole == 0] = UNDEFINED, "There are no rows."
    with np.errstate(invalid="ignore", divide="ignore"):
        now, before = current.count / current.whole, baseline.count / baseline.whole
    low, high = wilson(current.count, current.whole)
    old_low, old_high = wilson(baseline.count, baseline.whole)
    value = now - before
    lower = value - np.hypot(now - low, old_high - before)
    upper = value + np.hypot(high - now, before - old_low)
    details = [
        {"share": f"{fraction:.6g}", "baseline_share": f"{old:.6g}"} if fine == "OK" else None
        for fraction, old, fine in zip(now.tolist(), before.tolist(), status.tolist(), strict=True)
    ]
    return with_status(value, np.maximum(lower, -1.0), np.minimum(upper, 1.0), status, message, current.whole, details)
