"""The set-up from a bare machine: make's targets, the lock, the search for a Python, pip's settings for uv, the locks on disk."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TARGETS = {
    "help",
    "setup",
    "demo",
    "test",
    "test-all",
    "test-cluster",
    "test-airflow",
    "test-matrix",
    "test-store",
    "fuzz",
    "check",
    "fmt",
    "bench",
    "docs",
    "wheel",
    "sbom",
    "lock",
    "clean",
}


@pytest.fixture(scope="module")
def environment() -> ModuleType:
    spec = importlib.util.spec_from_file_location("environment", PROJECT / ".ci" / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, env=outside, capture_output=True, text=True, check=False, timeout=60)


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


# make


def test_help_is_the_default_goal_and_explains_every_target() -> None:
    said = make()
    assert said.returncode == 0, said.stderr
    explained = {line.split()[1]: line.split(maxsplit=2)[2] for line in said.stdout.splitlines() if line.startswith("make ")}
    assert set(explained) == TARGETS
    assert said.stdout == make("help").stdout


def test_every_target_is_phony_and_all_but_help_and_clean_set_up_first() -> None:
    text = (PROJECT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == TARGETS
    for target in TARGETS - {"help", "clean", "setup"}:
        assert re.search(rf"^{target}: setup\b", text, re.MULTILINE), target


def test_make_test_runs_ruff_then_mypy_then_the_tests() -> None:
    lines = make("--dry-run", "test", "ARGS=-k windows").stdout.splitlines()
    steps = [index for word in ("ruff check", "mypy", ".ci/tests -k windows") for index, line in enumerate(lines) if word in line]
    assert steps == sorted(steps)
    assert len(steps) == 3


@pytest.mark.parametrize(("with_spark", "without", "code"), [(0, 0, 0), (1, 0, 1), (0, 3, 3), (1, 3, 3)])
def test_tests_with_spark_and_those_without_are_all_run_and_any_failure_counts(
    tmp_path: Path, with_spark: int, without: int, code: int
) -> None:
    program = f'echo "$@"; case "$*" in *tests/spark*) exit {with_spark};; *) exit {without};; esac'
    write_program(tmp_path / ".venv" / "bin" / "python", program)
    ran = subprocess.run(
        ["sh", PROJECT / ".ci" / "tests", "-k", "windows of"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == code
    first, second = ran.stdout.splitlines()
    assert first == "-m pytest -m not slow tests/spark tests/delta tests/jobs -k windows of"
    assert second == "-m pytest -q -n 2 -m not slow tests/unit tests/laws tests/platforms -k windows of"


def test_test_all_repeats_the_tests_that_use_spark_on_spark_connect() -> None:
    lines = [line for line in make("--dry-run", "test-all").stdout.splitlines() if "pytest" in line]
    assert all("not slow" not in line for line in lines[1:])
    assert lines[-1].startswith("SPARK_MONITOR_TEST_MODE=connect")
    assert all(f"tests/{folder}" in lines[-1] for folder in ("spark", "delta", "jobs"))


@pytest.mark.parametrize("code", [0, 2])
def test_continuous_integration_calls_make_test_and_keeps_its_exit_code(tmp_path: Path, code: int) -> None:
    write_program(tmp_path / "make", f'echo "make $@ in $PWD"; exit {code}')
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [PROJECT / ".ci" / "run"], cwd="/", env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == code
    assert re.fullmatch(rf"make .*\btest in {re.escape(str(PROJECT))}\n", ran.stdout)


# the locks


def locked(name: str) -> dict[str, list[str]]:
    """Requirement lines of a lock file, each with its hashes."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in (PROJECT / name).read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            current = line.rstrip("\\ ")
            found[current] = []
        elif "--hash=" in line:
            found[current].append(line.strip())
    return found


@pytest.mark.parametrize("name", ["requirements.lock", ".ci/java.lock"])
def test_every_locked_package_has_hashes_and_no_address_is_written(name: str) -> None:
    packages = locked(name)
    assert packages
    assert not [package for package, hashes in packages.items() if not hashes]
    assert all("==" in package for package in packages)
    text = (PROJECT / name).read_text()
    assert not re.search(r"https?://|--(extra-)?index|--find-links|file:|(^|\s)-c /", text)


def test_the_lock_holds_the_versions_that_are_known_to_work_together() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    packages = {package.split(" ")[0].split("[")[0] for package in locked("requirements.lock")}
    assert set(project["tool"]["uv"]["constraint-dependencies"]) <= packages


# the search for a Python


@pytest.fixture
def bare_project(tmp_path: Path) -> Path:
    """A copy of the set-up with a stand-in for what it starts, and a PATH that holds next to nothing."""
    project = tmp_path / "project"
    (project / ".ci").mkdir(parents=True)
    (project / ".ci" / "setup").write_text((PROJECT / ".ci" / "setup").read_text())
    for program in ("sh", "dirname"):
        (tmp_path / "tools").mkdir(exist_ok=True)
        (tmp_path / "tools" / program).symlink_to(
            f"/usr/bin/{program}" if Path(f"/usr/bin/{program}").exists() else f"/bin/{program}"
        )
    return project


def set_up(project: Path, *directories: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, [*directories, project.parent / "tools"]))
    command = ["/bin/sh", str(project / ".ci" / "setup")]
    return subprocess.run(command, env={"PATH": path, **variables}, capture_output=True, text=True, check=False, timeout=60)


def python_that(answers: str) -> str:
    """A stand-in for Python: ``answers`` decides on what -c asks, and anything else is the set-up's start."""
    return f'if [ "$1" = -c ]; then {answers}; else echo "started $0 $1"; fi'


def test_a_machine_without_python_is_told_in_one_sentence(bare_project: Path) -> None:
    told = set_up(bare_project)
    assert told.returncode == 1
    assert (
        told.stderr
        == "Python 3.11, 3.12 or 3.13: not found on PATH. Install one, or name one (make PYTHON=/path/to/python3.12 ...).\n"
    )


def test_the_newest_python_that_starts_is_taken_even_behind_a_launcher_that_fails(bare_project: Path, tmp_path: Path) -> None:
    write_program(tmp_path / "shims" / "python3.13", "echo 'not installed' >&2; exit 127")
    write_program(tmp_path / "shims" / "python3.11", python_that("exit 0"))
    good = write_program(tmp_path / "real" / "python3.12", python_that("exit 0"))
    taken = set_up(bare_project, tmp_path / "shims", tmp_path / "real")
    assert taken.stdout == f"started {good} .ci/environment.py\n"


def test_a_python_that_is_too_old_or_too_new_is_passed_over(bare_project: Path, tmp_path: Path) -> None:
    write_program(tmp_path / "python3", python_that("exit 1"))
    assert set_up(bare_project, tmp_path).returncode == 1


def test_a_python_without_venv_is_named_with_the_remedy(bare_project: Path, tmp_path: Path) -> None:
    only = write_program(tmp_path / "python3.11", python_that('case "$2" in *ensurepip*) exit 1 ;; esac'))
    told = set_up(bare_project, tmp_path)
    assert told.returncode == 1
    assert told.stderr.startswith(f"{only} has no venv module. Install it")


def test_a_named_python_is_taken_and_a_wrong_one_refused(bare_project: Path, tmp_path: Path) -> None:
    named = write_program(tmp_path / "elsewhere" / "mine", python_that("exit 0"))
    assert set_up(bare_project, PYTHON=str(named)).stdout == f"started {named} .ci/environment.py\n"
    refused = set_up(bare_project, PYTHON="/nowhere/python")
    assert refused.returncode == 1
    assert refused.stderr.startswith("PYTHON=/nowhere/python is not a Python 3.11")


def test_a_ready_environment_starts_with_its_own_python(bare_project: Path) -> None:
    write_program(bare_project / ".venv" / "bin" / "python", python_that("exit 0"))
    assert set_up(bare_project).stdout == "started .venv/bin/python .ci/environment.py\n"


# what is stamped


def test_the_fingerprint_follows_the_files(environment: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_text("a==1")
    before = environment.fingerprint([file])
    assert environment.fingerprint([file]) == before
    file.write_text("a==2")
    assert environment.fingerprint([file]) != before


@pytest.mark.parametrize("forbidden", [True, False])
def test_imports_are_compiled_once_where_python_was_told_to_leave_no_byte_code(
    environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbidden: bool
) -> None:
    site = tmp_path / ".venv" / "lib" / "python3" / "site-packages"
    for source in (site / "numpy" / "core.py", site / "numpy" / "tests" / "seldom.py", tmp_path / "spark_monitor" / "own.py"):
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text("value = 1\n")
    names = {"PROJECT": tmp_path, "VENV": tmp_path / ".venv", "PYTHON": Path(sys.executable), "STAMP": tmp_path / "ready"}
    for name, place in {**names, "BYTE_CODE_STAMP": tmp_path / "byte-code"}.items():
        monkeypatch.setattr(environment, name, place)
    monkeypatch.setattr(sys, "dont_write_bytecode", forbidden)
    (tmp_path / "ready").write_text("one")
    environment.make_byte_code()
    assert {path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")} == ({"core", "own"} if forbidden else set())
    for path in site.rglob("*.pyc"):
        path.unlink()
    environment.make_byte_code()
    assert not list(site.rglob("*.pyc"))  # the same environment is not gone through again
    (tmp_path / "ready").write_text("another")
    environment.make_byte_code()
    assert bool(list(site.rglob("*.pyc"))) is forbidden


def test_an_environment_that_was_moved_or_is_broken_is_made_anew(environment: ModuleType, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    assert not environment.is_usable(venv)
    write_program(venv / "bin" / "python", f"echo {venv}")
    (venv / "bin" / "pip").write_text(f"#!{venv}/bin/python\n")
    assert environment.is_usable(venv)
    (venv / "bin" / "pip").write_text("#!/elsewhere/.venv/bin/python\n")
    assert not environment.is_usable(venv)


def test_two_set_ups_of_one_directory_wait_for_each_other(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(PROJECT / '.ci')!r})\n"
        "import environment, pathlib, time\n"
        f"log = pathlib.Path({str(tmp_path / 'log')!r})\n"
        f"with environment.one_at_a_time(pathlib.Path({str(tmp_path)!r})):\n"
        "    log.open('a').write('in\\n'); time.sleep(0.3); log.open('a').write('out\\n')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate(timeout=60) and process.returncode for process in running] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "in\nout\n" * 3


# pip's settings for uv


def test_pips_configuration_becomes_uvs(environment: ModuleType) -> None:
    listed = "\n".join(
        [
            ":env:.index-url='from-the-variable'",
            "global.index-url='from-the-file'",
            "global.extra-index-url='one\\ntwo'",
            "install.trusted-host='one'",
            "global.cert='/etc/ca.pem'",
            "global.timeout='60'",
        ]
    )
    assert environment.translated(listed, {}) == {
        "UV_DEFAULT_INDEX": "from-the-variable",
        "UV_INDEX": "one two",
        "UV_INSECURE_HOST": "one",
        "SSL_CERT_FILE": "/etc/ca.pem",
    }


def test_what_is_set_for_uv_already_stays(environment: ModuleType) -> None:
    assert environment.translated("global.index-url='from-the-file'", {"UV_DEFAULT_INDEX": "set-already"}) == {}


def test_a_folder_of_wheels_that_does_not_exist_is_not_passed_on(environment: ModuleType, tmp_path: Path) -> None:
    listed = f"global.find-links='/nowhere/wheels {tmp_path} https://wheels.example'"
    assert environment.translated(listed, {}) == {"UV_FIND_LINKS": f"{tmp_path},https://wheels.example"}


# Delta's jar


def test_the_cached_jar_is_that_of_the_locked_version(
    environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jars = tmp_path / ".ivy2.5.2" / "jars"
    jars.mkdir(parents=True)
    monkeypatch.setattr(environment, "java_user_home", lambda: tmp_path)
    (jars / "io.delta_delta-spark_4.2_2.13-1.0.0.jar").touch()
    assert not environment.delta_jar_is_cached()
    (jars / "io.delta_delta-spark_4.2_2.13-4.4.0.jar").touch()
    assert environment.delta_jar_is_cached()


def test_a_failed_first_start_shows_the_lines_that_tell_why(environment: ModuleType) -> None:
    noise = ":: loading settings ::\n\tconfs: [default]\n" * 50
    log = f"{noise}\tServer access error at url https://maven.example/a.pom (refused)\n{noise}"
    assert environment.telling_lines(log) == ["Server access error at url https://maven.example/a.pom (refused)"]
    assert environment.telling_lines("one\n\ntwo\n") == ["one", "two"]
