"""Limits of rules against what their metrics can be."""

from __future__ import annotations

import math

import pytest

from spark_monitor.check_rules import limit_findings
from spark_monitor.config import RuleConfig
from spark_monitor.rules import KNOWN_METRICS, RANGES


def found(metric: str, limit: str) -> list[str]:
    return [finding.where for finding in limit_findings([RuleConfig.model_validate({"metric": metric, "fail": limit})])]


@pytest.mark.parametrize("metric", RANGES)
def test_a_limit_at_or_beyond_the_end_of_a_range_is_said_and_one_within_is_not(metric: str) -> None:
    assert metric in KNOWN_METRICS
    least, greatest = RANGES[metric]
    assert least < greatest
    if math.isfinite(greatest):
        assert found(metric, f"> {greatest}") == found(metric, f">= {greatest + 0.5}") == ["rules[0].fail"]
        assert found(metric, f">= {greatest}") == found(metric, f"> {greatest - 0.5}") == []
    if math.isfinite(least):
        assert found(metric, f"< {least}") == found(metric, f"<= {least - 0.5}") == ["rules[0].fail"]
        assert found(metric, f"<= {least}") == found(metric, f"< {least + 0.5}") == []


def test_a_metric_that_can_be_anything_has_no_limit_out_of_reach() -> None:
    for metric in set(KNOWN_METRICS) - set(RANGES):
        assert found(metric, "> 1e300") == found(metric, "< -1e300") == []


def test_both_limits_of_a_rule_are_looked_at() -> None:
    rule = RuleConfig.model_validate({"metric": "r2_score", "warn": "> 1", "fail": "> 2"})
    assert [str(finding).split(":")[0] for finding in limit_findings([rule])] == ["rules[0].warn", "rules[0].fail"]
