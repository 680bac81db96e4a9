"""Local times on either side of a timestamp, held against where each single local time is placed."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from spark_monitor.kernel.times import first_readings, timestamps

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
CHANGES = {
    "UTC": dt.datetime(2024, 1, 1),
    "Asia/Kathmandu": dt.datetime(1986, 1, 1),
    "Europe/Berlin (skips an hour)": dt.datetime(2024, 3, 31, 2),
    "Europe/Berlin (repeats an hour)": dt.datetime(2024, 10, 27, 2),
    "Australia/Lord_Howe (skips half an hour)": dt.datetime(2024, 10, 6, 2),
    "Australia/Lord_Howe (repeats half an hour)": dt.datetime(2024, 4, 7, 2),
    "Pacific/Apia (skips a day)": dt.datetime(2011, 12, 30),
    "America/Sao_Paulo (skips midnight)": dt.datetime(2018, 11, 4),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_local_time_is_at_or_above_the_first_reading_exactly_if_it_is_placed_at_or_after_the_timestamp(change: str) -> None:
    zone = change.split()[0]
    around = round((CHANGES[change] - dt.datetime(1970, 1, 1)) / dt.timedelta(microseconds=1))
    local = around + np.arange(-2 * DAY, 2 * DAY, 10 * MINUTE)
    placed = np.asarray(timestamps(pa.array(local, pa.timestamp("us")), zone).to_numpy())
    assert (np.diff(placed) >= 0).all()
    random = np.random.default_rng(5)
    moments = np.concatenate([placed, placed + 1, placed - 1, random.integers(placed[0], placed[-1], 200)])
    readings = np.array(first_readings(moments.tolist(), zone))
    np.testing.assert_array_equal(local[None, :] >= readings[:, None], placed[None, :] >= moments[:, None])
    # The reading itself is reached, and the microsecond before it is not.
    for shift, reached in ((0, True), (-1, False)):
        at = np.asarray(timestamps(pa.array(readings + shift, pa.timestamp("us")), zone).to_numpy())
        assert ((at >= moments) == reached).all()


def test_a_day_begins_when_the_zones_clock_reads_midnight() -> None:
    zone = ZoneInfo("Europe/Berlin")
    days = [dt.datetime(2024, 3, 25, tzinfo=zone) + dt.timedelta(days=day) for day in range(14)]
    expected = [round((day.replace(tzinfo=None) - dt.datetime(1970, 1, 1)) / dt.timedelta(microseconds=1)) for day in days]
    assert first_readings([round(day.timestamp()) * 1_000_000 for day in days], "Europe/Berlin") == expected


def test_of_no_timestamp_there_is_no_reading() -> None:
    assert first_readings([], "Europe/Berlin") == []
