"""Imports point one way only, and what Spark Connect and big data forbid is nowhere in the package.

Every folder has a rank, and a file imports only from its own folder and from folders before it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "spark_monitor"
BEFORE_SPARK = (
    *("errors", "java", "text", "windowing", "catalogue", "states", "distances", "scores", "quality", "fairness", "estimation"),
    *("operations", "diagnosis", "config", "rules", "kernel"),
)
"""Folders that work on numpy and pyarrow alone."""
RANKED = (
    *BEFORE_SPARK,
    *("session", "sources", "store", "preflight", "stages", "insight", "outputs", "pipeline", "api", "demo", "commands", "cli"),
    "__main__",
)
"""Every folder, lowest first: a folder may use those before it."""
RANKS = {folder: rank for rank, folder in enumerate(RANKED)}
LOADED = ("config.monitor", "windowing.windows", "states", "distances", "scores", "kernel.merging", "kernel.scored")
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
MOST_LINES = 299
MOST_TOP_LEVEL = 7


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def folder_of(file: Path) -> str:
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


def folders_used(file: Path) -> set[str]:
    """Other folders of the package that a file imports; the package's own names, such as its version, are no folder."""
    modules = (module.split(".") for module in imported(file) if module.startswith("spark_monitor."))
    folders = {parts[1] for parts in modules}
    return {folder for folder in folders if (PACKAGE / folder).is_dir() or (PACKAGE / f"{folder}.py").is_file()} - {
        folder_of(file)
    }


def test_every_folder_has_a_rank_and_every_rank_a_folder() -> None:
    folders = {folder_of(file) for file in FILES} - {"__init__"}
    assert folders == set(RANKED)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_imports_only_folders_before_its_own(file: Path) -> None:
    if file == PACKAGE / "__init__.py":
        return  # it lends its public names on first use
    backwards = sorted(folder for folder in folders_used(file) if RANKS[folder] > RANKS[folder_of(file)])
    assert not backwards, f"{file.name} imports {backwards}, which come after it"


def test_the_page_of_concepts_lists_every_folder_in_this_order() -> None:
    page = (PACKAGE.parent / "docs" / "concepts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`\w+/`(?:, )?)+) \|", page, flags=re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)/`", row)]
    assert listed == [folder for folder in RANKED if (PACKAGE / folder).is_dir()]


def test_the_top_level_has_only_the_public_modules() -> None:
    names = {file.name for file in PACKAGE.glob("*.py")}
    assert names == {"__init__.py", "__main__.py", "cli.py", "errors.py", "java.py", "pipeline.py", "session.py"}
    assert len(names) <= MOST_TOP_LEVEL


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_has_fewer_than_300_lines(file: Path) -> None:
    lines = len(file.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{file.name} has {lines} lines: move one idea of it into a file of its own"


def test_no_files_import_each_other_in_a_circle() -> None:
    modules = {".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES}
    graph = {module: set(loaded_by(file, set(modules))) - {module} for module, file in modules.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other in a circle: {' -> '.join(error.args[1])}")


def loaded_by(file: Path, modules: set[str]) -> Iterator[str]:
    """The package's modules that are loaded together with a file; what is there for types or on first use alone is not."""
    for node in at_once(tree(file).body):
        if isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in modules else str(node.module) for name in names if {name, str(node.module)} & modules)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)


def at_once(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a file is imported, but for those under TYPE_CHECKING."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)) and not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from at_once(node.body)


def test_every_folder_says_what_it_is_for_and_what_may_not_enter() -> None:
    bare = [
        str(folder.relative_to(PACKAGE))
        for folder in PACKAGE.rglob("__init__.py")
        if len(ast.get_docstring(tree(folder)) or "") < 80
    ]
    assert not bare, f"{bare}: two or three lines in __init__.py say what the folder is for and what may not enter"


def test_test_files_have_names_of_their_own() -> None:
    """pytest imports them by their names alone: of two alike in different folders, one run of both cannot import the second."""
    names = Counter(file.name for file in Path(__file__).parents[1].rglob("test_*.py"))
    assert not [name for name, count in names.items() if count > 1]


WITHOUT_SPARK = [file for file in FILES if folder_of(file) in BEFORE_SPARK]


@pytest.mark.parametrize("file", WITHOUT_SPARK, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_pure_folders_need_no_spark(file: Path) -> None:
    found = {module.split(".")[0] for module in imported(file)} & {"pyspark", "delta", "mlflow", "pandas"}
    assert not found, f"{file.name} imports {sorted(found)}; this folder works on numpy and pyarrow alone"


def test_importing_them_loads_no_spark_by_way_of_anything_else() -> None:
    folders = ", ".join(
        f"spark_monitor.{folder}"
        for folder in ("config.monitor", "windowing.windows", "states", "distances", "scores", "kernel.merging", "kernel.scored")
    )
    script = f"import sys, {folders}; print([name for name in ('pyspark', 'delta', 'mlflow', 'pandas') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert found.stdout.strip() == "[]"


def test_functions_of_the_main_job_take_no_configuration_into_a_worker() -> None:
    # Each Python worker imports the files of the functions it runs; reading YAML and SQL would be most of a small run's seconds.
    stages = (
        "first_pass",
        "merge",
        "present",
        "compare",
        "quality_columns",
        "quality_rows",
        "correlation",
        "scored_rows",
        "measure",
    )
    files = ", ".join([*(f"spark_monitor.stages.{stage}" for stage in stages), "spark_monitor.sources.readers.files"])
    dear = "('pydantic', 'yaml', 'sqlglot', 'scipy.optimize', 'mlflow')"
    script = f"import sys, {files}; print([name for name in {dear} if name in sys.modules])"
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
    importers = {folder_of(file) for file in FILES if any(module.split(".")[0] == "mlflow" for module in imported(file))}
    assert importers <= {"outputs", "demo", "commands"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_nothing_that_spark_connect_or_big_data_forbid_is_used(file: Path) -> None:
    attributes = [node for node in ast.walk(tree(file)) if isinstance(node, ast.Attribute)]
    called = {id(node.func) for node in ast.walk(tree(file)) if isinstance(node, ast.Call)}
    used = [node for node in attributes if node.attr in FORBIDDEN or (node.attr == "cache" and id(node) in called)]
    places = [f"line {node.lineno}: .{node.attr}" for node in used]
    assert not places, f"{file.relative_to(PACKAGE)}, {'; '.join(places)}: not on Spark Connect, or not with data of any size"
