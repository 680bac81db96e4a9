"""The longest time without a request within a window: measured exactly, and named where neither chance nor habit explains it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from spark_monitor.catalogue.dimensions import TABLE_ROW
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.operations.serving import beyond_chance
from tests.unit.test_serving import EVERYTHING, HOUR, log_of, measured, one

DAY = 24 * HOUR
DAYS = tuple(WindowKey("1 day", day * DAY, (day + 1) * DAY) for day in range(4))


def days_of(*, silent: dict[int, tuple[float, float]], seed: int, rows: int = 8_000) -> pd.DataFrame:
    """A log of four days, without the hours from one to another of some days."""
    frame = log_of(rows, seed=seed, hours=96)
    for number, (since, until) in silent.items():
        hour, day = (frame["time"] % DAY) / HOUR, frame["time"] // DAY
        frame = frame[~((day == number) & (hour >= since) & (hour < until))]
    return frame


def daily(frame: pd.DataFrame, *, has: frozenset[str] = EVERYTHING, **options: Any) -> pd.DataFrame:
    seed = {"kind": "seed", "granularity": "1 day", "start": -1, "column_name": TABLE_ROW}
    return measured(frame, DAYS, has=has, before=[seed], **{"lookback": 100 * DAY, **options})


def exact_gap(frame: pd.DataFrame, day: int) -> int:
    seconds = np.unique(frame["time"][frame["time"] // DAY == day] // 1_000_000)
    return int((np.diff(np.concatenate([[day * 86_400 - 1], seconds, [(day + 1) * 86_400]])) - 1).max())


def test_eight_hours_without_a_request_are_a_number_of_their_window_and_its_sentence() -> None:
    frame = days_of(silent={2: (9, 17)}, seed=3)
    found = daily(frame)
    for day in range(4):
        assert one(found, "largest_gap_seconds", day * DAY)["value"] == exact_gap(frame, day)
        message = one(found, "requests", day * DAY)["message"]
        assert (message or "").count("No request for") == (day == 2)
    assert "No request for 8.0 hours, from 1970-01-03 0" in one(found, "requests", 2 * DAY)["message"]
    endpoint = frame[frame["endpoint"] == "explain"]
    assert one(found, "largest_gap_seconds", 2 * DAY, "explain")["value"] == exact_gap(endpoint, 2)


def test_nights_that_are_always_silent_are_named_once() -> None:
    found = daily(days_of(silent=dict.fromkeys(range(4), (0.0, 7.0)), seed=4))
    messages = [one(found, "requests", day * DAY)["message"] or "" for day in range(4)]
    assert ["No request for" in message for message in messages] == [True, False, False, False]


def test_batches_that_come_by_the_hour_leave_gaps_as_they_always_do() -> None:
    frame = days_of(silent={}, seed=8)
    found = daily(frame.assign(time=frame["time"] // HOUR * HOUR))
    assert not any("No request for" in (one(found, "requests", day * DAY)["message"] or "") for day in range(4))
    assert one(found, "largest_gap_seconds", DAY)["value"] == 3_599


def test_few_requests_leave_gaps_by_chance() -> None:
    frame = days_of(silent={}, seed=5, rows=24)
    found = daily(frame)
    assert not any("No request for" in (one(found, "requests", day * DAY)["message"] or "") for day in range(4))
    assert one(found, "largest_gap_seconds", 0)["value"] == exact_gap(frame, 0)


def test_a_window_without_any_request_has_no_gap_but_its_status() -> None:
    row = one(daily(days_of(silent={1: (0, 24)}, seed=6)), "largest_gap_seconds", DAY)
    assert (row["status"], pd.isna(row["value"])) == ("EMPTY", True)


@pytest.mark.parametrize("gap", [600.0, 900.0, 1_200.0])
def test_the_bound_by_chance_is_above_what_simulation_finds(gap: float) -> None:
    random = np.random.default_rng(7)
    times = np.sort(random.uniform(0, 86_400, (4_000, 1_000)), axis=1)
    edges = np.concatenate([np.zeros((4_000, 1)), times, np.full((4_000, 1), 86_400.0)], axis=1)
    simulated = (np.diff(edges, axis=1).max(axis=1) > gap).mean()
    bound = 1_001 * (1 - gap / 86_400) ** 1_000
    assert simulated <= min(1.0, bound) + 3 * np.sqrt(bound / 4_000)
    assert beyond_chance(gap, 1_000, 86_400) == (bound < 1e-6)
