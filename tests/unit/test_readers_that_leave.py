"""Who reads a pipe may go away: the exit code says so, and is none of those that mean something else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.commands.command import BROKEN_PIPE
from spark_monitor.commands.terminal import plain_console

LONG_OUTPUT = """
import typer
from spark_monitor.cli import app, main
from spark_monitor.commands.command import MonitorCommand, terminal_of

def talk(context: typer.Context) -> None:
    for _ in range(100_000):
        terminal_of(context).tell("x" * 100)

app.command(cls=MonitorCommand)(talk)
main(["talk"])
"""


class Gone:
    """A stream whose reader has gone away."""

    encoding = "utf-8"

    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError

    def isatty(self) -> bool:
        return False


def test_a_console_leaves_the_exit_code_to_the_command() -> None:
    with pytest.raises(BrokenPipeError):
        plain_console(Gone()).print("x")  # type: ignore[arg-type]


def test_a_reader_that_leaves_ends_a_command_with_the_code_that_shells_show_for_it() -> None:
    with subprocess.Popen([sys.executable, "-c", LONG_OUTPUT], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writing:
        assert writing.stdout is not None
        assert writing.stderr is not None
        assert writing.stdout.readline() == b"x" * 100 + b"\n"
        writing.stdout.close()
        said = writing.stderr.read()
        assert (writing.wait(timeout=60), said) == (BROKEN_PIPE, b"")


def test_a_disk_that_is_full_is_no_reached_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "young.yaml").write_text(
        "monitor: young\nmodel: {name: young, task: none}\npredictions: {path: rows, format: parquet, id: id, time: at}\n"
        "outputs: {path: results}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("spark_monitor.commands.terminal.Terminal.tell", full)
    done = CliRunner().invoke(app, ["status", "young.yaml"])
    assert done.exit_code == 3
    assert "No space left on device" in done.stderr
