"""Faults of single columns are called what they are: texts that stand for nothing, digits that are lost, yes and no exchanged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.named_faults import scored
from benchmarks.seen_columns import named
from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.diagnose import _as_in_slice
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import Evidence, Look, Measured
from tests.looks import look_at

ROWS = 1_000


def found(name: str, baseline: np.ndarray, now: np.ndarray) -> Finding:
    return named(name, pa.array(baseline), pa.array(baseline[:ROWS]), pa.array(now))


def texts_of(kind: str, rows: int) -> np.ndarray:
    random = np.random.default_rng(5)
    if kind == "amount":
        return np.array([f"{value:.2f}" for value in random.lognormal(4, 1, rows)])
    if kind == "day":
        return (np.datetime64("2024-01-01") + random.integers(0, 300, rows)).astype(str)
    if kind == "code":
        return np.array([f"AB-{value:05d}" for value in random.integers(0, 90_000, rows)])
    return random.choice(["basic", "plus", "premium"], rows, p=[0.6, 0.3, 0.1])


@pytest.mark.parametrize("kind", ["amount", "day", "code", "plan"])
@pytest.mark.parametrize("text", ["n/a", "NULL", "--", "not available", "Unknown"])
def test_words_for_nothing_are_placeholders_and_no_other_format(kind: str, text: str) -> None:
    baseline = texts_of(kind, 6 * ROWS)
    now = np.where(np.arange(ROWS) % 5 < 2, text, baseline[-ROWS:])
    what = found(kind, baseline, now)
    assert (what.kind, what.item) == ("sentinel", text)
    assert what.what == f"40.0 % of its values are {text}, 0.0 % in the baseline"


@pytest.mark.parametrize(
    ("kind", "text"), [("day", "1970-01-01"), ("day", "9999-12-31"), ("amount", "-999"), ("amount", "99999")]
)
def test_numbers_and_days_that_stand_for_nothing_are_placeholders_among_strings_too(kind: str, text: str) -> None:
    baseline = texts_of(kind, 6 * ROWS)
    assert found(kind, baseline, np.where(np.arange(ROWS) % 3 == 0, text, baseline[-ROWS:])).kind == "sentinel"


def test_a_category_named_none_that_grows_a_little_is_no_flood() -> None:
    was, now = ({"none": none, "ten": 700 - none, "half": 300} for none in (300, 400))
    usual, here = Look(count=1000, items=was), Look(count=1000, items=now)
    assert finding_of(Evidence(here, usual), frozenset({"population_stability_index"})).kind == "drift"


def test_another_way_of_writing_is_another_format_and_not_merely_unseen() -> None:
    baseline = texts_of("day", 6 * ROWS)
    now = np.array([f"{one[8:]}/{one[5:7]}/{one[:4]}" for one in baseline[-ROWS:]])
    assert found("day", baseline, now).what == "its strings have another format"


@pytest.mark.parametrize(
    ("way", "named_way"),
    [
        (lambda one: one.replace(".", ","), "a decimal comma"),
        (lambda one: f"{1000 * float(one):,.2f}", "thousands separators"),
        (lambda one: f"{1000 * float(one):,.2f}".translate(str.maketrans(",.", ".,")), "thousands separators"),
        (lambda one: f"{one} EUR", "a unit or currency"),
        (lambda one: f"${one}", "a unit or currency"),
    ],
)
def test_amounts_in_another_way_of_writing_are_told_by_it(way: Callable[[str], str], named_way: str) -> None:
    baseline = texts_of("amount", 6 * ROWS)
    what = found("amount", baseline, np.array([way(one) for one in baseline[-ROWS:].tolist()]))
    assert what.kind == "schema_change"
    assert f"numbers with {named_way}, such as " in what.what


@pytest.mark.parametrize(("share", "kind"), [(5.0, "drift"), (45.0, "sentinel")])
def test_placeholders_that_the_baseline_has_as_often_name_no_drift(share: float, kind: str) -> None:
    random = np.random.default_rng(8)
    baseline = np.where(random.random(6_000) < 0.05, -999.0, random.normal(50, 10, 6_000))
    moved = np.where(random.random(ROWS) < share / 100, -999.0, random.normal(58, 14, ROWS))
    looks = [look_at(values, {"-999": int((values == -999).sum())}) for values in (moved, baseline)]
    measured = {"percent_sentinel": Measured(100 * float((moved == -999).mean()))}
    assert finding_of(Evidence(*looks, quality=measured), frozenset({"ks"})).kind == kind


def test_a_text_for_nothing_is_named_in_the_slice_that_holds_it_by_what_is_counted_there() -> None:
    whole = Finding("sentinel", item="n/a", part=0.1)
    in_slice = Finding("unseen_category", "its strings have another format", part=0.5)
    look, was = Look(count=200, items={"basic": 100}), Look(count=900, items={"basic": 900})
    rows = Evidence(look, was, quality={"percent_format_mismatch": Measured(50.0)})
    assert _as_in_slice(whole, in_slice, rows).what == "50.0 % of its values are n/a, 0.0 % in the baseline"


@pytest.mark.parametrize(("way", "word"), [(np.round, "rounded"), (np.trunc, "cut off")])
@pytest.mark.parametrize("step", [0.5, 10.0, 200.0])
def test_digits_that_are_lost_are_no_stuck_source_and_no_flood_of_zeros(way: np.ufunc, word: str, step: float) -> None:
    random = np.random.default_rng(9)
    baseline = random.exponential(2 * step, 6 * ROWS)
    what = found("x", baseline, way(random.exponential(2 * step, ROWS) / step) * step)
    assert (what.kind, what.what) == ("drift", f"values are the baseline's, {word} to multiples of {step:g}")


def test_yes_and_no_exchanged_as_numbers_are_re_coded() -> None:
    random = np.random.default_rng(10)
    baseline = (random.random(6 * ROWS) < 0.2).astype(float)
    assert found("is_new", baseline, 1 - baseline[-ROWS:]).kind == "encoding_swap"


def test_counts_that_all_grow_are_not_re_coded() -> None:
    random = np.random.default_rng(11)
    assert found("items", random.poisson(3, 6 * ROWS) * 1.0, np.round(random.poisson(3, ROWS) * 1.2)).kind == "drift"


def test_names_that_hardly_repeat_are_cut_and_not_stuck() -> None:
    random = np.random.default_rng(12)
    cities = np.array(["London", "Paris", "Berlin", "Madrid", "Bruxelles", "Warszawa", "Lisboa", "Dublin", "Athens", "Vienna"])
    baseline = np.array([f"{cities[x % 10]} Street {x}" for x in random.integers(0, 9_000, 6 * ROWS)])
    assert found("name", baseline, np.array([one[:4] for one in baseline[-ROWS:]])).conclusion == "they were cut"


def test_random_faults_in_random_columns_are_hardly_ever_called_something_else() -> None:
    scores = scored(20, 200).values()
    right, unnamed = sum(one.right for one in scores), sum(one.unnamed for one in scores)
    assert right >= 190
    assert 200 - right - unnamed <= 4
