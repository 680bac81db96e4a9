"""A forecast's interval where days vary in ways that the few days so far have not shown yet."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.operations.billing import CostBlock, Week, budget_forecast_percent

BEFORE, DAYS = 35, 30


def coverage(so_far: int, random: np.random.Generator, months: int) -> float:
    """How often the interval holds a month's end: one day in twenty costs twice as much, in no order."""
    held = 0
    for _ in range(months):
        weekdays = (np.arange(BEFORE + DAYS) + random.integers(7)) % 7
        costs = 100 * (1 + 0.05 * random.normal(size=weekdays.size) + (random.random(weekdays.size) < 0.05))
        month, of_month = costs[BEFORE:], weekdays[BEFORE:]
        week = Week(of_month[:so_far], of_month[so_far:], costs[:BEFORE], weekdays[:BEFORE], int(of_month[so_far]))
        block = CostBlock(
            spent=np.array([month[:so_far].sum()]),
            budget=np.array([month.sum()]),
            open_days=np.array([float(DAYS - so_far)]),
            days=[month[:so_far]],
            weeks=[week],
        )
        found = budget_forecast_percent(block)
        held += bool(found.lower[0] <= 100 <= found.upper[0])
    return held / months


@pytest.mark.parametrize("so_far", [3, 7, 15, 25])
def test_the_interval_holds_months_with_days_that_are_dear_at_random(so_far: int) -> None:
    # By the days so far alone it held 70 to 91 of 100.
    assert coverage(so_far, np.random.default_rng(so_far), 400) > 0.9


def test_calmer_days_before_make_no_interval_narrower() -> None:
    days, weekdays = np.array([80.0, 120, 95, 140, 60, 101, 99]), np.arange(7)
    alone = CostBlock(spent=np.array([695.0]), budget=np.array([3000.0]), open_days=np.array([23.0]), days=[days])
    calm = Week(weekdays, np.arange(7, 30) % 7, np.full(BEFORE, 100.0), np.arange(BEFORE) % 7, 0)
    beside = CostBlock(alone.cost, alone.predictions, alone.spent, alone.budget, alone.open_days, [days], [calm])

    found = [budget_forecast_percent(block) for block in (alone, beside)]
    assert found[0].upper[0] == pytest.approx(found[1].upper[0])
    assert found[0].lower[0] == pytest.approx(found[1].lower[0])
