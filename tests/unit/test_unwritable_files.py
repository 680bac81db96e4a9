"""A file that cannot be written is wrong usage, told with its place, and so is a wrong option, before any session is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spark_monitor.cli import app

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
