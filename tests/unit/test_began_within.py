"""A change of unit that begins in the middle of a window which itself stays below its limit: the next window names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.looks import Evidence, Look

Draw = Callable[[np.random.Generator, int], np.ndarray]
Change = Callable[[np.ndarray], np.ndarray]

CASES: dict[str, tuple[Draw, Change, float]] = {
    "degrees": (lambda random, rows: random.normal(15, 8, rows), lambda values: values * 1.8 + 32, 1.8),
    "cents": (lambda random, rows: random.lognormal(3, 0.8, rows), lambda values: values * 100, 100.0),
    "weight": (lambda random, rows: random.normal(75, 14, rows), lambda values: values / 0.45359237, 2.2046),
}


def look(values: np.ndarray) -> Look:
    low, high = float(values.min()), float(values.max())
    quantiles = tuple(np.quantile(values, np.linspace(0, 1, 101)).tolist())
    return Look(values.size, 0, "OK", None, float(values.mean()), float(values.std()), low, high, quantiles)


def named(was: np.ndarray, before: np.ndarray, now: np.ndarray) -> Any:
    return finding_of(Evidence(look(now), look(was), look(before)), frozenset())


@pytest.mark.parametrize("part", [0.1, 0.4, 0.85])
@pytest.mark.parametrize("name", CASES)
def test_it_is_named_with_its_factor(name: str, part: float) -> None:
    draw, change, factor = CASES[name]
    random = np.random.default_rng([7, len(name)])
    before = draw(random, 2000)
    before[: int(part * before.size)] = change(before[: int(part * before.size)])

    finding = named(draw(random, 20_000), before, change(draw(random, 2000)))

    assert finding.kind == "unit_change"
    assert finding.factor == pytest.approx(factor, rel=1e-3)


@pytest.mark.parametrize("rows", [200, 2000, 30_000])
def test_a_drift_that_passes_by_half_way_is_none(rows: int) -> None:
    random = np.random.default_rng([11, rows])

    def weight(shift: float) -> np.ndarray:
        return random.normal(75, 14, rows) * (1 + shift)

    kinds = [named(random.normal(75, 14, 20_000), weight(0.6), weight(1.2046)).kind for _ in range(20)]

    assert kinds == ["drift"] * 20
