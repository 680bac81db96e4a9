"""What a rule says of a number that is known up to an interval. No Spark: `judge` applies it to the rows of a run.

A verdict is certain or it is not given: FAIL and WARN where the whole interval lies beyond the limit, PASS where the whole
interval lies on the right side of the first limit, UNDECIDED between, NO_DATA and ERROR where there is no number to judge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.limits import History, Learned
from spark_monitor.config.rules import RuleConfig
from spark_monitor.config.thresholds import Threshold
from spark_monitor.rules.ends import Ends, Flags
from spark_monitor.rules.limits import Bounds, Floats, opposite

Verdict = Literal["PASS", "WARN", "FAIL", "UNDECIDED", "NO_DATA", "ERROR"]
LimitName = Literal["warn", "fail"]
Why = Literal["status", "too_few", "no_value", "no_such_limit", "no_limit", "chance", "many", "interval"]
Strings = npt.NDArray[np.object_]

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
    would be without any drift, ``label_coverage`` the fraction of rows that have a label.
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
    baseline_name: str | None = None
    estimated: bool = False

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds with the value inside; infinite where one is not known."""
        value = not_nan(self.value)
        lower, upper = not_nan(self.lower), not_nan(self.upper)
        low = -math.inf if lower is None else lower
        high = math.inf if upper is None else upper
        return (low, high) if value is None else (min(low, value), max(high, value))


@dataclass(frozen=True)
class Ruling:
    """A verdict, why, and the limit that decided it or could not be decided; ``open_fail``: a WARN that may be a FAIL."""

    verdict: Verdict
    why: Why
    limit: LimitName | None = None
    open_fail: bool = False


@dataclass(frozen=True)
class Held:
    """What one number is held against: the limits as numbers, and what is known of the rows that it takes to judge it.

    ``gap`` says why a limit that moves is not known; ``chance`` is what the metric reaches by chance alone in so few rows.
    """

    warn: Bounds | None = None
    fail: Bounds | None = None
    gap: str | None = None
    chance: float = math.nan
    needed: int | None = None

    @classmethod
    def of(cls, rule: RuleConfig) -> Held:
        """The limits of a rule that stand in its file; those that move are not among them."""
        warn, fail = (Bounds.fixed(limit) if isinstance(limit, Threshold) else None for limit in (rule.warn, rule.fail))
        return cls(warn, fail)

    @property
    def first(self) -> tuple[LimitName, Bounds]:
        """The limit that a growing number reaches first: warn where there is one."""
        if self.warn is not None:
            return "warn", self.warn
        if self.fail is None:
            raise ValueError("neither warn nor fail.")
        return "fail", self.fail


@dataclass(frozen=True, eq=False)
class Numbers:
    """S numbers to be judged: NaN where a value, a bound or a count is not known."""

    value: Floats
    lower: Floats
    upper: Floats
    count: Floats
    status: Strings


@dataclass(frozen=True, eq=False)
class Rulings:
    """S verdicts with what `Ruling` says of one."""

    verdict: Strings
    why: Strings
    limit: Strings
    open_fail: Flags

    def at(self, place: int) -> Ruling:
        """One of them."""
        limit = self.limit[place]
        return Ruling(self.verdict[place], self.why[place], limit, bool(self.open_fail[place]))


def not_nan(number: float | None) -> float | None:
    """The number, None where it is not one.

    >>> not_nan(1.0), not_nan(float("nan"))
    (1.0, None)
    """
    return None if number is None or math.isnan(number) else number


def rulings(
    numbers: Numbers,
    warn: Ends,
    fail: Ends,
    *,
    min_count: Floats,
    chance: Floats,
    gap: Flags,
    noisy: Flags,
    no_such_limit: Flags,
) -> Rulings:
    """The verdicts on S numbers; never PASS where there is nothing to judge.

    ``min_count`` and ``chance`` are NaN where a rule asks for no number of rows and where chance is not known, ``gap`` is where
    a limit that moves is not known, ``no_such_limit`` where the metric can never reach the rule's. Where the first limit is
    ``noisy``, chance is in it as in the number: a value that keeps it passes, whatever its interval.
    """
    low = np.where(np.isnan(numbers.lower), -np.inf, np.fmin(numbers.lower, numbers.value))
    high = np.where(np.isnan(numbers.upper), np.inf, np.fmax(numbers.upper, numbers.value))
    has_warn = warn.given
    least, most = np.where(noisy, numbers.value, low), np.where(noisy, numbers.value, high)
    fails, warns = fail.broken(low, high), warn.broken(low, high)
    # A fail limit may forbid a number that warn allows: warn above 0.1, fail from 0.1 on.
    warn_kept, fail_kept = warn.kept(least, most), fail.kept(least, most)
    kept = warn_kept & fail_kept
    verdict = np.where(fails, "FAIL", np.where(warns, "WARN", np.where(kept, "PASS", "UNDECIDED"))).astype(object)
    by_fail = fails | (~warns & warn_kept & ~fail_kept)
    limit = np.where(by_fail, "fail", np.where(warns | has_warn, "warn", "fail")).astype(object)
    why = np.full(verdict.shape, "interval", dtype=object)
    open_fail = warns & ~fails & fail.given & ~fail.kept(low, high)
    first = np.where(has_warn, np.fmin(warn.above, np.inf), fail.above)
    by_chance = (verdict == "UNDECIDED") & ~noisy & np.isnan(min_count) & (chance >= first)
    empty = (numbers.status == EMPTY) & ~fails & ~warns
    unjudged, broken = _among(numbers.status, UNJUDGED), _among(numbers.status, BROKEN)
    # Later reasons take precedence over earlier ones.
    for where, name, reached in (
        (by_chance, "chance", "NO_DATA"),
        (empty, "status", "NO_DATA"),
        (gap & ~fails, "no_limit", "NO_DATA"),
        (np.isnan(numbers.value), "no_value", "NO_DATA"),
        (~np.isnan(min_count) & ~(numbers.count >= min_count), "too_few", "NO_DATA"),
        (no_such_limit, "no_such_limit", "ERROR"),
        (unjudged, "status", "NO_DATA"),
        (broken, "status", "ERROR"),
    ):
        verdict[where], why[where], limit[where], open_fail[where] = reached, name, None, False
    return Rulings(verdict, why, limit, open_fail)


def _among(statuses: Strings, names: frozenset[str]) -> Flags:
    flags = np.zeros(statuses.shape, dtype=np.bool_)
    for name in names:
        flags |= statuses == name
    return flags


def is_noisy(rule: RuleConfig) -> bool:
    """Whether the first limit of a rule is made of other windows' numbers, which chance moves as it moves this one's."""
    return isinstance(rule.limits[0], Learned | History)


def out_of_reach(rule: RuleConfig) -> bool:
    """Whether a rule about Cramer's V has a limit that no Cramer's V can be."""
    limits = (limit for limit in rule.limits if isinstance(limit, Threshold))
    return rule.metric == CRAMERS_V and not all(0.0 <= limit.value <= 1.0 for limit in limits)


def ruling(measurement: Measurement, rule: RuleConfig, held: Held | None = None) -> Ruling:
    """What the rule says of one measurement.

    >>> rule = RuleConfig(metric="ks", fail=0.1, min_count=500)
    >>> ruling(Measurement("ks", "a", 0.02, 0.01, 0.03, count=120), rule).verdict
    'NO_DATA'
    >>> ruling(Measurement("ks", "a", 0.2, 0.15, 0.25, count=5000), rule).verdict
    'FAIL'
    """
    held = held or Held.of(rule)

    def one(number: float | None) -> Floats:
        return np.array([math.nan if number is None else number], dtype=np.float64)

    numbers = Numbers(
        one(measurement.value),
        one(measurement.lower),
        one(measurement.upper),
        one(measurement.count),
        np.array([measurement.status], dtype=object),
    )
    return rulings(
        numbers,
        Ends.of([held.warn]),
        Ends.of([held.fail]),
        min_count=one(rule.min_count),
        chance=one(held.chance),
        gap=np.array([held.gap is not None]),
        noisy=np.array([is_noisy(rule)]),
        no_such_limit=np.array([out_of_reach(rule)]),
    ).at(0)


def expected(rule: RuleConfig, held: Held | None = None) -> str:
    """What the rule allows, and its limits: as they are written, or the numbers that they have moved to and why.

    >>> expected(RuleConfig(metric="ks", warn=0.05, fail=0.1)), expected(RuleConfig(metric="r2_score", fail="< 0.65"))
    ('<= 0.1 (warn > 0.05, fail > 0.1)', '>= 0.65 (fail < 0.65)')
    >>> rule = RuleConfig.model_validate({"metric": "count", "fail": {"history": 8, "sigma": 4}})
    >>> expected(rule, Held(fail=Bounds.between(980.0, 1020.0, "the 8 windows before")))
    '>= 980 and <= 1020 (fail < 980 or > 1020: the 8 windows before)'
    >>> expected(rule, Held(fail=Bounds(source="what chance alone reaches")))
    '(fail: what chance alone reaches)'
    """
    held = held or Held.of(rule)
    given = [(name, bounds) for name, bounds in (("warn", held.warn), ("fail", held.fail)) if bounds is not None]
    unknown = [
        f"{name}: {limit.text()}"
        for name, limit, bounds in (("warn", rule.warn, held.warn), ("fail", rule.fail, held.fail))
        if limit is not None and bounds is None and not isinstance(limit, Threshold)
    ]
    # Of what no number of rows could break, only where the limit comes from is known.
    texts = [(f"{name} {bounds.text()}".rstrip(), bounds.source) for name, bounds in given]
    limits = [f"{text}: {source}" if source else text for text, source in texts] + unknown
    if not given or not given[-1][1].sides():
        return f"({', '.join(limits)})"
    allowed = " and ".join(f"{opposite(side.operator)} {side.value:.15g}" for side in given[-1][1].sides())
    return f"{allowed} ({', '.join(limits)})"
