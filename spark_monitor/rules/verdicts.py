"""What a rule says of a number that is known up to an interval. No Spark: `judge` applies it to the rows of a run.

A verdict is certain or it is not given: FAIL and WARN where the whole interval lies beyond the limit, PASS where the whole
interval lies on the right side of the first limit, UNDECIDED between, NO_DATA and ERROR where there is no number to judge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.rules import RuleConfig
from spark_monitor.config.thresholds import Threshold

Verdict = Literal["PASS", "WARN", "FAIL", "UNDECIDED", "NO_DATA", "ERROR"]
LimitName = Literal["warn", "fail"]
Why = Literal["status", "too_few", "no_value", "no_such_limit", "interval"]

ABSENT: Final = "ABSENT"
"""The status of a number that a rule asks for and that no table holds."""
BROKEN: Final = frozenset({"ERROR", "MISSING", "TYPE_CHANGED"})
"""Statuses of a column that should be there and cannot be judged: somebody has to look."""
UNJUDGED: Final = frozenset({"NO_BASELINE", "NO_LABELS", ABSENT})
"""Statuses that make every number beside them meaningless."""
EMPTY: Final = "EMPTY"

CRAMERS_V: Final = "chi_squared_test"
"""The metric that is judged by Cramer's V: the statistic grows with the rows, and at millions of rows every p-value is 0."""


@dataclass(frozen=True)
class Measurement:
    """A number of one window, version, slice and column, as the tables of metrics hold it.

    ``value`` lies in [``lower``, ``upper``]; None or NaN is a bound that is not known. ``expected_value`` is what the metric
    would be without any drift, ``label_coverage`` the share of rows that have a label.
    """

    metric: str
    column_name: str = TABLE_ROW
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    count: int | None = None
    status: str = "OK"
    message: str | None = None
    family: str = "profile"
    class_name: str | None = None
    slice_key: str | None = None
    slice_value: str | None = None
    expected_value: float | None = None
    label_coverage: float | None = None
    label_status: str | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds with the value inside; infinite where one is not known."""
        value = known(self.value)
        lower, upper = known(self.lower), known(self.upper)
        low = -math.inf if lower is None else lower
        high = math.inf if upper is None else upper
        return (low, high) if value is None else (min(low, value), max(high, value))

    def within_slice(self, key: str | None, value: str | None) -> Measurement:
        """This number as one of a slice."""
        return replace(self, slice_key=key, slice_value=value)


@dataclass(frozen=True)
class Ruling:
    """A verdict, why, and the limit that decided it or could not be decided; ``open_fail``: a WARN that may be a FAIL."""

    verdict: Verdict
    why: Why
    limit: LimitName | None = None
    open_fail: bool = False


def known(number: float | None) -> float | None:
    """The number, None where it is not one.

    >>> known(1.0), known(float("nan"))
    (1.0, None)
    """
    return None if number is None or math.isnan(number) else number


def certainly_broken(limit: Threshold, lower: float, upper: float) -> bool:
    """Whether every number of [lower, upper] lies on the limit's forbidden side.

    >>> from spark_monitor.config.thresholds import parse_threshold
    >>> certainly_broken(parse_threshold(0.1), 0.1, 0.3), certainly_broken(parse_threshold(">= 0.1"), 0.1, 0.3)
    (False, True)
    """
    return limit.is_broken_by(lower if limit.is_upper else upper)


def certainly_kept(limit: Threshold, lower: float, upper: float) -> bool:
    """Whether no number of [lower, upper] lies on the limit's forbidden side.

    >>> from spark_monitor.config.thresholds import parse_threshold
    >>> certainly_kept(parse_threshold("< 0.65"), 0.65, 0.7), certainly_kept(parse_threshold("< 0.65"), 0.64, 0.7)
    (True, False)
    """
    return not limit.is_broken_by(upper if limit.is_upper else lower)


def against_limits(rule: RuleConfig, lower: float, upper: float) -> Ruling:
    """The verdict on an interval: beyond fail, else beyond warn, else certainly short of the first limit, else undecided.

    >>> against_limits(RuleConfig(metric="ks", warn=0.05, fail=0.1), 0.07, 0.12)
    Ruling(verdict='WARN', why='interval', limit='warn', open_fail=True)
    """
    if rule.fail is not None and certainly_broken(rule.fail, lower, upper):
        return Ruling("FAIL", "interval", "fail")
    if rule.warn is not None and certainly_broken(rule.warn, lower, upper):
        open_fail = rule.fail is not None and not certainly_kept(rule.fail, lower, upper)
        return Ruling("WARN", "interval", "warn", open_fail)
    name, limit = first_limit(rule)
    verdict: Verdict = "PASS" if certainly_kept(limit, lower, upper) else "UNDECIDED"
    return Ruling(verdict, "interval", name)


def first_limit(rule: RuleConfig) -> tuple[LimitName, Threshold]:
    """The limit that a growing number reaches first: warn where the rule has one."""
    if rule.warn is not None:
        return "warn", rule.warn
    if rule.fail is None:
        raise ValueError(f"rule for {rule.metric}: neither warn nor fail.")
    return "fail", rule.fail


def ruling(found: Measurement, rule: RuleConfig) -> Ruling:
    """What the rule says of a measurement; never PASS where there is nothing to judge.

    >>> rule = RuleConfig(metric="ks", fail=0.1, min_count=500)
    >>> ruling(Measurement("ks", "a", 0.02, 0.01, 0.03, count=120), rule).verdict
    'NO_DATA'
    >>> ruling(Measurement("ks", "a", 0.2, 0.15, 0.25, count=5000), rule).verdict
    'FAIL'
    """
    if found.status in BROKEN:
        return Ruling("ERROR", "status")
    if found.status in UNJUDGED:
        return Ruling("NO_DATA", "status")
    if rule.metric == CRAMERS_V and not _within_range(rule, 0.0, 1.0):
        return Ruling("ERROR", "no_such_limit")
    if rule.min_count is not None and (found.count is None or found.count < rule.min_count):
        return Ruling("NO_DATA", "too_few")
    if known(found.value) is None:
        return Ruling("NO_DATA", "no_value")
    given = against_limits(rule, *found.interval)
    # An empty window or slice breaks a rule about its number of rows, and keeps none.
    if found.status == EMPTY and given.verdict not in ("FAIL", "WARN"):
        return Ruling("NO_DATA", "status")
    return given


def _within_range(rule: RuleConfig, lowest: float, highest: float) -> bool:
    return all(lowest <= limit.value <= highest for limit in (rule.warn, rule.fail) if limit is not None)


def expected(rule: RuleConfig) -> str:
    """What the rule allows, and its limits as they are written.

    >>> expected(RuleConfig(metric="ks", warn=0.05, fail=0.1)), expected(RuleConfig(metric="r2_score", fail="< 0.65"))
    ('<= 0.1 (warn > 0.05, fail > 0.1)', '>= 0.65 (fail < 0.65)')
    """
    limits = [f"{name} {limit.text()}" for name, limit in (("warn", rule.warn), ("fail", rule.fail)) if limit is not None]
    last = rule.fail or first_limit(rule)[1]
    opposite = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}[last.operator]
    return f"{opposite} {last.value:.15g} ({', '.join(limits)})"
