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


def gone(evidence: Evidence) -> Finding | None:
    """The column is not there any more, or has another type."""
    now = evidence.now
    if now is None or now.status not in ("MISSING", "TYPE_CHANGED"):
        return None
    return Finding("schema_change", now.message.rstrip(".") if now.message else "the column has changed", evidence="status")


def emptied(evidence: Evidence) -> Finding | None:
    """More texts without a letter than before."""
    now, was = evidence.now, evidence.baseline or evidence.before
    if now is None or was is None or now.mean is not None or not now.filled:
        return None
    share, usual = max(now.share(""), evidence.measured("percent_empty") / 100), was.share("")
    if 100 * (share - usual) < MISSING_STEP:
        return None
    what = f"{100 * share:.1f} % of its texts are empty, {100 * usual:.1f} % in the baseline"
    return Finding("missing", what, evidence="percent_empty", part=share)
