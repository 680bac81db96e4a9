"""What a table's commits and schemas say of a window: what was written, how long ago, and which columns changed."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from spark_monitor.kernel.pipeline_values import Row, Value, Values, sum_of
from spark_monitor.kernel.plan import WindowKey
from spark_monitor.kernel.serving import EMPTY, timestamp_text

NAMED = 3
MAPPED_ID = ".columnMapping.id"


@dataclass(frozen=True)
class Change:
    """A commit that left other columns: when (microseconds), what, and who did it."""

    at: int
    what: str
    author: str | None


def changes_of(schemas: list[Row], commits: list[Row]) -> list[Change]:
    times = {row["version"]: row for row in commits}
    changes = []
    for before, now in pairwise(sorted(schemas, key=lambda row: row["version"])):
        what = schema_change(before["fields"], now["fields"])
        if what and now["version"] in times:
            commit = times[now["version"]]
            changes.append(Change(commit["ended"], what, commit["author"]))
    return changes


def schema_change(before: str, now: str) -> str:
    """What differs between two schemas as Delta writes them, columns and types alone.

    >>> schema_change('{"fields": [{"name": "a", "type": "long"}]}', '{"fields": [{"name": "b", "type": "long"}]}')
    'added b (long); removed a'
    """
    old, new = _fields(before), _fields(now)
    by_id = {field.mapped: field for field in old.values() if field.mapped is not None}
    were = {one.name: by_id[one.mapped].name for one in new.values() if one.mapped in by_id and one.name not in old}
    renamed = {name: was for name, was in were.items() if was not in new}
    pairs = {name: old[renamed.get(name, name)] for name in new if renamed.get(name, name) in old}
    added = [f"{name} ({new[name].kind})" for name in new if name not in pairs]
    removed = [name for name in old if name not in new and name not in renamed.values()]
    moved = [f"{was} to {name}" for name, was in renamed.items()]
    retyped = [f"{name} from {was.kind} to {new[name].kind}" for name, was in pairs.items() if was.kind != new[name].kind]
    parts = (("added", added), ("removed", removed), ("renamed", moved), ("retyped", retyped))
    return "; ".join(f"{word} {', '.join(names)}" for word, names in parts if names)


@dataclass(frozen=True)
class _Field:
    """A column with its type, and the number by which it is known under column mapping, whatever it is called."""

    name: str
    kind: str
    mapped: int | None


def _fields(text: str) -> dict[str, _Field]:
    return {
        one["name"]: _Field(one["name"], kind_of(one["type"]), _mapped(one)) for one in json.loads(text)["fields"]
    }


def kind_of(kind: Any) -> str:
    """A type as Spark writes it, of Delta's and Iceberg's JSON: without comments, ids and what may be NULL within it.

    >>> kind_of({"type": "array", "elementType": "long", "containsNull": True}), kind_of("string")
    ('array<long>', 'string')
    >>> kind_of({"type": "struct", "fields": [{"name": "a", "type": "long", "metadata": {"comment": "new"}}]})
    'struct<a:long>'
    """
    if not isinstance(kind, dict):
        return str(kind)
    if kind.get("type") == "struct":
        return f"struct<{','.join(one['name'] + ':' + kind_of(one['type']) for one in kind['fields'])}>"
    if kind.get("type") == "map":
        return f"map<{kind_of(kind.get('keyType', kind.get('key')))},{kind_of(kind.get('valueType', kind.get('value')))}>"
    if kind.get("type") in ("array", "list"):
        return f"array<{kind_of(kind.get('elementType', kind.get('element')))}>"
    return json.dumps(kind, sort_keys=True)


def _mapped(field: dict[str, Any]) -> int | None:
    """A column's own number: Iceberg has one in every field, Delta in the metadata of tables whose columns are mapped."""
    in_metadata = (value for key, value in (field.get("metadata") or {}).items() if key.endswith(MAPPED_ID))
    return field.get("id", next(in_metadata, None))


def table_values(
    name: str, commits: list[Row], changes: list[Change], window: WindowKey, logged_tables: Collection[str]
) -> Values:
    writes = [row for row in commits if row["writes"]]
    inside = [row for row in writes if window.start <= row["ended"] < window.end]
    last = max((row["ended"] for row in writes if row["ended"] < window.end), default=None)
    if last is None and writes:
        return {}  # before its first commit there was no table, or nothing is known of it any more
    if last is None:
        message = "No commit of this table is known: it has no history, or nothing was written to it."
        names = ("output_rows", "output_bytes", "output_files", "hours_since_commit")
        return {metric: Value(None, message, EMPTY, 0) for metric in names}
    measured: Values = {"hours_since_commit": Value((window.end - last) / 3.6e9, None, None, len(inside))}
    if inside:
        for metric, column in (("output_rows", "rows"), ("output_bytes", "bytes"), ("output_files", "files")):
            measured[metric] = sum_of(inside, column)
    else:
        message = f"No commit wrote to this table in this window; the last one was {timestamp_text(last)}."
        measured |= {metric: Value(0.0, message, EMPTY, 0) for metric in ("output_rows", "output_bytes", "output_files")}
    if name in logged_tables:
        measured["schema_changes"] = _schema_changes([one for one in changes if window.start <= one.at < window.end])
    return measured


def _schema_changes(changes: list[Change]) -> Value:
    sentences = [f"{one.what}, {timestamp_text(one.at)}" + (f" by {one.author}" if one.author else "") for one in changes]
    details = {"changes": " | ".join(sentences[-NAMED:])} if sentences else {}
    return Value(float(len(changes)), f"{sentences[-1]}." if sentences else None, None, len(changes), details)
