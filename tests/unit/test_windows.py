"""Windows against pandas' time zone arithmetic, and against a clock that is read minute by minute."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.errors import ConfigError
from spark_monitor.windowing.periods import parse_zone
from spark_monitor.windowing.windows import (
    Granularity,
    Window,
    closed_windows,
    ordinal,
    parse_duration,
    parse_every,
    parse_timestamp,
    window_of,
    windows_between,
)

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu"]
HARD_ZONES = ["America/Sao_Paulo", "America/Havana", "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "America/Toronto"]
NESTED = [("1 hour", "1 day"), ("6 hours", "1 day"), ("1 day", "1 week"), ("1 day", "1 month"), ("1 month", "1 quarter")]
EVERY = ["1 hour", "3 hours", "12 hours", "1 day", "5 days", "1 week", "2 weeks", "1 month", "5 months", "1 quarter", "1 year"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def edges(start: str, end: str, every: str, zone: str) -> list[datetime]:
    windows = windows_between(at(start), at(end), parse_every(every), zone)
    return [window.start for window in windows] + [windows[-1].end]


def pandas_edges(start: str, end: str, frequency: str, zone: str) -> list[datetime]:
    return [moment.to_pydatetime().astimezone(UTC) for moment in pd.date_range(start, end, freq=frequency, tz=zone)]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("every", "frequency"), [("1 day", "D"), ("1 week", "W-MON"), ("1 month", "MS"), ("1 quarter", "QS"), ("1 year", "YS")]
)
def test_calendar_windows_are_those_of_pandas_through_clock_changes(zone: str, every: str, frequency: str) -> None:
    expected = pandas_edges("2023-01-01", "2027-02-10", frequency, zone)
    found = edges("2023-02-01", "2025-01-01", every, zone)
    first = expected.index(found[0])
    assert found == expected[first : first + len(found)]
    assert found[0] <= at("2023-02-01") < found[1]
    assert found[-2] < at("2025-01-01") <= found[-1]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"])
def test_hours_are_those_of_pandas_with_23_and_25_in_the_nights_of_change(zone: str) -> None:
    expected = pandas_edges("2024-03-01", "2024-12-02", "h", zone)
    found = edges("2024-03-02", "2024-12-01", "1 hour", zone)
    first = expected.index(found[0])
    assert found == expected[first : first + len(found)]


def test_six_hours_begin_when_the_local_clock_reads_a_multiple() -> None:
    found = edges("2024-03-30T12:00", "2024-04-01T12:00", "6 hours", "Europe/Berlin")
    local = [moment.astimezone(ZoneInfo("Europe/Berlin")).hour for moment in found]
    assert local == [12, 18, 0, 6, 12, 18, 0, 6, 12, 18]
    assert sorted({(later - earlier).total_seconds() / 3600 for earlier, later in pairwise(found)}) == [5, 6]


@pytest.mark.parametrize("zone", HARD_ZONES)
def test_a_day_begins_when_the_clock_first_reads_it_even_where_midnight_is_skipped_or_repeated(zone: str) -> None:
    spans = {
        "America/Sao_Paulo": ("2017-10-10", "2018-02-25"),
        "America/Havana": ("2023-03-08", "2023-11-10"),
        "America/St_Johns": ("2006-03-28", "2006-11-02"),
        "Pacific/Apia": ("2011-12-26", "2012-01-04"),
        "Africa/Cairo": ("2023-04-25", "2023-11-01"),
        "America/Toronto": ("1919-03-27", "1919-04-03"),
    }
    start, end = spans[zone]
    minutes = pd.date_range(start, end, freq="min", tz="UTC")
    days = minutes.tz_convert(zone).tz_localize(None).normalize().to_numpy()
    furthest = np.maximum.accumulate(days)
    begins = minutes[1:][furthest[1:] > furthest[:-1]]
    expected = [moment.to_pydatetime() for moment in begins]
    windows = windows_between(expected[0], expected[-1], parse_every("1 day"), zone)
    assert [window.start for window in windows] == expected[:-1]
    assert windows[-1].end == expected[-1]


def test_the_day_that_apia_skipped_has_no_window_and_its_number_is_left_out() -> None:
    every = parse_every("1 day")
    windows = windows_between(at("2011-12-28"), at("2012-01-03"), every, "Pacific/Apia")
    local = [window.start.astimezone(ZoneInfo("Pacific/Apia")).date().isoformat() for window in windows]
    assert "2011-12-30" not in local
    numbers = [ordinal(window, every, "Pacific/Apia") for window in windows]
    assert sorted(later - earlier for earlier, later in pairwise(numbers)) == [1] * (len(numbers) - 2) + [2]


def test_several_days_and_weeks_are_counted_from_a_fixed_epoch() -> None:
    days = edges("2024-01-01", "2024-02-01", "3 days", "America/New_York")
    local = pd.DatetimeIndex(days).tz_convert("America/New_York").tz_localize(None)
    assert set((local - pd.Timestamp("1970-01-01")).days % 3) == {0}
    weeks = edges("2024-01-01", "2024-04-01", "2 weeks", "America/New_York")
    local = pd.DatetimeIndex(weeks).tz_convert("America/New_York").tz_localize(None)
    assert set((local - pd.Timestamp("1970-01-05")).days % 14) == {0}


def test_several_months_are_counted_from_january_1970() -> None:
    assert [edge.isoformat()[:10] for edge in edges("2024-01-01", "2024-12-01", "5 months", "UTC")] == [
        "2023-10-01",
        "2024-03-01",
        "2024-08-01",
        "2025-01-01",
    ]


@pytest.mark.parametrize("every", EVERY)
@given(
    moment=st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2060, 1, 1)),
    zone=st.sampled_from(ZONES + HARD_ZONES),
    days=st.integers(min_value=0, max_value=40),
)
def test_windows_cover_time_once_and_are_found_from_inside(every: str, moment: datetime, zone: str, days: int) -> None:
    granularity, start = parse_every(every), moment.replace(tzinfo=UTC)
    end = start + timedelta(days=days, microseconds=1)
    windows = windows_between(start, end, granularity, zone)
    assert windows[0].start <= start < windows[0].end
    assert windows[-1].start < end <= windows[-1].end
    assert all(earlier.end == later.start for earlier, later in pairwise(windows))
    assert all(window.start < window.end for window in windows)
    for window in windows[:3] + windows[-3:]:
        assert window_of(window.start, granularity, zone) == window
        assert window_of(window.end - timedelta(microseconds=1), granularity, zone) == window


@given(
    moment=st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2060, 1, 1)),
    zone=st.sampled_from(ZONES + HARD_ZONES),
    pair=st.sampled_from(NESTED),
)
def test_finer_windows_nest_in_the_coarser_ones_of_the_calendar(moment: datetime, zone: str, pair: tuple[str, str]) -> None:
    fine = window_of(moment.replace(tzinfo=UTC), parse_every(pair[0]), zone)
    coarse = window_of(moment.replace(tzinfo=UTC), parse_every(pair[1]), zone)
    assert coarse.start <= fine.start < fine.end <= coarse.end


@pytest.mark.parametrize("every", EVERY)
def test_numbers_grow_by_one_from_window_to_window(every: str) -> None:
    granularity = parse_every(every)
    span = 800 if granularity.nominal_hours > 24 else 20
    for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata"):
        start = at("2024-03-20")
        windows = windows_between(start, start + timedelta(days=span), granularity, zone)
        numbers = [ordinal(window, granularity, zone) for window in windows]
        assert numbers == list(range(numbers[0], numbers[0] + len(windows)))


def test_numbers_count_from_1970() -> None:
    moment = np.datetime64("2013-09-02")
    by_numpy = {"1 hour": "h", "1 day": "D", "1 month": "M", "1 year": "Y"}
    expected = {every: moment.astype(f"datetime64[{unit}]").astype(int) for every, unit in by_numpy.items()}
    for every, number in {**expected, "1 week": (expected["1 day"] - 4) // 7, "1 quarter": expected["1 month"] // 3}.items():
        granularity = parse_every(every)
        assert ordinal(window_of(at("2013-09-02"), granularity, "UTC"), granularity, "UTC") == number


def test_only_windows_that_are_over_are_closed() -> None:
    weekly = parse_every("1 week")
    windows = closed_windows(at("2013-01-02"), at("2013-01-21"), weekly, "UTC")
    assert [window.start for window in windows] == [at("2012-12-31"), at("2013-01-07"), at("2013-01-14")]
    assert len(closed_windows(at("2013-01-02"), at("2013-01-20T23:59:59"), weekly, "UTC")) == 2
    assert closed_windows(at("2013-01-02"), at("2012-01-02"), weekly, "UTC") == []


def test_an_empty_or_reversed_range_has_no_windows() -> None:
    assert windows_between(at("2024-01-02"), at("2024-01-02"), parse_every("1 day"), "UTC") == []
    assert windows_between(at("2024-01-03"), at("2024-01-02"), parse_every("1 day"), "UTC") == []


def test_a_window_holds_its_start_and_not_its_end() -> None:
    window = Window(at("2024-01-01"), at("2024-01-02"))
    assert window.start in window
    assert window.end not in window


def test_a_timestamp_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        window_of(datetime(2024, 1, 1), parse_every("1 day"), "UTC")


def test_the_ends_of_the_calendar_and_endless_ranges_are_errors_with_a_sentence() -> None:
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        for every in EVERY:
            for zone in ("America/New_York", "Asia/Kolkata"):
                with suppress(ConfigError):
                    assert moment in window_of(moment, parse_every(every), zone)
    with pytest.raises(ConfigError, match="can hold"):
        window_of(datetime.max.replace(tzinfo=UTC), parse_every("1 year"), "UTC")
    with pytest.raises(ConfigError, match="shorter range"):
        windows_between(at("0002-01-01"), at("2024-01-01"), parse_every("1 hour"), "UTC")


@pytest.mark.parametrize(
    ("text", "label"), [("1 week", "1 week"), ("1 weeks", "1 week"), (" 2  Weeks ", "2 weeks"), ("12 hours", "12 hours")]
)
def test_granularities_have_one_canonical_text(text: str, label: str) -> None:
    assert parse_every(text).label == label


@pytest.mark.parametrize("text", ["", "week", "0 days", "-1 day", "1.5 days", "5 hours", "24 hours", "1 minute", "1000 days"])
def test_other_granularities_are_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="found"):
        parse_every(text)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("0 days", timedelta(0)),
        ("30 minutes", timedelta(minutes=30)),
        ("36 hours", timedelta(1.5)),
        ("14 days", timedelta(14)),
        ("2 weeks", timedelta(14)),
    ],
)
def test_durations_are_read(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "14", "1 month", "-1 days", "99999999 days", "99999999 minutes", "30 seconds"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="found"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["2013-09-02", "2013-09-02T00:00", "2013-09-02 00:00", "2013-09-02T00:00:00Z", "2013-09-02T02:00+02:00", "20130902"]
)
def test_timestamps_are_read_as_utc(text: str) -> None:
    found = parse_timestamp(text)
    assert found == pd.Timestamp("2013-09-02", tz="UTC")
    assert found.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "yesterday", "2013-13-01", "0001-01-01T00:00+14:00", "9999-12-31", "1378080000"])
def test_other_timestamps_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match="2013-09-02"):
        parse_timestamp(text)


@pytest.mark.parametrize("name", ["Europe/Berln", "", "../etc/passwd", "America", "CEST"])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="time zone"):
        parse_zone(name)


def test_granularities_are_compared_by_length() -> None:
    assert not Granularity("week", 4).is_coarser_than(Granularity("month"))
    assert Granularity("month", 13).is_coarser_than(Granularity("year"))
