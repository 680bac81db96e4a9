"""The Databricks bundle against the schema of `databricks bundle schema`, where that file is at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

PROJECT = Path(__file__).parents[2]
BUNDLE = PROJECT / "conf" / "databricks" / "databricks.yml"
SCHEMA = PROJECT.parent / "shared" / "databricks-bundle-schema.json"


def bundle() -> Any:
    return yaml.safe_load(BUNDLE.read_text(encoding="utf-8"))


def validator() -> Any:
    # The schema's patterns are Go's; Python's own expressions do not know \p{L}, the letters.
    text = SCHEMA.read_text(encoding="utf-8").replace(r"[\\p{L}\\p{N}]", "[A-Za-z0-9]").replace(r"\\p{L}", "[A-Za-z]")
    schema = json.loads(text)
    return jsonschema.validators.validator_for(schema)(schema)


@pytest.mark.skipif(not SCHEMA.exists(), reason="the schema of Databricks' bundles is not beside the project")
def test_the_bundle_is_valid() -> None:
    problems = [f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator().iter_errors(bundle())]
    assert problems == []


@pytest.mark.skipif(not SCHEMA.exists(), reason="the schema of Databricks' bundles is not beside the project")
def test_the_schema_would_see_a_wrong_key() -> None:
    wrong = bundle()
    wrong["resources"]["jobs"]["monitor"]["scheduel"] = {}
    assert list(validator().iter_errors(wrong))


def test_jobs_run_the_wheel_s_own_entry_point() -> None:
    tasks = [task for job in bundle()["resources"]["jobs"].values() for task in job["tasks"]]
    pyproject = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    assert len(tasks) == 2
    for task in tasks:
        entry = task["python_wheel_task"]["entry_point"]
        assert f'{entry} = "spark_monitor.cli:main"' in pyproject
        assert task["python_wheel_task"]["parameters"][0] == "run"


def test_every_variable_that_is_used_is_described() -> None:
    text = BUNDLE.read_text(encoding="utf-8")
    used = {part.split("}")[0] for part in text.split("${var.")[1:]}
    variables = bundle()["variables"]
    assert used <= set(variables)
    assert all(variable["description"] for variable in variables.values())
