"""The main job and its oracles under several versions of Spark and Delta Lake, each in an environment of its own.

``make test-matrix`` makes an environment ``.venv-matrix-SPARK`` for each pair below, runs the tests of the main job in it once
for each of the cases, and prints a table. ``python tests/platforms/matrix.py 3.5.7 4.1.1`` runs some of the versions,
``4.2.0-python3.13`` one of them under another Python.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
UV = PROJECT / ".venv" / "bin" / "uv"
PACKAGES = (
    *("pandas", "duckdb", "deltalake", "mlflow", "scikit-learn", "pytest", "pytest-randomly", "pytest-timeout", "hypothesis"),
    *(
        "numpy",
        "scipy",
        "pyarrow",
        "datasketches",
        "pydantic",
        "PyYAML",
        "sqlglot",
        "typer",
        "rich",
        "jinja2",
        "tenacity",
        "croniter",
    ),
)
"""What the tests need beside Spark and Delta, in the versions of the lock."""

FREE = frozenset({"pyspark", "delta-spark", "py4j", "importlib-metadata", "grpcio", "grpcio-status", "protobuf"})
"""Locked packages whose version follows from pyspark's or Delta's."""

FREE_UNDER_SPARK_3 = frozenset({"numpy"})
"""Spark 3.5 asks for numpy 1: its extra `connect` refuses the lock's."""

TESTS = ("tests/jobs/test_run_against_oracles.py",)
SETTINGS_TESTS = ("tests/jobs/test_session_settings.py",)
"""These set the session's settings themselves, and compare the tables of each with those of UTC and ANSI."""

SECONDS = 1800
TEST_SECONDS = 900


@dataclass(frozen=True)
class Versions:
    """A Spark with the Delta Lake that is made for it."""

    spark: str
    delta: str
    python: str = ""
    """The Python of its environment, as 3.13; that of this one where nothing is said."""

    @property
    def name(self) -> str:
        return f"{self.spark}-python{self.python}" if self.python else self.spark

    @property
    def free(self) -> frozenset[str]:
        """Locked packages whose locked version is not asked for."""
        return FREE | FREE_UNDER_SPARK_3 if self.spark.startswith("3.") else FREE


@dataclass(frozen=True)
class Case:
    """Settings of the session and of the test run."""

    name: str
    conf: Mapping[str, str] = field(default_factory=dict)
    mode: str = "classic"
    tests: tuple[str, ...] = TESTS


MATRIX = (
    *(Versions("3.5.7", "3.3.2"), Versions("4.0.1", "4.0.0"), Versions("4.1.1", "4.1.0"), Versions("4.2.0", "4.4.0")),
    *(Versions("4.2.0", "4.4.0", "3.12"), Versions("4.2.0", "4.4.0", "3.13")),
)
CASES = (
    Case("ANSI on, UTC", {"spark.sql.ansi.enabled": "true"}),
    Case(
        "ANSI off, Asia/Kolkata, case-sensitive",
        {
            "spark.sql.ansi.enabled": "false",
            "spark.sql.session.timeZone": "Asia/Kolkata",
            "spark.sql.caseSensitive": "true",
        },
    ),
    Case("Connect", {"spark.sql.ansi.enabled": "true"}, mode="connect"),
    Case("each setting against UTC and ANSI", tests=SETTINGS_TESTS),
)


def main(wanted: Sequence[str]) -> int:
    """Run the matrix; 1 where something failed."""
    rows = []
    for versions in MATRIX:
        if wanted and versions.name not in wanted and versions.spark not in wanted:
            continue
        python = environment(versions)
        for case in CASES:
            rows.append((versions, case, *outcome(python, case)))
            print(f"Spark {versions.name}, {case.name}: {rows[-1][2]} in {rows[-1][3]:.0f} s", flush=True)
    print("\n".join(["", "| Spark | Delta | case | outcome |", "| --- | --- | --- | --- |"]))
    for versions, case, found, _ in rows:
        print(f"| {versions.name} | {versions.delta} | {case.name} | {found} |")
    return int(not rows or any("passed" not in found or "failed" in found for _, _, found, _ in rows))


def environment(versions: Versions) -> Path:
    """The Python of the environment, made where there is none."""
    place = PROJECT / f".venv-matrix-{versions.name}"
    python, stamp = place / "bin" / "python", place / "ready"
    if not stamp.exists():
        print(f"Making {place.name}...", flush=True)
        settings = {**os.environ, **pip_settings(), "VIRTUAL_ENV": str(place)}
        subprocess.run(
            [UV, "venv", "--quiet", "--clear", "--python", versions.python or sys.executable, place], env=settings, check=True
        )
        # --no-config: the project's own settings hold Spark and Delta to the locked versions.
        command = [UV, "pip", "install", "--no-config", "--quiet", *asked(versions, place)]
        subprocess.run(command, env=settings, check=True)
        stamp.touch()
    return python


def asked(versions: Versions, place: Path) -> list[str | Path]:
    """Uv's options and packages of an environment; the options' files are written into a directory."""
    constraints, overrides = place / "constraints.txt", place / "overrides.txt"
    constraints.write_text("\n".join(locked(versions.free)) + "\n", encoding="utf-8")
    # Delta's package names the pyspark that it was built with; the jar works with every later one of its line.
    overrides.write_text(f"pyspark[connect]=={versions.spark}\nimportlib-metadata>=1\n", encoding="utf-8")
    named = (f"pyspark[connect]=={versions.spark}", f"delta-spark=={versions.delta}", *PACKAGES)
    return ["--constraints", constraints, "--overrides", overrides, *named]


def locked(free: frozenset[str]) -> Iterator[str]:
    """The lock's versions without hashes, as constraints; none of the packages that are free."""
    for line in (PROJECT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        found = re.match(r"([A-Za-z0-9._-]+)==[^ ]+", line)
        if found and found[1] not in free:
            yield line.removesuffix("\\").strip()


def pip_settings() -> dict[str, str]:
    """Pip's configuration of this machine in uv's variables, as the set-up translates it."""
    described = importlib.util.spec_from_file_location("environment", PROJECT / ".ci" / "environment.py")
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return dict(module.uv_settings())


def outcome(python: Path, case: Case) -> tuple[str, float]:
    """Pytest's last line, and the seconds."""
    settings = ";".join(f"{key}={value}" for key, value in case.conf.items())
    own = {"PYTHONPATH": str(PROJECT), "SPARK_MONITOR_TEST_CONF": settings, "SPARK_MONITOR_TEST_MODE": case.mode}
    # -W default: what an older Spark warns of in its own code is no failure here.
    command = [
        python,
        "-m",
        "pytest",
        "-q",
        "-W",
        "default",
        "--timeout",
        str(TEST_SECONDS),
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        *case.tests,
    ]
    began = time.monotonic()
    log = PROJECT / f"{python.parents[1].name}" / f"{re.sub(r'[^a-z]+', '-', case.name.lower())}.log"
    with log.open("w", encoding="utf-8") as written:
        try:
            subprocess.run(
                command,
                cwd=PROJECT,
                env={**os.environ, **own},
                stdout=written,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"not ended after {SECONDS} s", time.monotonic() - began
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = re.sub(r" in [0-9.]+s.*", "", lines[-1].strip("= ")) if lines else "no output"
    return last, time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
