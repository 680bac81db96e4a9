"""Imports point one way only, and what Spark Connect and big data forbid is nowhere in the package.

The layers, lowest first; a room may use its own layer and those below, and no two rooms use each other.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "spark_monitor"
GROUND = ("errors",)
SETTINGS = ("quoting", "java", "periods", "rules", "config_file", "config_types", "config_sources", "config", "windows")
NOUNS = ("states", "distances", "scores")
KERNEL = ("kernel",)
ABOVE_THE_VERBS = (("store",), ("publish",), ("steps",), ("pipeline",), ("demo",), ("commands",), ("cli",), ("__main__",))
VERBS = len((GROUND, SETTINGS, NOUNS, KERNEL))  # every other room
RANKS = {
    **{room: rank for rank, layer in enumerate((GROUND, SETTINGS, NOUNS, KERNEL)) for room in layer},
    **{room: VERBS + 1 + rank for rank, layer in enumerate(ABOVE_THE_VERBS) for room in layer},
}
FORBIDDEN = {
    "rdd",
    "sparkContext",
    "_jvm",
    "_jsparkSession",
    "toPandas",
    "persist",
    "unpersist",
    "checkpoint",
    "localCheckpoint",
    "accumulator",
}
FILES = sorted(PACKAGE.rglob("*.py"))


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            whole = node.module == "spark_monitor"
            yield from (f"{node.module}.{alias.name}" if whole else str(node.module) for alias in node.names)


def rooms_used(file: Path) -> set[str]:
    """Other rooms of the package that a file imports; the package's own names, such as its version, are no room."""
    modules = (module.split(".") for module in imported(file) if module.startswith("spark_monitor."))
    rooms = {parts[1] for parts in modules}
    return {room for room in rooms if (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file()} - {room_of(file)}


def rank(room: str) -> int:
    return RANKS.get(room, VERBS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_imports_only_its_layer_and_those_below(file: Path) -> None:
    if file == PACKAGE / "__init__.py":
        return  # it lends its public names on first use
    upwards = sorted(room for room in rooms_used(file) if rank(room) > rank(room_of(file)))
    assert not upwards, f"{file.name} imports {upwards}, which stand above it"


def test_no_two_rooms_use_each_other() -> None:
    uses: dict[str, set[str]] = {}
    for file in FILES:
        if file != PACKAGE / "__init__.py":
            uses.setdefault(room_of(file), set()).update(rooms_used(file))
    TopologicalSorter(uses).prepare()  # raises CycleError, which names the rooms


WITHOUT_SPARK = [file for file in FILES if room_of(file) in (*GROUND, *SETTINGS, *NOUNS, *KERNEL)]


@pytest.mark.parametrize("file", WITHOUT_SPARK, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_configuration_states_distances_scores_and_the_kernel_need_no_spark(file: Path) -> None:
    found = {module.split(".")[0] for module in imported(file)} & {"pyspark", "delta", "mlflow", "pandas"}
    assert not found, f"{file.name} imports {sorted(found)}; what is below the verbs works on numpy and pyarrow alone"


def test_importing_them_loads_no_spark_by_way_of_anything_else() -> None:
    rooms = ", ".join(f"spark_monitor.{room}" for room in ("config", "windows", *NOUNS, "kernel.merging", "kernel.scored"))
    script = f"import sys, {rooms}; print([name for name in ('pyspark', 'delta', 'mlflow', 'pandas') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert found.stdout.strip() == "[]"


def texts(file: Path) -> Iterator[str]:
    """Every string in a file's code, docstrings aside."""
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree(file))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def test_only_the_store_and_the_session_know_how_delta_works() -> None:
    # A source's format may be named anywhere; what Delta alone can do is the store's business.
    speaks = re.compile(r"\bdelta\.[a-z]|DeltaTable|replaceWhere|USING DELTA|OPTIMIZE |VACUUM |DESCRIBE HISTORY", re.IGNORECASE)
    found = {str(file.relative_to(PACKAGE)) for file in FILES if any(speaks.search(text) for text in texts(file))}
    importers = {
        str(file.relative_to(PACKAGE)) for file in FILES if any(module.split(".")[0] == "delta" for module in imported(file))
    }
    strangers = sorted(name for name in found | importers if name != "session.py" and not name.startswith("store/"))
    assert not strangers, f"{strangers} speak of Delta's own features; only store/ and session.py do"


def test_one_place_alone_builds_a_session() -> None:
    builders = [file for file in FILES if "SparkSession.builder" in file.read_text(encoding="utf-8")]
    assert [file.name for file in builders] == ["session.py"]


def test_mlflow_is_imported_by_publishing_the_demos_registry_and_the_doctor_alone() -> None:
    importers = {room_of(file) for file in FILES if any(module.split(".")[0] == "mlflow" for module in imported(file))}
    assert importers <= {"publish", "demo", "commands"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_nothing_that_spark_connect_or_big_data_forbid_is_used(file: Path) -> None:
    attributes = [node for node in ast.walk(tree(file)) if isinstance(node, ast.Attribute)]
    called = {id(node.func) for node in ast.walk(tree(file)) if isinstance(node, ast.Call)}
    used = [node for node in attributes if node.attr in FORBIDDEN or (node.attr == "cache" and id(node) in called)]
    places = [f"line {node.lineno}: .{node.attr}" for node in used]
    assert not places, f"{file.relative_to(PACKAGE)}, {'; '.join(places)}: not on Spark Connect, or not with data of any size"
