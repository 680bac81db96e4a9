"""Windows of few rows cannot say surely that a fault began in them; the incident that comes of it begins there all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from spark_monitor.diagnosis.diagnose import evidence_keys, incidents
from spark_monitor.diagnosis.incident import Incident
from spark_monitor.diagnosis.looks import Evidence, EvidenceKey
from spark_monitor.windowing.timestamps import timestamp_of
from tests import planted

HOUR = planted.DAY // 24
HOURS, BEGAN, ROWS = 40, 30, 165
JUDGED = range(BEGAN - 2, BEGAN + 7)
"""Hours whose distance is worth computing; in the others it is none."""

LIMIT = 0.217
"""What the ks of an hour and version may be, as the baseline's own hours make it."""

Change = Callable[[np.ndarray], np.ndarray]


def begin(hour: int) -> int:
    return planted.FIRST + hour * HOUR


def wind(dice: np.random.Generator, rows: int) -> np.ndarray:
    return np.round(dice.lognormal(2.4, 0.65, rows), 1)


class Table:
    """Two versions' hours of one column, changed from an hour on, with a limit that half of the changed hours surely break."""

    def __init__(self, change: Change, seed: int, *, began: int = BEGAN, lasts: int = 6) -> None:
        dice = np.random.default_rng(seed)
        self.baseline = wind(dice, 4_000)
        self.hours = {(hour, version): wind(dice, int(dice.poisson(ROWS))) for hour in range(HOURS) for version in ("1", "2")}
        for hour, version in self.hours:
            if began <= hour < began + lasts:
                self.hours[hour, version] = change(self.hours[hour, version])

    def checks(self) -> list[dict[str, Any]]:
        return [self._check(*about) for about in self.hours]

    def _check(self, hour: int, version: str) -> dict[str, Any]:
        values = self.hours[hour, version]
        distance = float(ks_2samp(self.baseline, values, method="asymp").statistic) if hour in JUDGED else 0.0
        reach = 1.6 / np.sqrt(len(values))
        verdict = "FAIL" if distance - reach > LIMIT else "PASS" if distance <= LIMIT else "UNDECIDED"
        return planted._named(
            {
                "metric": "ks",
                "family": "drift",
                "column_name": "wind",
                "model_version": version,
                "slice_key": None,
                "slice_value": None,
                "value": distance,
                "lower": distance - reach,
                "upper": distance + reach,
                "expected": f"<= {LIMIT}",
                "verdict": verdict,
                "granularity": "1 hour",
                "start": begin(hour),
                "end": begin(hour + 1),
            }
        )

    def evidence(self, key: EvidenceKey) -> Evidence:
        column, start, version, _ = key
        hour = (start - planted.FIRST) // HOUR

        def at(place: int) -> Any:
            return planted.look(pd.Series(self.hours[place, version or "1"])) if (place, version) in self.hours else None

        return Evidence(
            at(hour),
            planted.look(pd.Series(self.baseline)),
            at(hour - 1),
            name=column,
            season=at(hour - 24),
            season_before=at(hour - 25),
        )

    def incidents(self) -> list[Incident]:
        groups = planted.groups_of(self.checks())
        windows = {"1 hour": [(begin(hour), begin(hour + 1)) for hour in range(HOURS)]}
        evidence = {key: self.evidence(key) for key in evidence_keys(groups)}
        return incidents(groups, windows, evidence, monitor_id="m")

    def first_sure(self) -> int:
        return min(row["start"] for row in self.checks() if row["verdict"] == "FAIL")


def late(change: Change) -> list[Table]:
    """Tables whose first changed hour nobody could decide."""
    tables = [Table(change, seed) for seed in range(24)]
    undecided = [
        one for one in tables if any(row["verdict"] == "FAIL" for row in one.checks()) and one.first_sure() > begin(BEGAN)
    ]
    return undecided[:8]


def kilometres(values: np.ndarray) -> np.ndarray:
    return np.round(values * 1.609344, 1)


@pytest.mark.slow
def test_a_change_of_unit_begins_in_the_hour_in_which_values_changed_and_is_named() -> None:
    tables = late(kilometres)
    assert len(tables) >= 5
    told = [one.incidents() for one in tables]

    assert [len(found) for found in told] == [1] * len(tables)
    assert sum(found[0].opened == begin(BEGAN) for found in told) >= 0.8 * len(told)
    assert all(begin(BEGAN) <= found[0].opened <= one.first_sure() for one, found in zip(tables, told, strict=True))
    assert sum("miles to kilometres" in found[0].diagnosis for found in told) >= 0.7 * len(told)
    hours = [timestamp_of(found[0].opened) for found in told]
    assert all(f"since {hour:%Y-%m-%d %H:%M} UTC" in found[0].diagnosis for hour, found in zip(hours, told, strict=True))


def test_a_shift_begins_in_the_hour_in_which_values_changed() -> None:
    tables = late(lambda values: np.round(values + 4.2, 1))
    assert len(tables) >= 5
    told = [one.incidents() for one in tables]

    assert sum(found[0].opened == begin(BEGAN) for found in told) >= 0.7 * len(told)
    assert all(found[0].opened >= begin(BEGAN) for found in told)
    assert sum(found[0].kind == "drift" for found in told) >= 0.8 * len(told)


@pytest.mark.parametrize("change", [lambda values: values * 100, lambda values: -values])
def test_what_the_first_hour_shows_surely_is_dated_by_it(change: Change) -> None:
    for seed in range(6):
        (found,) = Table(change, seed).incidents()
        assert (found.opened, found.first) == (begin(BEGAN), (begin(BEGAN), begin(BEGAN + 1)))


def test_an_hour_beyond_its_limit_by_chance_does_not_date_what_begins_after_it() -> None:
    """Values of the hour before lie a little higher, by no more than chance makes of some, and are in the old unit."""
    dated = []
    for seed in range(20):
        table = Table(lambda values: values * 100, seed)
        table.hours[BEGAN - 1, "1"] = np.round(table.hours[BEGAN - 1, "1"] + 3.6, 1)
        if table._check(BEGAN - 1, "1")["verdict"] == "UNDECIDED":
            dated.append(table.incidents()[0].opened)
    assert dated
    assert set(dated) == {begin(BEGAN)}
