"""Limits that move, against numpy on made data; and how often learned limits alarm where nothing drifts."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError
from scipy.stats import binomtest, ks_2samp, kstwobign

from spark_monitor.config.limits import History, Learned, Relative, parse_limit, written
from spark_monitor.config.rules import RuleConfig
from spark_monitor.rules.applied_limits import LimitInputs
from spark_monitor.rules.history import DAY, reach, windows_before
from spark_monitor.rules.judgement import SLICES, Bench
from spark_monitor.rules.learned import OwnWindows
from spark_monitor.rules.leave_one_out import against_the_rest
from spark_monitor.rules.limits import Learning, history_bounds, learned_bounds, quantile_of_rows, size_factor
from spark_monitor.rules.noise import chance, distance_bounds
from spark_monitor.rules.rulebook import Rulebook, check_id
from spark_monitor.rules.stream import ALL_VERSIONS, HISTORY, STREAM


def rule(**given: Any) -> RuleConfig:
    return RuleConfig.model_validate(given)


def row(column: str = ":table", **given: Any) -> dict[str, Any]:
    known = {"granularity": "1 day", "start": 30 * DAY, "end": 31 * DAY, "dataset": "predictions", "status": "OK", "numbers": []}
    return {**dict.fromkeys(STREAM.names), **known, "column_name": column, "family": "profile", **given}


def number(metric: str, value: float, lower: float | None = None, upper: float | None = None, **given: Any) -> dict[str, Any]:
    bounds = {"lower": value if lower is None else lower, "upper": value if upper is None else upper}
    return {"metric": metric, "class": None, "value": value, "pvalue": None, **bounds, **given}


def judged(rules: list[RuleConfig], rows: list[dict[str, Any]], **known: Any) -> list[dict[str, Any]]:
    bench = Bench.of(Rulebook.of(rules), LimitInputs(**known))
    return list(bench.checks(pa.Table.from_pylist(rows, schema=STREAM)).to_pylist())


def test_what_only_slices_have_is_missing_where_no_slice_has_it() -> None:
    whole = [row(model_version=version, count=900) for version in ("1.9", "1.10")]
    found = number("disparate_impact", 0.7, 0.6, 0.9) | {"class": "the rest"}
    of_group = row(model_version="1.9", slice_key="guild", slice_value="mason", family="fairness", numbers=[found], count=400)

    checks = judged([rule(metric="disparate_impact", fail="< 0.8")], [whole[0], of_group, whole[1]])

    assert {(one["model_version"], one["slice_value"], one["verdict"]) for one in checks} == {
        ("1.9", "mason", "UNDECIDED"),
        ("1.10", None, "NO_DATA"),
    }


@pytest.mark.parametrize("q", [0.1, 0.5, 0.9, 0.999])
def test_quantiles_of_padded_rows_are_numpys(q: float) -> None:
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(40, 17))
    rows[generator.random(rows.shape) < 0.3] = np.nan
    assert quantile_of_rows(rows, q) == pytest.approx(np.nanquantile(rows, q, axis=1), rel=1e-12)


def test_a_learned_limit_is_the_quantile_of_windows_as_large_as_this_one_and_never_below_at_least() -> None:
    values = np.abs(np.random.default_rng(2).normal(size=(3, 20)))
    low, high = learned_bounds(values, np.ones(values.shape), Learning(0.9, 0.0, "higher", sampled=True))
    assert high == pytest.approx(np.quantile(values, 0.9, axis=1), rel=1e-12)
    assert np.isneginf(low).all()
    _, floored = learned_bounds(values, np.ones(values.shape), Learning(0.9, 9.0, "higher", sampled=True))
    assert floored.tolist() == [9.0] * 3


def test_a_small_window_is_not_judged_by_the_noise_of_large_ones() -> None:
    v = np.array([1 / 100 + 1 / 9000, 1 / 10_000 + 1 / 9000])
    factor = size_factor(v, np.full((2, 5), 1 / 1000 + 1 / 9000), 1.0)
    assert factor[0] == pytest.approx(np.sqrt((1 / 100 + 1 / 9000) / (1 / 1000 + 1 / 9000)))
    assert factor[1].tolist() == [1.0] * 5


def test_history_is_the_median_and_its_scaled_deviation() -> None:
    before = np.random.default_rng(3).normal(100, 5, size=(10, 8))
    low, high = history_bounds(before, History(8, 4.0), worse="both")
    middle = np.median(before, axis=1)
    spread = 4 * 1.4826 * np.median(np.abs(before - middle[:, None]), axis=1)
    assert low == pytest.approx(middle - spread)
    assert high == pytest.approx(middle + spread)


def test_counts_that_are_chance_alone_break_no_limit_of_their_history() -> None:
    counts = np.random.default_rng(11).poisson(1000, size=(20_000, 9)).astype(float)
    low, high = history_bounds(counts[:, :8], History(8, 4.0), worse="both", counted=True)
    broken = (counts[:, 8] < low) | (counts[:, 8] > high)
    assert broken.mean() < 0.001  # by 1.4826 MAD of eight alone it is one in a hundred
    low, high = history_bounds(counts[:, :8], History(8, 4.0), worse="both")
    assert ((counts[:, 8] < low) | (counts[:, 8] > high)).mean() > 0.005


def test_a_number_that_differs_from_its_history_in_its_last_digits_alone_is_as_usual() -> None:
    charges = np.array([0.1, 0.2, 0.3])
    before, now = float(charges.sum()), float(charges[::-1].sum())
    assert before != now
    low, high = history_bounds(np.full((1, 8), before), History(8, 4.0), worse="both")
    assert low[0] <= now <= high[0]
    assert high[0] - low[0] < 1e-10


@pytest.mark.parametrize("minutes", [1, 5, 20])
def test_history_of_minutes_takes_the_last_windows_of_the_same_hour(minutes: int) -> None:
    now, most, zone = pd.Timestamp("2024-03-05 09:40", tz="Asia/Kolkata"), 14, "Asia/Kolkata"
    times = pd.date_range(now - pd.Timedelta(days=30), now, freq=f"{minutes}min", inclusive="left")
    wanted = times[times.hour == 9][-most:]
    starts, at = times.as_unit("us").asi8, round(now.timestamp()) * 1_000_000
    seen = starts >= at - reach(f"{minutes} minutes", most)
    found, alike = windows_before(
        starts[seen], starts[seen].astype(float), at, most=most, granularity=f"{minutes} minutes", zone=zone
    )
    assert alike
    assert found.astype(np.int64).tolist() == wanted.as_unit("us").asi8.tolist()


def test_history_takes_the_same_weekday_where_there_are_enough_and_the_windows_before_otherwise() -> None:
    starts, values = np.arange(28) * DAY, np.arange(28.0)
    found, alike = windows_before(starts, values, 28 * DAY, most=4, granularity="1 day", zone="Europe/Berlin")
    assert (found.tolist(), alike) == ([0.0, 7.0, 14.0, 21.0], True)
    found, alike = windows_before(starts, values, 28 * DAY, most=5, granularity="1 day", zone="UTC")
    assert (found.tolist(), alike) == ([23.0, 24.0, 25.0, 26.0, 27.0], False)


def test_a_level_that_has_moved_is_found_once_and_a_sunday_like_a_weekday_still_is() -> None:
    random = np.random.default_rng(3)
    days = np.arange(120)
    values = np.where(days % 7 == 3, 60.0, 100.0) * np.where(days >= 30, 2.0, 1.0) * random.normal(1.0, 0.02, days.size)
    values[101] = 200.0  # a day of the week on which 120 is as usual
    rules = [rule(metric="cost", fail={"history": 8, "sigma": 6})]
    failed = []
    for day in range(16, 120):
        before = [{"start": (one + 100) * DAY, "value": float(values[one])} for one in range(day)]
        place = {"dataset": "costs", "start": (day + 100) * DAY, "end": (day + 101) * DAY, "family": "cost"}
        history = row(**place | {"family": HISTORY}, numbers=[number("cost", 0.0)], before=before)
        check = judged(rules, [history, row(**place, numbers=[number("cost", float(values[day]))])])[0]
        failed += [day] if check["verdict"] == "FAIL" else []
        if day == 56:
            assert "for the level has moved" in check["expected"]
    assert failed[0] == 30
    assert [day for day in failed if day > 36] == [101]


def test_a_count_is_judged_by_its_own_history_and_the_check_says_the_number() -> None:
    counts = [1000.0, 1010.0, 990.0, 1005.0]
    before = [{"start": (26 + day) * DAY, "value": value} for day, value in enumerate(counts)]
    history = row(family=HISTORY, basis=ALL_VERSIONS, numbers=[number("count", 0.0)], before=before)
    rules = [rule(metric="count", fail={"history": 4, "sigma": 4})]

    def window(rows: int) -> list[dict[str, Any]]:
        halves = [row(model_version=name, count=rows // 2, numbers=[number("count", rows / 2)]) for name in ("v1", "v2")]
        return [row(family=ALL_VERSIONS, basis=ALL_VERSIONS, count=rows, numbers=[number("count", float(rows))]), *halves]

    check = judged(rules, [history, *window(400)])[0]
    counting = 4 * np.sqrt(1002.5)  # more than 4 times 1.4826 MAD, by luck
    assert check["verdict"] == "FAIL"
    assert f"{1002.5 - counting:.15g}" in check["expected"]
    assert (check["family"], check["basis"], check["model_version"]) == ("profile", None, None)
    assert [one["verdict"] for one in judged(rules, [history, *window(1001)])] == ["PASS"]
    assert [one["verdict"] for one in judged(rules, window(400))] == ["NO_DATA"]


def test_a_limit_below_the_baseline_s_value_follows_it() -> None:
    rules = [rule(metric="roc_auc_score", fail={"below_baseline": 0.05})]
    rows = [row(count=900), row(family="model", basis="REALISED", count=900, numbers=[number("roc_auc_score", 0.7, 0.68, 0.72)])]
    key = (":table", None, None, "roc_auc_score", None)
    assert [check["verdict"] for check in judged(rules, rows, baseline={key: 0.8})] == ["FAIL"]
    assert [check["verdict"] for check in judged(rules, rows, baseline={key: 0.72})] == ["PASS"]
    assert [check["verdict"] for check in judged(rules, rows)] == ["NO_DATA"]


def test_the_distance_from_the_whole_gives_the_distance_from_the_rest() -> None:
    values = np.random.default_rng(4).normal(size=900)
    window, rest = values[:150] + 0.3, values[150:]
    whole = np.concatenate([window, rest])
    found = against_the_rest("ks", ks_2samp(window, whole, method="asymp").statistic, 150, 900)
    assert found == pytest.approx(ks_2samp(window, rest, method="asymp").statistic, rel=1e-9)


@pytest.mark.slow
def test_learned_limits_alarm_no_more_often_than_their_quantile_promises_where_nothing_drifts() -> None:
    generator = np.random.default_rng(5)
    rows, own, n, m, columns = [row(count=500)], {}, 500, 6000, 200
    for name in (f"c{place:03d}" for place in range(columns)):
        baseline = generator.normal(size=m + 500)
        whole, windows = baseline, np.split(baseline, 13)
        statistics = [against_the_rest("ks", ks_2samp(one, whole, method="asymp").statistic, n, whole.size) for one in windows]
        own[name] = OwnWindows(np.full(13, 1 / n + 1 / m), {"ks": np.array(statistics)})
        statistic = float(ks_2samp(generator.normal(size=n), whole, method="asymp").statistic)
        margin = float(np.sqrt(np.log(2 / 0.05) / 2 * (1 / n + 1 / whole.size)))
        rows.append(row(name, count=n, num_nan=0))
        numbers = [number("ks", statistic, max(0.0, statistic - margin), statistic + margin)]
        rows.append(row(name, family="drift", count_delta=float(n - whole.size), numbers=numbers))
    found = judged([rule(metric="ks", fail={"learned": 0.99, "at_least": 0.0})], rows, own_windows=own)
    verdicts = [check["verdict"] for check in found]
    assert len(verdicts) == columns
    assert verdicts.count("FAIL") <= 0.01 * columns
    assert verdicts.count("PASS") >= 0.8 * columns


def test_one_null_in_two_rows_is_undecided_and_psi_is_held_against_its_chance() -> None:
    rules = [rule(metric="percent_null", fail=5), rule(metric="psi", warn=0.1, min_count=10)]
    profile = row("a", count=2, num_nan=0, numbers=[number("percent_null", 50.0)])
    v = 1 / 272 + 1 / 272
    drift = row("b", family="drift", count_delta=0.0, expected_value=20 * v, numbers=[number("population_stability_index", 0.13)])
    found = judged(rules, [row(count=274), profile, row("b", count=272), drift])
    verdicts = {check["metric"]: check["verdict"] for check in found if check["column_name"] in "ab"}
    assert verdicts == {"percent_null": "UNDECIDED", "population_stability_index": "UNDECIDED"}


def test_slices_that_are_too_small_are_one_row_for_each_rule() -> None:
    rows = [row(count=1000)]
    for name in ("a", "b", "c"):
        rows += [row("x", count=40, num_nan=0, slice_key="origin", slice_value=name)]
        rows += [row("x", family="drift", count_delta=-960.0, slice_key="origin", slice_value=name, numbers=[number("ks", 0.9)])]
    found = [check for check in judged([rule(metric="ks", fail=0.1, min_count=100)], rows) if check["slice_key"] is not None]
    assert [(check["slice_key"], check["verdict"]) for check in found] == [(SLICES, "NO_DATA")]
    assert found[0]["reason"] == "ks of 3 slices rests on at most 40 rows, the rule asks for 100: 3 not judged."


def test_too_many_columns_for_their_p_values_are_undecided() -> None:
    rows = [row(count=1000)]
    for place, pvalue in enumerate([1e-9, 0.03, *[0.5] * 8]):
        rows.append(row(f"c{place}", count=1000, num_nan=0))
        rows.append(row(f"c{place}", family="drift", count_delta=0.0, numbers=[number("ks", 0.3, 0.25, 0.35, pvalue=pvalue)]))
    found = {check["column_name"]: check["verdict"] for check in judged([rule(metric="ks", fail=0.1)], rows, fdr=0.05)}
    assert (found["c0"], found["c1"]) == ("FAIL", "UNDECIDED")


BOOK = Rulebook.of(
    [
        rule(metric="ks", fail=0.1),
        rule(metric="ks", fail=0.2, slices=["origin"]),
        rule(metric="ks", fail=0.3, slices="none", versions=["2"]),
        rule(metric="ks", fail=0.4, baseline="last_year"),
        rule(metric="precision", fail="< 0.5", **{"class": "late"}),
    ]
)


@pytest.mark.parametrize(
    ("about", "limit"),
    [
        ({}, 0.1),
        ({"slice_key": "origin"}, 0.2),
        ({"slice_key": "carrier"}, 0.1),
        ({"version": "2"}, 0.3),
        ({"version": "2", "slice_key": "origin"}, 0.2),
        ({"baseline": "last_year"}, 0.4),
        ({"baseline": "rolling"}, None),
    ],
)
def test_the_most_specific_rule_by_slice_version_and_baseline_judges(about: dict[str, str], limit: float | None) -> None:
    found = BOOK.rule_for("ks", "a", **about)
    assert (None if found is None else found.fail.value) == limit  # type: ignore[union-attr]


def test_a_rule_about_a_class_leaves_the_others_alone() -> None:
    assert BOOK.rule_for("precision", ":table", class_name="late") is not None
    assert BOOK.rule_for("precision", ":table", class_name="early") is None


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ({"learned": 0.999, "at_least": 0.03}, Learned(0.999, 0.03)),
        ({"history": 8, "sigma": 4}, History(8, 4.0)),
        ({"below_baseline": 0.05}, Relative("below", 0.05)),
    ],
)
def test_a_moving_limit_is_written_as_it_was_read(limit: dict[str, float], value: object) -> None:
    assert parse_limit(limit) == value
    assert parse_limit(written(parse_limit(limit))) == value


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"metric": "roc_auc_score", "fail": 0.9}, 'Write "< 0.9".'),
        ({"metric": "ks", "fail": {"learnt": 0.9}}, "found the keys learnt. Allowed: {learned: 0.999"),
        ({"metric": "ks", "fail": {"learned": 1.5}}, "learned: found the number 1.5."),
        ({"metric": "count", "fail": {"history": 1, "sigma": 4}}, "history: found the number 1."),
        ({"metric": "roc_auc_score", "fail": {"learned": 0.9}}, "Use {history: 8, sigma: 4} instead."),
        ({"metric": "ks", "fail": {"below_baseline": 0.1}}, "Use learned or history instead."),
        ({"metric": "log_loss", "fail": {"below_baseline": 0.1}}, "large values are the bad ones. Write {above_baseline: 0.1}."),
        ({"metric": "recall", "warn": {"above_baseline": 0.2}}, "small values are the bad ones. Write {below_baseline: 0.2}."),
        ({"metric": "ks", "fail": 0.1, "for": "4 of 3"}, "m of the last n windows"),
        ({"metric": "ks", "fail": 0.1, "slices": []}, "found an empty list."),
    ],
)
def test_what_is_wrong_with_a_rule_is_said_with_what_to_write(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        rule(**given)
    contexts = [text for error in caught.value.errors() for _, text in error.get("ctx", {}).get("pairs", [])]
    assert any(sentence in text for text in contexts), contexts


LIMITS = [
    ("count", {"history": 8, "sigma": 4}),
    ("ks", {"learned": 0.99, "at_least": 0.1}),
    ("recall", {"below_baseline": 0.1}),
    ("recall", "< 0.3"),
]


@pytest.mark.parametrize(("metric", "limit"), LIMITS)
def test_a_limit_of_any_kind_is_written_without_a_warning(metric: str, limit: Any) -> None:
    written = rule(metric=metric, fail=limit).model_dump(mode="json", by_alias=True)

    assert written["fail"] == limit  # warnings are errors here


@pytest.mark.parametrize("order", [1, -1])
def test_a_fixed_limit_and_one_that_moves_are_both_held(order: int) -> None:
    rules = [rule(metric="recall", fail="< 0.5"), rule(metric="recall", fail={"below_baseline": 0.05})][::order]
    rows = [row(count=900), row(family="model", basis="REALISED", count=900, numbers=[number("recall", 0.6, 0.58, 0.62)])]
    given = judged(rules, rows, baseline={(":table", None, None, "recall", None): 0.8})

    assert sorted((one["expected"], one["verdict"]) for one in given) == [
        (">= 0.5 (fail < 0.5)", "PASS"),
        (">= 0.75 (fail < 0.75: 0.05 below the value of the baseline, 0.8)", "FAIL"),
    ]
    assert len({one["check_id"] for one in given}) == 2


def test_of_two_rules_of_one_kind_the_last_alone_judges() -> None:
    rows = [row(count=9), row(family="model", basis="REALISED", count=900, numbers=[number("recall", 0.4, 0.38, 0.42)])]

    assert [
        one["verdict"] for one in judged([rule(metric="recall", fail="< 0.5"), rule(metric="recall", fail="< 0.3")], rows)
    ] == ["PASS"]


def test_a_version_that_fades_loses_no_rows_and_one_of_its_own_rule_is_judged_alone() -> None:
    before = [{"start": (26 + day) * DAY, "value": 1000.0} for day in range(4)]
    history = row(family=HISTORY, basis=ALL_VERSIONS, numbers=[number("count", 0.0)], before=before)
    alone = row(family=HISTORY, model_version="v1", numbers=[number("count", 0.0)], before=before)
    counts = {"v1": 100.0, "v2": 900.0}
    rows = [row(model_version=name, count=int(value), numbers=[number("count", value)]) for name, value in counts.items()]
    total = row(family=ALL_VERSIONS, basis=ALL_VERSIONS, count=1000, numbers=[number("count", 1000.0)])
    together = judged([rule(metric="count", fail={"history": 4, "sigma": 4})], [total, history, *rows])
    assert [(check["model_version"], check["verdict"]) for check in together] == [(None, "PASS")]
    own = [rule(metric="count", versions=["v1"], fail={"history": 4, "sigma": 4})]
    assert [(check["model_version"], check["verdict"]) for check in judged(own, [alone, *rows])] == [("v1", "FAIL")]


def test_a_few_windows_of_the_baseline_do_not_stand_for_what_chance_alone_reaches() -> None:
    """0.999 of 66,000 checks without drift: from 8 windows the quantile is not seen, Kolmogorov's is known."""
    own = {"a": OwnWindows(np.full(8, 1 / 1000 + 1 / 7000), {"ks": np.full(8, 0.02)}, np.full(8, 1000.0))}
    numbers = [number("ks", 0.3, 0.17, 0.43)]
    rows = [row(count=100), row("a", count=100, num_nan=0), row("a", family="drift", count_delta=-7900.0, numbers=numbers)]
    check = judged([rule(metric="ks", fail={"learned": 0.999, "at_least": 0.03})], rows, own_windows=own)[0]
    limit = kstwobign.ppf(0.999) * np.sqrt(1 / 100 + 1 / 8000)
    assert f"{limit:.10g}"[:8] in check["expected"]
    assert check["verdict"] == "UNDECIDED"


def test_a_baseline_without_windows_of_its_own_leaves_at_least_and_chance() -> None:
    numbers = [number("ks", 0.3, 0.29, 0.31)]
    rows = [row(count=100_000), row("a", count=100_000, num_nan=0), row("a", family="drift", count_delta=0.0, numbers=numbers)]
    check = judged([rule(metric="ks", fail={"learned": 0.999, "at_least": 0.03})], rows)[0]
    assert (check["verdict"], check["expected"][:7]) == ("FAIL", "<= 0.03")
    assert "too few of its own" in check["expected"]
    assert judged([rule(metric="ks", fail={"learned": 0.999})], rows)[0]["verdict"] == "NO_DATA"


def test_a_share_that_differs_between_slices_is_judged_by_its_own_baseline_and_both_sides_of_at_least() -> None:
    own = {"a": OwnWindows(np.full(8, 1e-3), {"percent_null_delta": np.zeros(8)}, np.full(8, 1000.0))}
    rules = [rule(metric="percent_null_delta", fail={"learned": 0.999, "at_least": 5})]

    def said(now: float, delta: float) -> str:
        profile = row("a", count=5000, percent_null=now)
        drift = row("a", family="drift", count_delta=0.0, numbers=[number("percent_null_delta", delta)])
        return str(judged(rules, [row(count=5000), profile, drift], own_windows=own)[0]["verdict"])

    assert [said(*pair) for pair in ((20.0, 20.0), (100.0, 0.0), (60.5, 0.5), (0.0, -20.0))] == ["FAIL", "PASS", "PASS", "FAIL"]


def test_a_limit_above_and_one_below_are_both_held() -> None:
    """Whatever their order in the file, and with a third that moves."""
    above, below = RuleConfig(metric="unit_factor", fail="> 4"), RuleConfig(metric="unit_factor", fail="< 0.25")
    moving = RuleConfig.model_validate({"metric": "unit_factor", "fail": {"history": 8, "sigma": 4}})
    key = ("unit_factor", "price", None, None, None, None)

    for rules in (
        (above, below, moving),
        (moving, below, above),
        (below, RuleConfig(metric="unit_factor", fail="> 9"), above, moving),
    ):
        held = [rules[place] for place in Rulebook.of(rules).places_of(key)]
        assert held == [above, below, moving]

    ids = [check_id("unit_factor", "price", granularity="1 day", beside=place) for place in range(3)]
    assert len(set(ids)) == 3


def test_each_of_both_limits_has_a_check_of_its_own_for_a_number() -> None:
    rules = [rule(metric="unit_factor", fail="< 0.25"), rule(metric="unit_factor", fail="> 4")]

    for value, verdicts in ((1.0, ["PASS", "PASS"]), (1000.0, ["FAIL", "PASS"]), (-1.0, ["PASS", "FAIL"])):
        numbers = [number("unit_factor", value)]
        checks = judged(rules, [row("price", family="quality", numbers=numbers, count=40)])
        own = [check for check in checks if check["column_name"] == "price"]
        assert [check["verdict"] for check in own] == verdicts, value
        assert len({check["check_id"] for check in own}) == 2


def rows_of(now: np.ndarray, before: np.ndarray, *numbers: dict[str, Any]) -> list[dict[str, Any]]:
    """The profile and the drift row of a column of which NaN stands for NULL."""
    percents = [100 * float(np.isnan(one).mean()) for one in (now, before)]
    known = {"count": now.size, "num_nan": 0, "num_inf": 0, "percent_null": percents[0], "stddev": float(np.nanstd(now, ddof=1))}
    moved = {"count_delta": float(now.size - before.size), "percent_null_delta": percents[0] - percents[1]}
    return [row("fare", **known), row("fare", family="drift", numbers=list(numbers), **moved)]


@pytest.mark.parametrize("missing", [0.0, 0.5, 0.9])
def test_a_mean_of_a_column_of_missing_values_has_the_interval_of_the_values_it_is_made_of(missing: float) -> None:
    random = np.random.default_rng([5, round(10 * missing)])
    covered = 0
    for _ in range(60):
        now, before = (np.where(random.random(size) < missing, np.nan, random.normal(size=size)) for size in (2000, 8000))
        delta = float(np.nanmean(now) - np.nanmean(before))
        (check,) = judged(
            [rule(metric="avg_delta", columns=["fare"], fail=5.0)], rows_of(now, before, number("avg_delta", delta))
        )
        half = 1.96 * np.nanstd(now, ddof=1) * np.sqrt(1 / np.isfinite(now).sum() + 1 / np.isfinite(before).sum())
        assert check["upper"] - check["value"] == pytest.approx(half, rel=1e-3)
        covered += check["lower"] <= 0.0 <= check["upper"]
    assert covered >= 52


@pytest.mark.parametrize("missing", [0.0, 0.8, 0.97])
def test_what_chance_moves_a_column_of_missing_values_by_follows_from_those_it_has(missing: float) -> None:
    random = np.random.default_rng(6)
    now, before = (np.where(np.arange(size) < missing * size, np.nan, random.normal(size=size)) for size in (4000, 32_000))
    kept = [one[np.isfinite(one)] for one in (now, before)]
    statistic = float(ks_2samp(*kept, method="asymp").statistic)
    check = judged(
        [rule(metric="ks", columns=["fare"], fail={"learned": 0.999, "at_least": 0.001})],
        rows_of(now, before, number("ks", statistic)),
    )

    limit = kstwobign.isf(0.001) * np.sqrt(1 / kept[0].size + 1 / kept[1].size)
    said = re.search(r"\d\.\d+", check[0]["expected"])
    assert said is not None
    assert float(said.group()) == pytest.approx(limit, rel=1e-3), check[0]["expected"]


@pytest.mark.parametrize("rows", [60, 250, 1000])
def test_what_windows_truly_differ_by_does_not_grow_in_few_rows(rows: int) -> None:
    """Days that differ by 0.3: few rows of such a day fail by chance as rarely as many, and those of another kind are found."""
    random, size = np.random.default_rng([13, rows]), 1000
    middles = np.where(np.arange(12) % 2, 0.4, -0.4)
    days = [random.normal(middle, size=size) for middle in middles]
    rests = [np.concatenate([*days[:place], *days[place + 1 :]]) for place in range(12)]
    values = np.array([ks_2samp(day, rest, method="asymp").statistic for day, rest in zip(days, rests, strict=True)])
    own = {"fare": OwnWindows(np.full(12, 1 / size + 1 / (11 * size)), {"ks": values}, np.full(12, float(size)))}
    baseline = np.concatenate(days)

    def verdicts(middle: float) -> list[str]:
        found = []
        for _ in range(40):
            now = random.normal(middle, size=rows)
            d = float(ks_2samp(now, baseline, method="asymp").statistic)
            half = float(kstwobign.isf(0.05)) * np.sqrt(1 / rows + 1 / baseline.size)
            of_rule = [rule(metric="ks", columns=["fare"], fail={"learned": 0.999, "at_least": 0.03})]
            (check,) = judged(
                of_rule, rows_of(now, baseline, number("ks", d, max(d - half, 0), min(d + half, 1))), own_windows=own
            )
            found.append(check["verdict"])
        return found

    assert "FAIL" not in verdicts(0.4)
    assert verdicts(4.0) == ["FAIL"] * 40


@pytest.mark.parametrize(("metric", "family"), [("percent_null", "profile"), ("percent_unseen", "quality")])
def test_a_percentage_that_was_the_same_in_all_windows_may_move_by_what_chance_moves_so_many_rows(
    metric: str, family: str
) -> None:
    """Windows of 20 rows without any NULL say of a next one with one NULL nothing; with ten they do, and so do many rows."""
    before = [{"start": (22 + day) * DAY, "value": 0.0} for day in range(8)]
    history = row("a", family=HISTORY, numbers=[number(metric, 0.0)], before=before)
    rules = [rule(metric=metric, columns=["a"], fail={"history": 8, "sigma": 3})]

    def verdict(rows: int, broken: int) -> str:
        low, high = (100 * bound for bound in binomtest(broken, rows).proportion_ci(method="exact"))
        numbers = [number(metric, 100 * broken / rows, low, high)]
        profile = row("a", count=rows, num_nan=0, percent_null=0.0)
        judged_rows = [profile, row("a", family=family, count=rows, numbers=numbers)] if family != "profile" else []
        judged_rows = judged_rows or [{**profile, "numbers": numbers}]
        found = [check for check in judged(rules, [row(count=rows), history, *judged_rows]) if check["column_name"] == "a"]
        return str(found[0]["verdict"])

    assert [verdict(20, broken) for broken in (0, 1, 10)] == ["PASS", "PASS", "FAIL"]
    assert [verdict(10_000, broken) for broken in (1, 40)] == ["PASS", "FAIL"]


@pytest.mark.parametrize(("categories", "rows"), [(2, 200), (5, 1_000), (40, 1_000), (40, 10_000)])
@pytest.mark.parametrize("moved", [0.0, 0.05])
def test_the_largest_change_of_a_fraction_lies_in_its_interval_and_chance_alone_does_not_reach_its_limit(
    categories: int, rows: int, moved: float
) -> None:
    random = np.random.default_rng([categories, rows])
    shares = 1 / np.arange(1, categories + 1)
    then = shares / shares.sum()
    now = then * (1 - moved) + moved * (np.arange(categories) == categories - 1)
    sides = random.multinomial(4 * rows, then, 4_000) / (4 * rows), random.multinomial(rows, now, 4_000) / rows
    found = np.abs(sides[0] - sides[1]).max(axis=1)
    n, m, freedom = (np.full(found.size, float(number)) for number in (rows, 4 * rows, categories - 1))
    low, high = distance_bounds("l_infinity_distance", found, n, m, freedom)
    covered = np.mean((low <= np.abs(now - then).max()) & (np.abs(now - then).max() <= high))
    assert covered > 0.94
    if not moved:
        assert np.mean(found > chance("l_infinity_distance", n, m, freedom, 0.99)) < 0.015


def test_a_day_without_rows_leaves_a_history_its_weekdays_and_a_week_without_rows_its_weeks() -> None:
    days = np.array([day for day in range(100) if day != 86])
    now = 100 * DAY  # the weekday of day 86
    seen = days[days * DAY >= now - reach("1 day", 6)]
    found, alike = windows_before(seen * DAY, seen.astype(float), now, most=6, granularity="1 day", zone="UTC")
    assert (found.tolist(), alike) == ([51.0, 58.0, 65.0, 72.0, 79.0, 93.0], True)
    weeks = np.array([week for week in range(30) if week not in (24, 25)]) * 7
    seen = weeks[weeks * DAY >= 210 * DAY - reach("1 week", 8)]
    found, _ = windows_before(seen * DAY, seen.astype(float), 210 * DAY, most=8, granularity="1 week", zone="UTC")
    assert not np.isnan(found).any()
