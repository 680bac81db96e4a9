"""Which rule speaks about which number: rules of one metric compete, and the most specific wins.

A limit above, one below and one that moves answer different questions (never below 0.65; never above 0.9; not 0.05 below the
baseline), so where rules as specific have one of each, all are held.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.catalogue.registry import catalogue
from spark_monitor.config.limits import History
from spark_monitor.config.rules import BASELINE, RuleConfig
from spark_monitor.config.vocabulary import KNOWN_METRICS
from spark_monitor.text.quoting import crossed, slice_key

ANY: Final = "*"
TABLE_METRICS: Final = frozenset({"count", "count_delta"}) | {
    metric.name for metric in catalogue().of("drift", dataset="predictions") if metric.columns == (TABLE_ROW,)
}
"""Metrics whose rules for "*" are about the rows of the table: every column has the same number of them, or none has."""

_OF_NUMBERS = "ks wasserstein_distance avg_delta percent_zeros_delta"
NUMERIC_METRICS: Final = frozenset(_OF_NUMBERS.split()) | {
    metric.name for metric in catalogue().metrics.values() if metric.columns == ("numeric",)
}
"""Metrics that only columns of numbers have; a rule for "*" passes over the others."""

OF_COLUMNS: Final = frozenset({"profile", "drift"})
"""Families whose row ``:table`` is no column: a rule for "*" passes over it."""

_OF_SINGLE_VALUES = (
    *("percent_null", "num_nulls", "percent_nan", "num_nan", "num_inf", "percent_zeros", "percent_sentinel", "percent_unseen"),
    *("percent_format_mismatch", "percent_unparsable", "percent_out_of_range"),
    *("percent_empty", "percent_whitespace", "percent_mojibake"),
)
SAID_BY_SLICES: Final = frozenset(_OF_SINGLE_VALUES)
"""Metrics of a column that its own slices say by being what they are: of rows without a value every value is missing, where it is
a placeholder every one is. What matters is how many such rows there are among all."""

SIDES: Final = ("above", "below", "moves")
"""The order of rules that judge one number, whatever their order in the file."""

_ID_DIGITS = 16
Key = tuple[str, str, str | None, str | None, str | None, str | None]


@dataclass(frozen=True)
class Expectation:
    """A number that a rule asks of every whole window; ``column`` None: of any column."""

    rule: RuleConfig
    column: str | None

    @property
    def metric(self) -> str:
        """What the number is."""
        return self.rule.metric


@dataclass(frozen=True)
class Rulebook:
    """The rules of a monitor, ready to be asked: which one judges a number, and which numbers they ask for."""

    rules: tuple[RuleConfig, ...]
    expectations: tuple[Expectation, ...]
    """What is expected of every whole window: each listed column's metric, and each metric of a general rule at least once."""
    totals: frozenset[int] = frozenset()
    """The places of rules that compare all versions' rows with the windows before: that one version is rolled out and another
    fades loses no rows."""
    _held_by_key: dict[Key, tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, rules: Sequence[RuleConfig]) -> Rulebook:
        """The book of rules in the order of their file."""
        expected: dict[tuple[str, str | None, str | None], RuleConfig] = {}
        for rule in rules:
            for column in (_column_of_general(rule.metric),) if rule.columns == ANY else rule.columns:
                before = expected.get((rule.metric, column, rule.baseline))
                # What is expected whatever the version and the class says more than what is expected of some.
                if before is None or (not rule.versions and rule.class_ is None) or before.versions or before.class_ is not None:
                    expected[rule.metric, column, rule.baseline] = rule
        totals = frozenset(place for place, rule in enumerate(rules) if is_total(rule))
        return cls(tuple(rules), tuple(Expectation(rule, column) for (_, column, _), rule in expected.items()), totals)

    def rule_for(
        self,
        metric: str,
        column: str,
        *,
        slice_key: str | None = None,
        version: str | None = None,
        class_name: str | None = None,
        baseline: str | None = None,
    ) -> RuleConfig | None:
        """The rule that judges a metric of a column: the most specific, of several such the last in the file.

        A listed column counts before a listed slice, that before a listed version, that before a class. A rule for "*" is
        about columns, or about the row ``:table`` where the metric belongs to no column; a rule with a ``baseline`` speaks
        about comparisons with that one, and without about those with the baseline.

        >>> book = Rulebook.of([RuleConfig(metric="ks", fail=0.1), RuleConfig(metric="ks", columns=["a"], fail=0.2)])
        >>> book.rule_for("ks", "a").fail.value, book.rule_for("ks", "b").fail.value, book.rule_for("avg", "a")
        (0.2, 0.1, None)
        """
        place = self.place_of((metric, column, slice_key, version, class_name, baseline))
        return None if place is None else self.rules[place]

    def place_of(self, key: Key) -> int | None:
        """The place of the rule that judges a number, by metric, column, slice key, version, class and baseline."""
        return next(iter(self.places_of(key)), None)

    def places_of(self, key: Key) -> tuple[int, ...]:
        """The places of the rules that judge a number: the most specific, and after it those as specific on other sides.

        >>> floor, fall = RuleConfig(metric="recall", fail="< 0.6"), RuleConfig(metric="recall", fail={"below_baseline": 0.1})
        >>> Rulebook.of([floor, fall]).places_of(("recall", ":table", None, None, None, None))
        (0, 1)
        """
        if key not in self._held_by_key:
            ranked = [(*rank, place) for place, rule in enumerate(self.rules) if (rank := _rank(rule, key)) is not None]
            self._held_by_key[key] = self._held(ranked)
        return self._held_by_key[key]

    def _held(self, ranked: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        if not ranked:
            return ()
        *rank, _ = max(ranked)
        last = {self.rules[place].side: place for *same, place in ranked if same == rank}
        return tuple(last[side] for side in SIDES if side in last)

    def metrics(self, *families: str) -> tuple[str, ...]:
        """The metrics that some rule names; of these families, where any are given."""
        named = (rule.metric for rule in self.rules if not families or rule.family in families)
        return tuple(dict.fromkeys(named))

    def watched_columns(self) -> frozenset[str] | None:
        """The columns that some rule lists, None where a rule speaks about all.

        >>> rules = [RuleConfig(metric="count", fail="< 1"), RuleConfig(metric="avg", columns=["a"], fail=3)]
        >>> Rulebook.of(rules).watched_columns()
        frozenset({'a'})
        """
        general = [rule for rule in self.rules if rule.columns == ANY and rule.family in OF_COLUMNS]
        if any(_column_of_general(rule.metric) is None for rule in general):
            return None
        return frozenset(column for rule in self.rules if rule.columns != ANY for column in rule.columns)


def is_total(rule: RuleConfig) -> bool:
    """Whether a rule is about the rows of all versions together.

    >>> is_total(RuleConfig.model_validate({"metric": "count", "fail": {"history": 8, "sigma": 4}}))
    True
    """
    return rule.metric == "count" and not rule.versions and any(isinstance(limit, History) for limit in rule.limits)


def _rank(rule: RuleConfig, key: Key) -> tuple[int, int, int, int] | None:
    """How specific a rule is for a number; None where it does not speak about it."""
    metric, column, sliced, version, class_name, baseline = key
    if rule.metric != metric or (rule.baseline or BASELINE) != (baseline or BASELINE):
        return None
    if rule.columns == ANY and not _is_of_any_column(rule, column):
        return None
    if metric in SAID_BY_SLICES and sliced is not None and _is_cut_by(sliced, column):
        return None
    if (rule.columns != ANY and column not in rule.columns) or (rule.versions and version not in rule.versions):
        return None
    if rule.class_ is not None and rule.class_ != class_name:
        return None
    listed = isinstance(rule.slices, tuple)
    if sliced is None:
        # Of whole windows a rule that lists slices is the least specific, one without slices the most.
        slice_rank = 0 if listed else 2 if rule.slices == "none" else 1
    elif rule.slices == "none" or (listed and sliced not in map(slice_key, rule.slices)):
        return None
    else:
        slice_rank = 2 if listed else 1
    return int(rule.columns != ANY), slice_rank, int(bool(rule.versions)), int(rule.class_ is not None)


def _is_cut_by(sliced: str, column: str) -> bool:
    """Whether a slice key is a column, or a cross of it; an expression is taken for none.

    >>> _is_cut_by("origin", "origin"), _is_cut_by("carrier, origin", "origin"), _is_cut_by("coalesce(a, origin)", "origin")
    (True, True, False)
    """
    return sliced == column or ("(" not in sliced and f", {crossed([column])}, " in f", {sliced}, ")


def _is_of_any_column(rule: RuleConfig, column: str) -> bool:
    if rule.metric in TABLE_METRICS or rule.family == "model":
        return column == TABLE_ROW
    return column != TABLE_ROW or rule.family not in OF_COLUMNS


def _column_of_general(metric: str) -> str | None:
    """The one row that a rule for "*" is about, None where it is about any column."""
    return TABLE_ROW if metric in TABLE_METRICS else None


def is_of_predictions(metric: str) -> bool:
    """Whether a metric is one of the predictions, of whose windows it is expected for every model version."""
    entry = catalogue().metrics.get(metric)
    return KNOWN_METRICS.get(metric, "custom") not in ("system", "pipeline", "cost") and (
        entry is None or entry.dataset == "predictions"
    )


SLICES_ALONE: Final = ("slice_share_shift",)


@cache
def is_of_slices(metric: str) -> bool:
    """Whether only slices have a metric, such as those of fairness: it compares them with the other rows of their window.

    >>> is_of_slices("demographic_parity_ratio"), is_of_slices("recall")
    (True, False)
    """
    return KNOWN_METRICS.get(metric) == "fairness" or metric in SLICES_ALONE


def check_id(
    metric: str,
    column: str,
    *,
    granularity: str,
    model_version: str | None = None,
    slice_key: str | None = None,
    slice_value: str | None = None,
    class_name: str | None = None,
    baseline: str | None = None,
    estimated: bool = False,
    beside: int = 0,
) -> str:
    """The name of one series of checks: the first 16 hex digits of the SHA-256 of what the series is about, as JSON.

    The rule is not part of it: the series, and an incident in it, goes on when a limit is changed, when another rule is added or
    when the file is put in another order. Where several rules judge one number, ``beside`` counts those before.

    >>> check_id("ks", "wind_speed", granularity="1 week")
    'bd44e825b9f1003b'
    """
    about: list[str | None] = [granularity, model_version, slice_key, slice_value, metric, column, class_name]
    about += [baseline, "ESTIMATED"] if estimated else [baseline] if baseline is not None else []
    about += ["BESIDE"] * beside
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]
