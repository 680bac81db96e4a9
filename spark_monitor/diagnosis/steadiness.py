"""How far two looks at one column lie apart, and whether it has changed in this window."""

from __future__ import annotations

from typing import Final

import numpy as np

from spark_monitor.diagnosis.absences import MISSING_STEP
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.diagnosis.percentiles import distance

STEADY: Final = 0.1
"""A column whose distribution and missing values differ from the window before by less has not changed in this window."""


def is_steady(evidence: Evidence) -> bool:
    """Whether a column looks as it did in the window before."""
    now, before = evidence.now, evidence.before
    if now is None or before is None or abs(now.percent_null - before.percent_null) > MISSING_STEP:
        return False
    moved = apart(before, now)
    return moved is not None and moved <= STEADY


def apart(one: Look, two: Look) -> float | None:
    """How far two looks at a column lie apart: about the KS distance, of texts the total variation; None where not known."""
    if len(one.quantiles) == len(two.quantiles) == 101:
        return distance(np.array(one.quantiles), np.array(two.quantiles))
    if one.mean is not None or two.mean is not None:
        return None
    names = {*one.items, *two.items}
    return sum(abs(one.share(name) - two.share(name)) for name in names) / 2
