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


def hours(until: int, seed: int = 5) -> list[tuple[tuple[int, ...], float, int]]:
    """Windows of an hour whose rows follow the day: a thousand at two in the afternoon, fifty at two at night."""
    random = np.random.default_rng(seed)
    course = 500 * (1 + 0.9 * np.sin((np.arange(until) % 24 - 8) / 24 * 2 * np.pi))
    return [((hour // 24 % 7, hour % 24), 1.0, int(rows)) for hour, rows in enumerate(random.poisson(course))]


def test_an_hour_is_held_to_the_same_hour_of_other_days_until_its_weekday_is_known() -> None:
    known = hours(6 * 24)
    expected = expected_rows(known, (6, 2), 1.0)
    assert expected.rows == np.median([rows for (_, hour), _, rows in known if hour == 2])
    assert expected.why == "median of 6 windows of the same hour"


@pytest.mark.parametrize("seed", range(4))
def test_the_course_of_a_day_is_no_loss_of_rows_in_any_week(seed: int) -> None:
    windows = hours(28 * 24, seed)
    ratios = [
        rows / expected.low
        for place, (phase, length, rows) in enumerate(windows)
        if np.isfinite((expected := expected_rows(windows[:place], phase, length)).rows) and expected.low > 0
    ]
    assert len(ratios) > 600
    assert min(ratios) > 0.6


@pytest.mark.parametrize("hour", [5 * 24 + 9, 5 * 24 + 14, 10 * 24 + 20])
def test_two_thirds_of_an_hour_are_surely_lost_within_the_first_weeks(hour: int) -> None:
    windows = hours(hour + 1)
    phase, length, rows = windows[hour]
    assert 0.3 * rows / expected_rows(windows[:hour], phase, length).low < 0.6


def test_of_the_first_day_nobody_knows_how_many_rows_an_hour_has() -> None:
    assert np.isnan(expected_rows(hours(20), (0, 20), 1.0).rows)
    assert expected_rows(hours(20), (0, 20), 1.0).why.startswith("The windows before tell no whole day")
