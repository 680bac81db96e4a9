"""A registered model against what serves it: the signature against a table's columns, the requirements against an environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import Specifier, SpecifierSet
    from packaging.version import Version

PYTHON: Final = "python"
WHOLE: Final = ("tinyint", "smallint", "int", "bigint", "integer", "long", "short", "byte")
ACCEPTED: Final[Mapping[str, tuple[str, ...]]] = {
    "integer": ("tinyint", "smallint", "int"),
    "long": ("tinyint", "smallint", "int", "bigint"),
    "float": ("float",),
    "double": ("tinyint", "smallint", "int", "float", "double", "decimal"),
    "string": ("string", "char", "varchar"),
    "boolean": ("boolean",),
    "datetime": ("timestamp", "timestamp_ntz", "date"),
    "binary": ("binary",),
}
"""The types of a table, as Spark writes them, that a type of MLflow's signature takes; others MLflow refuses."""


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
    for wanted in requirements_of(registered, versions.get(PYTHON)):
        there = versions.get(normalised(wanted.name))
        problem = f"{wanted.name} is not installed" if there is None else _broken(wanted.name, there, wanted.specifier)
        problems += [] if problem is None else [problem]
    return problems


def requirements_of(registered: Registered, python: str | None = None) -> list[Requirement]:
    """The requirements that ask for a package where ``python`` runs: without options, and without those of other machines.

    >>> lines = ('tomli==2.0; python_version < "3.9"', "-c constraints.txt", "git+https://example.org/x", "shap")
    >>> [str(one) for one in requirements_of(Registered("1", requirements=lines), "3.12.1")]
    ['shap']
    """
    from packaging.requirements import InvalidRequirement, Requirement

    of_python = registered.python if python is None else python
    about = {} if of_python is None else {"python_full_version": of_python, "python_version": ".".join(of_python.split(".")[:2])}
    requirements = []
    for text in registered.requirements:
        try:
            one = Requirement(text.partition(" #")[0].strip())
        except InvalidRequirement:  # an option, a comment or an address: no package by its name
            continue
        if one.marker is None or one.marker.evaluate({**about, "extra": ""}):
            requirements.append(one)
    return requirements


def requirements_compared(registered: Registered, installed: Mapping[str, str]) -> int:
    """How many requirements there are, Python's among them where the environment tells its own."""
    versions = {normalised(name): version for name, version in installed.items()}
    return len(requirements_of(registered, versions.get(PYTHON))) + (registered.python is not None and PYTHON in versions)


def _of_python(registered: Registered, versions: Mapping[str, str]) -> str | None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    there = versions.get(PYTHON)
    if registered.python is None or there is None:
        return None
    try:
        return _broken(PYTHON, there, SpecifierSet(f"=={registered.python}"))
    except InvalidSpecifier:
        return f"{PYTHON} {there} cannot be compared with {registered.python}"


def normalised(name: str) -> str:
    """A package's name as the index compares it.

    >>> normalised("Scikit_Learn")
    'scikit-learn'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def _broken(name: str, there: str, specifiers: SpecifierSet) -> str | None:
    """The first clause that an installed version breaks; one that is pinned may differ in its last numbers."""
    from packaging.version import InvalidVersion, Version

    try:
        have = Version(there)
    except InvalidVersion:
        return f"{name} {there} cannot be compared with {specifiers}" if specifiers else None
    # A set of clauses has no order of its own.
    clauses = sorted(specifiers, key=str)
    return next((problem for one in clauses if (problem := _of_clause(name, there, have, one)) is not None), None)


def _of_clause(name: str, there: str, have: Version, clause: Specifier) -> str | None:
    from packaging.version import InvalidVersion, Version

    exact = clause.operator in ("==", "===")
    if not exact and clause.operator != "~=":
        return None if clause.contains(have, prereleases=True) else f"{name} {there} is not {clause.operator} {clause.version}"
    named = clause.version.removesuffix(".*")
    try:
        want = Version(named)
    except InvalidVersion:  # === takes any text
        return None if clause.contains(there) else f"{name} {there} is not {clause.version}"
    pinned = exact and named == clause.version
    if pinned and (have.major, have.minor) == (want.major, want.minor) and have.epoch == want.epoch:
        return None
    if not pinned and clause.contains(have, prereleases=True):
        return None
    if have.epoch != want.epoch or have.major != want.major:
        return f"{name} {there} is another major version than {clause.version}"
    if have.minor != want.minor:
        return f"{name} {there} is another minor version than {clause.version}"
    return f"{name} {there} is not {clause.operator} {clause.version}"
