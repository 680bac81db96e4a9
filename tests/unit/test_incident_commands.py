"""What ack, mute and explain understand, without Spark."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from example_facts import config, results
from tables_written import write_tables
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.commands.incidents import monitor_file, one_file, user
from spark_monitor.commands.results import SET_UP, is_empty_directory
from spark_monitor.errors import ConfigError
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.explained import explained, found_incident
from spark_monitor.insight.rows import Cause, IncidentRow
from spark_monitor.outputs.alerts.deliveries import Delivery
from spark_monitor.outputs.alerts.message import message_of
from spark_monitor.outputs.alerts.together import Group, message_of_group
from spark_monitor.outputs.terminal.fleet import fleet_summary
from spark_monitor.outputs.terminal.summary import summary

YAML = (
    "monitor: flights\nmodel: {name: flights, task: none}\npredictions: {path: rows, format: parquet, id: id, time: at}\n"
    "outputs: {path: results}\n"
)
MANY = 1_200
ONSET = datetime(2013, 9, 16, tzinfo=UTC)


def row(incident_id: str = "abc123", **about: object) -> IncidentRow:
    given = {"kind": "performance", "title": "roc_auc_score has fallen", "diagnosis": "It is 0.541.", "opened": ONSET}
    return IncidentRow(incident_id, last_seen=ONSET, **{**given, **about})  # type: ignore[arg-type]


def test_the_one_monitors_file_of_a_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("a: 1\n")
    (tmp_path / "flights.yaml").write_text("# mine\nmonitor: flights\n")

    assert monitor_file(None, tmp_path).name == "flights.yaml"
    (tmp_path / "flights.yaml").write_text("monitor: flights\n", encoding="utf-8-sig")  # as Windows' editors save it
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


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A monitor with more incidents than any page shows, half of them resolved; the directory is that of its file."""
    rows = [
        {
            "monitor_id": "flights",
            "run_id": "r1",
            "incident_id": f"{number:08x}",
            "kind": "drift",
            "title": f"column {number} has moved",
            "diagnosis": "It has moved.",
            "severity": "medium",
            "opened": ONSET,
            "last_seen": ONSET + timedelta(days=1),
            "resolved": ONSET + timedelta(days=2) if number % 2 else None,
            "status": "RESOLVED" if number % 2 else "OPEN",
        }
        for number in range(MANY)
    ]
    runs = [{"monitor_id": "flights", "run_id": "r1", "as_of": ONSET, "started": ONSET, "ended": ONSET, "status": "COMMITTED"}]
    write_tables(tmp_path / "results", {"incidents": rows, "runs": runs})
    (tmp_path / "flights.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_incident_is_explained_however_many_there_are(many: Path) -> None:
    for number in (0, 1, 700, MANY - 2, MANY - 1):
        done = CliRunner().invoke(app, ["explain", f"{number:08x}"])
        assert done.exit_code == 0, done.stderr
        assert done.stdout.startswith(f"MEDIUM column {number} has moved [{number:08x}]")


@pytest.mark.parametrize("named", ["zz", "", "%", "_", "0000_000", "' OR true --", "\\", "\udcff", "0" * 5_000])
def test_what_begins_no_id_is_answered_with_ids_that_are_there(many: Path, named: str) -> None:
    done = CliRunner().invoke(app, ["explain", named])
    assert done.exit_code == 2
    assert ": no such incident is known. Known: 000" in done.stderr


def test_a_beginning_of_several_ids_names_them(many: Path) -> None:
    done = CliRunner().invoke(app, ["explain", "0000002"])
    assert done.exit_code == 2
    assert ": several incidents begin so. Known: 00000020, 00000022, 00000024" in done.stderr


@pytest.mark.parametrize("command", [["ack", "00000301"], ["mute", "00000301", "--until", "2100-01-01"]])
def test_who_acknowledges_what_is_resolved_is_told_so(many: Path, command: list[str]) -> None:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "INCIDENT: 00000301 was resolved 2013-09-18: nobody is notified of it again" in done.stderr


def test_two_files_or_nobodys_name_are_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr("getpass.getuser", nobody)
    with pytest.raises(ConfigError, match=r"--by: it was not given, and this system has no name for you\. Give yours\."):
        user()
    with pytest.raises(ConfigError, match=r"--file: found b\.yaml beside FILE, which is a\.yaml\. Give one of them\."):
        one_file(Path("a.yaml"), Path("b.yaml"))
    assert one_file(None, Path("b.yaml")) == one_file(Path("b.yaml"), None) == Path("b.yaml")


@pytest.mark.parametrize("file", ["fraud_model.yaml", "my monitors/it's $HOME `id`.yaml", "-x.yaml"])
def test_commands_that_are_told_can_be_copied_to_a_shell(file: str) -> None:
    facts = assembled(replace(results(), incidents=[row(severity="high")], open_total=1), config())
    event = Delivery("k", "abc123", "oncall", "OPENED", "PENDING", 0, ONSET)
    message = message_of(facts.open[0], "OPENED", "key", monitor="m", people=config().people, file=file)
    shared = message_of_group(
        Group("k", "oncall", (event,)), {"abc123": facts.open[0]}, monitor="m", people=config().people, file=file
    )
    told = [summary(facts, config(), file=file), fleet_summary([(facts, file), (facts, file)]), message.body, shared.body]
    told.append("\n".join(explained(facts.open[0], file)))

    for text in told:
        flat = " ".join(text.split())
        commands = re.findall(r"spark-monitor (?:explain \w+|status|sql|run) (\S.*)", flat)
        assert commands, text
        for rest in commands:
            assert rest.startswith(f"./{file}" if file.startswith("-") else shlex.quote(file)), rest


@pytest.mark.parametrize(
    ("path", "variable", "empty"),
    [
        ("results", None, True),
        ("file:results", None, True),
        ("file:///nowhere/results", "HADOOP_CONF_DIR", True),
        ("/nowhere/results", "HADOOP_CONF_DIR", False),
        ("dbfs:/mnt/results", None, False),
        ("s3://bucket/results", None, False),
    ],
)
def test_only_a_place_of_this_machine_is_called_empty(
    path: str, variable: str | None, empty: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in SET_UP:
        monkeypatch.delenv(name, raising=False)
    if variable is not None:
        monkeypatch.setenv(variable, "/etc/hadoop/conf")

    assert is_empty_directory(path) is empty


def test_a_query_before_any_run_is_answered_without_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(**_: object) -> object:
        raise AssertionError("no session is needed to see that a directory is empty")

    monkeypatch.setattr("spark_monitor.session.open_session", opened)
    monkeypatch.chdir(tmp_path)
    Path("flights.yaml").write_text(YAML)

    done = CliRunner().invoke(app, ["sql", "flights.yaml", "SELECT 1"])

    assert done.exit_code == 2
    assert "outputs: there are no tables at results yet. Make them: spark-monitor run flights.yaml" in done.stderr
