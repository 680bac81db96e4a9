"""A calm period of a column that mostly holds one value is no stuck source; one value that was rare is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from spark_monitor.quality.column_block import ColumnBlock
from spark_monitor.quality.variation import is_stuck

RANDOM = np.random.default_rng(2)
RAIN = np.where(RANDOM.random(9000) < 0.94, 0.0, RANDOM.exponential(0.1, 9000).round(2))
SIGHT = np.where(RANDOM.random(9000) < 0.82, 10.0, RANDOM.choice([0.5, 2.0, 4.0, 7.0, 9.0], 9000))
LATE = (RANDOM.random(9000) < 0.3).astype(np.float64)
SUN = np.where(RANDOM.random(9000) < 0.42, 0.0, RANDOM.gamma(2.0, 120.0, 9000).round(1))
RATING = RANDOM.choice([0.0, 1.0, 2.0, 3.0], 9000, p=[0.42, 0.2, 0.2, 0.18])
BALANCE = np.where(RANDOM.random(9000) < 0.1, 0.0, RANDOM.normal(0, 90, 9000).round(2))
PRESSURE = RANDOM.normal(1015, 7, 9000).round(1)


def block(values: np.ndarray) -> ColumnBlock:
    one = {"min": values.min(), "max": values.max(), "mean": values.mean(), "stddev": values.std(ddof=1), "empties": np.nan}
    return ColumnBlock(
        count=np.array([values.size]),
        nulls=np.array([0]),
        numeric=np.array([True]),
        distinct_count=np.array([float(np.unique(values).size)]),
        quantiles=np.quantile(values, np.linspace(0, 1, 101), method="inverted_cdf")[None, :],
        items=[[(repr(value), rows) for value, rows in Counter(values.tolist()).most_common(20)]],
        **{name: np.array([value]) for name, value in one.items()},
    )


@pytest.mark.parametrize(
    ("baseline", "now", "stuck"),
    [
        (RAIN, np.zeros(800), 0.0),
        (SIGHT, np.where(np.arange(800) % 25 == 0, 9.0, 10.0), 0.0),
        (LATE, np.where(np.arange(400) % 20 == 0, 1.0, 0.0), 0.0),
        (SUN, np.zeros(330), 0.0),
        (SUN, np.where(np.arange(330) % 40 == 0, 0.1, 0.0), 0.0),
        (SUN, np.full(330, 240.5), 1.0),
        (RATING, np.zeros(330), 1.0),
        (BALANCE, np.zeros(330), 1.0),
        (SIGHT, np.full(800, 10.0), 1.0),
        (SIGHT, np.full(800, 4.0), 1.0),
        (RAIN, np.full(800, 0.25), 1.0),
        (PRESSURE, np.full(800, 1013.2), 1.0),
        (PRESSURE, np.full(800, 1013.2) + np.where(np.arange(800) == 3, 0.1, 0.0), 1.0),
    ],
)
def test_what_is_usual_is_not_stuck(baseline: np.ndarray, now: np.ndarray, stuck: float) -> None:
    assert is_stuck(block(now), block(baseline)).value.tolist() == [stuck]
