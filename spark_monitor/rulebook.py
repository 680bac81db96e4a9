"""Which rule speaks about which number: rules of one metric compete, and the most specific wins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from spark_monitor.config import RuleConfig
from spark_monitor.rules import Family, canonical_metric

TABLE_ROW: Final = ":table"
ANY: Final = "*"
TABLE_METRICS: Final = frozenset({"count", "count_delta"})
"""Metrics whose rules for "*" are about the rows of the table: every column has the same number of them."""

_ID_DIGITS = 16


@dataclass(frozen=True)
class Expectation:
    """A number that a rule makes the run owe for every whole window; ``column`` None: of any column."""

    family: Family
    metric: str
    column: str | None


@dataclass(frozen=True)
class Rulebook:
    """The rules of a monitor in the order of its file."""

    rules: tuple[RuleConfig, ...]

    @classmethod
    def of(cls, rules: Sequence[RuleConfig]) -> Rulebook:
        """The book of these rules."""
        return cls(tuple(rules))

    def rule_for(self, metric: str, column: str) -> RuleConfig | None:
        """The rule that judges a metric of a column: one that lists the column before "*", then the later in the file.

        >>> book = Rulebook.of([RuleConfig(metric="ks", fail=0.1), RuleConfig(metric="ks", columns=["a"], fail=0.2)])
        >>> book.rule_for("ks", "a").fail.value, book.rule_for("ks", "b").fail.value, book.rule_for("psi", "a")
        (0.2, 0.1, None)
        """
        competing = [rule for rule in self.rules if rule.metric == canonical_metric(metric)]
        listing = [rule for rule in competing if rule.columns != ANY and column in rule.columns]
        general = [rule for rule in competing if rule.columns == ANY]
        ranked = general + listing
        return ranked[-1] if ranked else None

    def metrics(self, family: Family) -> tuple[str, ...]:
        """The metrics of a family that some rule names, in the order of the file."""
        return tuple(dict.fromkeys(rule.metric for rule in self.rules if rule.family == family))

    def columns(self, metric: str) -> frozenset[str] | None:
        """The columns whose metric some rule judges; None for every column.

        >>> Rulebook.of([RuleConfig(metric="count", fail="< 1")]).columns("count")
        frozenset({':table'})
        """
        named: set[str] = set()
        for rule in self.rules:
            if rule.metric != metric:
                continue
            if rule.columns != ANY:
                named.update(rule.columns)
            elif metric in TABLE_METRICS:
                named.add(TABLE_ROW)
            else:
                return None
        return frozenset(named)

    def expectations(self) -> tuple[Expectation, ...]:
        """What every whole window owes: each listed column's metric, and each metric of a general rule at least once."""
        owed: dict[Expectation, None] = {}
        for rule in self.rules:
            columns: tuple[str | None, ...] = rule.columns if rule.columns != ANY else (None,)
            if rule.columns == ANY and rule.metric in TABLE_METRICS:
                columns = (TABLE_ROW,)
            owed.update(dict.fromkeys(Expectation(rule.family, rule.metric, column) for column in columns))
        return tuple(owed)


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
