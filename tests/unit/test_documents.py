"""What the documents show is run: Python snippets, YAML, and commands against the command line that there is."""

from __future__ import annotations

import ast
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


NOT_OUR_WORDS = re.compile(
    r"\b(texts?|whole numbers?|instants?|told|said|touched|owed|wording|mend|handled again|done again)\b", re.I
)
"""Of the list in CONTRIBUTING.md those that have no other meaning."""

BY_HAND = [one for one in DOCUMENTS if one.parent.name != "decisions" and one.name not in ("tables.md", "metrics.md")]


@pytest.mark.parametrize("document", BY_HAND, ids=lambda path: path.name)
def test_pages_use_the_words_of_the_field(document: Path) -> None:
    page = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    listed = page.partition("\nNot: ")
    prose = re.sub(r"`[^`]*`", "", listed[0] + listed[2].partition("\n\n")[2])
    assert not sorted({found[0] for found in NOT_OUR_WORDS.finditer(prose)})


def test_messages_use_the_words_of_the_field() -> None:
    found = []
    for file in sorted((ROOT / "spark_monitor").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        alone = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}  # docstrings, and what stands for them
        for one in ast.walk(tree):
            text = one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) and id(one) not in alone else ""
            if " " in text.strip() and not re.search("[<>]", text) and NOT_OUR_WORDS.search(text):  # no markup, no lambda
                found.append(f"{file.name}: {text}")
    assert not found


def test_the_schema_version_that_is_named_is_that_of_this_release() -> None:
    from spark_monitor.store.schema_version import CURRENT, PROPERTY

    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert f"`{PROPERTY}` (now {CURRENT})" in page


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_point_to_what_is_there(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_the_index_of_the_documentation_lists_every_page() -> None:
    docs = ROOT / "docs"
    listed = set(re.findall(r"\]\(([^)#/]+\.md)\)", (docs / "README.md").read_text(encoding="utf-8")))
    assert listed == {page.name for page in docs.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_tests_that_are_named_exist(document: Path) -> None:
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", document.read_text(encoding="utf-8")))
    known = {name for file in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_[a-z0-9_]+)", file.read_text("utf-8"))}
    assert named <= known
