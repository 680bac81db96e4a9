"""A registered model against what serves it: the signature against a table's columns, the requirements against an environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

PYTHON: Final = "python"
WHOLE: Final = ("tinyint", "smallint", "int", "bigint", "integer", "long", "short", "byte")
ACCEPTED: Final[Mapping[str, tuple[str, ...]]] = {
    "integer": ("tinyint", "smallint", "int"),
    "long": ("tinyint", "smallint", "int", "bigint"),
    "float": ("tinyint", "smallint", "int", "float"),
    "double": ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal"),
    "string": ("string", "char", "varchar"),
    "boolean": ("boolean",),
    "datetime": ("timestamp", "timestamp_ntz", "date"),
    "binary": ("binary",),
}
"""The types of a table, as Spark writes them, that a type of MLflow's signature takes without loss."""

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*([^;#]*)")
_CLAUSE = re.compile(r"(===|==|~=|!=|>=|<=|>|<)\s*([0-9][0-9A-Za-z.!+*]*)")


@dataclass(frozen=True)
class Registered:
    """A registered version: its inputs (name, type, whether it must be there), requirements, and where it comes from.

    ``python`` is the version of Python that it was made with, where it says so.
    """

    version: str
    inputs: tuple[tuple[str, str, bool], ...] = ()
    requirements: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None


def signature_problems(registered: Registered, columns: Mapping[str, str]) -> list[str]:
    """What the table lacks of the signature, or has with a type that would lose values.

    >>> model = Registered("1", (("age", "double", True), ("city", "string", True), ("note", "string", False)))
    >>> signature_problems(model, {"age": "string"})
    ['age is string, the model takes double', 'city is missing']
    """
    problems = []
    for name, kind, required in registered.inputs:
        there = columns.get(name)
        if there is None:
            problems += [f"{name} is missing"] if required else []
        elif there.split("(")[0] not in ACCEPTED.get(kind, (there.split("(")[0],)):
            problems.append(f"{name} is {there}, the model takes {kind}")
    return problems


def dependency_problems(registered: Registered, installed: Mapping[str, str]) -> list[str]:
    """Requirements that are not installed, or in another major or minor version, or outside the range that is asked for.

    Python itself is held to the version that the model was made with, where the environment tells its own as ``python``.

    >>> model = Registered("1", requirements=("scikit-learn==1.5.2", "pandas>=2.2,<3", "numpy", "shap==0.46"))
    >>> dependency_problems(model, {"scikit_learn": "1.6.0", "pandas": "2.3.3", "numpy": "2.4"})
    ['scikit-learn 1.6.0 is another minor version than 1.5.2', 'shap is not installed']
    >>> dependency_problems(Registered("1", python="3.11.7"), {"python": "3.12.1"}), dependency_problems(model, {})[-1]
    (['python 3.12.1 is another minor version than 3.11.7'], 'shap is not installed')
    """
    versions = {normalised(name): version for name, version in installed.items()}
    problems = [problem for problem in [_of_python(registered, versions)] if problem is not None]
    for text in registered.requirements:
        parts = _REQUIREMENT.match(text)
        if parts is None or text.lstrip().startswith(("-", "#")) or "://" in text:
            continue
        name, clauses = parts[1], _CLAUSE.findall(parts[2])
        there = versions.get(normalised(name))
        if there is None:
            problems.append(f"{name} is not installed")
        else:
            broken = (_broken(name, there, clause, wanted) for clause, wanted in clauses)
            problems += [problem for problem in broken if problem is not None][:1]
    return problems


def requirements_compared(registered: Registered, installed: Mapping[str, str]) -> int:
    """How many requirements there are, Python's among them where the environment tells its own."""
    return len(registered.requirements) + (registered.python is not None and PYTHON in map(normalised, installed))


def _of_python(registered: Registered, versions: Mapping[str, str]) -> str | None:
    there = versions.get(PYTHON)
    return None if registered.python is None or there is None else _broken(PYTHON, there, "==", registered.python)


def normalised(name: str) -> str:
    """A package's name as the index compares it.

    >>> normalised("Scikit_Learn")
    'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    """The release's numbers, padded; local parts and pre-releases aside."""
    parts = [int(part) for part in re.findall(r"\d+", re.split(r"[+!a-zA-Z]", version)[0])]
    return tuple([*parts, 0, 0, 0][: max(3, len(parts))])


def _broken(name: str, there: str, clause: str, wanted: str) -> str | None:
    have, want = _numbers(there), _numbers(wanted)
    if clause in ("==", "===", "~=") and have[0] != want[0]:
        return f"{name} {there} is another major version than {wanted}"
    if clause in ("==", "===") and not wanted.endswith("*") and have[1] != want[1]:
        return f"{name} {there} is another minor version than {wanted}"
    kept = {
        "==": True,
        "===": True,
        "~=": have >= want,
        "!=": have != want,
        ">=": have >= want,
        "<=": have <= want,
        ">": have > want,
        "<": have < want,
    }[clause]
    return None if kept else f"{name} {there} is not {clause} {wanted}"
