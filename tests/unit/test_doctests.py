"""Every example in a docstring of the package runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "spark_monitor"
WITH_EXAMPLES = sorted(file for file in PACKAGE.rglob("*.py") if ">>> " in file.read_text(encoding="utf-8"))


def module_name(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_the_states_the_distances_and_the_scores_have_examples() -> None:
    names = {module_name(file).split(".")[1] for file in WITH_EXAMPLES if file.parent != PACKAGE}
    assert {"states", "distances", "scores", "kernel"} <= names


@pytest.mark.parametrize("file", WITH_EXAMPLES, ids=module_name)
def test_the_examples_of_a_module_come_out_as_written(file: Path) -> None:
    module = importlib.import_module(module_name(file))
    results = doctest.testmod(module, report=True)
    assert results.attempted > 0
    assert results.failed == 0, f"{results.failed} of {results.attempted} examples of {module.__name__} differ, see above"
