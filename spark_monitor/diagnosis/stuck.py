"""A source that is stuck: one value, or hardly any difference between values, where there were many."""

from __future__ import annotations

from spark_monitor.diagnosis.findings import NAMED_BY_METRIC, Finding
from spark_monitor.diagnosis.looks import LEAST_ROWS, Evidence
from spark_monitor.quality.variation import DOMINANT
from spark_monitor.text.formatting import harmless


def stuck(evidence: Evidence) -> Finding | None:
    """One value, or hardly any difference between values, where there were many."""
    now, was = evidence.now, evidence.baseline or evidence.before
    varied = was is None or (was.distinct or 0) > 1  # what held no value, or one alone, has not ceased to vary
    is_measured = evidence.measured("is_stuck") > 0 or (varied and evidence.measured("is_constant") > 0)
    if now is None or was is None or now.filled < LEAST_ROWS:
        return NAMED_BY_METRIC["is_stuck"] if is_measured else None
    value = max(now.items, key=lambda item: now.items[item], default=None)
    is_usual = value is not None and was.share(value) >= DOMINANT  # a calm period, not a source that stands still
    season = evidence.season
    is_usual |= value is not None and season is not None and season.share(value) >= DOMINANT  # nor is a night without sun
    alone = now.distinct == 1 and (was.distinct or 0) >= 5 and not is_usual
    narrow = bool(was.stddev) and now.stddev is not None and was.stddev is not None and now.stddev < 0.01 * was.stddev
    earlier = evidence.before.distinct if evidence.before is not None else was.distinct
    few = narrow and not is_usual and (now.distinct or 0) <= 0.1 * (earlier or 0)
    if not (is_measured or alone or few):
        return None
    shown = f"its value is always {harmless(value, 40)}" if alone and value is not None else "its values hardly vary any more"
    return Finding("stuck", shown, "a stuck source", evidence="distinct_count")
