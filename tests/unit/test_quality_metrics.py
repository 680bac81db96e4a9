"""Quality metrics on blocks: units, permutations, stuck columns and what earlier windows make one expect, against known truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from spark_monitor.catalogue.interval import Interval
from spark_monitor.quality.arrivals import ArrivalBlock, largest_gap_hours, row_count_ratio
from spark_monitor.quality.column_block import ColumnBlock
from spark_monitor.quality.history import expected_rows, missing_hours
from spark_monitor.quality.permutation import category_permutation, exchanged
from spark_monitor.quality.slice_share import ShareBlock, slice_share_shift
from spark_monitor.quality.unit_factor import KNOWN_FACTORS, unit_factor
from spark_monitor.quality.values import percent_sentinel, percent_unseen
from spark_monitor.quality.variation import is_constant, is_stuck
from spark_monitor.quality.version_share import VersionBlock, version_share
from spark_monitor.stages.window_rows import version_counts


def test_the_share_of_a_version_is_of_all_versions_and_nought_where_it_ceased() -> None:
    def row(start: int, version: str, count: int) -> dict[str, Any]:
        return {"granularity": "1 day", "start": start, "model_version": version, "column_name": ":table", "count": count}

    told = [row(1, "a", 60), row(1, "b", 40), row(2, "a", 100), row(3, "a", 90)]
    told = [told[place] for place in np.random.default_rng(4).permutation(len(told))]

    found = list(version_counts(told))

    assert found == [
        (("1 day", 1), "a", (60, 100)),
        (("1 day", 1), "b", (40, 100)),
        (("1 day", 2), "a", (100, 100)),
        (("1 day", 2), "b", (0, 100)),
        (("1 day", 3), "a", (90, 90)),
    ]
    shares = version_share(VersionBlock(*(np.array([counts[place] for *_, counts in found]) for place in (0, 1))))
    expected = [binomtest(*counts).proportion_ci(method="wilson") for *_, counts in found[:2]]
    assert shares.value.tolist() == [60, 40, 100, 0, 100]
    assert shares.lower[:2] == pytest.approx([100 * low for low, _ in expected])
    assert shares.upper[:2] == pytest.approx([100 * high for _, high in expected])


def block(*columns: Any, texts: bool = False, times: bool = False) -> ColumnBlock:
    """Columns of numbers, or of strings, as a block of exact numbers."""
    series = [pd.Series(column) for column in columns]
    filled = [one.dropna() for one in series]

    def numbers(of: Any) -> np.ndarray:
        return np.array([np.nan if texts or not len(one) else of(one.astype(float)) for one in filled])

    levels = np.arange(101) / 100
    quantiles = [
        np.full(101, np.nan) if texts or not len(one) else np.quantile(one.astype(float), levels, method="inverted_cdf")
        for one in filled
    ]
    return ColumnBlock(
        count=np.array([len(one) for one in series]),
        nulls=np.array([int(one.isna().sum()) for one in series]),
        numeric=np.full(len(series), not texts),
        min=numbers(np.min),
        max=numbers(np.max),
        mean=numbers(np.mean),
        stddev=numbers(lambda one: np.std(one, ddof=1) if len(one) > 1 else np.nan),
        distinct_count=np.array([float(one.nunique()) for one in filled]),
        empties=np.full(len(series), np.nan),
        quantiles=np.array(quantiles),
        items=[[(str(item), int(many)) for item, many in one.value_counts().head(20).items()] for one in filled],
        times=np.full(len(series), times),
    )


def only(found: Interval) -> dict[str, Any]:
    return {**found.at(0), "details": None if found.details is None else found.details[0]}


SHAPES = {
    "gamma": lambda random, n: random.gamma(3.0, 4.0, n),
    "normal": lambda random, n: random.normal(50.0, 8.0, n),
    "signed": lambda random, n: random.normal(3.0, 10.0, n),
    "skewed": lambda random, n: random.lognormal(1.0, 1.0, n),
    "steps": lambda random, n: np.round(random.gamma(3.0, 4.0, n)) * 1.15078,
    "whole": lambda random, n: random.integers(10, 500, n).astype(float),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [1.609344, 1000.0, 0.01, 60.0, -1.0, 1 / 3.6])
def test_a_unit_is_found_with_its_factor(shape: str, factor: float) -> None:
    random = np.random.default_rng(5)
    baseline, current = SHAPES[shape](random, 8_000), SHAPES[shape](random, 3_000) * factor
    found = only(unit_factor(block(current), block(baseline)))
    assert found["status"] == "OK"
    assert found["value"] == pytest.approx(factor, rel=0.08)
    assert found["lower"] <= found["value"] <= found["upper"]
    known = {name: number for number, name in KNOWN_FACTORS}
    assert found["details"] is not None
    assert known[found["details"]["known"]] == pytest.approx(factor, rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_change_the_factor_is_one_and_no_unit_is_named(shape: str) -> None:
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        found = only(unit_factor(block(SHAPES[shape](random, 500)), block(SHAPES[shape](random, 5_000))))
        covered += found["lower"] <= 1.0 <= found["upper"]
        assert found["details"] is None
        assert found["value"] == pytest.approx(1.0, abs=0.35)
    assert covered >= 51  # the estimate is a median's, its interval a normal one


def test_another_scale_with_an_offset_is_no_factor_and_is_named() -> None:
    random = np.random.default_rng(2)
    found = only(unit_factor(block(random.normal(12, 8, 2_000) * 1.8 + 32), block(random.normal(12, 8, 5_000))))
    assert (found["status"], found["value"]) == ("UNDEFINED", None)
    assert found["details"]["known"] == "degrees Celsius to Fahrenheit"


def test_what_tells_no_unit_is_undefined_with_a_sentence() -> None:
    random = np.random.default_rng(2)
    normal = random.normal(50, 5, 5_000)
    cases = {
        "another distribution": random.exponential(50, 5_000),
        "few values": random.choice([1.0, 2.0], 500),
        "few rows": normal[:5],
        "nothing": np.full(5, np.nan),
    }
    for current in cases.values():
        found = only(unit_factor(block(current), block(normal)))
        assert found["status"] == "UNDEFINED"
        assert found["message"].endswith(".")
    assert only(unit_factor(block(normal), block(np.full(5, np.nan))))["status"] == "NO_BASELINE"
    assert only(unit_factor(block(normal), None))["status"] == "NO_BASELINE"
    assert only(unit_factor(block(normal, times=True), block(normal)))["status"] == "NOT_MEANT"


def test_exchanged_categories_are_told_from_shares_that_moved() -> None:
    random = np.random.default_rng(4)
    baseline = random.choice(list("abcd"), 5_000, p=[0.5, 0.3, 0.15, 0.05])
    swapped = pd.Series(random.choice(list("abcd"), 800, p=[0.5, 0.3, 0.15, 0.05])).map({"a": "c", "c": "a", "b": "b", "d": "d"})
    moved = random.choice(list("abcd"), 800, p=[0.3, 0.3, 0.2, 0.2])
    fresh = np.append(swapped[:-1], "new")
    values = [only(category_permutation(block(one, texts=True), block(baseline, texts=True))) for one in (swapped, moved, fresh)]
    assert [one["value"] for one in values] == [1.0, 0.0, 0.0]
    assert values[0]["details"] == {"a": "c", "c": "a"}
    assert exchanged({"a": 5, "b": 5}, {"a": 5, "b": 5}) is None


def test_false_permutations_are_rare() -> None:
    random = np.random.default_rng(8)
    flagged = 0
    for _ in range(1_000):
        before = random.multinomial(2_000, [0.4, 0.3, 0.2, 0.1])
        now = random.multinomial(300, [0.4, 0.3, 0.2, 0.1])
        flagged += exchanged(dict(zip("abcd", before.tolist())), dict(zip("abcd", now.tolist()))) is not None  # noqa: B905
    assert flagged == 0


def test_a_column_is_stuck_where_it_ceased_to_vary_and_not_by_chance() -> None:
    random = np.random.default_rng(6)
    baseline = random.normal(10, 2, 5_000)
    rare = (random.random(5_000) < 0.001).astype(float)
    values = [
        only(is_stuck(block(current), block(before)))["value"]
        for current, before in [
            (np.full(200, 4.0), baseline),
            (4.0 + 1e-4 * random.normal(size=200), baseline),
            (random.choice([4.0, 5.0], 2_000), baseline),
            (random.normal(10, 2, 200), baseline),
            (np.zeros(500), rare),
            (np.full(500, 7.0), np.full(500, 7.0)),
        ]
    ]
    assert values == [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert only(is_stuck(block([np.nan]), block(baseline)))["status"] == "UNDEFINED"


def test_constant_is_one_value_other_than_null() -> None:
    cases: list[tuple[list[float | None], float | None]] = [
        ([1.0, 1.0, None], 1.0),
        ([1.0, 2.0], 0.0),
        ([5.0], 1.0),
        ([None, None], None),
        ([], None),
    ]
    for values, expected in cases:
        assert only(is_constant(block(values)))["value"] == expected


def test_a_column_that_is_held_against_nothing_has_no_row_and_one_without_rows_no_number() -> None:
    assert only(percent_sentinel(block([1.0, 2.0])))["status"] == "NOT_MEANT"
    counted = ColumnBlock(**{**vars(block([])), "counters": {"sentinel": np.array([0.0])}})
    assert only(percent_sentinel(counted))["status"] == "UNDEFINED"
    text = ColumnBlock(**{**vars(block(["a"], texts=True)), "counters": {"whitespace": np.array([0.0])}})
    assert only(percent_unseen(text))["status"] == "UNDEFINED"


def test_rows_are_expected_as_earlier_windows_of_the_same_weekday_had_them() -> None:
    rows = [(100 if day % 7 < 5 else 20) + day % 3 for day in range(56)]
    before = [((day % 7,), 24.0, many) for day, many in enumerate(rows)]
    expected = expected_rows(before, (5,), 24.0)
    saturdays = [rows[day] for day in range(5, 56, 7)][-8:]
    assert expected.rows == np.median(saturdays)
    assert expected.low <= expected.rows <= expected.high
    longer = expected_rows([((), 28 * 24.0, 280), ((), 31 * 24.0, 310), ((), 30 * 24.0, 300)], (), 31 * 24.0)
    assert longer.rows == pytest.approx(310)


def test_a_ratio_has_the_bounds_of_its_expectation() -> None:
    numbers = {"expected": np.array([100.0, np.nan, 0.0]), "expected_low": np.array([80.0, np.nan, 0.0])}
    numbers["expected_high"] = np.array([125.0, np.nan, 0.0])
    why = {"row_count_ratio": ["median", "Too few.", "None is expected."]}
    found = row_count_ratio(ArrivalBlock(np.array([50, 5, 5]), numbers, why))
    assert found.at(0) == {
        "value": 0.5,
        "value_error": 0.0,
        "lower": 0.4,
        "upper": 0.625,
        "status": "OK",
        "message": "median",
    } | {"message": None}
    assert [found.at(place)["message"] for place in (1, 2)] == ["Too few.", "None is expected."]
    broken = row_count_ratio(ArrivalBlock(np.array([50, 5, 5]), numbers, why, broken=frozenset({"row_count_ratio"})))
    assert [(one.at(1)["status"], one.at(1)["message"]) for one in (found, broken)] == [
        ("UNDEFINED", "Too few."),
        ("ERROR", "Too few."),
    ]


def test_a_gap_of_less_than_an_hour_is_known_to_an_hour() -> None:
    found = largest_gap_hours(ArrivalBlock(np.array([9, 9]), {"largest_gap_hours": np.array([0.4, 3.5])}))
    assert (found.at(0)["upper"], found.at(0)["value_error"]) == (1.0, pytest.approx(0.6))
    assert (found.at(1)["upper"], found.at(1)["value_error"]) == (3.5, 0.0)


def test_missing_hours_go_by_the_local_clock() -> None:
    # Shops open from 8 to 20 by a clock that is set forward an hour from UTC hour 500 on.
    def offset(hour: int) -> int:
        return 2 if hour >= 500 else 1

    def is_open(hour: int) -> bool:
        return 8 <= (hour + offset(hour)) % 24 < 20

    occupied = {hour: is_open(hour) for hour in range(504)}
    window = range(504, 528)
    complete = occupied | {hour: is_open(hour) for hour in window}
    assert missing_hours(window, complete, offset).hours == ()
    assert missing_hours(window, complete | {510: False, 511: False}, offset).hours == (510, 511)


def test_a_share_that_did_not_move_lies_in_its_interval_and_one_that_did_does_not() -> None:
    random = np.random.default_rng(12)
    whole, base = np.full(1_000, 400), np.full(1_000, 3_000)
    baseline = ShareBlock(random.binomial(3_000, 0.2, 1_000), base)
    same = slice_share_shift(ShareBlock(random.binomial(400, 0.2, 1_000), whole), baseline)
    moved = slice_share_shift(ShareBlock(random.binomial(400, 0.35, 1_000), whole), baseline)
    covered = [np.mean((found.lower <= shift) & (shift <= found.upper)) for found, shift in ((same, 0.0), (moved, 0.15))]
    assert all(0.93 <= share <= 0.98 for share in covered)
    gone = slice_share_shift(ShareBlock(np.array([0]), np.array([100])), ShareBlock(np.array([50]), np.array([100])))
    assert gone.value.tolist() == [-0.5]
    assert slice_share_shift(ShareBlock(np.array([0]), np.array([0])), baseline=ShareBlock(np.array([5]), np.array([9]))).at(0)[
        "status"
    ] == ("UNDEFINED")
