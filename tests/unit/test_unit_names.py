"""Of few rows a factor is named with its units only as far as these tell: others are near, or none is."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.known_units import both_ways
from spark_monitor.diagnosis.looks import Evidence
from spark_monitor.diagnosis.quantities import UNITS_OF
from spark_monitor.diagnosis.units import unit_fit
from tests.looks import look_at

SHAPES = {
    "narrow": lambda dice, rows: dice.normal(50.0, 5.0, rows),
    "skewed": lambda dice, rows: dice.gamma(8.0, 1.7, rows),
    "wide": lambda dice, rows: dice.lognormal(2.6, 0.5, rows),
    "of all sizes": lambda dice, rows: dice.exponential(48.0, rows),
}


def told(dice: np.random.Generator, shape: str, factor: float, rows: int) -> Finding:
    was, now = look_at(SHAPES[shape](dice, 9000), {}), look_at(SHAPES[shape](dice, rows) * factor, {})
    return finding_of(Evidence(now, was), frozenset({"ks"}))


@pytest.mark.parametrize("shape", ["skewed", "wide", "of all sizes"])
@pytest.mark.parametrize("rows", [280, 560])
def test_a_factor_that_is_none_of_a_known_unit_is_never_said_to_be_surely_one(shape: str, rows: int) -> None:
    dice, known = np.random.default_rng([17, rows]), np.array([factor for factor, _ in both_ways()])
    for _ in range(25):
        factor = float(np.exp(dice.uniform(np.log(1.6), np.log(80.0))))
        if np.abs(factor / known - 1).min() < 0.01:
            continue
        found = told(dice, shape, factor, rows)
        conclusion = found.conclusion or ""
        is_hedged = "about" in found.what and ("perhaps" in conclusion or ", or " in conclusion)
        assert found.kind != "unit_change" or is_hedged or conclusion == "another unit or scale", found


@pytest.mark.parametrize(("factor", "units"), [(60.0, "minutes to seconds"), (1.609344, "miles to kilometres")])
def test_a_known_factor_is_named_surely_of_many_rows_and_as_likely_of_few(factor: float, units: str) -> None:
    dice = np.random.default_rng(19)
    many, few = told(dice, "skewed", factor, 5_000), told(dice, "wide", factor, 560)

    assert f" {factor:.4g} times" in many.what
    assert (units in (many.conclusion or ""), "perhaps" in (many.conclusion or ""), "about" in many.what) == (True, False, False)
    assert (units in (few.conclusion or ""), "about" in few.what) == (True, True)


@pytest.mark.parametrize(
    ("column", "factor", "units"),
    [
        ("kwh_yesterday", 1000.0, "another unit, kWh to Wh"),
        ("weight_g", 0.001, "another unit, grams to kilograms"),
        ("latency_ms", 0.001, "another unit, milliseconds to seconds"),
        ("voltage", 1000.0, "another unit, such as volts to millivolts, or kilovolts to volts"),
        ("fee_cents", 0.01, "another unit, cents to euros or dollars"),
        ("humidity_percent", 0.01, "another unit, percent to fractions"),
        ("gust", 1.609344, "another unit, miles to kilometres (mph to km/h)"),
        ("income", 12.0, "another unit, years to months, or amounts of a month to those of a year"),
        ("delay_minutes", 1000.0, "another unit or scale"),
        ("price_per_kg", 1000.0, "another unit, such as seconds to milliseconds, or kilometres to metres"),
        ("x17", 1000.0, "another unit, such as seconds to milliseconds, or kilometres to metres"),
    ],
)
def test_units_are_those_of_what_the_column_measures(column: str, factor: float, units: str) -> None:
    dice = np.random.default_rng(23)
    was, now = (look_at(np.round(dice.gamma(6.0, 8.0, 9_000), 3) * one, {}) for one in (1.0, factor))

    found = finding_of(Evidence(now, was, name=column), frozenset({"ks"}))

    assert (found.kind, found.conclusion) == ("unit_change", units)
    assert f" {factor:.4g} times" in found.what


def test_every_pair_of_units_has_the_factor_that_is_known_of_it() -> None:
    """Against the table of known factors, both ways: whatever both name, they agree on."""
    names = {(quantity, unit.name): unit.size for quantity, several in UNITS_OF.items() for unit in several}
    pairs = {(one[1], other[1]): names[one] / names[other] for one in names for other in names if one[0] == other[0]}
    told = {tuple(part.removeprefix("such as ").split(" to ")): factor for factor, part in both_ways() if part.count(" to ") == 1}
    common = [pair for pair in told if pair in pairs]

    assert len(common) >= 20
    assert all(abs(pairs[pair] / told[pair] - 1) < 1e-6 for pair in common), common


def test_fewer_zeros_are_hardly_ever_another_unit() -> None:
    """Rain of wet days and dry ones: where fewer are dry every percentile is higher, and zero is zero in every unit."""
    dice, named = np.random.default_rng(29), {"wetter": 0, "in another unit": 0}
    for _ in range(60):
        was, wetter, scaled = (
            np.where(dice.random(rows) < dry, 0.0, np.round(dice.gamma(3.0, 1.5 * wet, rows), 1))
            for rows, dry, wet in ((10_500, 0.6, 1.0), (1000, 0.52, 1.5), (1000, 0.6, 1.0))
        )
        for name, now in (("wetter", wetter), ("in another unit", scaled * 25.4)):
            zeros = [{"0": int((values == 0).sum())} for values in (now, was)]
            found = finding_of(Evidence(look_at(now, zeros[0]), look_at(was, zeros[1]), name="rain"), frozenset({"ks"}))
            named[name] += found.kind == "unit_change"

    assert named["wetter"] <= 6
    assert named["in another unit"] == 60


@pytest.mark.parametrize("seed", range(5))
def test_a_power_of_ten_that_is_near_by_chance_alone_is_no_better_name_than_a_nearer_unit(seed: int) -> None:
    random = np.random.default_rng(seed)
    before, now = ((62 * np.exp(0.35 * random.normal(size=rows))).round(1) for rows in (2_500, 180))
    quantiles = [np.quantile(side, np.linspace(0, 1, 101)) for side in (before, (now * 10.764).round(1))]
    fit = unit_fit(*quantiles, atoms_before={}, atoms={}, rows=(before.size, now.size))
    assert fit is not None
    assert "square metres to square feet" in (fit.name or "")
