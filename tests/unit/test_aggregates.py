"""SQL of custom metrics: what is understood, what is refused with a sentence, and the intervals against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from spark_monitor.config.aggregates import parse_aggregate, parse_derived
from spark_monitor.errors import ConfigError
from spark_monitor.states.ratios import count_bounds, ratio_bounds


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("avg(x)", "ratio"),
        ("sum(x) / count(*)", "ratio"),
        ("sum(x) / sum(y)", "ratio"),
        ("count_if(x > 1) / count(*)", "ratio"),
        ("sum(x)", "sum"),
        ("count(*)", "count"),
        ("count(DISTINCT x)", "other"),
        ("percentile(x, 0.9)", "other"),
        ("sum(x) FILTER (WHERE y > 0)", "other"),
        ("max(`an odd name`) - min(x)", "other"),
    ],
)
def test_the_form_of_an_aggregate_is_seen(text: str, form: str) -> None:
    assert parse_aggregate(text).form == form


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a + 1", "aggregates nothing"),
        ("sum(a) + b", "stands outside an aggregate"),
        ("sum(a) FROM secrets", "no SQL expression"),
        ("sum((SELECT max(x) FROM secrets))", "without subquery"),
        ("sum(a) OVER (PARTITION BY b)", "without subquery"),
        ("count(*) UNION SELECT 1", "without subquery"),
        ("sum(a); DROP TABLE t", "without comments and without a semicolon"),
        ("sum(a) -- nothing", "without comments"),
        ("sum(java_method('java.lang.System', 'exit', 1))", "java_method is not allowed"),
        ("sum(rand())", "is not allowed"),
        ("percentile_cont(0.9) WITHIN GROUP (ORDER BY a DESC)", "which orders the rows"),
        ("sum(", "no SQL expression"),
    ],
)
def test_what_is_no_aggregate_over_the_rows_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence.replace("(", "\\(")):
        parse_aggregate(text)


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("sum(a) / sum(b) / 2", "TRY_DIVIDE(TRY_DIVIDE(SUM(a), SUM(b)), 2)"),
        ("sum(a) div count(b)", "SUM(a) DIV NULLIF(COUNT(b), 0)"),
        ("sum(a % b)", "SUM(a % NULLIF(b, 0))"),
        ("mod(sum(a), count(b))", "SUM(a) % NULLIF(COUNT(b), 0)"),
        ("sum(pmod(a, b))", "SUM(PMOD(a, NULLIF(b, 0)))"),
        ("sum(CAST(a AS INT) / b) / count(*)", "TRY_DIVIDE(SUM(TRY_DIVIDE(TRY_CAST(a AS INT), b)), COUNT(*))"),
    ],
)
def test_no_division_or_remainder_within_another_can_end_a_run(text: str, sql: str) -> None:
    assert parse_aggregate(text).sql == sql


def test_sparks_other_names_of_aggregates_are_known() -> None:
    assert parse_aggregate("mean(x)") == parse_aggregate("avg(x)")
    assert parse_aggregate("std(x) + 1").sql == "STDDEV(x) + 1"
    with pytest.raises(ConfigError, match="leave AS out"):
        parse_aggregate("sum(x) AS y")


@pytest.mark.parametrize("text", ["a", "previous.a", "(baseline.a)"])
def test_a_metric_may_be_derived_of_one_alone(text: str) -> None:
    assert parse_derived(text, ["a"]).sql == "(v0)"


def test_divisions_and_casts_cannot_end_a_run() -> None:
    assert parse_aggregate("sum(CAST(x AS INT)) / sum(y)").sql == "TRY_DIVIDE(SUM(TRY_CAST(x AS INT)), SUM(y))"


def test_a_derived_metric_names_metrics_alone() -> None:
    names = {(root, name) for root, name, _ in parse_derived("a / baseline.a - previous.b", ["a", "b"]).columns}
    assert names == {(None, "a"), ("baseline", "a"), ("previous", "b")}
    with pytest.raises(ConfigError, match="Allowed: a, b"):
        parse_derived("a - c", ["a", "b"])
    with pytest.raises(ConfigError, match="Allowed before a metric: baseline, previous"):
        parse_derived("other.a", ["a"])


def sums_of(x: np.ndarray, y: np.ndarray) -> list[list[float]]:
    """What SQL sums of a ratio's two sides."""
    products = [(x * x).sum(), (x * y).sum(), (y * y).sum()]
    central = np.cov(x, y, ddof=0)[[0, 0, 1], [0, 1, 1]]
    return [[float(one)] for one in (x.size, x.sum(), y.sum(), *products, *central)]


def test_the_interval_of_a_mean_is_students_and_that_of_a_share_is_wilsons() -> None:
    values = np.random.default_rng(5).gamma(2.0, 3.0, 40)
    low, high = ratio_bounds(*sums_of(values, np.ones(40)))
    assert (low[0], high[0]) == pytest.approx(stats.t.interval(0.95, 39, values.mean(), stats.sem(values)), rel=1e-9)
    low, high = ratio_bounds([30.0], [14.0], [30.0], [14.0], [14.0], [30.0], [0.25], [0.0], [0.0])
    wilson = stats.binomtest(14, 30).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((wilson.low, wilson.high), rel=1e-9)


@pytest.mark.parametrize("center", [1e6, -1e9, 1.7e12])
def test_the_interval_of_a_mean_far_from_zero_is_students(center: float) -> None:
    values = center + np.random.default_rng(6).normal(size=400)
    low, high = ratio_bounds(*sums_of(values, np.ones(400)))
    assert high[0] - low[0] == pytest.approx(2 * stats.t.ppf(0.975, 399) * stats.sem(values - center), rel=1e-3)


@pytest.mark.slow
def test_intervals_of_ratios_and_counts_cover_what_they_promise() -> None:
    random, covered = np.random.default_rng(11), []
    for _ in range(2_000):
        y = random.gamma(3.0, 1.0, 80)
        x = 2.0 * y + random.normal(0, 1.0, 80)
        low, high = ratio_bounds(*sums_of(x, y))
        covered.append(low[0] <= 2.0 <= high[0])
    assert 0.93 <= np.mean(covered) <= 0.99
    low, high = count_bounds(random.poisson(25, 4_000))
    assert 0.93 <= np.mean((low <= 25) & (high >= 25)) <= 0.99
