"""Hours of the day in another time zone: the same hours, each so many later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from spark_monitor.catalogue.interval import Floats
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import Evidence, Look
from spark_monitor.text.words import words_of

HOURS: Final = 24
LEAST_ROWS: Final = 50
LEAST_HOURS: Final = 8
MOVED: Final = 0.15
"""Two days' courses that differ by less, in shares of the rows, are the same."""

HOUR_WORDS: Final = frozenset({"hour", "hours", "hr", "hod", "stunde", "heure", "hora", "ora", "uur"})

EXPLAINED: Final = 0.4
"""The rotation must leave at most this part of the difference, beside noise."""


def rotated_hours(evidence: Evidence) -> Finding | None:
    """A column of hours from 0 to 23 of which the baseline's course of the day comes some hours earlier or later."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or min(now.filled, was.filled) < LEAST_ROWS or not is_of_a_day(was, evidence.name):
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


def is_of_a_day(look: Look, name: str) -> bool:
    """Whether a column's integers are hours of the day: its name says so, or they come from a whole day, and no more than that.

    A count of a few things has the same values, and one more of each looks like an hour later.

    >>> counts, hours = Look(least=1.0, greatest=14.0), Look(least=0.0, greatest=23.0)
    >>> is_of_a_day(counts, "items"), is_of_a_day(hours, "items"), is_of_a_day(counts, "order_hour")
    (False, True, True)
    """
    return bool(HOUR_WORDS & set(words_of(name))) or (look.least == 0 and look.greatest == HOURS - 1)


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
