"""What the documents show is run: Python snippets, YAML, and commands against the command line that there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spark_monitor.config.monitor import load_config

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_the_snippet_without_spark_prints_an_interval_that_holds_the_distance(capsys: pytest.CaptureFixture[str]) -> None:
    snippet = next(block for block in blocks(README, "python") if "profile_column" in block)
    exec(compile(snippet, "README.md", "exec"), {})
    lower, upper = (float(number) for number in capsys.readouterr().out.split(" to "))
    assert 0.03 < lower <= upper < 0.06


def test_the_monitor_shown_loads(tmp_path: Path) -> None:
    path = tmp_path / "fraud.yaml"
    path.write_text(blocks(README, "yaml")[0], encoding="utf-8")
    assert load_config(path).monitor == "fraud"


OF_PLATFORMS = frozenset(
    {"databricks", "aws", "pip", "python", "python3", "venv-pack", "cd", "cp", "export", "airflow", "crontab"}
)
"""Programs of platforms, which are not here: of what they are given, this project's own files must be."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_and_options_that_are_shown_exist(document: Path) -> None:
    from spark_monitor.cli import app

    for block in blocks(document.read_text(encoding="utf-8"), "sh"):
        whole = block.replace("\\\n", " ")
        for line in filter(None, (line.partition("#")[0].strip() for line in whole.splitlines())):
            words = shlex.split(line)
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
                continue
            if words[0] in OF_PLATFORMS:
                assert all((ROOT / word).exists() for word in words if word.startswith(("conf/", "jobs/"))), line
                continue
            assert words[0] == "spark-monitor", line
            shown = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [words[1], "--help"])
            assert shown.exit_code == 0, line
            for option in (word for word in words if word.startswith("--")):
                assert option in shown.output, line


def test_the_schema_version_that_is_named_is_that_of_this_release() -> None:
    from spark_monitor.store.schema_version import CURRENT, PROPERTY

    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert f"`{PROPERTY}` (now {CURRENT})" in page


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_point_to_what_is_there(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_tests_that_are_named_exist(document: Path) -> None:
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", document.read_text(encoding="utf-8")))
    known = {name for file in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_[a-z0-9_]+)", file.read_text("utf-8"))}
    assert named <= known
