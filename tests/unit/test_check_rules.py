"""Limits of rules against what their metrics can be."""

from __future__ import annotations

import math

import pytest

from spark_monitor.config.monitor import MonitorConfig
from spark_monitor.config.rules import RuleConfig
from spark_monitor.config.vocabulary import KNOWN_METRICS, RANGES
from spark_monitor.preflight.rules import limit_findings, version_findings
from spark_monitor.scores.catalogue import METRICS


def test_ranges_are_those_that_the_catalogues_state() -> None:
    stated = {metric.name: (metric.lowest, metric.highest) for metric in METRICS if metric.name in KNOWN_METRICS}
    assert len(stated) > 15
    assert {name: RANGES.get(name, (-math.inf, math.inf)) for name in stated} == stated


def found(metric: str, limit: str) -> list[str]:
    return [finding.where for finding in limit_findings([RuleConfig.model_validate({"metric": metric, "fail": limit})])]


UNBOUNDED = (-math.inf, math.inf)


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
    unbounded = [metric for metric in KNOWN_METRICS if RANGES.get(metric, UNBOUNDED) == UNBOUNDED]
    assert {"mean_error", "avg"} <= {*unbounded}
    for metric in unbounded:
        assert found(metric, "> 1e300") == found(metric, "< -1e300") == []


def test_both_limits_of_a_rule_are_looked_at() -> None:
    rule = RuleConfig.model_validate({"metric": "r2_score", "warn": "> 1", "fail": "> 2"})
    assert [str(finding).split(":")[0] for finding in limit_findings([rule])] == ["rules[0].warn", "rules[0].fail"]


def test_a_limit_that_leaves_cramers_v_unjudged_is_told_apart_from_one_that_is_never_broken() -> None:
    sentences = [
        finding.sentence
        for limit in ("> 50", "> 1")
        for finding in limit_findings([RuleConfig.model_validate({"metric": "chi_squared_test", "fail": limit})])
    ]
    assert ["nothing can be judged" in sentence for sentence in sentences] == [True, False]
    assert "can never be broken" in sentences[1]


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, ["rules[0].versions", "rules[1].versions"]),
        ({"literal": "3"}, ["rules[0].versions"]),
        ("model_version", []),
    ],
)
def test_a_rule_about_a_version_that_no_row_can_have_is_said(version: object, said: list[str]) -> None:
    predictions = {"table": "t", "id": "id", "time": "at"} | ({"model_version": version} if version is not None else {})
    config = MonitorConfig.model_validate(
        {
            "monitor": "m",
            "model": {"name": "m", "task": "none"},
            "predictions": predictions,
            "rules": [{"metric": "ks", "fail": 0.1, "versions": one} for one in (["2"], ["2", "3"])]
            + [{"metric": "ks", "fail": 0.2}],
            "outputs": {"path": "out"},
        }
    )
    findings = list(version_findings(config))
    assert [finding.where for finding in findings] == said
    assert all(finding.level == "warning" and "the rule will find no data" in finding.sentence for finding in findings)
