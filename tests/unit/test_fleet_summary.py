"""The screen of several monitors: a line per version, the worst first, what is open, and long lists only where asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from example_facts import example
from rich.cells import cell_len

from spark_monitor.insight.facts import Facts
from spark_monitor.outputs.terminal.fleet import LINES_SHOWN, OPEN_SHOWN, fleet_summary


def well(name: str) -> Facts:
    versions = tuple(replace(version, verdicts={"PASS": 3}, open_incidents=0) for version in example().versions)
    return replace(example(), monitor=name, versions=versions, open=(), open_total=0)


def test_each_version_has_a_line_and_what_is_broken_comes_first() -> None:
    never = Facts(monitor="young", model="m", task="binary", granularity="1 week")

    written = fleet_summary([(well("calm"), "d/calm.yaml"), (never, "d/young.yaml"), (example(), "d/flights.yaml")])

    lines = written.splitlines()
    assert lines[0] == "3 monitors: 1 FAIL, 1 UNCHECKED, 1 PASS"
    names = [line.split()[0] for line in lines[3:8]]
    assert names == ["flights_delay", "flights_delay", "young", "calm", "calm"]
    assert "never run" in lines[5]
    assert "  MEDIUM flights_delay: wind_speed has moved; since 2013-09-09, version 2; owner data-platform" in lines
    assert lines[-2:] == ["  spark-monitor status d/flights.yaml", "  spark-monitor report d"]
    assert max(map(cell_len, lines)) <= 100


@pytest.mark.parametrize("everything", [False, True])
def test_a_hundred_monitors_fit_a_screen_unless_all_is_asked_for(everything: bool) -> None:
    many = [(replace(example(), monitor=f"monitor_{number:03}"), f"{number}.yaml") for number in range(100)]

    lines = fleet_summary(many, everything=everything).splitlines()

    assert sum(line.startswith("    monitor_") for line in lines) == (200 if everything else LINES_SHOWN)
    assert sum(line.startswith("  MEDIUM monitor_") for line in lines) == (100 if everything else OPEN_SHOWN)
    assert ("    and 170 more" in lines) is not everything
    assert ("    and 90 more" in lines) is not everything


def test_nothing_open_is_said() -> None:
    assert "Open incidents\n  none\n" in fleet_summary([(well("a"), "a.yaml"), (well("b"), "b.yaml")])


def test_a_feed_that_ended_is_no_data_in_its_lines_as_in_the_first() -> None:
    ended = replace(example(), empty=(example().versions[0].window,))
    lines = fleet_summary([(ended, "d/flights.yaml"), (well("calm"), "d/calm.yaml")]).splitlines()
    assert lines[0] == "2 monitors: 1 NO_DATA, 1 PASS"
    assert [line.split()[2] for line in lines if line.startswith("    flights_delay")] == ["NO_DATA", "NO_DATA"]
