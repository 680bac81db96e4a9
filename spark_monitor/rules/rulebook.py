"""Which rule speaks about which number: rules of one metric compete, and the most specific wins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.config.rules import RuleConfig
from spark_monitor.config.vocabulary import KNOWN_METRICS

ANY: Final = "*"
TABLE_METRICS: Final = frozenset({"count", "count_delta"})
"""Metrics whose rules for "*" are about the rows of the table: every column has the same number of them."""

_OF_NUMBERS = (
    "num_nan num_inf percent_nan percent_zeros avg stddev min max median ks wasserstein_distance avg_delta percent_zeros_delta"
)
NUMERIC_METRICS: Final = frozenset(_OF_NUMBERS.split())
"""Metrics that only columns of numbers have; a rule for "*" passes over the others."""

_ID_DIGITS = 16


@dataclass(frozen=True)
class Expectation:
    """A number that a rule makes the run owe for every whole window; ``column`` None: of any column."""

    rule: RuleConfig
    column: str | None

    @property
    def metric(self) -> str:
        """What the number is."""
        return self.rule.metric


@dataclass(frozen=True)
class Rulebook:
    """The rules of a monitor, ready to be asked: which one judges a number, and which numbers they ask for."""

    listed: Mapping[tuple[str, str], RuleConfig]
    general: Mapping[str, RuleConfig]
    expectations: tuple[Expectation, ...]
    """What every whole window owes: each listed column's metric, and each metric of a general rule at least once."""

    @classmethod
    def of(cls, rules: Sequence[RuleConfig]) -> Rulebook:
        """The book of rules in the order of their file."""
        listed = {(rule.metric, column): rule for rule in rules if rule.columns != ANY for column in rule.columns}
        general = {rule.metric: rule for rule in rules if rule.columns == ANY}
        owed = [Expectation(rule, column) for (_, column), rule in listed.items()]
        owed += [Expectation(rule, _column_of_general(metric)) for metric, rule in general.items()]
        return cls(listed, general, tuple(owed))

    def rule_for(self, metric: str, column: str) -> RuleConfig | None:
        """The rule that judges a metric of a column: one that lists the column before "*", then the later in the file.

        A rule for "*" is about columns, or about the row ``:table`` where the metric belongs to no column.

        >>> book = Rulebook.of([RuleConfig(metric="ks", fail=0.1), RuleConfig(metric="ks", columns=["a"], fail=0.2)])
        >>> book.rule_for("ks", "a").fail.value, book.rule_for("ks", "b").fail.value, book.rule_for("avg", "a")
        (0.2, 0.1, None)
        """
        rule = self.listed.get((metric, column))
        if rule is not None or metric not in self.general:
            return rule
        of_no_column = metric in TABLE_METRICS or KNOWN_METRICS[metric] == "model"
        return self.general[metric] if (column == TABLE_ROW) == of_no_column else None

    def metrics(self, family: str) -> tuple[str, ...]:
        """The metrics of a family that some rule names."""
        return tuple(dict.fromkeys(owed.metric for owed in self.expectations if owed.rule.family == family))

    def watched_columns(self) -> frozenset[str] | None:
        """The columns that some rule lists, None where a rule speaks about all.

        >>> rules = [RuleConfig(metric="count", fail="< 1"), RuleConfig(metric="avg", columns=["a"], fail=3)]
        >>> Rulebook.of(rules).watched_columns()
        frozenset({'a'})
        """
        for metric in self.general:
            if _column_of_general(metric) is None and KNOWN_METRICS[metric] != "model":
                return None
        return frozenset(column for _, column in self.listed)


def _column_of_general(metric: str) -> str | None:
    """The one row that a rule for "*" is about, None where it is about any column."""
    return TABLE_ROW if metric in TABLE_METRICS else None


def check_id(
    metric: str,
    column: str,
    *,
    granularity: str,
    model_version: str | None = None,
    slice_key: str | None = None,
    slice_value: str | None = None,
    class_name: str | None = None,
) -> str:
    """The name of one series of checks: the first 16 hex digits of the SHA-256 of what the series is about, as JSON.

    One rule judges a metric of a column, so the rule is not part of it: the series, and an incident in it, goes on when a limit
    is changed, when another rule is added or when the file is put in another order.

    >>> check_id("ks", "wind_speed", granularity="1 week")
    'bd44e825b9f1003b'
    """
    about = [granularity, model_version, slice_key, slice_value, metric, column, class_name]
    text = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]
