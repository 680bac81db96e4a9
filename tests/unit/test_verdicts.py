"""Verdicts on intervals: what is certain is said, what is not is undecided, and absence never passes."""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.catalogue.registry import catalogue
from spark_monitor.config.rules import RuleConfig
from spark_monitor.rules.reasons import number_text, plain, reason, subject_of
from spark_monitor.rules.rulebook import SAID_BY_SLICES, Rulebook, check_id
from spark_monitor.rules.verdicts import Measurement, expected, ruling

OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
WORSE = {"PASS": 0, "UNDECIDED": 1, "WARN": 2, "FAIL": 3}
KS = RuleConfig(metric="ks", warn=0.05, fail=0.1, min_count=500)

ends = st.integers(-8, 8).map(lambda eighths: eighths / 8)


@st.composite
def intervals(draw: st.DrawFn) -> Measurement:
    """Coarse numbers, so that bounds often coincide with limits."""
    lower, value, upper = sorted((draw(ends), draw(ends), draw(ends)))
    return Measurement("avg", "a", value, lower, upper, count=1000)


@st.composite
def rules(draw: st.DrawFn, sign: str | None = None) -> RuleConfig:
    side = sign or draw(st.sampled_from("<>"))
    first, second = sorted((draw(ends), draw(ends)), reverse=side == "<")
    warn, fail = (f"{side}{draw(st.sampled_from(['', '=']))} {limit}" for limit in (first, second))
    which = draw(st.sampled_from(["both", "warn", "fail"]))
    return RuleConfig(metric="avg", warn=warn if which != "fail" else None, fail=fail if which != "warn" else None)


def broken(limit: Any, number: float) -> bool:
    return bool(OPERATORS[limit.operator](number, limit.value))


def possible_numbers(found: Measurement, *limits: Any) -> list[float]:
    """The ends of the interval, and numbers around the limits inside it: one of every kind that the limits tell apart."""
    lower, upper = found.lower, found.upper
    assert lower is not None
    assert upper is not None
    inside = [limit.value + step for limit in limits for step in (-1 / 16, 0.0, 1 / 16)]
    return [lower, upper, *(number for number in inside if lower <= number <= upper)]


@given(intervals(), rules())
def test_the_verdict_is_what_every_number_of_the_interval_agrees_on(found: Measurement, rule: RuleConfig) -> None:
    limits = [limit for limit in (rule.warn, rule.fail) if limit is not None]
    numbers = possible_numbers(found, *limits)
    if rule.fail is not None and all(broken(rule.fail, number) for number in numbers):
        verdict = "FAIL"
    elif rule.warn is not None and all(broken(rule.warn, number) for number in numbers):
        verdict = "WARN"
    else:
        verdict = "UNDECIDED" if any(broken(limit, number) for limit in limits for number in numbers) else "PASS"
    given_ruling = ruling(found, rule)
    assert given_ruling.verdict == verdict
    may_fail = rule.fail is not None and any(broken(rule.fail, number) for number in numbers)
    assert given_ruling.open_fail == (verdict == "WARN" and may_fail)


def test_a_number_that_warn_allows_and_fail_forbids_is_not_passed() -> None:
    rule = RuleConfig(metric="avg", warn="> 0.125", fail=">= 0.125")
    found = Measurement("avg", "a", 0.125, 0.0, 0.125, count=1000)
    assert (ruling(found, rule).verdict, ruling(found, rule).limit) == ("UNDECIDED", "fail")
    assert ruling(replace(found, lower=0.125), rule).verdict == "FAIL"


@given(intervals(), rules(">"), st.integers(0, 16))
def test_a_larger_number_is_never_judged_better_where_large_is_bad(found: Measurement, rule: RuleConfig, eighths: int) -> None:
    moved = replace(found, **{name: getattr(found, name) + eighths / 8 for name in ("value", "lower", "upper")})
    assert WORSE[ruling(moved, rule).verdict] >= WORSE[ruling(found, rule).verdict]


@given(intervals(), rules(), st.floats(0, 1), st.floats(0, 1))
def test_knowing_more_never_takes_a_certain_verdict_back(found: Measurement, rule: RuleConfig, low: float, high: float) -> None:
    assert found.value is not None
    assert found.lower is not None
    assert found.upper is not None
    narrow = replace(
        found, lower=found.value - low * (found.value - found.lower), upper=found.value + high * (found.upper - found.value)
    )
    before, now = ruling(found, rule).verdict, ruling(narrow, rule).verdict
    assert before == "UNDECIDED" or now == before or (before, now) == ("WARN", "FAIL")


@given(intervals(), rules(), st.sampled_from(["lower", "upper", "both"]), st.sampled_from([None, math.nan]))
def test_an_unknown_bound_is_no_bound(found: Measurement, rule: RuleConfig, side: str, nothing: float | None) -> None:
    gone = ("lower", "upper") if side == "both" else (side,)
    unknown = replace(found, **dict.fromkeys(gone, nothing))
    wide = replace(found, **{name: math.inf if name == "upper" else -math.inf for name in gone})
    assert ruling(unknown, rule) == ruling(wide, rule)
    if side == "both":
        assert ruling(unknown, rule).verdict == "UNDECIDED"


def test_a_value_outside_its_bounds_widens_them() -> None:
    rule = RuleConfig(metric="avg", fail="> 5")
    assert ruling(Measurement("avg", "a", 9.0, 1.0, 2.0), rule).verdict == "UNDECIDED"


@pytest.mark.parametrize(
    ("lower", "upper", "verdict"),
    [
        (0.10001, 0.2, "FAIL"),
        (0.1, 0.2, "WARN"),
        (0.051, 0.099, "WARN"),
        (0.05, 0.06, "UNDECIDED"),
        (0.0, 0.2, "UNDECIDED"),
        (0.0, 0.05, "PASS"),
        (0.0, 0.0, "PASS"),
    ],
)
def test_ks_is_judged_by_its_population_interval(lower: float, upper: float, verdict: str) -> None:
    assert ruling(Measurement("ks", "a", (lower + upper) / 2, lower, upper, count=5000), KS).verdict == verdict


@pytest.mark.parametrize("status", ["ERROR", "MISSING", "TYPE_CHANGED"])
@pytest.mark.parametrize("value", [None, 0.0, 1.0])
def test_a_broken_column_is_an_error_whatever_its_numbers(status: str, value: float | None) -> None:
    found = Measurement("ks", "a", value, value, value, count=9999, status=status, message="The column is gone.")
    assert ruling(found, KS).verdict == "ERROR"
    assert reason(found, KS, ruling(found, KS)) == "ks of a has no value: The column is gone."


@pytest.mark.parametrize("status", ["NO_BASELINE", "NO_LABELS", "ABSENT"])
@pytest.mark.parametrize("value", [None, 0.0, 1.0])
def test_what_cannot_be_judged_is_no_data_whatever_its_numbers(status: str, value: float | None) -> None:
    assert ruling(Measurement("ks", "a", value, value, value, count=9999, status=status), KS).verdict == "NO_DATA"


@pytest.mark.parametrize("value", [None, math.nan])
@pytest.mark.parametrize("status", ["OK", "EMPTY", "ALL_NULL", "NEW", "UNSUPPORTED", "UNDEFINED", "NO_FINITE"])
def test_no_value_is_no_data(value: float | None, status: str) -> None:
    found = Measurement("ks", "a", value, None, None, count=9999, status=status)
    assert ruling(found, KS).verdict == "NO_DATA"
    assert reason(found, KS, ruling(found, KS)).startswith("ks of a has no value")


def test_an_empty_window_breaks_a_rule_about_rows_and_keeps_none() -> None:
    empty = Measurement("count", value=0.0, lower=0.0, upper=0.0, count=0, status="EMPTY", message="No rows in this window.")
    low, high = RuleConfig(metric="count", fail="< 1000"), RuleConfig(metric="count", fail="> 1000")
    assert ruling(empty, low).verdict == "FAIL"
    assert reason(empty, low, ruling(empty, low)) == "count is 0, below the fail limit 1000."
    assert ruling(empty, high).verdict == "NO_DATA"
    assert reason(empty, high, ruling(empty, high)) == "count has no value: No rows in this window."


@pytest.mark.parametrize(("count", "verdict"), [(None, "NO_DATA"), (0, "NO_DATA"), (499, "NO_DATA"), (500, "FAIL")])
def test_too_few_rows_are_no_data(count: int | None, verdict: str) -> None:
    assert ruling(Measurement("ks", "a", 0.9, 0.9, 0.9, count=count), KS).verdict == verdict


@pytest.mark.parametrize("limit", ["> 3.84", ">= 1.5", "< -0.1"])
def test_a_limit_that_cramers_v_never_reaches_is_an_error(limit: str) -> None:
    rule = RuleConfig(metric="chi_squared_test", fail=limit)
    found = Measurement("chi_squared_test", "a", 0.2, 0.2, 0.2, count=100, family="drift")
    assert ruling(found, rule).verdict == "ERROR"
    assert "between 0 and 1" in reason(found, rule, ruling(found, rule))
    assert ruling(found, RuleConfig(metric="chi_squared_test", fail=0.1)).verdict == "FAIL"


EXPECTED = [
    ({"warn": 0.05, "fail": 0.1}, "<= 0.1 (warn > 0.05, fail > 0.1)"),
    ({"fail": ">= 3"}, "< 3 (fail >= 3)"),
    ({"warn": "< 0.7"}, ">= 0.7 (warn < 0.7)"),
    ({"warn": "<= 0.7", "fail": "<= 0.65"}, "> 0.65 (warn <= 0.7, fail <= 0.65)"),
]


@pytest.mark.parametrize(("limits", "text"), EXPECTED)
def test_what_is_expected_is_the_other_side_of_the_last_limit(limits: dict[str, Any], text: str) -> None:
    assert expected(RuleConfig(metric="avg", **limits)) == text


SENTENCES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (
        {"value": 0.412, "lower": 0.401, "upper": 0.424, "count": 5000},
        {"fail": 0.1},
        "ks of wind speed is 0.412 (95 % interval 0.401 to 0.424, 5,000 rows), above the fail limit 0.1.",
    ),
    (
        {"value": 0.09, "lower": 0.07, "upper": 0.12, "count": 800},
        {"warn": 0.05, "fail": 0.1},
        "ks of wind speed is 0.09 (95 % interval 0.07 to 0.12, 800 rows), above the warn limit 0.05, "
        "and may be above the fail limit 0.1.",
    ),
    (
        {"value": 0.06, "lower": 0.055, "upper": 0.07, "count": 1},
        {"warn": 0.05, "fail": 0.1},
        "ks of wind speed is 0.06 (95 % interval 0.055 to 0.07, 1 row), above the warn limit 0.05.",
    ),
    (
        {"value": 0.05, "lower": 0.04, "upper": 0.06},
        {"warn": 0.05, "fail": 0.1},
        "ks of wind speed is 0.05 (95 % interval 0.04 to 0.06), which may be on either side of the warn limit 0.05.",
    ),
    (
        {"value": 0.01, "lower": 0.0, "upper": 0.02},
        {"fail": ">= 0.1"},
        "ks of wind speed is 0.01 (95 % interval 0 to 0.02), below the fail limit 0.1.",
    ),
    (
        {"value": 0.01, "lower": 0.01, "upper": 0.01},
        {"fail": "> 0.1"},
        "ks of wind speed is 0.01, not above the fail limit 0.1.",
    ),
    (
        {"value": 0.5, "lower": 0.4, "upper": None, "count": 3},
        {"fail": "< 0.3"},
        "ks of wind speed is 0.5 (at least 0.4, 3 rows), not below the fail limit 0.3.",
    ),
    (
        {"value": 0.5},
        {"fail": "< 0.3"},
        "ks of wind speed is 0.5 (no bound is known), which may be on either side of the fail limit 0.3.",
    ),
    (
        {"value": 0.2, "lower": 0.2, "upper": 0.2, "expected_value": 0.08},
        {"fail": "> 0.1"},
        "ks of wind speed is 0.2, above the fail limit 0.1; without any drift 0.08 would be expected.",
    ),
    (
        {"value": 0.2, "lower": 0.2, "upper": 0.2, "label_coverage": 0.4211, "label_status": "PROVISIONAL"},
        {"fail": "<= 0.5"},
        "ks of wind speed is 0.2, at or below the fail limit 0.5; 42.11 % of the rows have a label so far.",
    ),
    (
        {"value": None, "count": 120},
        {"fail": "<= 0.5", "min_count": 500},
        "ks of wind speed rests on 120 rows, the rule asks for 500.",
    ),
    ({"status": "ABSENT"}, {"fail": 0.1}, "ks of wind speed has no value: the column has no such number in this window."),
    ({"status": "ABSENT", "column_name": ":table"}, {"fail": 0.1}, "ks has no value: no column has it in this window."),
    (
        {"metric": "freshness_hours", "status": "ABSENT", "column_name": ":table", "family": "quality"},
        {"fail": 24},
        "freshness_hours has no value: a run knows it of its newest window alone.",
    ),
    (
        {"status": "ABSENT", "column_name": ":table", "family": "model"},
        {"fail": 0.1},
        "ks has no value: it was not computed for this window.",
    ),
    ({"status": "NO_BASELINE"}, {"fail": 0.1}, "ks of wind speed has no value: its status is NO_BASELINE."),
    ({"status": "NEW", "message": "The column is new"}, {"fail": 0.1}, "ks of wind speed has no value: The column is new."),
]


@pytest.mark.parametrize(("numbers", "limits", "sentence"), SENTENCES)
def test_the_reason_is_one_sentence_with_number_interval_limit_and_rows(
    numbers: dict[str, Any], limits: dict[str, Any], sentence: str
) -> None:
    found = Measurement(**{"metric": "ks", "column_name": "wind speed", **numbers})
    rule = RuleConfig(**{"metric": found.metric, **limits})
    assert reason(found, rule, ruling(found, rule)) == sentence


def test_certain_bounds_are_not_called_a_confidence_interval() -> None:
    found = Measurement("wasserstein_distance", "a", 2.0, 1.5, 2.5)
    rule = RuleConfig(metric="wasserstein_distance", fail=1)
    text = "wasserstein_distance of a is 2 (between 1.5 and 2.5), above the fail limit 1."
    assert reason(found, rule, ruling(found, rule)) == text


def test_the_subject_names_column_class_and_slice() -> None:
    found = Measurement("precision", class_name="late", slice_key="origin, carrier", slice_value="JFK, UA")
    assert subject_of(found) == "precision of class late where origin, carrier is JFK, UA"
    assert subject_of(replace(found, slice_value=None)) == "precision of class late where origin, carrier is NULL"


@pytest.mark.parametrize(
    ("metric", "class_name", "family", "subject"),
    [
        ("equalized_odds_difference", "the rest", "fairness", "equalized_odds_difference against the rest"),
        ("recall_at_threshold", "0.35", "model", "recall_at_threshold at 0.35"),
        ("log_loss_difference", "1.10", "model", "log_loss_difference against version 1.10"),
        ("estimation_error", "recall", "model", "estimation_error of recall"),
        ("cost", "USD", "cost", "cost in USD"),
        ("recall", "moa", "model", "recall of class moa"),
    ],
)
def test_the_subject_says_what_a_class_is(metric: str, class_name: str, family: str, subject: str) -> None:
    assert subject_of(Measurement(metric, class_name=class_name, family=family)) == subject


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_name_and_slice_give_one_short_line(column: str, value: str) -> None:
    found = Measurement("ks", column, 0.2, 0.2, 0.2, slice_key="k", slice_value=value)
    text = reason(found, KS, ruling(found, KS))
    assert len(text) < 600
    assert text.isprintable()


def test_a_long_slice_value_is_cut_to_two_hundred_characters() -> None:
    assert len(plain("x" * 1_000_000)) == 200
    assert plain("x" * 200) == "x" * 200


@given(st.floats(allow_nan=False), st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=2))
def test_a_shown_number_lies_where_the_number_lies(number: float, limits: list[float]) -> None:
    shown = float(number_text(number, limits).replace(",", ""))
    assert shown == pytest.approx(number, rel=1e-3)
    for limit in limits:
        assert (shown < limit, shown > limit) == (number < limit, number > limit)


@given(st.floats(0.01, 1e6), st.integers(-4, 4))
def test_a_number_next_to_its_limit_is_told_apart_from_it(limit: float, steps: int) -> None:
    number = limit
    for _ in range(abs(steps)):
        number = math.nextafter(number, math.copysign(math.inf, steps))
    shown = float(number_text(number, [limit]).replace(",", ""))
    assert (shown < limit, shown > limit) == (number < limit, number > limit)


BOOK = Rulebook.of(
    [
        RuleConfig(metric="ks", columns=["a", "b"], fail=0.3),
        RuleConfig(metric="ks", fail=0.1),
        RuleConfig(metric="ks", columns=["b"], fail=0.4),
        RuleConfig(metric="ks", fail=0.2),
        RuleConfig(metric="count", fail="< 10"),
        RuleConfig(metric="psi", columns=["c"], fail=0.5),
        RuleConfig(metric="roc_auc_score", fail="< 0.6"),
    ]
)


@pytest.mark.parametrize(("column", "limit"), [("a", 0.3), ("b", 0.4), ("c", 0.2), ("A", 0.2)])
def test_a_listed_column_beats_any_column_and_later_beats_earlier(column: str, limit: float) -> None:
    rule = BOOK.rule_for("ks", column)
    assert rule is not None
    assert rule.fail is not None
    assert rule.fail.value == limit


@pytest.mark.parametrize(
    ("column", "sliced", "judged"),
    [
        ("city", None, True),
        ("city", "country", True),
        ("city", "city", False),
        ("city", "city, country", False),
        ("country", "city, country", False),
        ("a, b", '"a, b", city', False),
        ("b", '"a, b", city', True),
        ("city", "coalesce(x, city, y) = 1", True),
        ("city", "city IS NULL", True),
    ],
)
@pytest.mark.parametrize("metric", ["percent_null", "num_nulls", "percent_sentinel", "percent_unseen", "percent_format_mismatch"])
@pytest.mark.parametrize("columns", ["*", ["city", "country", "a, b", "b"]])
def test_no_rule_holds_the_missing_values_of_a_column_against_its_own_slices(
    metric: str, columns: Any, column: str, sliced: str | None, judged: bool
) -> None:
    book = Rulebook.of([RuleConfig(metric=metric, columns=columns, fail=5), RuleConfig(metric="ks", columns=columns, fail=0.1)])
    assert (book.rule_for(metric, column, slice_key=sliced) is not None) is judged
    assert book.rule_for("ks", column, slice_key=sliced) is not None


def test_what_slices_say_by_being_what_they_are_are_metrics_of_columns() -> None:
    assert {metric for metric in SAID_BY_SLICES if ":table" in catalogue().metrics[metric].columns} == set()


def test_no_rule_speaks_about_a_metric_or_column_that_none_names() -> None:
    assert BOOK.rule_for("js_distance", "a") is None
    assert BOOK.rule_for("population_stability_index", "a") is None


def test_a_rule_for_any_column_is_about_columns_and_one_for_counts_about_the_table() -> None:
    assert BOOK.rule_for("count", "a") is None
    assert BOOK.rule_for("count", ":table") is not None
    assert BOOK.rule_for("roc_auc_score", ":table") is not None
    assert BOOK.rule_for("ks", ":table") is None


def test_every_window_owes_listed_columns_and_each_general_metric_once() -> None:
    owed = [(one.rule.family, one.metric, one.column, one.rule.fail.text()) for one in BOOK.expectations if one.rule.fail]
    assert sorted(owed, key=str) == [
        ("drift", "ks", "a", "> 0.3"),
        ("drift", "ks", "b", "> 0.4"),
        ("drift", "ks", None, "> 0.2"),
        ("drift", "population_stability_index", "c", "> 0.5"),
        ("model", "roc_auc_score", None, "< 0.6"),
        ("profile", "count", ":table", "< 10"),
    ]
    assert BOOK.watched_columns() is None
    assert Rulebook.of([RuleConfig(metric="roc_auc_score", fail="< 0.6")]).watched_columns() == frozenset()


def test_series_that_differ_anywhere_have_different_names() -> None:
    series: list[dict[str, Any]] = [
        {"granularity": "1 day"},
        {"granularity": "1 week"},
        {"granularity": "1 day", "model_version": ""},
        {"granularity": "1 day", "model_version": "None"},
        {"granularity": "1 day", "slice_key": "a", "slice_value": "b"},
        {"granularity": "1 day", "slice_key": "a"},
        {"granularity": "1 day", "slice_key": 'a","b'},
        {"granularity": "1 day", "class_name": "a"},
    ]
    names = [check_id("ks", column, **one) for one in series for column in ("a", "b", 'a",null')]
    assert len(set(names)) == len(names)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in names)
