"""The worst slices against an oracle that ranks them by hand."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from spark_monitor.scores.worst import worst_rows


def row(value: float, lower: float, upper: float, count: int = 500) -> dict[str, object]:
    return {"value": value, "value_error": 0.0, "lower": lower, "upper": upper, "count": count}


def test_slices_are_ranked_by_what_is_sure_of_them_among_all_that_were_looked_at() -> None:
    rows = {(None, None): row(0.9, 0.89, 0.91, 5_000)}
    values = {"a": 0.6, "b": 0.7, "c": 0.86, "d": 0.95, "few": 0.1}
    for name, value in values.items():
        rows["team", name] = row(value, value - 0.05, value + 0.04, 20 if name == "few" else 500)
    found = list(worst_rows("roc_auc_score", rows, most=10))
    factor = stats.norm.ppf(1 - 0.025 / 4) / stats.norm.ppf(0.975)  # four have rows enough
    assert [(one["class"], dict(one["details"])["slice_value"]) for one in found] == [("1", "a"), ("2", "b")]
    assert math.isclose(found[0]["lower"], 0.6 - 0.05 * factor)
    assert math.isclose(found[0]["upper"], 0.6 + 0.04 * factor)
    assert 0.86 + 0.04 * factor > 0.9  # what is not surely worse is not told
    assert dict(found[0]["details"])["share"] == "0.1000"


def test_widened_bounds_stay_within_what_the_metric_can_be() -> None:
    high = {(None, None): row(0.5, 0.49, 0.51), **{("team", str(n)): row(0.05, 0.01, 0.1) for n in range(30)}}
    assert {one["lower"] for one in worst_rows("roc_auc_score", high, most=100)} == {0.0}
    errors = {(None, None): row(1.0, 0.9, 1.1), **{("team", str(n)): row(9.0, 4.0, np.inf) for n in range(3)}}
    assert {one["upper"] for one in worst_rows("root_mean_squared_error", errors, most=100)} == {np.inf}
