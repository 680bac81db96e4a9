"""What a baseline was frozen with is stored without secrets, and still tells one baseline from another."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from typing import Any

from spark_monitor.config.monitor import BaselineConfig, MonitorConfig
from spark_monitor.sources.baseline import FrozenColumn, Latest, accepted_by, settings_text, signature
from spark_monitor.sources.readers.rows import Kind

CANARY = "c4n4ry"


def monitor(*, path: str = "/rows", where: str = "day < 3", first: str = "day < 2") -> MonitorConfig:
    source: dict[str, Any] = {"path": path, "format": "parquet"}
    content = {
        "monitor": "m",
        "model": {"name": "m", "task": "none"},
        "predictions": {**source, "id": "id", "time": "at"},
        "baseline": {**source, "where": where},
        "baselines": [{"name": "first", **source, "where": first}],
        "windows": {"every": "1 week"},
        "outputs": {"path": "/out"},
    }
    return MonitorConfig.model_validate(content)


def test_the_signature_of_a_baseline_without_secrets_is_what_it_always_was() -> None:
    expected = {
        "max_slice_values": 200,
        "path": "/rows",
        "references": [["first", None, "/rows", "day < 2"]],
        "slices": ["x"],
        "table": None,
        "where": "day < 3",
    }
    assert signature(monitor(), ["x"]) == json.dumps(expected)


def test_no_secret_is_in_it() -> None:
    path, condition = f"s3a://ID:{CANARY}@bucket/rows", f"link <> 'https://h/?token={CANARY}'"
    assert CANARY not in signature(monitor(path=path, where=condition, first=condition), [])


def test_another_password_is_no_other_baseline_and_another_condition_is_one() -> None:
    paths = {signature(monitor(path=f"s3a://ID:{password}@bucket/rows"), []) for password in ("one", "two")}
    conditions = {signature(monitor(where=f"link <> 'https://h/?token={token}'"), []) for token in ("one", "two")}
    references = {signature(monitor(first=f"link <> 'https://h/?token={token}'"), []) for token in ("one", "two")}
    assert (len(paths), len(conditions), len(references)) == (1, 2, 2)


def test_an_accepted_period_is_read_from_the_path_of_the_predictions_with_their_password() -> None:
    config = monitor(path=f"s3a://ID:{CANARY}@bucket/rows")
    stored = BaselineConfig(path="s3a://***@bucket/rows", format="parquet", where="day > 7")
    latest = Latest(2, "", stored)
    assert accepted_by(config, latest) == stored.model_copy(update={"path": config.predictions.path})
    elsewhere = stored.model_copy(update={"path": "/moved"})
    assert accepted_by(config, replace(latest, accepted=elsewhere)) == elsewhere
    assert accepted_by(config, replace(latest, accepted=None)) is None


def test_a_columns_settings_are_the_same_text_in_whatever_order_its_facts_come() -> None:
    facts = {"least": 1.0, "greatest": 9.0, "mean": 4.0, "deviation": 2.0}
    columns = [FrozenColumn("x", "double", Kind.NUMERIC, None, None, dict(order)) for order in permutations(facts.items())]
    texts = {settings_text(column, 3, "as it is") for column in columns}
    (text,) = texts
    assert json.loads(text) == {"signature": "as it is", "kind": "numeric", "position": 3, "facts": facts}
