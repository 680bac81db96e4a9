"""Values that nobody may see, in every place of a monitor's file where a value can be: in nothing that leaves the process."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from example_facts import config, pictured, week
from rich.text import Text
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.commands.query_result import cell_text
from spark_monitor.commands.terminal import Terminal
from spark_monitor.config.monitor import load_config
from spark_monitor.config.rules import RuleConfig
from spark_monitor.errors import ConfigError
from spark_monitor.insight.assemble import assembled
from spark_monitor.insight.explained import explained
from spark_monitor.outputs.alerts.message import message_of
from spark_monitor.outputs.digest.digest import digest_html, digest_markdown, digest_of
from spark_monitor.outputs.mlflow.markdown import block
from spark_monitor.outputs.report.page import report_html
from spark_monitor.outputs.terminal.fleet import fleet_summary
from spark_monitor.outputs.terminal.summary import summary
from spark_monitor.rules.check_rows import people_of

PROJECT = Path(__file__).resolve().parents[2]
CANARY = "c4n4ry-9f3b7e"
SHAPES = (
    f"https://ann:{CANARY}@host.example/path",
    f"s3a://AKIAQUOTED:{CANARY}@bucket/table",
    f"jdbc:postgresql://host/db?user=ann&password={CANARY}",
    f"AccountKey={CANARY};EndpointSuffix=core",
    f"Authorization: Bearer {CANARY}",
)
CONTENTS = [yaml.safe_load((PROJECT / name).read_text(encoding="utf-8")) for name in ("conf/reference.yaml", "conf/flights.yaml")]


def leaves(content: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    found = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in found:
        if isinstance(value, dict | list):
            yield from leaves(value, (*before, key))
        else:
            yield (*before, key)


def with_value(content: Any, path: tuple[Any, ...], value: str) -> Any:
    changed = copy.deepcopy(content)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def told_of(file: Path) -> str:
    """All that loading a file says of it: its values as the ledger has them, or why it is refused."""
    try:
        config = load_config(file)
    except ConfigError as error:
        return str(error)
    return json.dumps(config.public_dict()) + repr(config)


def test_a_secret_in_every_third_place_of_the_file_is_told_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    every = list(leaves(CONTENTS[0]))
    assert len(every) > 100
    for number, path in enumerate(every[::3]):
        shape = SHAPES[number % len(SHAPES)]
        file.write_text(yaml.safe_dump(with_value(CONTENTS[0], path, shape)), encoding="utf-8")
        assert CANARY not in told_of(file), path


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=["address", "bucket", "jdbc", "key", "header"])
def test_nor_is_any_other_secret(shape: str, tmp_path: Path) -> None:
    file = tmp_path / "monitor.yaml"
    for content in CONTENTS:
        for path in leaves(content):
            file.write_text(yaml.safe_dump(with_value(content, path, shape)), encoding="utf-8")
            assert CANARY not in told_of(file), path


@pytest.mark.slow
def test_the_value_of_a_secret_variable_is_told_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_PASSWORD", CANARY)
    file = tmp_path / "monitor.yaml"
    for path in leaves(CONTENTS[0]):
        file.write_text(yaml.safe_dump(with_value(CONTENTS[0], path, CANARY)), encoding="utf-8")
        try:
            told = json.dumps(load_config(file).public_dict())
        except ConfigError:
            told = refused(file)
        assert CANARY not in told, path


def refused(file: Path) -> str:
    """All that the command line tells of a file that cannot be loaded."""
    done = CliRunner().invoke(app, ["check", str(file)])
    assert done.exit_code == 2
    return f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize("shape", SHAPES, ids=["address", "bucket", "jdbc", "key", "header"])
def test_a_secret_that_stands_in_a_table_is_in_nothing_that_is_shown_or_sent(shape: str) -> None:
    base = pictured(hostile=shape, columns=3)
    incidents = [
        replace(row, title=shape, diagnosis=shape, owner=shape, runbook=shape, column=shape, slice_key=shape, slice_value=shape)
        for row in base.incidents
    ]
    facts = assembled(replace(base, incidents=incidents), config())
    row, people = facts.open[0], config().people
    digest = digest_of([facts], week(0).start, week(40).start)
    message = message_of(row, "OPENED", "key", monitor="m", people=people, file="f.yaml")
    outputs = [
        report_html(facts, config(), file="f.yaml"),
        digest_html(digest),
        digest_markdown(digest),
        message.title,
        message.body,
    ]
    outputs += [summary(facts, config(), everything=True), fleet_summary([(facts, "g.yaml")], everything=True)]
    outputs += [block(facts.versions[0], facts), *explained(row, "f.yaml"), cell_text({"a": [shape]}), cell_text(shape)]
    assert not [text for text in outputs if CANARY in text]
    assert sum("***" in text for text in outputs) >= 8


def test_nor_is_it_in_what_the_terminal_shows_in_colours_or_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAREHOUSE_PASSWORD", CANARY)
    terminal, stream = Terminal(as_json=True), io.StringIO()
    terminal.out.file = terminal.err.file = stream
    terminal.tell(Text.assemble(("one\n", "bold"), (f"owner {CANARY}", "red"), "\nthree"))
    terminal.document({CANARY: [{"owner": f"token={CANARY}", "value": 5}]})
    assert CANARY not in stream.getvalue()
    assert "one\nowner ***\nthree" in stream.getvalue()
    assert json.loads(stream.getvalue().splitlines()[-1]) == {"***": [{"owner": "token=***", "value": 5}]}


def test_a_runbook_s_address_is_stored_without_its_password() -> None:
    rule = RuleConfig(metric="ks", fail=0.1, runbook=f"https://ann:{CANARY}@wiki.example/run?sig={CANARY}")
    assert people_of(rule)["runbook"] == "https://***@wiki.example/run?sig=***"
    assert people_of(RuleConfig(metric="ks", fail=0.1))["runbook"] is None


def test_what_a_file_names_is_masked_in_the_ledger(tmp_path: Path) -> None:
    content = {**CONTENTS[1], "people": {"owners": {f"token={CANARY}": {"email": "a@example.org"}}}}
    file = tmp_path / "monitor.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert CANARY not in json.dumps(load_config(file).public_dict())
