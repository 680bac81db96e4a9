"""Values that nobody may see, in every place of a monitor's file where a value can be: in nothing that leaves the process."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from spark_monitor.cli import app
from spark_monitor.config.monitor import load_config
from spark_monitor.errors import ConfigError

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
