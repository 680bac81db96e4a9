"""The change point and the slope of series of windows, made with known ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from spark_monitor.diagnosis.trend import trend


def test_a_step_begins_where_it_was_made() -> None:
    generator = np.random.default_rng(1)
    off = []
    for _ in range(50):
        place = int(generator.integers(5, 25))
        series = generator.normal(0, 0.3, 30)
        series[place:] += 1.0
        found = trend(range(30), series)
        assert found is not None
        assert found.onset is not None
        off.append(abs(found.onset - place))
    assert np.mean(np.array(off) <= 1) >= 0.9


def test_a_slow_drift_begins_where_it_leaves_its_level() -> None:
    generator = np.random.default_rng(2)
    off, inside = [], []
    for _ in range(60):
        series = np.maximum(np.arange(40) - 20, 0) * 0.1 + generator.normal(0, 0.15, 40)
        found = trend(range(40), series)
        assert found is not None
        assert found.onset is not None
        assert found.is_going_on
        off.append(found.onset - 21)
        inside.append(found.lower <= 0.1 <= found.upper)
    assert np.mean(np.abs(off) <= 4) >= 0.9
    assert np.mean(inside) >= 0.85


def test_a_series_without_a_change_seldom_has_one() -> None:
    generator = np.random.default_rng(3)
    found = [trend(range(20), generator.exponential(size=20)) for _ in range(400)]
    share = np.mean([one is not None and one.onset is not None for one in found])
    assert share <= 0.075
    assert np.mean([one is not None and one.is_going_on for one in found if one and one.onset is None]) <= 0.07


def test_the_slope_is_that_of_scipy() -> None:
    generator = np.random.default_rng(4)
    times, series = np.cumsum(generator.uniform(0.5, 1.5, 9)), generator.normal(size=9)
    found = trend(times, series)
    assert found is not None
    start = found.onset or 0
    exact = linregress(times[start:], series[start:])
    assert found.slope == pytest.approx(exact.slope, rel=1e-9)


def test_few_windows_have_no_trend() -> None:
    assert trend(range(7), np.arange(7.0)) is None


def test_rounding_is_no_rise() -> None:
    level = trend(np.arange(26) * 7.0, [0.03] * 13 + [0.1 * 4 + 0.012 + place * 1e-17 for place in range(13)])
    assert level is not None
    assert level.onset == 13
    assert not level.is_going_on
