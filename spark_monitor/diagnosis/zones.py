"""Hours of the day in another time zone: the same hours, each so many later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import Evidence, Look

HOURS: Final = 24
LEAST_ROWS: Final = 50
LEAST_HOURS: Final = 8
MOVED: Final = 0.15
"""Two days' courses that differ by less, in shares of the rows, are the same."""

EXPLAINED: Final = 0.4
"""The rotation must leave at most this part of the difference, beside noise."""


def rotated_hours(evidence: Evidence) -> Finding | None:
    """A column of hours from 0 to 23 of which the baseline's course of the day comes some hours earlier or later."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or min(now.filled, was.filled) < LEAST_ROWS:
        return None
    before, current = hours_of(was), hours_of(now)
    if before is None or current is None:
        return None
    left = np.array([np.abs(np.roll(before, shift) - current).sum() / 2 for shift in range(HOURS)])
    best, noise = int(left.argmin()), math.sqrt(HOURS / min(now.filled, was.filled)) / 2
    if best == 0 or left[0] < MOVED + noise or left[best] > EXPLAINED * left[0] + noise:
        return None
    hours = best if best <= HOURS // 2 else best - HOURS
    what = f"its hours of the day are those of the baseline {'+' if hours > 0 else '-'} {abs(hours)} hours"
    return Finding("unit_change", what, "another time zone", evidence="quantiles")


def hours_of(look: Look) -> Floats | None:
    """The share of each hour, from the percentiles; None for a column that is no hour of the day."""
    values = np.asarray(look.quantiles, dtype=np.float64)
    if values.size != 101 or not ((values == np.round(values)) & (values >= 0) & (values < HOURS)).all():
        return None
    shares = np.bincount(values.astype(np.int64), minlength=HOURS)[:HOURS] / values.size
    frequent: Sequence[tuple[float, int]] = [(value, rows) for value, rows in look.atoms.items() if 0 <= value < HOURS]
    for value, rows in frequent:
        shares[int(value)] = rows / look.filled
    return shares if (shares > 0).sum() >= LEAST_HOURS else None
