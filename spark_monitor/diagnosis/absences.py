"""Values that are not there: the column itself, NULLs, texts without a letter."""

from __future__ import annotations

import math
from typing import Final

from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import Evidence

MISSING_STEP: Final = 5.0
"""So many more NULLs, in percent of the rows, than before and than in the baseline are missing values."""

CHANCE: Final = 2.5
"""And so many standard errors, of few rows."""


def missing(evidence: Evidence) -> Finding | None:
    """More NULLs than before, or none but NULLs."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or not now.count:
        return None
    least = max(was.percent_null, evidence.before.percent_null if evidence.before is not None else 0.0)
    p = now.percent_null / 100
    chance = 100 * CHANCE * math.sqrt(p * (1 - p) * (1 / now.count + 1 / max(was.count, 1)))
    if now.percent_null - least < max(MISSING_STEP, chance) and not (now.nulls == now.count and least < 100):
        return None
    what = f"{now.percent_null:.1f} % of its values are missing, {was.percent_null:.1f} % in the baseline"
    return Finding("missing", what, evidence="percent_null", part=now.percent_null / 100)


GONE, TYPE_CHANGED, UNREADABLE = "MISSING", "TYPE_CHANGED", "ERROR"
WHAT_CHANGED: Final = {
    GONE: ("the column is gone", "the table does not have it any more"),
    TYPE_CHANGED: ("the column has another type", "the table has changed"),
    UNREADABLE: ("the column cannot be read", "the table has changed"),
}
"""By status: what has happened to a column, and what that means where no sentence says it."""


def gone(evidence: Evidence) -> Finding | None:
    """The column is not there any more, has another type, or cannot be read.

    >>> from spark_monitor.diagnosis.looks import Look
    >>> gone(Evidence(Look(status="MISSING", message="The column is missing: it was there as int."))).what
    'the column is gone'
    """
    now = evidence.now
    if now is None or now.status not in WHAT_CHANGED:
        return None
    what, otherwise = WHAT_CHANGED[now.status]
    # The sentence stands behind what has happened: as "The column was int in the baseline and is string now."
    why = (now.message or otherwise).rstrip(".").removeprefix("The column is missing: ")
    why = why[:1].lower() + why[1:] if why.startswith("The ") else why
    return Finding("schema_change", what, why, evidence="status")


def emptied(evidence: Evidence) -> Finding | None:
    """More texts without a letter than before."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or now.mean is not None or not now.filled:
        return None
    share, usual = max(now.share(""), evidence.measured("percent_empty") / 100), was.share("")
    if 100 * (share - usual) < MISSING_STEP:
        return None
    what = f"{100 * share:.1f} % of its strings are empty, {100 * usual:.1f} % in the baseline"
    return Finding("missing", what, evidence="percent_empty", part=share)
