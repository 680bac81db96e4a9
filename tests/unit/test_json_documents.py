"""What `--json` prints has the keys that docs/platforms.md lists: the page against the code that makes the documents."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.commands.doctor import Result
from spark_monitor.insight.facts import Facts
from spark_monitor.insight.rows import IncidentRow
from spark_monitor.preflight.columns import Finding

ROOT = Path(__file__).parents[2]
COMMANDS = ROOT / "spark_monitor" / "commands"
TABLE = (ROOT / "docs" / "platforms.md").read_text(encoding="utf-8").partition("## JSON output")[2]
ROWS = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+) \|$", TABLE, flags=re.MULTILINE))
LISTED = {name.strip("`"): set(re.findall(r"`(\w+)`", keys)) for names, keys in ROWS.items() for name in names.split(", ")}
YAML = (
    "monitor: young\nmodel: {name: young, task: none}\npredictions: {path: rows, format: parquet, id: id, time: at}\n"
    "outputs: {path: results}\n"
)


def written(name: str) -> set[str]:
    """The keys of the dictionaries that a command hands to `document`, or that its own `document` returns."""
    tree = ast.parse((COMMANDS / f"{name}.py").read_text(encoding="utf-8"))
    given = [
        call.args[0]
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "document"
    ]
    made = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name == "document"]
    given += [back.value for one in made for back in ast.walk(one) if isinstance(back, ast.Return) and back.value is not None]
    return {
        str(key.value)
        for one in given
        if isinstance(one, ast.Dict)
        for key in one.keys
        if isinstance(key, ast.Constant) and key.value is not None
    }


@pytest.mark.parametrize("name", ["run", "report", "digest", "dashboards", "replay", "prune"])
def test_the_keys_that_are_listed_are_those_of_the_document(name: str) -> None:
    assert LISTED[name] == written(name)


def test_lists_of_findings_and_results_have_the_keys_that_are_listed() -> None:
    assert LISTED["check"] == written("check") | {field.name for field in fields(Finding)}
    assert LISTED["doctor"] == written("doctor") | {field.name for field in fields(Result)}
    assert LISTED["freeze"] - {"diff"} == written("freeze") - {"diff"}
    assert written("init") <= LISTED["init"]
    assert written("incidents") <= LISTED["ack"] == LISTED["mute"]
    assert LISTED["explain"] <= {field.name for field in fields(IncidentRow)}
    assert LISTED["a command that failed"] == {"error", "exit_code"}


def test_status_of_one_monitor_is_a_document_and_of_several_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "young.yaml").write_text(YAML)
    (tmp_path / "broken.yaml").write_text("monitor: [")

    one = json.loads(CliRunner().invoke(app, ["status", "young.yaml", "--json"]).stdout)
    several = json.loads(CliRunner().invoke(app, ["status", ".", "--json"]).stdout)

    assert several == [one]
    assert LISTED["status"] <= one.keys()
    assert one.keys() == {"status", "sentence", "as_of"} | {field.name for field in fields(Facts)}
    assert (one["status"], one["sentence"]) == ("UNCHECKED", "No window has been monitored yet.")
