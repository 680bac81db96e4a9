"""The command line with a monitor that only pretends: what it is asked for, what is printed where, and the exit codes."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.commands import examinations
from spark_monitor.commands.options import SessionOptions
from spark_monitor.commands.spark import PROXY_VARIABLES, open_spark, require_reachable
from spark_monitor.commands.terminal import Terminal
from spark_monitor.demo.story import Story
from spark_monitor.errors import ConfigError, MonitorError, RunError
from spark_monitor.outputs.mlflow.publish import PublishResult
from spark_monitor.preflight.check import Finding
from spark_monitor.stages.overview import Overview
from spark_monitor.stages.replay import Replayed, RuleReplayed, Shift
from spark_monitor.windowing.due import DueWindow
from spark_monitor.windowing.windows import Window

WEEK = Window(datetime(2013, 9, 2, tzinfo=UTC), datetime(2013, 9, 9, tzinfo=UTC))
log = logging.getLogger("spark_monitor.stages.context")
COMMANDS = ("run", "check", "freeze", "replay", "init", "status", "report", "sql", "demo", "doctor")


@dataclass
class FakeMonitor:
    """A monitor that answers what the test says and remembers what it was asked for."""

    verdicts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    published: PublishResult = field(default_factory=lambda: PublishResult("PUBLISHED", "MLflow shows everything already."))
    error: BaseException | None = None
    asked: dict[str, Any] = field(default_factory=dict)
    each: list[dict[str, int]] = field(default_factory=list)
    signalled: dict[int, int] = field(default_factory=dict)
    ended: bool = False
    config: Any = field(default_factory=lambda: SimpleNamespace(monitor="flights", windows=SimpleNamespace(zone="UTC")))

    def run(self, spark: Any, **asked: Any) -> Any:
        self.asked = asked
        print("a library that prints")
        log.info("profile")
        log.warning("one thing")
        if self.error is not None:
            raise self.error
        return SimpleNamespace(
            run_id="r1",
            status="COMMITTED",
            as_of=asked["as_of"],
            windows=(DueWindow("1 week", WEEK),),
            verdicts=self.verdicts,
            message="1 window profiled.",
            published=self.published,
            monitor_id="flights",
            step_seconds={"profile": 1.5},
        )

    def watch(self, spark: Any, *, stop: Callable[[], bool], **asked: Any) -> Iterator[Any]:
        self.asked = asked
        try:
            for number, verdicts in enumerate(self.each):
                if stop():
                    return
                result = self.run(spark, as_of=WEEK.end)
                self.asked, result.verdicts, result.run_id = asked, verdicts, f"r{number}"
                if number in self.signalled:
                    os.kill(os.getpid(), self.signalled[number])
                yield result
        finally:
            self.ended = True

    def check(self, spark: Any) -> list[Finding]:
        return self.findings

    def overview(self, spark: Any) -> Overview:
        return Overview(1200, WEEK.start, WEEK.end, tuple(f"c{place}" for place in range(8)), "1 week", 5, 3)

    def freeze(self, spark: Any, *, as_of: datetime, period: Any) -> int:
        self.asked = {"as_of": as_of, "period": period}
        return 2

    def replay(self, spark: Any, **asked: Any) -> Replayed:
        self.asked = asked
        found = RuleReplayed(0, "ks", "fail > 0.1", 80, 1, 2, 1, 0.5, (Shift("fare", 0.05, 8, 7, 2),))
        return Replayed(8, "1 week", True, 1, 9000, (found, RuleReplayed(1, "count", "fail < 1", left_out="of its own")))


@dataclass
class Console:
    """A command line to type at, with the monitor and the sessions behind it."""

    monitor: FakeMonitor
    sessions: list[dict[str, Any]]

    def type(self, *arguments: str, **environment: str) -> Any:
        return CliRunner().invoke(app, list(arguments), env=environment, prog_name="spark-monitor")


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Console:
    made = Console(FakeMonitor(), [])

    def opened(**options: Any) -> object:
        made.sessions.append(options)
        return object()

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("logs")))
    monkeypatch.setattr("spark_monitor.commands.spark.require_reachable", lambda _: None)
    monkeypatch.setattr("spark_monitor.api.monitor.Monitor.load", lambda _: made.monitor)
    monkeypatch.setattr("spark_monitor.session.open_session", opened)
    monkeypatch.delenv("SPARK_MONITOR_DEBUG", raising=False)
    return made


def test_every_command_has_help_and_a_line_in_the_list(console: Console) -> None:
    listed = console.type("--help", COLUMNS="200")
    assert listed.exit_code == 0
    assert "Exit codes: 0 ran; 1 ran and a check reached --fail-on; 2 wrong usage" in listed.stdout
    for command in COMMANDS:
        described = [line for line in listed.stdout.splitlines() if line.strip("│ ").startswith(f"{command} ")]
        assert len(described) == 1, command
        assert console.type(command, "--help").exit_code == 0


def test_the_version_is_that_of_the_package(console: Console) -> None:
    from spark_monitor import __version__

    assert console.type("--version").stdout == f"spark-monitor {__version__}\n"


def test_the_package_can_be_run_as_a_module() -> None:
    command = [sys.executable, "-m", "spark_monitor", "run", "no-such-file.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "no-such-file.yaml: no such file." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("rnu",), "rnu"),
        (("run",), "FILE"),
        (("run", "f.yaml", "--no-such"), "--no-such"),
        (("run", "f.yaml", "--reader", "jvm"), "'auto', 'spark', 'files'"),
        (("run", "f.yaml", "--fail-on", "always"), "'warn', 'fail', 'never'"),
        (("run", "f.yaml", "--from", "2013-09-02"), "--from and --to: only one was given"),
        (("run", "f.yaml", "--to", "2013-09-02"), "--from and --to: only one was given"),
        (("run", "f.yaml", "--from", "2013-09-09", "--to", "2013-09-02"), "not before the second"),
        (("run", "f.yaml", "--as-of", "yesterday"), '--as-of: found "yesterday"'),
        (("run", "f.yaml", "--from", "2013-13-01", "--to", "2013-09-02"), '--from: found "2013-13-01"'),
        (("run", "f.yaml", "--trigger", "1 minute"), "--trigger: found without --continuous"),
        (("run", "f.yaml", "--checkpoints", "d"), "--checkpoints: found without --continuous"),
        (
            ("run", "f.yaml", "--continuous", "--trigger", "soon"),
            '--trigger: found "soon". Allowed: available-now',
        ),
        (("run", "f.yaml", "--continuous", "--trigger", "0 seconds"), "from 1 second to 24 hours"),
        (("run", "f.yaml", "--continuous", "--trigger", "25 hours"), "from 1 second to 24 hours"),
        (("run", "f.yaml", "--continuous", "--trigger", "1 day"), '(second, minute, hour), such as "30 seconds"'),
        (
            ("run", "f.yaml", "--continuous", "--from", "2013-09-02", "--to", "2013-09-09"),
            "--continuous: found beside --from and --to",
        ),
        (("run", "f.yaml", "--conf", "spark.ui.enabled"), '--conf: found "spark.ui.enabled". Allowed: KEY=VALUE'),
        (("run", "f.yaml", "--conf", "=true"), '--conf: found "***"'),
        (("run", "f.yaml", "--conf", "spark.my.password abc"), '--conf: found "spark.my.password***"'),
        (("run", "f.yaml", "--master", "local", "--remote", "sc://host"), "--master and --remote: both were given"),
        (("run", "f.yaml", "--remote", "http://host"), '--remote: found "http://host"'),
        (("run", "f.yaml", "--remote", "sc://host:port"), '--remote: found "sc://host:port"'),
        (("run", "f.yaml", "--remote", "sc:///;token=x"), '--remote: found "sc:///;token=***"'),
        (("sql", "f.yaml", "DROP TABLE runs"), 'QUERY: found "DROP"'),
        (("sql", "f.yaml", ""), "QUERY: found nothing"),
        (("sql", "f.yaml", "SELECT 1", "--limit", "0"), "--limit"),
    ],
)
def test_wrong_usage_is_exit_code_2_before_any_session(console: Console, arguments: tuple[str, ...], named: str) -> None:
    done = console.type(*arguments, COLUMNS="200")
    assert done.exit_code == 2
    assert named in done.stderr
    assert console.sessions == []


EMPTY = ("run", "check", "freeze", "status", "report", "digest", "prune", "replay", "doctor", "ack i")


@pytest.mark.parametrize("command", EMPTY)
def test_an_empty_file_is_refused_and_never_this_directory(
    console: Console, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # What a shell hands on of a variable that is not set: pathlib takes it for the directory that one is in.
    (tmp_path / "flights.yaml").write_text("monitor: flights\n")
    monkeypatch.chdir(tmp_path)
    for empty in ("", " "):
        result = console.type(*command.split(), empty)
        assert result.exit_code == 2
        assert "found nothing. Give a path" in " ".join(result.stderr.replace("│", " ").split())
    assert console.sessions == []
    refused = console.type("prune", "flights.yaml", "--deleted", "")
    assert (refused.exit_code, console.sessions) == (2, [])
    assert "--deleted: found" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("password=c4n4ry",),
        ("--password=c4n4ry",),
        ("run", "f.yaml", "--token=c4n4ry"),
        ("run", "f.yaml", "--reader", "password=c4n4ry"),
        ("report", "f.yaml", "--role", "token=c4n4ry"),
        ("sql", "f.yaml", "SELECT 1", "--limit", "https://ann:c4n4ry@host/x"),
        ("run", "f.yaml", "--conf", "c4n4ry"),
        ("run", "f.yaml", "--as-of", "password=c4n4ry"),
        ("status", "https://ann:c4n4ry@host/f.yaml"),
        ("status", "s3a://ID:c4n/4ry-c4n4ry@bucket/f.yaml"),
    ],
)
@pytest.mark.parametrize("debug", [(), ("--debug",)], ids=["", "debug"])
def test_wrong_usage_quotes_no_secret(console: Console, arguments: tuple[str, ...], debug: tuple[str, ...]) -> None:
    done = console.type(*debug, *arguments, COLUMNS="200")
    assert done.exit_code == 2
    assert "c4n4ry" not in done.output + done.stderr
    assert done.stderr.strip()


def test_without_a_command_help_is_shown_and_nothing_is_run(console: Console) -> None:
    done = console.type()
    assert done.exit_code == 2
    assert "Usage: spark-monitor" in done.output


def test_a_run_says_what_it_did(console: Console) -> None:
    console.monitor.verdicts = {"PASS": 1200, "WARN": 2, "UNDECIDED": 1}
    done = console.type("run", "flights.yaml")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "1 window profiled.",
        "Checks: 2 WARN, 1 UNDECIDED, 1,200 PASS.",
        "Status: spark-monitor status flights.yaml",
    ]


def test_progress_without_a_terminal_is_plain_lines_on_standard_error(console: Console) -> None:
    lines = console.type("run", "f.yaml").stderr.splitlines()
    assert [line.split("s  ")[-1] for line in lines] == [
        "Spark session",
        "a library that prints",
        "profile",
        "warning: one thing",
    ]
    assert not any("\x1b" in line for line in lines)


def test_json_is_one_document_and_all_of_standard_output(console: Console) -> None:
    console.monitor.verdicts = {"FAIL": 1}
    done = console.type("run", "f.yaml", "--json", "--as-of", "2013-09-10T02:00+02:00", "--fail-on", "fail")
    assert json.loads(done.stdout) == {
        "run_id": "r1",
        "status": "COMMITTED",
        "as_of": "2013-09-10T00:00:00Z",
        "windows": [{"granularity": "1 week", "start": "2013-09-02T00:00:00Z", "end": "2013-09-09T00:00:00Z"}],
        "verdicts": {"FAIL": 1},
        "reached_fail_on": True,
        "message": "1 window profiled.",
        "published": "PUBLISHED",
        "publish_message": "MLflow shows everything already.",
        "monitor": "flights",
        "step_seconds": {"profile": 1.5},
    }
    assert done.exit_code == 1
    assert "1 window profiled." in done.stderr


@pytest.mark.parametrize(
    ("verdicts", "never", "fail", "warn"),
    [
        ({}, 0, 0, 0),
        ({"PASS": 5, "UNDECIDED": 1, "NO_DATA": 2}, 0, 0, 0),
        ({"WARN": 1}, 0, 0, 1),
        ({"FAIL": 1, "PASS": 9}, 0, 1, 1),
        ({"ERROR": 1}, 0, 1, 1),
        ({"FAIL": 0, "WARN": 0}, 0, 0, 0),
    ],
)
def test_the_exit_code_is_1_when_a_check_reaches_fail_on(
    console: Console, verdicts: dict[str, int], never: int, fail: int, warn: int
) -> None:
    console.monitor.verdicts = verdicts
    assert console.type("run", "f.yaml").exit_code == never
    for level, code in (("never", never), ("fail", fail), ("warn", warn)):
        assert console.type("run", "f.yaml", "--fail-on", level).exit_code == code, level


def test_a_run_is_given_what_was_typed(console: Console) -> None:
    typed = ["--as-of", "2013-10-01", "--from", "2013-09-02", "--to", "2013-09-09T00:00Z", "--reader", "spark"]
    settings = ["--master", "local[2]", "--conf", "spark.api.mode=connect", "--conf", "a.b = x=y"]
    assert console.type("run", "f.yaml", *typed, *settings).exit_code == 0
    assert not console.monitor.asked.pop("stop")()
    assert console.monitor.asked == {
        "as_of": datetime(2013, 10, 1, tzinfo=UTC),
        "start": WEEK.start,
        "end": WEEK.end,
        "reader": "spark",
        "dry": False,
        "command": (),
    }
    assert console.sessions == [{"master": "local[2]", "remote": None, "conf": {"spark.api.mode": "connect", "a.b": "x=y"}}]


def test_without_as_of_a_run_is_of_now(console: Console) -> None:
    console.type("run", "f.yaml", "--remote", "sc://host:15002")
    asked = console.monitor.asked
    assert abs(datetime.now(UTC) - asked["as_of"]) < timedelta(minutes=5)
    assert asked["as_of"].utcoffset() == timedelta(0)
    assert (asked["start"], asked["end"], asked["reader"]) == (None, None, "auto")
    assert console.sessions[0]["remote"] == "sc://host:15002"


def test_a_job_that_goes_on_is_given_what_was_typed(console: Console) -> None:
    typed = ["--trigger", "available-now", "--as-of", "2013-10-01", "--reader", "spark", "--checkpoints", "d"]
    assert console.type("run", "f.yaml", "--continuous", *typed).exit_code == 0
    expected = {"trigger": "available-now", "as_of": datetime(2013, 10, 1, tzinfo=UTC), "reader": "spark", "checkpoints": "d"}
    assert console.monitor.asked == expected
    assert console.type("run", "f.yaml", "--continuous").exit_code == 0
    assert console.monitor.asked == {"trigger": "1 minute", "as_of": None, "reader": "auto", "checkpoints": None}


def test_a_job_that_goes_on_tells_each_run_as_it_ends(console: Console) -> None:
    console.monitor.each = [{"PASS": 2}, {}]
    done = console.type("run", "f.yaml", "--continuous")
    assert done.exit_code == 0
    known = "Status: spark-monitor status f.yaml"
    assert done.stdout.splitlines() == ["1 window profiled.", "Checks: 2 PASS.", known, "1 window profiled.", known]
    assert console.monitor.ended


def test_with_json_a_job_that_goes_on_prints_one_line_a_run(console: Console) -> None:
    console.monitor.each = [{"WARN": 1}, {}, {"PASS": 1}]
    done = console.type("run", "f.yaml", "--continuous", "--json")
    assert [json.loads(line)["run_id"] for line in done.stdout.splitlines()] == ["r0", "r1", "r2"]
    assert "a library that prints" in done.stderr


def test_a_job_that_goes_on_ends_with_1_at_the_first_check_that_reaches_fail_on(console: Console) -> None:
    console.monitor.each = [{"WARN": 1}, {"FAIL": 1}, {"PASS": 1}]
    done = console.type("run", "f.yaml", "--continuous", "--json", "--fail-on", "fail")
    assert done.exit_code == 1
    assert [json.loads(line)["reached_fail_on"] for line in done.stdout.splitlines()] == [False, True]
    assert console.monitor.ended


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl+C raises as it does in a terminal, also where the tests run in the background and would ignore it."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_job_that_goes_on_after_the_run_that_is_under_way(console: Console, number: int) -> None:
    former = signal.getsignal(number)
    console.monitor.each, console.monitor.signalled = [{}, {}, {}], {1: number}
    done = console.type("run", "f.yaml", "--continuous", "--json")
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 2
    assert console.monitor.ended
    assert signal.getsignal(number) == former


@pytest.mark.usefixtures("heard")
def test_a_second_signal_ends_a_job_that_goes_on_at_once(console: Console) -> None:
    console.monitor.each = [{}, {}, {}]
    console.monitor.signalled = {0: signal.SIGINT, 1: signal.SIGINT}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spark_monitor.commands.continuous.Stop.__call__", lambda _: False)  # a run that is long, and goes on
        done = console.type("run", "f.yaml", "--continuous")
    assert done.exit_code == 130
    assert console.monitor.ended


@pytest.mark.usefixtures("heard")
def test_a_job_in_the_background_ignores_what_it_was_started_to_ignore(console: Console) -> None:
    console.monitor.each, console.monitor.signalled = [{}, {}, {}], {1: signal.SIGINT}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    done = console.type("run", "f.yaml", "--continuous", "--json")
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 3)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_job_that_goes_on_ends_with_the_code_of_its_error(console: Console) -> None:
    console.monitor.each, console.monitor.error = [{}], RunError("it failed three times.")
    done = console.type("run", "f.yaml", "--continuous", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout) == {"error": "it failed three times.", "exit_code": 3}


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("f.yaml: rules[0]: no."), 2, "f.yaml: rules[0]: no."),
        (RunError("monitor flights: run r0 holds it."), 3, "monitor flights: run r0 holds it."),
        (MonitorError("something else."), 3, "something else."),
        (ValueError("first line\nsecond"), 3, "ValueError: first line"),
        (OSError("postgresql://ann:secret@host/db is down"), 3, "OSError: postgresql://***@host/db is down"),
        (RuntimeError(), 3, "RuntimeError"),
        (
            RuntimeError("An error occurred while calling o50.load.\n: java.lang.X: gone\n\tat a"),
            3,
            "RuntimeError: java.lang.X: gone",
        ),
    ],
)
def test_errors_are_sentences_with_exit_codes(console: Console, error: BaseException, code: int, text: str) -> None:
    console.monitor.error = error
    done = console.type("run", "f.yaml")
    assert done.exit_code == code
    assert text in done.stderr.splitlines()
    assert ("spark-monitor --debug run ..." in done.stderr) == (not isinstance(error, MonitorError))
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert done.stdout == ""


def test_with_json_an_error_is_a_document_too(console: Console) -> None:
    console.monitor.error = RunError("it failed.")
    done = console.type("run", "f.yaml", "--json")
    assert json.loads(done.stdout) == {"error": "it failed.", "exit_code": 3}
    assert done.exit_code == 3


@pytest.mark.parametrize("way", ["option", "variable"])
def test_debug_shows_the_traceback_and_keeps_the_exit_code(console: Console, way: str) -> None:
    console.monitor.error = ConfigError("wrong.")
    done = console.type("--debug", "run", "f.yaml") if way == "option" else console.type("run", "f.yaml", SPARK_MONITOR_DEBUG="1")
    assert done.exit_code == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert "ConfigError: wrong." in done.stderr


def test_an_interrupted_run_is_neither_a_success_nor_a_reached_check(console: Console) -> None:
    console.monitor.error = KeyboardInterrupt()
    done = console.type("run", "f.yaml", "--fail-on", "warn")
    assert done.exit_code == 130
    assert "Interrupted." in done.stderr


def test_a_run_that_is_told_to_end_says_so_and_leaves_the_signal_as_it_was(console: Console) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.monitor, "run", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
        done = console.type("run", "f.yaml", "--json")
    assert (done.exit_code, done.stdout) == (143, "")
    assert "Ended by SIGTERM." in done.stderr
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_interruption_that_py4j_turns_into_an_error_of_its_own_is_still_one(console: Console) -> None:
    def run(*_: Any, **__: Any) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            logging.exception("KeyboardInterrupt while sending command.")
        raise RuntimeError("Answer from Java side is empty")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.monitor, "run", run)
        done = console.type("run", "f.yaml")
    assert done.exit_code == 143
    assert "Ended by SIGTERM." in done.stderr
    assert "KeyboardInterrupt" not in done.stderr
    assert logging.getLogger().filters == []


def test_what_pyspark_s_handler_of_ctrl_c_cannot_cancel_is_not_shown_as_an_error(console: Console) -> None:
    def run(*_: Any, **__: Any) -> None:
        try:
            try:
                raise RuntimeError("reentrant call inside <_io.BufferedReader name=6>")
            except RuntimeError:
                raise OSError("Error while sending or receiving")  # noqa: B904 - as py4j raises it
        except OSError:
            logging.exception("Exception while sending command.")
        logging.error("Another error is shown.")
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(console.monitor, "run", run)
        records: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = records.append
        patch.setattr(logging.getLogger(), "handlers", [handler])
        done = console.type("run", "f.yaml")
    assert "Interrupted." in done.stderr
    assert [record.getMessage() for record in records] == ["Another error is shown."]


def test_a_run_that_mlflow_does_not_show_has_run(console: Console) -> None:
    console.monitor.published = PublishResult("FAILED", "MLflow at https://host could not be written: no connection.")
    done = console.type("run", "f.yaml", "--fail-on", "warn")
    assert done.exit_code == 0
    assert "MLflow does not show this yet; the next run tries again: MLflow at https://host" in done.stdout


def test_check_ends_with_2_where_a_run_would_stop(console: Console) -> None:
    console.monitor.findings = [
        Finding("baseline", "worth knowing.", "warning"),
        Finding("labels.id", 'no column "[red]x[/red]".'),
    ]
    done = console.type("check", "conf/f.yaml")
    assert done.exit_code == 2
    assert done.stdout.splitlines() == [
        'error: f.yaml: labels.id: no column "[red]x[/red]".',
        "warning: f.yaml: baseline: worth knowing.",
    ]
    assert "f.yaml: 1 error. A run would stop here." in done.stderr


def test_check_ends_with_0_where_there_are_only_warnings(console: Console) -> None:
    console.monitor.findings = [Finding("baseline", "worth knowing.", "warning")]
    done = console.type("check", "f.yaml")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1] == "f.yaml: can be run, with 1 warning."
    whole = " ".join(done.stdout.split())
    assert "1,200 rows from 20" in whole
    assert "8 columns watched (c0, c1, c2, c3, c4, c5 and 2 more); 5 windows of 1 week over, 3 of them due." in whole


def test_check_as_json_holds_every_finding(console: Console) -> None:
    console.monitor.findings = [Finding("labels.id", "wrong.")]
    done = console.type("check", "f.yaml", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout) == {
        "file": "f.yaml",
        "monitor": "flights",
        "errors": 1,
        "findings": [{"where": "labels.id", "sentence": "wrong.", "level": "error"}],
        "overview": None,
    }


def test_freeze_says_which_version_it_made(console: Console) -> None:
    done = console.type("freeze", "f.yaml", "--as-of", "2013-03-01")
    assert done.exit_code == 0
    assert done.stdout.startswith("Baseline version 2 is frozen.")
    assert console.monitor.asked == {"as_of": datetime(2013, 3, 1, tzinfo=UTC), "period": None}
    accepted = console.type("freeze", "f.yaml", "--from", "2013-01-01", "--to", "2013-02-01")
    period = "from 2013-01-01 00:00 UTC to 2013-02-01 00:00 UTC."
    assert accepted.stdout.startswith(f"Baseline version 2 is frozen of the predictions {period}")
    assert console.type("freeze", "f.yaml", "--from", "2013-01-01").exit_code == 2


def test_replay_says_of_every_rule_what_it_costs_and_draws_it(console: Console, tmp_path: Path) -> None:
    picture = tmp_path / "p.svg"
    done = console.type("replay", "f.yaml", "--shuffle", "--shift", "fare=0.05", "--out", str(picture))
    assert done.exit_code == 0, done.stderr
    assert (console.monitor.asked["shuffled"], console.monitor.asked["shifts"]) == (True, {"fare": 0.05})
    assert "1 false alarm, 0.5 a week; 80 checks, 1 warning, 2 undecided" in done.stdout
    assert "planted fare D = 0.05: found after 2 windows, in 7 of 8" in done.stdout
    assert "not replayed: of its own." in done.stdout
    assert "rules[0] ks: fail &gt; 0.1" in picture.read_text()
    for wrong in ("fare", "fare=2", "=0.1", "fare=x"):
        assert console.type("replay", "f.yaml", "--shift", wrong).exit_code == 2


def test_the_demo_goes_where_it_is_told(console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[Path] = []
    result = console.monitor.run(None, as_of=WEEK.end)

    def story(directory: Path, *_: Any, tell: Callable[[str], None], **__: Any) -> Story:
        told.append(directory)
        tell("Monday")
        files = (directory / name for name in ("f.yaml", "report.html", "digest.html"))
        return Story(result, ("found",), *files)

    monkeypatch.setattr("spark_monitor.demo.story.run_demo", story)
    monkeypatch.chdir(tmp_path)
    assert console.type("demo", "--dir", "here", "--master", "local[1]").exit_code == 0
    assert console.type("demo").exit_code == 0
    assert told == [Path("here"), Path("demo-output")]
    assert [session["master"] for session in console.sessions] == ["local[1]", None]
    done = console.type("demo", "--json")
    document = json.loads(done.stdout)
    assert (document["findings"], document["report"]) == (["found"], "demo-output/report.html")
    assert document["status"] == "COMMITTED"
    assert "Monday" in done.stderr


def test_a_directory_that_the_demo_cannot_use_is_said_before_spark_starts(console: Console, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    done = console.type("demo", "--dir", str(tmp_path))
    assert done.exit_code == 2
    assert "holds files that the demo did not write" in done.stderr
    assert console.sessions == []


def test_the_doctor_says_what_works(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("python", "java", "packages", "kernel"):
        monkeypatch.setattr(examinations, name, lambda: "fine")
    monkeypatch.setattr(examinations, "starts_java", lambda _: True)
    monkeypatch.setattr(examinations, "session", lambda _: "classic")
    monkeypatch.setattr(examinations, "tables", lambda *_: "written")
    monkeypatch.setattr(examinations, "mlflow", lambda address: f"address {address}")
    done = console.type("doctor")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "✓ Python          fine",
        "✓ Java            fine",
        "✓ Packages        fine",
        "✓ Kernel          fine",
        "✓ Spark session   classic",
        "✓ Delta tables    written",
        "✓ MLflow          address None",
        "Everything needed works.",
    ]


def test_the_doctor_goes_on_after_what_does_not_work(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_session(**_: Any) -> object:
        raise RuntimeError("no gateway")

    def no_java() -> str:
        raise ConfigError("Java 17 or newer: not found. Install one.")

    monkeypatch.setattr("spark_monitor.session.open_session", no_session)
    monkeypatch.setattr(examinations, "starts_java", lambda _: True)
    monkeypatch.setattr(examinations, "java", no_java)
    monkeypatch.setattr(examinations, "mlflow", lambda _: "fine")
    done = console.type("doctor", "--json")
    results = {result["name"]: result for result in json.loads(done.stdout)["results"]}
    assert done.exit_code == 3
    assert [name for name, result in results.items() if not result["works"]] == ["Java", "Spark session", "Delta tables"]
    assert results["Java"]["message"] == "Java 17 or newer: not found. Install one."
    assert "no gateway" in results["Spark session"]["message"]
    assert results["Delta tables"]["message"] == "skipped, because there is no Spark session."
    assert "✗ Java" in done.stderr


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["lines", "json"])
def test_the_doctor_tells_no_secret(console: Console, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> str:
        raise RuntimeError("denied for https://ann:c4n4ry@host")

    monkeypatch.setattr(examinations, "starts_java", lambda _: True)
    monkeypatch.setattr(examinations, "java", refused)
    for name in ("session", "tables", "mlflow"):
        monkeypatch.setattr(examinations, name, lambda *_: "written in s3a://ID:c4n4ry@bucket/out, token=c4n4ry")
    done = console.type("doctor", *options)
    assert "c4n4ry" not in done.stdout + done.stderr
    assert "s3a://***@bucket/out" in done.stdout + done.stderr


def test_what_a_command_answers_holds_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().tell("Written: /srv/token=c4n4ry/report.html")
    assert capsys.readouterr().out == "Written: /srv/token=***\n"


def test_the_doctor_names_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = examinations._installed
    monkeypatch.setattr(examinations, "_installed", lambda name: None if name in ("pyarrow", "mlflow") else real(name))
    with pytest.raises(MonitorError, match=r"^pyarrow not installed\. On one machine: pip install 'spark-monitor\[local\]'\.$"):
        examinations.packages()


def test_the_doctor_makes_no_database_where_there_is_none(tmp_path: Path) -> None:
    assert "the first run makes it" in examinations.mlflow(f"sqlite:///{tmp_path}/new.db")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(MonitorError, match="Make the directory"):
        examinations.mlflow(f"sqlite:///{tmp_path}/missing/new.db")


def test_what_spark_says_of_itself_goes_to_a_file(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def chatty(**_: Any) -> str:
        os.write(2, b":: loading settings ::\n")
        return "session"

    monkeypatch.setattr("spark_monitor.session.open_session", chatty)
    terminal = Terminal()
    assert open_spark(SessionOptions(), terminal) == "session"
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
    assert terminal.spark_log is not None
    assert terminal.spark_log.read_text() == ":: loading settings ::\n"
    terminal.spark_log.unlink()


def test_a_session_that_does_not_start_shows_what_its_log_says(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def failing(**_: Any) -> object:
        os.write(2, b"setting up\nException in thread main: UNRESOLVED DEPENDENCIES\nmore\n")
        raise RuntimeError("Java gateway process exited")

    monkeypatch.setattr("spark_monitor.session.open_session", failing)
    terminal = Terminal()
    with pytest.raises(RunError) as caught:
        open_spark(SessionOptions(), terminal)
    assert str(caught.value).splitlines() == [
        "Spark session: it did not start (RuntimeError: Java gateway process exited).",
        "  Exception in thread main: UNRESOLVED DEPENDENCIES",
        "`spark-monitor doctor` says what works.",
    ]
    assert capfd.readouterr().err == ""
    assert terminal.spark_log is not None
    terminal.spark_log.unlink()


def test_an_address_where_nobody_listens_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        require_reachable(f"sc://127.0.0.1:{port}/;token=secret")
    with pytest.raises(RunError, match=rf"^--remote: no server answers at 127\.0\.0\.1:{port} \(Connection refused\)"):
        require_reachable(f"sc://127.0.0.1:{port}/;token=secret")
    monkeypatch.setenv("https_proxy", "http://proxy")
    require_reachable(f"sc://127.0.0.1:{port}")


@pytest.mark.parametrize(("written", "kept"), [(b"", False), (b"what Spark said\n", True)])
def test_sparks_log_is_kept_where_a_run_failed_and_it_says_something(
    console: Console, monkeypatch: pytest.MonkeyPatch, written: bytes, kept: bool
) -> None:
    monkeypatch.setattr("spark_monitor.session.open_session", lambda **_: os.write(2, written))
    assert console.type("run", "f.yaml").exit_code == 0
    assert list(Path(tempfile.gettempdir()).iterdir()) == []
    console.monitor.error = RunError("it failed.")
    done = console.type("run", "f.yaml")
    logs = [str(path) for path in Path(tempfile.gettempdir()).iterdir()]
    assert (len(logs), "Spark's own log: " in done.stderr) == (int(kept), kept)
    assert all(log in done.stderr for log in logs)


def test_whoever_sets_sparks_log_level_sees_its_log(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("spark_monitor.session.open_session", lambda **_: os.write(2, b"log\n"))
    terminal = Terminal()
    open_spark(SessionOptions.read(None, None, ["spark.log.level=INFO"]), terminal)
    assert capfd.readouterr().err == "log\n"
    assert terminal.spark_log is None


def test_of_several_monitors_each_is_told_and_the_worst_exit_code_counts(tmp_path: Path) -> None:
    good = tmp_path / "broken.yaml"
    good.write_text("monitor: [", encoding="utf-8")
    done = CliRunner().invoke(app, ["run", str(tmp_path / "gone.yaml"), str(good)])
    assert done.exit_code == 2
    assert "gone.yaml: no such file" in done.stderr
    assert "broken.yaml: not valid YAML" in done.stderr


@pytest.mark.parametrize("command", ["run", "prune"])
def test_files_that_would_write_each_others_rows_are_refused_and_one_named_twice_is_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(**_: object) -> object:
        raise RunError("Spark was started.")

    monkeypatch.setattr("spark_monitor.session.open_session", opened)
    monkeypatch.chdir(tmp_path)
    text = (
        "monitor: NAME\nmodel: {name: m, task: none}\npredictions: {path: rows, format: parquet, id: id, time: at}\n"
        "outputs: {path: WHERE}\n"
    )
    for file, name, where in (
        ("a", "calm", "results"),
        ("b", "calm", "results"),
        ("c", "calm", "others"),
        ("d", "other", "results"),
    ):
        (tmp_path / f"{file}.yaml").write_text(text.replace("NAME", name).replace("WHERE", where))

    def done(*names: str) -> Any:
        return CliRunner().invoke(app, [command, *names])

    refused = done("a.yaml", "b.yaml")
    assert refused.exit_code == 2
    assert 'a.yaml: monitor: found "calm", which is that of b.yaml as well, with the same outputs' in refused.stderr
    assert "Spark was started." not in refused.stderr
    for apart in (("a.yaml", "c.yaml", "d.yaml"), ("a.yaml", "./a.yaml"), ("a.yaml", str(tmp_path / "a.yaml"))):
        assert "Spark was started." in done(*apart).stderr
        assert "as well, with the same outputs" not in done(*apart).stderr


@pytest.mark.parametrize("command", ["status", "report", "digest"])
def test_of_several_monitors_those_that_cannot_be_read_are_passed_over_and_count_in_the_exit_code(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spark_monitor.commands import results

    monkeypatch.chdir(tmp_path)
    for name in ("calm", "sick", "young"):
        (tmp_path / f"{name}.yaml").write_text(
            f"monitor: {name}\nmodel: {{name: m, task: none}}\npredictions: {{path: rows, format: parquet, id: id, time: at}}\n"
            "windows: {every: 1 day}\nrules: []\noutputs: {path: results}\n"
        )
    (tmp_path / "broken.yaml").write_text("monitor: [")
    facts_of = results.stored_facts

    def asked(config: Any, *given: Any, **options: Any) -> Any:
        if config.monitor == "sick":
            raise OSError("the storage is gone")
        return facts_of(config, *given, **options)

    monkeypatch.setattr(results, "stored_facts", asked)

    def done(*names: str) -> Any:
        return CliRunner().invoke(app, [command, *names])

    assert done("calm.yaml", "young.yaml").exit_code == 0
    broken = done("calm.yaml", "broken.yaml", "young.yaml")
    assert broken.exit_code == 2
    assert "passed over: broken.yaml: not valid YAML" in broken.stderr
    sick = done("calm.yaml", "sick.yaml", "broken.yaml")
    assert sick.exit_code == 3
    assert "passed over: sick.yaml: OSError: the storage is gone" in sick.stderr
    assert done("sick.yaml").exit_code == 3
    assert "None of the monitors could be read." in done("sick.yaml", "broken.yaml").stderr
    if command == "report":
        assert "calm" in (tmp_path / "calm.html").read_text(encoding="utf-8")
    else:
        assert "calm" in sick.stdout


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--on-incident", "notify 'the"], "No closing quotation"),
        (["--on-incident", " "], "found nothing. Give a program"),
        (["--on-incident", "notify", "--continuous"], "found beside --continuous"),
        (["--parallel", "2", "--continuous"], "--parallel: found beside --continuous"),
        (["--on-incident", "no-such-program --to team"], 'found no program "no-such-program". Give one that this user may run'),
    ],
)
def test_a_program_that_cannot_be_run_is_wrong_usage(options: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["run", "a.yaml", *options])
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_job_that_goes_on_takes_one_monitor(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["run", "a.yaml", "b.yaml", "--continuous"])
    assert done.exit_code == 2
    assert "--continuous: found 2 monitors" in done.stderr


def test_a_report_before_any_run_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "young.yaml").write_text(
        "monitor: young\nmodel: {name: young, task: none}\npredictions: {path: rows, format: parquet, id: id, time: at}\n"
        "windows: {every: 1 day}\nrules: []\noutputs: {path: results}\n"
    )

    done = CliRunner().invoke(app, ["report", "young.yaml"])

    assert done.exit_code == 0
    assert "young has not run yet, so its page is empty. Run: spark-monitor run young.yaml" in done.output
    assert (tmp_path / "young.html").is_file()


def test_a_deleted_monitor_that_is_not_there_is_said_to_have_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tables:
        def __init__(self, *_: object) -> None: ...
        def ensure(self) -> None: ...
        def tidy(self, _: object) -> None: ...

    monkeypatch.setattr("spark_monitor.commands.prune.open_spark", lambda *_: None)
    monkeypatch.setattr("spark_monitor.store.Store", Tables)
    monkeypatch.setattr("spark_monitor.commands.results.has_tables", lambda _: True)
    monkeypatch.setattr("spark_monitor.stages.prune.monitors_at", lambda _: ["calm", "former"])
    monkeypatch.setattr("spark_monitor.stages.prune.prune", lambda *_, **__: {})
    monkeypatch.setattr("spark_monitor.stages.prune.remove", lambda _, name, dry: {"checks": 3} if name == "former" else {})
    file = tmp_path / "calm.yaml"
    file.write_text(
        "monitor: calm\nmodel: {name: m, task: none}\npredictions: {path: rows, format: parquet, id: id, time: at}\n"
        "outputs: {path: results}\n"
    )
    done = CliRunner().invoke(app, ["prune", str(file), "--deleted", "former", "--deleted", "formr"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        *("calm: nothing is older than `outputs.keep` allows.", "former: 3 of checks deleted.", "formr: it has no rows here."),
    ]
