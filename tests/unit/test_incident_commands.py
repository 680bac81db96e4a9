"""What ack, mute and explain understand, without Spark."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from spark_monitor.commands.incidents import monitor_file
from spark_monitor.errors import ConfigError
from spark_monitor.insight.explained import explained, found_incident
from spark_monitor.insight.rows import Cause, IncidentRow

ONSET = datetime(2013, 9, 16, tzinfo=UTC)


def row(incident_id: str = "abc123", **about: object) -> IncidentRow:
    given = {"kind": "performance", "title": "roc_auc_score has fallen", "diagnosis": "It is 0.541.", "opened": ONSET}
    return IncidentRow(incident_id, last_seen=ONSET, **{**given, **about})  # type: ignore[arg-type]


def test_the_one_monitors_file_of_a_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("a: 1\n")
    (tmp_path / "flights.yaml").write_text("# mine\nmonitor: flights\n")

    assert monitor_file(None, tmp_path).name == "flights.yaml"
    assert monitor_file(Path("x.yaml"), tmp_path) == Path("x.yaml")

    (tmp_path / "second.yml").write_text("monitor: second\n")
    with pytest.raises(ConfigError, match=r"holds flights\.yaml, second\.yml\. Name the monitor's file"):
        monitor_file(None, tmp_path)


def test_a_directory_without_a_monitors_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no monitor's file"):
        monitor_file(None, tmp_path)


def test_an_incident_is_named_by_the_beginning_of_its_id() -> None:
    rows = [row("abc123"), row("abd456")]

    assert found_incident(rows, "abd") is rows[1]
    with pytest.raises(ConfigError, match=r"several incidents begin so. Known: abc123, abd456"):
        found_incident(rows, "ab")
    with pytest.raises(ConfigError, match=r"no such incident is known. Known: abc123, abd456"):
        found_incident(rows, "x")


def test_an_explanation_goes_from_the_symptom_to_the_causes_with_their_sql() -> None:
    causes = (
        Cause("column", "wind'speed", 0.7, "wind'speed: another unit."),
        Cause("slice", "origin = JFK", 0.3, "JFK: 0.7 to 0.5."),
    )

    lines = list(explained(row(causes=causes, metric="roc_auc_score", severity="high"), "flights.yaml"))

    assert lines[0] == "HIGH roc_auc_score has fallen [abc123]"
    text = "\n".join(lines)
    assert text.index("incident_id = ") < text.index("another unit") < text.index("JFK: 0.7")
    assert text.count("spark-monitor sql flights.yaml") == 4
    assert "metric_series JOIN (SELECT DISTINCT q.member.metric AS metric FROM" in text


def test_nothing_in_an_explanation_acts_on_a_terminal() -> None:
    hostile = "\x1b[2J\u202eevil"

    assert "\x1b" not in "".join(explained(row(title=hostile, diagnosis=hostile, column=hostile, owner=hostile), "f.yaml"))
