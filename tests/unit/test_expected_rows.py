"""How many rows earlier windows make one expect, before and after the days of the week are known."""

from __future__ import annotations

import numpy as np
import pytest

from spark_monitor.quality.history import expected_rows

WEEK = (1200, 1100, 1000, 1000, 1100, 600, 500)


def days(rows: tuple[int, ...], until: int) -> list[tuple[tuple[int, ...], float, int]]:
    noise = np.random.default_rng(4).normal(0, 10, until)
    return [((day % 7,), 24.0, round(rows[day % 7] + noise[day])) for day in range(until)]


@pytest.mark.parametrize("sunday", [6, 13, 20])
def test_a_sunday_is_not_surely_short_of_rows_while_fewer_than_three_are_known(sunday: int) -> None:
    expected = expected_rows(days(WEEK, sunday), (6,), 24.0)

    assert 500 / expected.low > 0.6


@pytest.mark.parametrize(("rows", "day"), [((1000,) * 7, 5), ((1000,) * 7, 12), (WEEK, 34)])
def test_half_a_day_is_surely_lost_where_days_are_alike_or_known(rows: tuple[int, ...], day: int) -> None:
    expected = expected_rows(days(rows, day), (day % 7,), 24.0)

    assert 0.5 * rows[day % 7] / expected.low < 0.6
