"""What people read is in the monitor's zone and names it; what machines read is UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from example_facts import config
from hypothesis import given
from hypothesis import strategies as st

from spark_monitor.commands.terminal import json_text
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.local_times import in_zone
from spark_monitor.insight.results import Results
from spark_monitor.insight.rows import CountRow, IncidentRow, RunRow
from spark_monitor.outputs.alerts.message import message_of
from spark_monitor.outputs.digest.digest import digest_html, digest_markdown, digest_of
from spark_monitor.outputs.digest.due import last_period
from spark_monitor.outputs.report.page import report_html
from spark_monitor.outputs.terminal.summary import summary
from spark_monitor.text.formatting import day, in_words, local, span
from spark_monitor.windowing.windows import parse_every, parse_timestamp, window_of, windows_between

NEW_YORK = "America/New_York"
ZONES = ("UTC", NEW_YORK, "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia")
SUNDAY = parse_timestamp("2024-07-07T06:00Z")
MONITOR = config(windows={"every": "1 day", "zone": NEW_YORK})


def facts() -> Facts:
    """A monitor of days in New York, whose only incident began on a Sunday there."""
    daily = parse_every("1 day")
    days = windows_between(parse_timestamp("2024-07-01T12:00Z"), parse_timestamp("2024-07-08T12:00Z"), daily, NEW_YORK)
    first = window_of(SUNDAY, daily, NEW_YORK)
    incident = IncidentRow("abc", "drift", "fare drifts", "fare drifts.", first.start, first.end, first_end=first.end)
    results = Results(
        [CountRow("1", one, 100) for one in days],
        incidents=[incident],
        open_total=1,
        runs=[RunRow("r", parse_timestamp("2024-07-09T04:00Z"), "COMMITTED")],
    )
    return assembled(results, MONITOR)


def test_the_summary_and_the_report_are_in_the_monitors_zone_and_say_so() -> None:
    known = facts()
    page = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", report_html(known, MONITOR)))
    text = " ".join(summary(known, MONITOR).split())

    for shown in (text, page):
        assert "2024-07-09 00:00" not in shown
        assert "2024-07-09 EDT (times are those of America/New_York)" in shown
        assert "since 2024-07-07, seen until 2024-07-08" in shown.lower()
        assert "UTC" not in shown
    assert "as of 2024-07-08 to 2024-07-09" in known.sentence


def test_machines_read_utc() -> None:
    document = json_text({"facts": facts()})
    assert '"2024-07-07T04:00:00Z"' in document
    assert "-04:00" not in document


def test_the_digest_is_of_a_period_of_the_zone() -> None:
    period = last_period("1 week", parse_timestamp("2024-07-09T04:00Z"), NEW_YORK)
    digest = digest_of([facts()], period.start, period.end)

    assert digest.subject == "flights_delay, 2024-07-01 to 2024-07-08: 1 new incident, 1 open"
    assert "since 2024-07-07, owner" in digest_markdown(digest)
    assert "UTC" not in digest_html(digest)
    both = digest_of([facts(), assembled(Results([]), config())], period.start, period.end)
    assert "2024-07-01 04:00 to 2024-07-08 04:00 UTC" in both.subject  # of two zones neither


def test_a_message_is_in_the_zone() -> None:
    people = config().people
    message = message_of(facts().open[0], "OPENED", "key", monitor="m", people=people, file="m.yaml")
    assert "Since 2024-07-07 (1 window, 1 check)." in message.body


@given(st.sampled_from(ZONES), st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)))
def test_a_local_timestamp_reads_as_the_zones_clock_does(zone: str, moment: datetime) -> None:
    at = moment.replace(tzinfo=UTC)
    wall = at.astimezone(ZoneInfo(zone))
    shown = local(at, zone)
    assert shown == at
    assert hash(shown) == hash(at)
    assert day(shown) == (f"{wall:%Y-%m-%d}" if (wall.hour, wall.minute) == (0, 0) else f"{wall:%Y-%m-%d %H:%M}")
    assert in_words(shown).startswith(day(shown))


@pytest.mark.parametrize("zone", ["Europe/Berlin", NEW_YORK, "Australia/Lord_Howe"])
def test_windows_of_the_night_when_clocks_are_set_back_stay_apart_and_in_order(zone: str) -> None:
    year = parse_timestamp("2024-01-01"), parse_timestamp("2025-01-01")
    windows = windows_between(*year, parse_every("1 hour"), zone)
    shown = in_zone(windows, zone)
    assert shown == windows
    assert len(set(shown)) == len(windows)
    assert all(one < other for one, other in pairwise(shown))
    assert len({one.text for one in shown}) == len(windows)
    assert all(one.end - one.start <= timedelta(hours=1) for one in shown)


def test_every_zone_has_a_name_that_can_be_read() -> None:
    at = datetime(2024, 7, 1, 12, 34, tzinfo=UTC)
    for zone in available_timezones() - {"localtime"}:
        assert re.fullmatch(r"2024-0\d-\d\d \d\d:\d\d ([A-Z][A-Za-z]{1,5}|UTC[+-]\d\d(:?\d\d)?)", in_words(local(at, zone))), zone
        assert span(local(at, zone), local(at, zone)).count(" to ") == 1
