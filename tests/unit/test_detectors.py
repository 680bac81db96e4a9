"""Faults that single values tell: decimals in another unit, hours in another zone, cut and damaged strings, exchanged columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import Evidence, Measured
from tests.planted import diagnosed, look, start, table

KS = frozenset({"ks"})


def found(before: pd.Series, now: pd.Series, name: str = "") -> Finding:
    return finding_of(Evidence(look(now), look(before), look(before), name=name), KS)


@pytest.mark.parametrize("factor", [1.609344, 0.45359237, 0.44704, 2.54, 3.6, 100.0, 0.001, 1 / 1.609344])
@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_a_unit_is_read_from_decimals_in_few_rows(factor: float, decimals: int) -> None:
    dice = np.random.default_rng([3, decimals])
    before, now = (pd.Series(np.round(dice.lognormal(4.0, 1.0, rows), decimals)) for rows in (4000, 150))

    told = found(before, now * factor)

    assert told.kind == "unit_change"
    assert told.factor == pytest.approx(factor, rel=1e-3)


@pytest.mark.parametrize("factor", [1.609344, 1 / 1.609344, 3.6, 1 / 3.6, 0.45359237, 2.54, 1.852])
@pytest.mark.parametrize("middle", [4.2, 38.0])
def test_values_that_are_rounded_again_in_another_unit_have_no_other_factor(factor: float, middle: float) -> None:
    dice = np.random.default_rng([5, int(middle)])
    before, now = (pd.Series(np.round(dice.normal(middle, middle / 4, rows), 1)) for rows in (9000, 2500))

    told = found(before, np.round(now * factor, 1))

    assert told.kind == "unit_change"
    assert told.factor == pytest.approx(factor, rel=1e-3)


@pytest.mark.parametrize("step", [0.7, 1.0987, 4.0])
def test_large_values_that_move_by_a_step_are_not_one_time_what_they_were(step: float) -> None:
    dice = np.random.default_rng(9)
    before, now = (pd.Series(np.round(dice.normal(231.0, 2.2, rows), 1)) for rows in (9000, 1200))

    assert found(before, now + step).kind == "drift"


@pytest.mark.parametrize("more", [1, 2, 3, 5])
def test_counts_that_grow_are_no_hours_and_no_names(more: int) -> None:
    dice = np.random.default_rng(10)
    for draw in (lambda rows: dice.geometric(0.38, rows), lambda rows: dice.poisson(9, rows)):
        before, now = pd.Series(draw(20_000)), pd.Series(draw(1500))
        assert found(before, now + more, "item_count").kind == "drift"


@pytest.mark.parametrize("factor", [0.01, 100.0, 1000.0, 1.609344])
def test_a_unit_is_read_from_what_is_mostly_zero(factor: float) -> None:
    dice = np.random.default_rng(12)

    def draw(rows: int) -> pd.Series:
        return pd.Series(np.where(dice.random(rows) < 0.62, 0.0, np.round(dice.uniform(5, 40, rows), 1)))

    told = found(draw(20_000), draw(2000) * factor)

    assert (told.kind, told.factor) == ("unit_change", pytest.approx(factor, rel=1e-3))


def test_a_factor_that_few_rows_do_not_tell_from_another_is_told_as_about_so_much() -> None:
    dice = np.random.default_rng(3)
    before, now = (pd.Series(np.round(dice.exponential(48.0, rows))) for rows in (20_000, 300))

    told = found(before, np.round(now * 3.6))

    assert told.what == "values are about 3.6 times the baseline's"
    assert told.conclusion == "another unit, m/s to km/h, or US gallons to litres"


def test_values_that_only_move_or_spread_are_in_no_other_unit() -> None:
    dice, named = np.random.default_rng(8), []
    for turn in range(30):
        before = pd.Series(dice.gamma(4.0, 2.0, 3000))
        now = pd.Series(dice.gamma(4.0, 2.0, 700))
        for moved in (now + 4.0, now.median() + 2.5 * (now - now.median()) + 3.0, now.where(dice.random(700) < 0.5, now + 9.0)):
            named.append((turn, found(before, moved).kind))
    assert sum(kind != "drift" for _, kind in named) <= 2, named


def test_a_column_scaled_down_is_not_stuck() -> None:
    dice = np.random.default_rng(4)
    before = pd.Series(dice.gamma(4.0, 2.0, 3000))

    assert found(before, pd.Series(dice.gamma(4.0, 2.0, 600)) / 1000).factor == pytest.approx(0.001)
    assert found(before, pd.Series(np.full(600, 3.25))).kind == "stuck"


@pytest.mark.parametrize("hours", [-8, -5, 2, 5, 9, 12])
def test_hours_of_the_day_in_another_zone_are_named(hours: int) -> None:
    dice = np.random.default_rng(6)
    before, now = (pd.Series(np.clip(np.round(dice.normal(13, 3.0, rows)), 0, 23)) for rows in (5000, 700))

    told = found(before, (now + hours) % 24, "arrival_hour")

    assert (told.kind, told.conclusion) == ("unit_change", "another time zone")
    assert f"{'+' if hours > 0 else '-'} {abs(hours)} hours" in told.what
    assert found(before, now).kind == "drift"


def test_texts_that_were_cut_or_read_in_another_encoding_are_named() -> None:
    dice = np.random.default_rng(7)
    names = ["Jürgen Weiß", "Zoë Ångström", "Ann Lee", "René Ça", "Bo Li"]
    before, now = (pd.Series(dice.choice(np.array(names, dtype=object), rows)) for rows in (4000, 500))

    cut = found(before, now.str.slice(0, 5))
    damaged = found(before, now.map(lambda text: text.encode("utf-8").decode("latin-1")))

    assert (cut.kind, cut.conclusion) == ("unseen_category", "they were cut")
    assert "at most 5 characters" in cut.what
    assert found(before, now[:30].str.slice(0, 5)).conclusion == "they were cut"  # a slice of few rows
    assert (damaged.kind, damaged.conclusion) == ("encoding_swap", "they were read in another encoding")
    assert found(before, now.where(now != "Bo Li", "Newcomer")).what.endswith("(Newcomer)")


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_texts_that_are_spelled_in_another_way_are_named(share: float) -> None:
    random = np.random.default_rng(5)
    before = pd.Series(random.choice(["mobile", "desktop", "tablet"], 900, p=[0.6, 0.3, 0.1]))
    hit = random.random(900) < share
    spaced, upper = found(before, before.where(~hit, before + " ")), found(before, before.where(~hit, before.str.upper()))

    assert spaced.kind == "unseen_category"
    assert spaced.what == f'{100 * hit.mean():.1f} % of its strings have blanks around them, such as "mobile "'
    assert upper.kind == ("encoding_swap" if share == 1.0 else "unseen_category")
    assert upper.what == f'{100 * hit.mean():.1f} % of its strings have other capital letters, such as "MOBILE"'


def test_another_name_is_no_other_spelling() -> None:
    before = pd.Series(["mobile", "desktop", "tablet"] * 300)

    assert "blanks" not in found(before, before.replace("tablet", "tv ")).what
    assert "letters" not in found(before, before.replace({"tablet": "TV", "mobile": "PHONE"})).what


def test_columns_that_hold_each_others_values_are_one_problem() -> None:
    rows = table(5)
    wrong = rows["week"] >= 6
    speed = rows["speed"].where(~wrong, rows["pressure"])
    rows["pressure"] = rows["pressure"].where(~wrong, rows["speed"])
    rows["speed"] = speed

    only = diagnosed(rows, ("speed", "price", "pressure", "seats")).only

    assert (only.kind, only.opened) == ("upstream", start(6))
    assert only.columns == ("pressure", "speed")
    assert "pressure those of speed" in only.diagnosis
    assert "columns were shifted or exchanged" in only.diagnosis


@pytest.mark.parametrize("before", [np.nan, 2.5])
def test_what_held_no_value_or_one_alone_has_not_ceased_to_vary(before: float) -> None:
    was, now = pd.Series([before] * 4000), pd.Series([1.5] * 900)
    evidence = Evidence(look(now), look(was), look(was), quality={"is_constant": Measured(1.0)})

    assert finding_of(evidence, frozenset({"percent_null_delta"})).kind != "stuck"


def test_what_varied_and_has_one_value_alone_is_stuck() -> None:
    was, now = pd.Series(np.tile([1.0, 2.5], 2000)), pd.Series([1.5] * 900)
    evidence = Evidence(look(now), look(was), look(was), quality={"is_constant": Measured(1.0)})

    assert finding_of(evidence, KS).kind == "stuck"
