"""What the demo tells: which mornings are run, what is said of the faults, and where things are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest
from example_facts import config, example

from spark_monitor.demo import story
from spark_monitor.demo.findings import WeekChecked, found_line
from spark_monitor.demo.prepare import DemoPaths, Prepared

NOTHING = cast(Any, None)


@contextmanager
def no_progress() -> Iterator[None]:
    yield


def mornings_run(monkeypatch: pytest.MonkeyPatch, last: datetime | None) -> list[tuple[datetime, datetime | None]]:
    """Which mornings are run after an earlier demo ended at ``last``, each with the run before it."""
    ran: list[tuple[datetime, datetime | None]] = []

    def run(monitor: object, spark: object, act: story.Act, before: datetime | None, *others: object) -> None:
        ran.append((act.as_of, before))

    monkeypatch.setattr(story, "told_run", run)
    story.monitored(NOTHING, NOTHING, last, print, no_progress)
    return ran


def test_the_acts_are_mornings_of_mondays_in_their_order() -> None:
    timestamps = [act.as_of for act in story.ACTS]
    assert timestamps == sorted(set(timestamps))
    assert {timestamp.strftime("%A %H:%M") for timestamp in timestamps} == {"Monday 06:00"}


def test_a_first_demo_runs_every_morning_after_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    timestamps = [act.as_of for act in story.ACTS]
    assert mornings_run(monkeypatch, None) == list(zip(timestamps, [None, *timestamps[:-1]], strict=True))


def test_a_second_demo_runs_the_last_morning_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    last = story.ACTS[-1].as_of
    assert mornings_run(monkeypatch, last) == [(last, last)]


def test_a_demo_that_was_cut_off_goes_on_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = story.ACTS[1].as_of
    assert [as_of for as_of, _ in mornings_run(monkeypatch, ended)] == [act.as_of for act in story.ACTS[2:]]


def test_the_change_of_unit_is_found_by_the_first_run_after_its_first_week() -> None:
    from spark_monitor.demo.data import WIND_FAULT_FROM

    timestamps = [pd.Timestamp(act.as_of) for act in story.ACTS]
    assert any(pd.Timedelta(days=7) <= timestamp - WIND_FAULT_FROM < pd.Timedelta(days=8) for timestamp in timestamps)


@pytest.mark.parametrize("anew", [True, False])
def test_the_introduction_names_the_faults_the_numbers_and_the_monitors_file(tmp_path: Path, anew: bool) -> None:
    prepared = Prepared(DemoPaths(tmp_path), anew, 1_000, 2_000, 900, {"version 1 (logistic regression)": 0.7})
    text = "\n".join(story.introduction(prepared))
    for part in (
        "1,000",
        "2,000",
        "900",
        "version 1 (logistic regression): ROC AUC 0.700",
        "km/h instead of mph",
        "missing for JFK",
    ):
        assert part in text
    assert str(tmp_path / "flights.yaml") in text
    assert ("used again" in text) is not anew


def test_a_path_is_shown_as_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path)
    assert story.typed(tmp_path / "below" / "flights.yaml") == "below/flights.yaml"
    monkeypatch.chdir(tmp_path / "below")
    assert story.typed(tmp_path / "flights.yaml") == str(tmp_path / "flights.yaml")


def test_the_end_says_where_the_programs_are_when_path_does_not_lead_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert any("spark-monitor and mlflow are in" in line for line in story.ending(0.0))


def week(day: str, value: float, verdict: str) -> WeekChecked:
    return WeekChecked(pd.Timestamp(day, tz="UTC"), value, verdict)


def test_a_fault_is_told_with_the_weeks_that_had_it_and_those_that_had_not() -> None:
    clean = [week("2013-09-02", 0.1, "PASS"), week("2013-09-09", 0.317, "PASS")]
    faulty = [week("2013-09-16", 0.696, "FAIL"), week("2013-09-23", 0.759, "FAIL"), week("2013-09-30", 0.7, "WARN")]
    assert found_line("tv_distance", clean, faulty) == (
        "tv_distance 0.696 to 0.759 in 3 weeks with the fault (2 FAIL, 1 WARN), 0.100 to 0.317 in 2 weeks without (2 PASS)."
    )
    assert found_line("tv_distance", clean, faulty[:1]).startswith("tv_distance 0.696 in 1 week with the fault (1 FAIL), ")


def test_weeks_that_were_not_checked_are_not_a_success() -> None:
    assert found_line("tv_distance", [], []) == "tv_distance was not checked in these weeks."


def test_the_rules_that_catch_the_faults_are_in_the_monitors_file(tmp_path: Path) -> None:
    from spark_monitor.config.monitor import load_config
    from spark_monitor.demo.monitor_file import PLACES

    rules = {(rule.metric, column) for rule in load_config(PLACES[0]).rules for column in rule.columns}
    assert {("tv_distance", "wind_speed"), ("percent_null", "visib")} <= rules


def test_the_demo_ends_with_its_report_and_digest(tmp_path: Path) -> None:
    pages = story.written_pages(example(), config(), tmp_path / "flights.yaml")
    assert pages == (tmp_path / "report.html", tmp_path / "digest.html")
    assert all("flights_delay" in page.read_text(encoding="utf-8") for page in pages)
