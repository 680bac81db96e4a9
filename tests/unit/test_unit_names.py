"""Of few rows a factor is named with its units only as far as these tell: others are near, or none is."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.known_units import both_ways
from spark_monitor.diagnosis.looks import Evidence
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
