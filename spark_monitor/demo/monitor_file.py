"""The demo's monitor: ``conf/flights.yaml`` with its catalog names turned into the addresses of one directory.

The file is changed line by line, not parsed and dumped, because its comments are what a new user reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from spark_monitor.errors import ConfigError

PACKAGE = Path(__file__).resolve().parent.parent
PLACES = (PACKAGE.parent / "conf" / "flights.yaml", PACKAGE / "demo" / "flights.yaml")  # in a clone, and in an installed wheel

TABLE = re.compile(r"\btable: *(?P<name>demo\.\w+)(?=[\s,}]|$)")
SCHEMA = re.compile(r"\bschema: *monitoring(?=[\s,}]|$)")
TRACKING_URI = re.compile(r"\btracking_uri: *\"?sqlite:///mlflow\.db\"?(?=[\s,}]|$)")
COMMENT = re.compile(r"(^|\s)#.*$")


def template() -> str:
    """The text of ``conf/flights.yaml``, from the clone or from the installed package."""
    for place in PLACES:
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise ConfigError(f"conf/flights.yaml: not found at {' or '.join(map(str, PLACES))}. Install spark-monitor again.")


def adapt(text: str, *, tables: Mapping[str, Path], outputs: Path, tracking_uri: str) -> str:
    """The monitor's text with paths: ``tables`` maps the catalog names in it to directories of Delta tables.

    >>> adapt("labels: {table: demo.labels}", tables={"demo.labels": Path("/d")}, outputs=Path("/o"), tracking_uri="u")
    'labels: {path: "/d", format: delta}'
    """
    lines = [_adapted(line, tables, outputs, tracking_uri) for line in text.splitlines()]
    return "\n".join(lines) + ("\n" if text.endswith("\n") else "")


def _adapted(line: str, tables: Mapping[str, Path], outputs: Path, tracking_uri: str) -> str:
    """One line; the comment beside a catalog name explains names, so it goes with the name."""
    comment = COMMENT.search(line)
    setting, rest = (line[: comment.start()], line[comment.start() :]) if comment else (line, "")
    placed = SCHEMA.sub(lambda _: f"path: {_quoted(outputs)}", _with_path(setting, tables))
    if placed != setting:
        return placed.rstrip()
    return TRACKING_URI.sub(lambda _: f"tracking_uri: {_quoted(tracking_uri)}", setting) + rest


def _with_path(setting: str, tables: Mapping[str, Path]) -> str:
    table = TABLE.search(setting)
    if table is None:
        return setting
    before, after = setting[: table.start()], setting[table.end() :]
    separator = ", " if "{" in before else "\n" + before
    return f"{before}path: {_quoted(tables[table['name']])}{separator}format: delta{after}"


def _quoted(value: object) -> str:
    """A string in YAML: every JSON string is one."""
    return json.dumps(str(value), ensure_ascii=False)
