"""What several versions of few rows show together is named by all their rows; what a slice's check says is said of the slice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spark_monitor.diagnosis.detect import finding_of
from spark_monitor.diagnosis.findings import Finding
from spark_monitor.diagnosis.looks import Evidence
from spark_monitor.diagnosis.mixtures import pool
from spark_monitor.diagnosis.onsets import together
from tests.planted import WEEKS, diagnosed, look, planted, start


def versions(factor: float, seed: int) -> list[Evidence]:
    """Three versions of a few hundred rows each, in another unit and rounded again."""
    dice = np.random.default_rng(seed)
    was = pd.Series(np.round(dice.gamma(5.1, 2.9, 20_000), 1))
    found = []
    for rows in (560, 440, 250):
        now, before = (np.round(dice.gamma(5.1, 2.9, rows), 1) for _ in range(2))
        found.append(Evidence(look(pd.Series(np.round(now * factor, 1))), look(was), look(pd.Series(before))))
    return found


@pytest.mark.parametrize("factor", [1.852, 3.785411784, 1.609344])
def test_a_factor_is_sharper_from_all_versions_than_from_one(factor: float) -> None:
    def is_exact(one: Finding) -> bool:
        return one.kind == "unit_change" and f"{factor:.4g} times" in one.what

    tables = [versions(factor, seed) for seed in range(20)]
    alone = sum(is_exact(finding_of(looks[0], frozenset())) for looks in tables)
    pooled = sum(is_exact(finding_of(together(looks), frozenset())) for looks in tables)
    assert pooled >= alone
    assert pooled >= 14


def test_looks_pooled_are_the_look_at_all_rows() -> None:
    dice = np.random.default_rng(7)
    parts = [pd.Series(np.round(dice.normal(20, 5, rows), 1)) for rows in (300, 170, 90)]
    pooled, whole = pool([look(part) for part in parts]), look(pd.concat(parts))

    assert (pooled.count, pooled.nulls, pooled.least, pooled.greatest) == (whole.count, whole.nulls, whole.least, whole.greatest)
    assert (pooled.mean, pooled.stddev) == (pytest.approx(whole.mean), pytest.approx(whole.stddev))
    apart = np.array(pooled.quantiles) - np.array(whole.quantiles)
    assert np.abs(apart[5:96]).max() <= 0.5
    assert abs(apart[5:96].mean()) <= 0.1


def test_a_sensor_that_is_stuck_in_one_slice_is_no_stuck_column() -> None:
    rows = planted("pressure", lambda v: 1009.25, weeks=range(6, WEEKS), where=("origin", "JFK"))
    extra = [
        {
            "metric": "is_stuck",
            "family": "quality",
            "column_name": "pressure",
            "model_version": version,
            "slice_key": "origin",
            "slice_value": origin,
            "value": float(origin == "JFK"),
            "verdict": "FAIL" if origin == "JFK" else "PASS",
            "expected": "<= 0",
            "start": start(week),
            "end": start(week + 1),
        }
        for week in range(6, WEEKS)
        for version in ("1", "2")
        for origin in ("EWR", "JFK", "LGA")
    ]
    found = diagnosed(rows, ["pressure"], extra=extra).only
    assert (found.kind, found.slice) == ("stuck", ("origin", "JFK")), found.diagnosis
