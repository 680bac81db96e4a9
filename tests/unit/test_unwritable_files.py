"""A file that cannot be written is wrong usage, told with its place, and so is a wrong option, before any session is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.commands.command import sentence_of

YAML = (
    "monitor: young\nmodel: {name: young, task: none}\npredictions: {path: rows, format: parquet, id: id, time: at}\n"
    "outputs: {WHERE}\n"
)
NOWHERE = Path("/proc")


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def opened(**_: object) -> object:
        raise AssertionError("a session was opened for a command that cannot be meant")

    monkeypatch.setattr("spark_monitor.session.open_session", opened)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "young.yaml").write_text(YAML.replace("WHERE", "path: results"))
    (tmp_path / "named.yaml").write_text(YAML.replace("WHERE", "schema: monitoring"))
    return tmp_path


@pytest.mark.skipif(not NOWHERE.is_dir(), reason="this system has no /proc, into which nobody can write")
@pytest.mark.parametrize(
    "command",
    [
        ["report", "young.yaml", "--out", "/proc/page.html"],
        ["digest", "young.yaml", "--out", "/proc/page.html"],
        ["dashboards", "named.yaml", "--for", "grafana", "--out", "/proc"],
    ],
)
def test_a_place_that_nobody_can_write_to_is_wrong_usage(command: list[str]) -> None:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2, done.output
    assert "cannot be written (" in done.stderr
    assert "Give a file in a directory that you may write to, with --out." in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["report", "young.yaml", "--out", "page.html"],
        ["digest", "young.yaml", "--out", "page.html"],
        ["replay", "young.yaml", "--out", "page.svg"],
        ["init", "rows", "--out", "new.yaml"],
    ],
)
def test_a_directory_without_the_right_to_write_is_told_before_any_work(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda _, mode: mode != os.W_OK)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2, done.output
    assert f"--out {command[-1]}: cannot be written (you have no right to write there)." in done.stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (["digest", "young.yaml", "--every", "fortnight"], '--every: found "fortnight". Allowed: an integer and a unit'),
        (["digest", "young.yaml", "--as-of", "soon"], '--as-of: found "soon"'),
        (["prune", "young.yaml", "--as-of", "soon"], '--as-of: found "soon"'),
    ],
)
def test_a_wrong_option_is_named_before_any_session_is_opened(command: list[str], sentence: str) -> None:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2, done.output
    assert sentence in done.stderr


TOO_LONG = "x" * 300
"""A name that no file system takes: whoever asks whether it is a directory gets an error, as of one that is hidden."""


@pytest.mark.parametrize(
    "command",
    [
        *([name, TOO_LONG] for name in ("check", "run", "status", "report", "digest", "freeze", "replay", "prune", "doctor")),
        *(["sql", TOO_LONG, "SELECT 1"], ["explain", "abc", TOO_LONG], ["ack", "abc", TOO_LONG], ["demo", "--dir", TOO_LONG]),
        *(["report", "young.yaml", "--out", f"{TOO_LONG}/page.html"], ["digest", "young.yaml", "--out", f"{TOO_LONG}/page.html"]),
        *(["init", "rows", "--out", f"{TOO_LONG}/a.yaml"], ["init", "rows", "--all", "--out", TOO_LONG]),
        ["dashboards", "named.yaml", "--for", "grafana", "--out", TOO_LONG],
    ],
    ids=lambda command: command[0],
)
def test_a_path_that_cannot_even_be_asked_for_is_wrong_usage(command: list[str]) -> None:
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2, done.output
    assert "--debug" not in done.stderr
    assert "give" in done.stderr.lower()


def test_a_directory_that_may_not_be_read_is_wrong_usage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused(path: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    for command in (["run", str(tmp_path)], ["explain", "abc"]):
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 2, done.output
        assert f"{tmp_path}: cannot be read (Permission denied). Name a directory that you may read." in done.stderr


def test_a_right_that_is_missing_is_a_sentence_about_its_place() -> None:
    sentence = sentence_of(PermissionError(13, "Permission denied", "/srv/results/runs"))
    assert sentence.startswith("/srv/results/runs: this user has no right to it (Permission denied). Change its rights")
