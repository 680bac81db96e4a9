"""A sign that is flipped in a part of the rows is told with its part; what drifts across zero is not taken for it."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.groups import WHOLE
from spark_monitor.diagnosis.looks import Evidence
from tests.looks import look_at
from tests.planted import WEEKS, diagnosed, planted, table

Draw = Callable[[np.random.Generator, int], np.ndarray]
Change = Callable[[np.random.Generator, np.ndarray], np.ndarray]

OF_ONE_SIGN: dict[str, Draw] = {
    "skewed": lambda dice, rows: dice.lognormal(3.0, 0.8, rows),
    "far from zero": lambda dice, rows: dice.normal(50.0, 10.0, rows),
    "counts": lambda dice, rows: dice.poisson(4.0, rows) + 1.0,
    "shares": lambda dice, rows: dice.beta(5.0, 2.2, rows),
    "two humps": lambda dice, rows: np.where(dice.random(rows) < 0.4, dice.normal(8, 1.5, rows), dice.normal(20, 2, rows)),
}
OF_BOTH_SIGNS: dict[str, Draw] = {
    "normal": lambda dice, rows: dice.normal(1.0, 1.0, rows),
    "nearly symmetric": lambda dice, rows: dice.normal(2.1, 6.5, rows),
    "heavy tails": lambda dice, rows: dice.standard_t(3, rows) + 0.6,
    "exponential": lambda dice, rows: dice.exponential(1.0, rows) - 0.75,
}
DRIFT: dict[str, Change] = {
    "nothing": lambda dice, values: values,
    "to the other side": lambda dice, values: values - values.mean() - values.std(),
    "to the middle": lambda dice, values: values - values.mean(),
    "half-way": lambda dice, values: values - values.mean() / 2,
    "wider": lambda dice, values: values.mean() + 1.6 * (values - values.mean()),
    "a hump below": lambda dice, values: np.where(dice.random(values.size) < 0.3, values - 12 * values.std(), values),
    "a tail": lambda dice, values: (
        values - np.where(dice.random(values.size) < 0.2, dice.exponential(4 * values.std(), values.size), 0.0)
    ),
}


def told(dice: np.random.Generator, draw: Draw, change: Change, rows: int) -> str:
    was, now = look_at(draw(dice, 9000), {}), look_at(change(dice, draw(dice, rows)), {})
    return finding_of(Evidence(now, was), frozenset({"ks"})).what


@pytest.mark.parametrize("part", [0.25, 0.4, 0.7])
@pytest.mark.parametrize("rows", [500, 1_250])
@pytest.mark.parametrize("shape", sorted(OF_ONE_SIGN))
def test_the_part_of_the_rows_whose_sign_is_flipped_is_told(shape: str, rows: int, part: float) -> None:
    dice = np.random.default_rng([2, rows])

    def flip(dice: np.random.Generator, values: np.ndarray) -> np.ndarray:
        return np.where(dice.random(values.size) < part, -values, values)

    for _ in range(5):
        what = told(dice, OF_ONE_SIGN[shape], flip, rows)
        found = re.fullmatch(r"about (\d+) % of its values have the opposite sign of the baseline's", what)
        assert found is not None, what
        assert float(found[1]) == pytest.approx(100 * part, abs=100 * 3.5 * np.sqrt(part * (1 - part) / rows) + 1)


@pytest.mark.parametrize("shape", sorted({**OF_ONE_SIGN, **OF_BOTH_SIGNS}))
def test_what_drifts_across_zero_is_not_taken_for_a_part_with_another_sign(shape: str) -> None:
    draw = {**OF_ONE_SIGN, **OF_BOTH_SIGNS}[shape]
    for rows in (260, 1_250):
        for name, change in DRIFT.items():
            dice = np.random.default_rng([3, rows, len(name)])
            assert not any("of its values have the opposite" in told(dice, draw, change, rows) for _ in range(4)), name


def test_a_sign_that_is_flipped_in_one_slice_is_in_that_slice() -> None:
    rows = planted("price", lambda values: -values, weeks=range(6, WEEKS), where=("origin", "JFK"))

    for judged in ((), None):
        found = diagnosed(rows, ["price"], judged=judged).only
        assert (found.kind, found.slice) == ("unit_change", ("origin", "JFK")), found.diagnosis


def test_a_sign_that_is_flipped_in_some_rows_of_all_slices_is_one_incident_of_all_rows() -> None:
    rows, dice = table(5), np.random.default_rng(6)
    wrong = (rows["week"] >= 6) & pd.Series(dice.random(len(rows)) < 0.3)
    rows["price"] = rows["price"].where(~wrong, -rows["price"])

    found = diagnosed(rows, ["price"]).only

    assert (found.kind, found.slice) == ("unit_change", WHOLE), found.diagnosis
    assert "have the opposite sign of the baseline's" in found.diagnosis
